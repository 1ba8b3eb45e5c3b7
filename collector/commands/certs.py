"""Public keys that you had certified yourselves. Reports whose chain has such a leaf are never held
back by the caps on new things, so a rotation is seen at once and in full, whatever else is sent. Register
a key before it is served. (Later versions also tell your own rotations from interception by it.)
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall certs add /etc/letsencrypt/live/api.example.com/fullchain.pem
  pinfall certs add next.pem --project wallet --note 'from 1 December'
  pinfall certs add sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
  pinfall certs list
  pinfall certs remove sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

Of a chain the leaf counts: the authorities in it are left out. Of a file only the certificates are
sent, never a private key beside them.
"""
# Bounded: a certificate is no longer than this.
_PEM = re.compile(
    r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[A-Za-z0-9+/=\s]{1,100000}-----END"
)
_PIN = ("sha256/", "pin-sha256")
_LARGEST = 8 * 1024 * 1024  # bytes of a file


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="register keys, by their certificates or pins")
    add.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="PEM, one certificate or several; or a sha256/… pin",
    )
    add.add_argument("--project", metavar="NAME", help="where they count (default: everywhere)")
    add.add_argument("--note", default="", metavar="N", help="what a person should know of it")
    add_data(add)
    listing = actions.add_parser("list", help="registered keys")
    listing.add_argument("--project", metavar="NAME", help="those that count there (default: all)")
    add_data(listing)
    remove = actions.add_parser("remove", help="register a key no longer")
    remove.add_argument("pin", metavar="PIN", help="as the list shows it")
    remove.add_argument("--project", metavar="NAME", help="there only (default: everywhere)")
    add_data(remove)


def run(told: argparse.Namespace) -> int:
    of = f"?project={quote(told.project, safe='')}" if told.project else ""
    if told.action == "add":
        return _add(told)
    if told.action == "remove":
        request(told, "DELETE", f"/api/v1/certs/{quote(told.pin, safe='')}{of}")
        print("removed; every process knows within 10 s")
        return 0
    certs = request(told, "GET", f"/api/v1/certs{of}")["certs"]
    for cert in certs:
        place = "all projects" if cert["project"] is None else cert["project"]
        facts = [cert["subject"], cert["note"], f"by {cert['added_by']} {cert['added_at']}"]
        told_of = ", ".join(shown(fact) for fact in facts if fact)
        print(f"{cert['pin']}  {shown(place):16} {told_of}")
    if not certs:
        print("no key yet")
    return 0


def _add(told: argparse.Namespace) -> int:
    pins = [text for text in told.files if text.startswith(_PIN)]
    pems = [pem for text in told.files if not text.startswith(_PIN) for pem in certificates(text)]
    wanted = {
        "certificates": pems,
        "pins": pins,
        "project": told.project,
        "note": told.note,
    }
    made = request(told, "POST", "/api/v1/certs", wanted)
    for cert in made["certs"]:
        state = "" if cert["is_new"] else "known already"
        print("  ".join(shown(part) for part in (cert["pin"], cert["subject"], state) if part))
    for issuer in made["issuers"]:
        print(f"left out, an authority: {shown(issuer['subject'])}", file=sys.stderr)
    return 0


def certificates(name: str) -> list[str]:
    """Those in a file, each as PEM. Raises PinfallError or OSError."""
    path = Path(name)
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise PinfallError(f"{shown(path)}: more than {_LARGEST} bytes")
    found = [match[0] + " CERTIFICATE-----" for match in _PEM.finditer(data.decode("latin-1"))]
    if not found:
        raise PinfallError(f"{shown(path)}: no certificate in PEM")
    return found
