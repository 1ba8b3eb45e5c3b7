"""What a preflight costs as pin sets grow: ``python -m bench.preflight [SETS]``, no server is needed.

Each set has pins of its own and every other one refuses the chain; 300 versions were used for 9 days. The
public roots are looked through as well. Printed: medians of ROUNDS,
of the clock and of the processor. Exit 1 if the latter is LIMIT or more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from statistics import median

from collector.detect.adoption import Use
from collector.detect.client_paths import path_of
from collector.detect.preflight import judge
from collector.detect.preflight_told import told_judgement
from collector.model import Certificate, Hash
from collector.pins.model import ShippedPinSet
from collector.probing.roots import public_certificates
from collector.reports.certificates import certificate_from_der
from collector.simulate.chains import Authority

ROUNDS = 5
LIMIT = 1.0  # seconds
HOST = "api.example.com"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def pin_sets(number: int, leaf: Certificate) -> Iterator[ShippedPinSet]:
    ours = Hash("sha256", leaf.spki_sha256)
    for n in range(number):
        other = Hash("sha256", sha256(str(n).encode()).digest())
        backup = Hash("sha256", sha256(b"backup" + str(n).encode()).digest())
        version = f"{n // 100}.{n % 100}"
        yield ShippedPinSet(
            host=HOST,
            app="com.example.wallet",
            platform="ANDROID",
            version_from=version,
            version_to=version if n % 3 else f"{version}.9",
            pins=(ours if n % 2 else other, backup),
        )


def uses() -> Iterator[Use]:
    for n in range(300):
        for ago in range(1, 10):
            day = NOW.date() - timedelta(days=ago)
            yield Use(
                "com.example.wallet", "ANDROID", f"{n // 10}.{n % 10}", day, "connections", 10.0 + n
            )


def seconds(number: int) -> list[tuple[float, float]]:
    """(by the clock, of the processor)."""
    chain = [certificate_from_der(der) for der in Authority.make("Bench").chain(HOST)[:2]]
    sets, used = list(pin_sets(number, chain[0])), list(uses())
    roots = public_certificates()
    told = []
    for _ in range(ROUNDS):
        began, spent = time.perf_counter(), time.process_time()
        path = path_of(chain, (), roots)
        judgement = judge(HOST, path, sets, at=NOW, today=NOW.date(), uses=used)
        told_judgement(judgement, served=[chain])
        told.append((time.perf_counter() - began, time.process_time() - spent))
    return told


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = seconds(number)
    clock, spent = (median(each) for each in zip(*rounds, strict=True))
    print(f"{number:,} pin sets: {clock:.2f} s, {spent:.2f} s of them of the processor")
    return 0 if spent < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
