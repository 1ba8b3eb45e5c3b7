"""The process that makes the load. One JSON object a line on standard input, answers likewise.

It tells "ready" when its connections are open, waits for a line, loads, tells "ended" at once (so
that who measures can look), then waits for the last answers and tells the round.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from bench.load import Load, Numbers
from bench.mix import Mix, Template


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


def _hear() -> dict[str, Any] | None:
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def main() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    mix = Mix()
    numbers = Numbers(mix)
    known: dict[str, list[Template]] = {}
    gc.freeze()
    gc.disable()
    _say(state="made")
    while (order := _hear()) is not None:
        path: str = order["path"]
        if path not in known:
            known[path] = mix.templates(path)
        make, again = numbers.requests(known[path], mix.fresh(path, order["fresh"]))
        load = Load(order["port"], order["connections"])
        _say(state="ready")
        if _hear() is None:
            break
        if order["kind"] == "idle":
            load.idle(order["seconds"])
        elif order["rate"] is None:
            load.closed_loop(make, order["seconds"])
        else:
            load.open_loop(make, order["seconds"], order["rate"])
        _say(state="ended")
        load.round.again = again()
        found = load.drain()
        load.close()
        _say(state="told", round=asdict(found))
        gc.collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
