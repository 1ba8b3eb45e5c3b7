"""Take out what is stored of one install id, or of a whole project. It cannot be undone.

Of an install: its violations, sightings and windows of connections, in every project or in one.
Counts in which nobody can be told stay. Backups made earlier still hold it.
"""

from __future__ import annotations

import argparse
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall forget --install 7c1b6f0e-6b5d-4a51-9e0c-0b2a3c0f9d11
  pinfall forget --install 7c1b6f0e-… --project wallet
  pinfall forget --project wallet --yes
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--install", metavar="ID", help="as the client sends it")
    parser.add_argument("--project", metavar="NAME", help="alone: the project and all that is its")
    parser.add_argument("--yes", action="store_true", help="yes, the whole project")
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    if told.install:
        wanted = {"install": told.install, "project": told.project}
        gone = request(told, "POST", "/api/v1/forget", wanted)
        print(
            f"forgot {gone['violations']} violations and {gone['windows']} windows of connections"
        )
        return 0
    if not told.project:
        raise PinfallError("say --install ID, or --project NAME")
    if not told.yes:
        raise PinfallError(
            f"this deletes '{shown(told.project)}' with all its reports and keys: say --yes"
        )
    request(told, "DELETE", f"/api/v1/projects/{quote(told.project, safe='')}")
    print(f"forgot project '{shown(told.project)}'")
    return 0
