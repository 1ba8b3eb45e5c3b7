"""One target under atheris, in a process of its own: libFuzzer does not come back.

    python -m tests.fuzz.worker TARGET FOUND-DIRECTORY [libFuzzer's arguments]

What is found does not end it: the first input for each place that fails is written to the
directory, and the search goes on.
"""

from __future__ import annotations

import random
import sys
import traceback
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["collector"]):
    from tests.fuzz import targets
    from tests.fuzz.mutate import mutated


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/collector/" in f.filename]
    return f"{type(error).__name__} {last.filename}:{last.lineno} {ours[-1:] and ours[-1].lineno}"


def main() -> None:
    name, found = sys.argv[1], Path(sys.argv[2])
    target, seen = targets.TARGETS[name], set()

    def once(raw: bytes) -> None:
        try:
            targets.run(name, raw)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what we look for)
            place = _place(error)
            if place not in seen:
                seen.add(place)
                (found / sha256(raw).hexdigest()[:16]).write_bytes(raw)
                print(f"found: {place}: {str(error)[:200]}", file=sys.stderr, flush=True)

    def mutate(raw: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        told = mutated(raw, chance) if chance.random() < 0.7 else None
        return told[:most] if told else bytes(atheris.Mutate(raw, most))

    arguments = [sys.argv[0], *sys.argv[3:]]
    if target.json:
        atheris.Setup(arguments, once, custom_mutator=mutate)
    else:
        atheris.Setup(arguments, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
