"""Bring the database of PINFALL_DATABASE_URL to the newest schema. Safe to run from many replicas
at once. ('pinfall up' does this by itself.)
"""

from __future__ import annotations

import argparse

from collector.commands.serve import database_url, set_up
from collector.settings import load_settings
from collector.store.migrate import migrate

EXAMPLES = """examples:
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall migrate
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", default="head", metavar="REVISION", help="stop there, or go back to it"
    )


def run(told: argparse.Namespace) -> int:
    settings = load_settings()
    set_up(settings)
    before, after = migrate(database_url(settings), told.to)
    print(
        f"schema: {before or 'none'} -> {after}" if before != after else f"schema: {after} already"
    )
    return 0
