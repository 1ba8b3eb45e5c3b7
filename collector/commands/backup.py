"""Write all data to one file (pg_dump's custom format), also while 'pinfall up' runs.

Of PINFALL_DATABASE_URL where it is set, else of the embedded PostgreSQL of --data. With 'restore'
it is the way to another PostgreSQL major, and to your own PostgreSQL.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from collector.commands.dumps import database, program
from collector.commands.options import add_data, data_directory
from collector.errors import PinfallError
from collector.settings import load_settings

EXAMPLES = """examples:
  pinfall backup pinfall.dump
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall backup pinfall.dump
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    target: Path = told.file.absolute()
    if not target.parent.is_dir():
        raise PinfallError(f"{target.parent} is no directory")
    if target.exists():
        raise PinfallError(f"{target} is there already; name another file")
    partial = target.with_name(target.name + ".part")
    try:
        partial.touch(mode=0o600)  # it holds every secret of the database
    except OSError as error:
        raise PinfallError(f"{partial}: {error.strerror}") from error
    try:
        with database(load_settings(), data_directory(told), fresh=False) as (url, (binaries, *_)):
            options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={partial}"]
            done = program(binaries, "pg_dump", options, url)
        if done.returncode:
            words = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
            raise PinfallError(f"pg_dump of PostgreSQL {binaries.major}: {words[0]}")
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(target)
    print(
        f"{target}: {target.stat().st_size / 1e3:,.0f} kB, by pg_dump of PostgreSQL {binaries.major}"
    )
    return 0
