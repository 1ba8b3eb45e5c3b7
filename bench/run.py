"""`./pinfall bench`: what the collector costs on this machine, and whether that is good enough.

Exit 0 if every "must" is met, 1 if one is not (it says which), 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from collector.errors import PinfallError

_BENCHES = (
    ("ingest", "reports a second against bare HTTP and against an INSERT a request"),
    ("queries", "pages and API queries as violations grow tenfold"),
    ("memory", "memory at saturation, and with 2,000 open connections"),
    ("detection", "the spike detector over simulated hosts: pages, and microseconds a look"),
    ("watcher", "what a look of the watcher costs with thousands of hosts"),
    ("service", "reports over HTTP to pages, in scenarios whose truth is known"),
    ("causes", "which causes are judged right, of cases whose cause is known"),
)
_EPILOG = """examples:
  ./pinfall bench ingest
  ./pinfall bench queries --rows 1000000,10000000 --out out
  ./pinfall bench memory --minutes 10
  ./pinfall bench causes
"""


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="pinfall bench", description=__doc__, epilog=_EPILOG, formatter_class=shape
    )
    benches = parser.add_subparsers(dest="bench", required=True, metavar="BENCH")
    for name, told in _BENCHES:
        module = importlib.import_module(f"bench.{name}")
        sub = benches.add_parser(
            name,
            help=told,
            description=module.__doc__,
            epilog=module.EXAMPLES,
            formatter_class=shape,
        )
        module.arguments(sub)
        sub.add_argument("--out", type=Path, metavar="DIR", help="write JSON and a picture there")
        sub.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="where the database goes (default: temporary files)",
        )
        sub.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str]) -> int:
    told = _parser().parse_args(arguments)
    if sys.platform != "linux":
        print("pinfall bench: reads /proc, so it needs Linux", file=sys.stderr)
        return 1
    try:
        return int(told.run(told))
    except (PinfallError, OSError) as error:
        print(f"pinfall bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
