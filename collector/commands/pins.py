"""What clients pin: register what a release ships, see it, check it, and show that backup keys exist.

'lint FILE' needs no server; 'lint' without a file asks the collector, which knows
what the hosts served. Exit 0 where nothing is wrong; 1 where lint found an error, or with --strict a
warning, or something is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from collector.commands import verdict
from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.pins.findings import Severity, releases
from collector.pins.keys import public_parts
from collector.pins.known import Known
from collector.pins.lint import MINIMUM, lint
from collector.pins.model import ShippedPinSet
from collector.pins.readers import LIMIT, PinFile, read_file
from collector.pins.readers.own import as_entry
from collector.pins.release import Release, read_release
from collector.probing.roots import public_certificates
from collector.web.api.pin_lint import plain
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall pins import Info.plist --project wallet --version 8.24.1
  pinfall pins import res/xml/network_security_config.xml --app com.example.wallet --from 8.0 --to 8.24
  pinfall pins list --project wallet
  pinfall pins lint Info.plist Pins.kt           before they are shipped, without a server
  pinfall pins lint api.example.com              beside what the host serves
  pinfall pins prove backup.csr --project wallet

Read are TrustKit (plist, JSON, XML), Android's network-security-config, NSPinnedDomains, OkHttp's
CertificatePinner in Kotlin or Java, ssl_config.json, and pins.json (docs/pins.md).
"""
_LARGEST_PEM = 400_000  # bytes


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    into = actions.add_parser("import", help="register what a release ships")
    into.add_argument("file", metavar="FILE")
    into.add_argument("--project", default="default", metavar="NAME", help="(default: default)")
    into.add_argument("--app", metavar="A", help="as reports name it (default: as the file says)")
    into.add_argument("--version", metavar="V", help="of this version alone")
    into.add_argument("--from", dest="version_from", metavar="V", help="from this version on")
    into.add_argument("--to", dest="version_to", metavar="V", help="up to this version")
    into.add_argument("--platform", choices=("ios", "android", "macos", "tvos", "watchos"))
    into.add_argument("--starts", metavar="T", help="when the release comes out: RFC 3339")
    into.add_argument("--json", action="store_true", help="what the collector answered")
    add_data(into)
    listing = actions.add_parser("list", help="registered pin sets, and what reports agree on")
    listing.add_argument("--project", metavar="NAME", help="(default: all)")
    listing.add_argument("--app", metavar="A", help="of this app")
    listing.add_argument("--host", metavar="HOST", help="for this host")
    listing.add_argument("--json", action="store_true", help="what the collector answered")
    add_data(listing)
    check = actions.add_parser("lint", help="what is wrong with pin sets")
    check.add_argument("what", nargs="*", metavar="FILE|HOST", help="(default: all registered)")
    check.add_argument("--project", metavar="NAME", help="(default: all)")
    check.add_argument(
        "--minimum", type=int, default=MINIMUM, metavar="N", help="pins of a set, for files"
    )
    check.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    check.add_argument("--json", action="store_true", help="one line of JSON a finding")
    add_data(check)
    prove = actions.add_parser("prove", help="show that the key of a pin exists")
    prove.add_argument(
        "file", metavar="FILE", help="a certificate or a request (CSR) for it, in PEM"
    )
    prove.add_argument("--project", default="default", metavar="NAME", help="(default: default)")
    add_data(prove)
    verdict.add_to(actions)
    remove = actions.add_parser("remove", help="register a pin set no longer")
    remove.add_argument("id", type=int, metavar="ID", help="as the list shows it")
    add_data(remove)


def run(told: argparse.Namespace) -> int:
    if told.action == "import":
        return _import(told)
    if told.action == "list":
        return _list(told)
    if told.action == "lint":
        return _lint(told)
    if told.action == "prove":
        return _prove(told)
    if told.action == "verdict":
        return verdict.run(told)
    gone = request(told, "DELETE", f"/api/v1/pin-sets/{told.id}")
    print(f"removed {shown(gone['host'])}; it stays a host of '{shown(gone['project'])}'")
    return 0


def read(name: str) -> PinFile:
    """A file with pins; a large one is refused by its size. Raises PinfallError or OSError."""
    path = Path(name)
    with path.open("rb") as file:
        data = file.read(LIMIT + 1)
    return read_file(data, path.name)


def _release(told: argparse.Namespace) -> Release:
    if told.version and (told.version_from or told.version_to):
        raise PinfallError("say --version, or --from and --to")
    return read_release(
        {
            "app": told.app,
            "platform": told.platform,
            "version_from": told.version or told.version_from,
            "version_to": told.version or told.version_to,
            "starts": told.starts,
        }
    )


