"""Ask a host for its chain, address by address, from this machine; no collector is needed.

Every address that the name resolves to is asked, private ones too: for TLS 1.3, and in TLS 1.2 for an
RSA and for an ECDSA chain. Exit 0 if a chain was served; 1 if none was.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.detect.probed import Answer, ProbeState
from collector.errors import PinfallError
from collector.model import Certificate, Hash
from collector.probing.asking import Found, chain_of
from collector.probing.roots import Roots, private_roots, public_roots
from collector.probing.tls import ClientCertificate
from collector.probing.trust import Trust, check
from collector.reports.certificates import facts, role
from collector.reports.hosts import read_host
from collector.reports.line import utc
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall probe api.example.com
  pinfall probe mqtt.example.com:8883 --json
  pinfall probe internal.example.com --roots private-ca.pem
  pinfall probe api.example.com --submit --name frankfurt

--submit also tells the collector (PINFALL_URL, PINFALL_TOKEN; or the 'up' of --data) what this machine
sees, of a host that is registered there. It keeps a chain only where its own roots trust it.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST[:PORT]", help="(default port: 443)")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--roots", type=Path, metavar="PEM", help="trust these, not the public ones"
    )
    parser.add_argument(
        "--client-cert", type=Path, metavar="PEM", help="shown to a server that asks who we are"
    )
    parser.add_argument("--client-key", type=Path, metavar="PEM", help="the key that fits it")
    parser.add_argument("--submit", action="store_true", help="tell the collector")
    parser.add_argument(
        "--name", metavar="VANTAGE", help="of this machine, with --submit: where it looks from"
    )
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    host, port = _place(told.host)
    if told.submit and not told.name:
        raise PinfallError("--submit: say where this machine looks from, by --name")
    client = _client(told)
    roots = _roots(told.roots)
    found = asyncio.run(chain_of(host, port, allow_private=True, client=client))
    trusts = _judged(found, host, roots)
    if not told.json:
        _print(host, port, found, trusts)
    made = _submit(told, host, port, found) if told.submit else None
    if told.json:
        print(json.dumps({**_json(host, port, found, trusts), "submitted": made}, indent=2))
    return 0 if any(answer.state is ProbeState.SERVED for answer in found.answers) else 1


def _place(text: str) -> tuple[str, int]:
    try:
        host, port = read_host(text)
    except ValueError:
        raise PinfallError(f"'{shown(text, 80)}': not a host name") from None
    return host, 443 if port is None else port


def _client(told: argparse.Namespace) -> ClientCertificate | None:
    if (told.client_cert is None) != (told.client_key is None):
        raise PinfallError("--client-cert and --client-key: say both, or neither")
    return ClientCertificate(told.client_cert, told.client_key) if told.client_cert else None


def _roots(path: Path | None) -> Roots:
    if path is None:
        return public_roots()
    try:
        return private_roots(path.read_bytes())
    except ValueError as error:
        raise PinfallError(f"{shown(path)}: {error}") from None


Trusts = dict[tuple[Certificate, ...], Trust]


def _judged(found: Found, host: str, roots: Roots) -> Trusts:
    """By chain, in the order of the answers."""
    now = datetime.now(UTC)
    return {a.chain: check(a.chain, host, now, roots) for a in found.answers if a.chain}


def _print(host: str, port: int, found: Found, trusts: Trusts) -> None:
    numbers = {chain: number for number, chain in enumerate(trusts, 1)}
    print(f"{shown(host)}:{port}")
    for answer in found.answers:
        what = " ".join(part for part in (answer.address or "host", answer.asked) if part)
        state = f"chain {numbers[answer.chain]}" if answer.chain else str(answer.state)
        print(f"  {what:44} {state}{f': {shown(answer.detail)}' if answer.detail else ''}")
    for chain, number in numbers.items():
        trust = trusts[chain]
        words = "trusted" if trust.trusted else f"NOT trusted, {trust.problem}: {trust.told}"
        print(f"chain {number}: {shown(words, 600)}")
        for place, certificate in enumerate(chain):
            known = facts(certificate.der)
            times = f"{utc(known.not_before)} to {utc(known.not_after)}"
            print(f"  {role(place, certificate):12} {_pin(certificate)}  {times}")
            print(f"  {'':12} {shown(known.subject)}, {known.key or 'a key of no known type'}")


def _json(host: str, port: int, found: Found, trusts: Trusts) -> dict[str, Any]:
    """ASCII when it is written: what a server says cannot reach a terminal."""
    numbers = {chain: number for number, chain in enumerate(trusts)}
    return {
        "host": host,
        "port": port,
        "answers": [
            {**_plain(answer), "chain": numbers.get(answer.chain)} for answer in found.answers
        ],
        "chains": [
            {
                "trusted": trust.trusted,
                "problem": trust.problem,
                "told": trust.told,
                "certificates": [_certificate(place, c) for place, c in enumerate(chain)],
            }
            for chain, trust in trusts.items()
        ],
    }


def _plain(answer: Answer) -> dict[str, Any]:
    told = {"address": answer.address, "asked": answer.asked, "state": answer.state}
    return {**told, "detail": answer.detail}


def _certificate(place: int, told: Certificate) -> dict[str, Any]:
    known = facts(told.der)
    return {
        "role": role(place, told),
        "pin": _pin(told),
        "sha256": told.sha256.hex(),
        "subject": known.subject,
        "issuer": known.issuer,
        "sans": list(known.sans),
        "key_type": known.key,
        "not_before": utc(known.not_before),
        "not_after": utc(known.not_after),
        "der": base64.b64encode(told.der).decode(),
    }


def _pin(certificate: Certificate) -> str:
    return str(Hash("sha256", certificate.spki_sha256))


def _submit(told: argparse.Namespace, host: str, port: int, found: Found) -> dict[str, Any]:
    answers = [
        {**_plain(a), "chain": [base64.b64encode(c.der).decode() for c in a.chain]}
        for a in found.answers
    ]
    body = {"host": host, "port": port, "vantage": told.name, "answers": answers}
    made = request(told, "POST", "/api/v1/probes", body)
    for chain in [] if told.json else made["chains"]:
        words = "kept" if chain["kept"] else f"not kept, {shown(chain['problem'], 600)}"
        print(f"submitted {shown(chain['leaf'])}: {words}")
    return made
