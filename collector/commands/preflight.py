"""Who breaks if this chain is served? For a pipeline, before it deploys a certificate.

Pin sets are those that were registered with `pinfall pins import`; with --pins FILE they are those of the
files, and no server is asked, unless --project says so: then both count.

Exit 0 nobody breaks; 1 somebody does; 3 nobody is known to, but some are unknown, or no pin set is
registered; 2 wrong usage, or a file that cannot be read; 4 the server did not answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from collector.commands.chainfiles import chain_file, only_public, read_bytes
from collector.commands.coded import coded
from collector.commands.options import add_data
from collector.commands.preflight_lines import lines
from collector.commands.remote import request
from collector.detect.preflight import judge
from collector.detect.preflight_told import told_judgement
from collector.errors import NoAnswerError, PinfallError
from collector.model import Certificate
from collector.pins.model import ShippedPinSet
from collector.pins.readers import LIMIT, read
from collector.probing.asking import chain_of
from collector.reports.line import utc
from collector.reports.pem import ChainFile
from collector.web.api.preflight_asked import host_of, path_of_files, share_of, time_of

EXAMPLES = """examples:
  pinfall preflight api.example.com --chain new.pem
  pinfall preflight api.example.com --chain next.csr --issuer intermediate.pem
  pinfall preflight api.example.com --chain new.pem --pins app/res/xml/network_security_config.xml
  pinfall preflight api.example.com --staging staging.example.com:443 --max-share 0.1%
  pinfall preflight api.example.com --chain new.pem --at 2026-12-01T06:00:00Z --json
"""
ReadPins = Callable[[bytes, str], Sequence[ShippedPinSet]]


def ask_staging(host: str, port: int) -> Sequence[Certificate]:
    """What a staging endpoint serves first. Raises NoAnswerError."""
    found = asyncio.run(chain_of(host, port, allow_private=True))
    for answer in found.answers:
        if answer.chain:
            return answer.chain
    why = next((answer.state for answer in found.answers), "no address")
    raise NoAnswerError(f"{host}:{port} serves no chain: {why}")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--chain",
        metavar="FILE",
        help="PEM in any order, DER, PKCS#7, or a request (CSR); '-': stdin",
    )
    what.add_argument("--staging", metavar="HOST:PORT", help="the chain that is served there")
    parser.add_argument("--issuer", metavar="FILE", help="of a request, or a private root")
    parser.add_argument("--at", metavar="T", help="when it will be served (default: now)")
    parser.add_argument(
        "--pins", nargs="+", metavar="FILE", default=[], help="pin sets of releases"
    )
    parser.add_argument("--project", metavar="P", help="(default: default)")
    parser.add_argument("--app", metavar="A", help="of this app only")
    parser.add_argument("--json", action="store_true", help="the whole judgement")
    parser.add_argument("--allow-unknown", action="store_true", help="0 instead of 3")
    parser.add_argument("--max-share", metavar="S", help="0 instead of 1 up to this share: 0.1%%")
    add_data(parser)


def run(told: argparse.Namespace, read_pins: ReadPins = read) -> int:
    return coded(lambda: _run(told, read_pins))


def _run(told: argparse.Namespace, read_pins: ReadPins) -> int:
    answer = _judged(told, read_pins)
    if told.json:
        print(json.dumps(answer, indent=2))
    else:
        for line in lines(answer):
            print(line)
    return int(answer["exit"])


def _judged(told: argparse.Namespace, read_pins: ReadPins) -> dict[str, Any]:
    host = host_of(told.host)
    most = share_of(told.max_share)
    now = datetime.now(UTC).replace(microsecond=0)
    at = time_of({"at": told.at}, now)
    file = _chain(told, host)
    issuer = chain_file(told.issuer) if told.issuer else None
    sets = [one for name in told.pins for one in _pins(name, read_pins)]
    if told.pins and told.project is None:
        judgement = judge(
            host, path_of_files(file, issuer), sets, at=at, today=now.date(), app=told.app
        )
        return told_judgement(
            judgement, notes=file.notes, allow_unknown=told.allow_unknown, max_share=most
        )
    wanted = {
        "host": host,
        "chain": only_public(file),
        "issuer": only_public(issuer) if issuer else None,
        "at": utc(at),
        "project": told.project or "default",
        "app": told.app,
        "pin_sets": [_plain(one) for one in sets],
        "allow_unknown": told.allow_unknown,
        "max_share": told.max_share,
    }
    answer = request(told, "POST", "/api/v1/preflight", wanted)
    if "exit" not in answer:
        raise NoAnswerError("what answers is no pinfall that knows preflight")
    return {**answer, "notes": list(dict.fromkeys([*file.notes, *answer["notes"]]))}


def _chain(told: argparse.Namespace, host: str) -> ChainFile:
    if told.chain is not None:
        return chain_file(told.chain, host)
    name, _, port = told.staging.rpartition(":")
    if not name or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise PinfallError("--staging: should be HOST:PORT")
    return ChainFile(chain=tuple(ask_staging(name.strip("[]"), int(port))))


def _pins(name: str, read_pins: ReadPins) -> Sequence[ShippedPinSet]:
    return read_pins(read_bytes(name, LIMIT), name)


def _plain(one: ShippedPinSet) -> dict[str, object]:
    return {
        "host": one.host,
        "include_subdomains": one.include_subdomains,
        "app": one.app,
        "platform": one.platform,
        "version_from": one.version_from,
        "version_to": one.version_to,
        "pins": [str(pin) for pin in one.pins],
        "enforced": one.enforced,
        "expires": utc(one.expires),
        "format": one.format,
        "source": one.source,
    }
