"""What a look of the watcher costs with many hosts: CPU of this process and of Postgres, and the time it takes.

Each host has a served chain that a probe sees, a registered pin set, and three weeks of a failure now and
then. Then some rotate, and of those five new installs fail each minute. A look is of one minute; the first,
which learns what is usual, stands apart.

Exit 0 if a look takes at most 20 s of CPU and all that fail page, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from bench.database import postgres
from bench.proc import cpu_seconds, descendants
from collector.metrics import Metrics
from collector.store import lease
from collector.watch.settling import Settling
from collector.watch.watcher import Watcher

EXAMPLES = """examples:
  python -m bench.watcher --hosts 5000
  python -m bench.watcher --hosts 500 --failing 50 --looks 3
"""
_MOST = 20.0  # seconds of CPU, ours and that of Postgres, that a look of a minute may take
_MINUTE = timedelta(minutes=1)
_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_ADMIT = """
INSERT INTO host (project, name, admitted_at) SELECT p.id, given, $2 FROM project p, unnest($1::text[]) given
"""
_SERVE = """
INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)
SELECT substr(sha256(leaf || host::bytea), 1, 16), host, 443, ARRAY[der], leaf, true, $4, $5
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS t(host, der, leaf)
"""
_PROBED = """
INSERT INTO probe_state (host, port, vantage, address, asked, state, chain, at, since)
SELECT host, 443, 'here', '198.51.100.1', 'tls1.3', 'served', id, $1, first_seen FROM served_chain
WHERE first_seen <= $1
ON CONFLICT (host, port, vantage, address, asked) DO UPDATE SET chain = excluded.chain, at = excluded.at
"""
_ROTATE = """
INSERT INTO rotation (host, at, probed_at, old_leaves, new_leaves, ders, note, state, state_at)
SELECT host, $2, $2, ARRAY[leaf], ARRAY[sha256(host::bytea)], '{}', '', 'done', $2
FROM served_chain WHERE host = ANY($1)
"""
_SHIP = """
INSERT INTO shipped_pin_set (project, host, include_subdomains, app, platform, pins, enforced, report_uris,
    format, source, imported_at, imported_by)
SELECT p.id, given, false, 'wallet', 'IOS', ARRAY['sha256/' || encode(sha256(given::bytea), 'base64')], true,
    '{}', 'plist', '', $2, 'bench'
FROM project p, unnest($1::text[]) given
"""
_FAIL = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, app, app_version, platform)
SELECT p.id, host, 'self', sha256((host || n || $4)::bytea), false, $2::timestamptz - n * $5::interval,
    true, sha256((host || n)::bytea), sha256((n % 97)::text::bytea), '', 'wallet', '1.0', 'IOS'
FROM project p, unnest($1::text[]) host, generate_series(1, $3::int) n
"""
_SEE = """
INSERT INTO sighting (project, host, kind, install, estimated, signature, network, operator_network,
    received_at, environment, app, app_version, platform, class)
SELECT project, host, 'pin_mismatch', install, false, '\\x00', network, operator_network, at, 'production',
    app, app_version, platform, class
FROM counted_install WHERE at >= $1
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--failing", type=int, default=50, help="that fail, in the second half")
    parser.add_argument("--looks", type=int, default=5, help="of each kind")


def _leaf(host: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(_NOW - timedelta(days=40))
        .not_valid_after(_NOW + timedelta(days=50)).sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(Encoding.DER)


async def _fill(pool: asyncpg.Pool, names: Sequence[str]) -> None:
    ders, leaves = [], []
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        ders.append(_leaf(name, key))
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(spki)
        leaves.append(digest.finalize())
    await pool.execute(_ADMIT, names, _NOW - timedelta(days=60))
    await pool.execute(_SERVE, names, ders, leaves, _NOW - timedelta(days=40), _NOW)
    await pool.execute(_SHIP, names, _NOW - timedelta(days=40))
    await pool.execute(_FAIL, names, _NOW, 60, "before", timedelta(hours=8, minutes=7))
    await pool.execute("ANALYZE")


async def _measure(url: str, told: argparse.Namespace, server: int) -> dict[str, object]:
    names = [f"h{n:05d}.example.com" for n in range(told.hosts)]
    clock = [_NOW]
    async with asyncpg.create_pool(url, min_size=1, max_size=4) as pool:
        await _fill(pool, names)
        async with pool.acquire() as connection:
            epoch = await lease.take(connection, "bench")
        assert epoch is not None
        watcher = Watcher(pool, Metrics(), lambda: clock[0], Settling(pool))

        async def look() -> tuple[float, float, float]:
            """Seconds of CPU here, of CPU in Postgres, and of waiting, of one look."""
            clock[0] += _MINUTE
            await pool.execute(_PROBED, clock[0])
            await pool.execute("UPDATE served_chain SET last_seen = $1", clock[0])
            processes = descendants(server)
            here, there, wall = time.process_time(), cpu_seconds(processes), time.perf_counter()
            assert await watcher.look(epoch)
            return (
                time.process_time() - here,
                cpu_seconds(processes) - there,
                time.perf_counter() - wall,
            )

        found = {"first": [await look()], "quiet": [await look() for _ in range(told.looks)]}
        failing = names[: told.failing]
        await pool.execute(_ROTATE, failing, clock[0])
        found["failing"] = []
        for n in range(told.looks):
            await pool.execute(_FAIL, failing, clock[0] + _MINUTE, 5, f"now {n}", timedelta())
            await pool.execute(_SEE, clock[0] + _MINUTE)
            found["failing"].append(await look())
        alerts = await pool.fetchval("SELECT count(*) FROM alert WHERE severity = 'page'")
    table = {
        kind: dict(zip(("cpu", "postgres", "wall"), map(statistics.median, zip(*some, strict=True)), strict=True))
        for kind, some in found.items()
    }  # fmt: skip
    return {"hosts": told.hosts, "failing": told.failing, "pages": alerts, "seconds": table}


def run(told: argparse.Namespace) -> int:
    with postgres(told.data) as database:
        url, _ = database.collector_database("watched", [])
        found = asyncio.run(_measure(url, told, database.pid))
    seconds = found["seconds"]
    assert isinstance(seconds, dict)
    print(
        f"{told.hosts} hosts, {told.failing} of them fail in the last looks ({found['pages']} pages)"
    )
    for kind, some in seconds.items():
        print(f"{kind:8} look: {some['cpu']:6.2f} s of CPU, {some['postgres']:6.2f} s in Postgres, "
              f"{some['wall']:6.2f} s")  # fmt: skip
    if told.out:
        told.out.mkdir(parents=True, exist_ok=True)
        (told.out / "watcher.json").write_text(json.dumps(found, indent=2) + "\n")
    worst = max(seconds[kind]["cpu"] + seconds[kind]["postgres"] for kind in ("quiet", "failing"))
    return 0 if worst <= _MOST and found["pages"] == told.failing else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.watcher", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="DIR")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
