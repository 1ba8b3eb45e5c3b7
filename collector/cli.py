"""The command line. One module a group of commands, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from collector import __version__
from collector.errors import PinfallError, SettingsError
from collector.web.shown import shown

# name, module in collector.commands, one line for --help
_COMMANDS = (
    ("up", "up", "everything on one machine: PostgreSQL, collector, pages"),
    ("serve", "serve", "the collector on your own PostgreSQL"),
    ("migrate", "migrate", "bring the database to the newest schema"),
    ("backup", "backup", "write all data to one file"),
    ("restore", "restore", "fill an empty database from such a file"),
    ("check", "check", "read settings and files, report every mistake at once"),
    ("parse", "parse", "show how a report is read, without a server"),
    ("send", "send", "post report files, show what the server answered"),
    (
        "simulate",
        "simulate",
        "play a fleet of clients, with a rotation that goes wrong, or a proxy",
    ),
    ("demo", "demo", "watch a rotation go wrong, the page it makes, and its end"),
    ("project", "project", "make, change and list projects"),
    ("key", "key", "make, list, limit, disable and enable ingest keys"),
    ("host", "host", "register hosts, see which are proposed"),
    ("probe", "probe", "the chain that a host serves, address by address"),
    ("certs", "certs", "public keys that you had certified yourselves"),
    ("alerts", "alerts", "what is wrong now; acknowledge, silence, resolve, note"),
    ("notify-test", "notify_test", "send a test alert to channels"),
    ("rotation", "rotation", "declare when a host's keys change, see when they did"),
    ("pins", "pins", "what clients pin: import, list, lint, prove"),
    ("token", "token", "who may use the operator listener, and as what"),
    ("connections", "connections", "import success counts of a CDN or a load balancer"),
    ("preflight", "preflight", "who breaks if this chain is served"),
    ("readiness", "readiness", "what enforcing pins would have blocked, and who was never heard"),
    ("adoption", "adoption", "how many use which version: import it, see it"),
    ("audit", "audit", "who changed what, and when"),
    ("forget", "forget", "take out what is stored of an install, or of a project"),
)
_EPILOG = """examples:
  pinfall up                          start everything, print a URL for reports
  pinfall parse report.json           how is this report read?
  pinfall COMMAND --help              what a command takes, with examples

in a checkout, also:
  ./pinfall test                      lint, types, import rules and tests
  ./pinfall bench                     what ingest, queries and memory cost here
"""


def _parser(only: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pinfall",
        description="Receives certificate-pin failure reports, counts each once, shows what they mean.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pinfall {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module, told in _COMMANDS:
        if only in (None, name):
            loaded = importlib.import_module(f"collector.commands.{module}") if only else None
            sub = commands.add_parser(
                name,
                help=told,
                description=loaded.__doc__ if loaded else told,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                epilog=getattr(loaded, "EXAMPLES", None),
            )
            if loaded:
                loaded.arguments(sub)
                sub.set_defaults(run=loaded.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 on success, 1 when the command says no, 2 on wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = {name for name, _, _ in _COMMANDS}
    first = next((argument for argument in arguments if not argument.startswith("-")), None)
    told = _parser(first if first in names else None).parse_args(arguments)
    try:
        code = int(told.run(told))
        sys.stdout.flush()
        return code
    except SettingsError as error:
        for line in str(error).splitlines():
            print(f"pinfall: {shown(line, 2000)}", file=sys.stderr)
        return 1
    except PinfallError as error:
        print(f"pinfall: {shown(error, 2000)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `pinfall parse … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:  # a file or a directory that cannot be used
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        place = f"{error.filename}: " if error.filename else ""
        print(f"pinfall: {place}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