def _import(told: argparse.Namespace) -> int:
    release = _release(told)
    found = read(told.file)
    shipped = [release.of(one) for one in found.sets]
    sets = [as_entry(one) for one in shipped]
    made = request(told, "POST", "/api/v1/pin-sets", {"project": told.project, "sets": sets})
    warnings = dict.fromkeys([*found.warnings, *made["warnings"]])
    if told.json:
        print(json.dumps({**made, "warnings": list(warnings)}))
        return 0
    for one in made["pin_sets"]:
        state = "known already, no change" if one["result"] == "known" else one["result"]
        print(f"{_line(one)}  {state}")
    for pattern in made["registered"]:
        print(f"registered {shown(pattern)} in '{shown(told.project)}'")
    _warn(list(warnings))
    for missing, option in (("app", "--app"), ("version_from", "--version, or --from and --to")):
        if any(getattr(one, missing) is None for one in shipped) and (
            missing == "app" or not told.version_to
        ):
            what = missing.partition("_")[0]
            print(
                f"note: it counts for every {what}: say {option} where that is not so",
                file=sys.stderr,
            )
    return 0


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        print(f"warning: {shown(warning)}", file=sys.stderr)


def _line(one: dict[str, Any]) -> str:
    """host, releases, pins: of a row of the API."""
    entry = ShippedPinSet(
        host="",
        pins=(),
        **{key: one[key] for key in ("app", "platform", "version_from", "version_to")},
    )
    under = " and under" if one["include_subdomains"] else ""
    pins = f"{len(one['pins'])} pins" if len(one["pins"]) != 1 else "1 pin"
    pins = pins if one["pins"] else "taken out"
    return f"{shown(one['host'] + under):40} {shown(releases(entry)):44} {pins}"


def _list(told: argparse.Namespace) -> int:
    asked = {"project": told.project, "app": told.app, "host": told.host, "limit": 1000}
    query = urlencode({key: value for key, value in asked.items() if value is not None})
    listed = request(told, "GET", f"/api/v1/pin-sets?{query}")
    if told.json:
        print(json.dumps(listed))
        return 0
    for one in listed["pin_sets"]:
        facts = [
            "" if one["enforced"] is not False else "not enforced",
            f"expires {one['expires'][:10]}" if one["expires"] else "",
            f"{len(one['proven'])} proven" if one["proven"] else "",
            f"{one['source']} by {one['imported_by']} {one['imported_at'][:10]}",
        ]
        told_of = ", ".join(shown(fact) for fact in facts if fact)
        print(f"{one['id']:>6}  {_line(one)}  {told_of}")
    for one in listed["learned"]:
        version = f"{one['app']} {one['platform']} {one['app_version']}"
        print(
            f"reported  {shown(one['host']):38} {shown(version):44} {len(one['pins'])} pins"
            f"  {one['installs']} installs in {one['networks']} networks agree"
        )
    if not listed["pin_sets"] and not listed["learned"]:
        print("no pin set yet")
    return 0


def _lint(told: argparse.Namespace) -> int:
    files = [name for name in told.what if Path(name).exists() or "/" in name]
    hosts = [name for name in told.what if name not in files]
    findings: list[dict[str, Any]] = []
    count = 0
    if files:
        sets: list[ShippedPinSet] = []
        for name in files:
            found = read(name)
            sets += found.sets
            _warn([f"{Path(name).name}: {warning}" for warning in found.warnings])
        known = Known(authorities=public_certificates())
        findings += [plain(one) for one in lint(sets, datetime.now(UTC), known, told.minimum)]
        count += len(sets)
    for host in hosts or ([] if files else [None]):
        asked = {"project": told.project, "host": host}
        query = urlencode({key: value for key, value in asked.items() if value is not None})
        answer = request(told, "GET", f"/api/v1/pins/lint?{query}")
        findings += answer["findings"]
        count += answer["pin_sets"]
    for one in findings:
        print(json.dumps(one) if told.json else _finding(one))
    if not findings and not told.json:
        print(f"nothing found in {count} pin sets" if count else "no pin set")
    bad = (Severity.ERROR, Severity.WARNING) if told.strict else (Severity.ERROR,)
    return 1 if any(one["severity"] in bad for one in findings) else 0


def _finding(one: dict[str, Any]) -> str:
    where = f"{one['severity']}: {one['host']} ({one['releases']})"
    return f"{shown(where)}: {shown(one['reason'], 600)} [{one['code']}]\n    {shown(one['advice'], 600)}"


def _prove(told: argparse.Namespace) -> int:
    path = Path(told.file)
    with path.open("rb") as file:
        data = file.read(_LARGEST_PEM + 1)
    if len(data) > _LARGEST_PEM:
        raise PinfallError(f"{shown(path)}: more than {_LARGEST_PEM} bytes")
    pem = "\n".join(public_parts(data.decode("latin-1")))
    if not pem:
        raise PinfallError(
            f"{shown(path)}: no certificate and no certificate request in PEM is in it"
        )
    made = request(told, "POST", "/api/v1/pins/proofs", {"project": told.project, "pem": pem})
    for one in made["proven"]:
        state = f"proven by a {one['how']}" if one["is_new"] else "proven already, no change"
        print("  ".join(shown(part) for part in (one["pin"], one["subject"], state) if part))
    return 0
