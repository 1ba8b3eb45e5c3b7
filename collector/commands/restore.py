"""Fill an empty database from a file of 'pinfall backup', then bring it to the newest schema.

Into PINFALL_DATABASE_URL where it is set, else into a new embedded PostgreSQL in --data.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

from collector.commands import running
from collector.commands.dumps import database, is_empty, program
from collector.commands.options import add_data, data_directory
from collector.errors import PinfallError
from collector.settings import load_settings
from collector.store.migrate import migrate

EXAMPLES = """examples:
  pinfall restore pinfall.dump --data ./new-data
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall restore pinfall.dump
"""
# A newer pg_restore sets what an older server does not know; it changes nothing of the data.
_HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    add_data(parser)


def _failure(code: int, said: str) -> str:
    """What went wrong, in one line; "" if nothing did."""
    if not code:
        return ""
    errors = [line for line in said.splitlines() if "error:" in line or "ERROR:" in line]
    serious = [line for line in errors if not _HARMLESS.search(line)]
    if errors and not serious:
        return ""
    return (serious or said.strip().splitlines() or [f"exit {code}"])[0]


def run(told: argparse.Namespace) -> int:
    source: Path = told.file
    if not source.is_file():
        raise PinfallError(f"{source}: no such file")
    if source.open("rb").read(5) != b"PGDMP":
        raise PinfallError(f"{source} is no file of 'pinfall backup'")
    settings = load_settings()
    data = data_directory(told)
    if not settings.database_url and running.find(data):
        raise PinfallError(f"{data} is in use; stop 'pinfall up' first, or use another --data")
    with database(settings, data, fresh=True) as (url, programs):
        if not asyncio.run(is_empty(url)):
            raise PinfallError(
                "the database is not empty; restore into a new one, or another --data"
            )
        why = ""
        for binaries in programs:
            options = ["--no-owner", "--no-privileges", "--dbname", "", str(source.absolute())]
            done = program(binaries, "pg_restore", options, url)
            why = _failure(done.returncode, done.stderr)
            if "unsupported version" not in why:  # made by a newer pg_dump: a newer one reads it
                break
        if why:
            raise PinfallError(f"pg_restore of PostgreSQL {binaries.major}: {why}")
        _, after = migrate(url)
    print(f"restored; schema {after}")
    return 0
