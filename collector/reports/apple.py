"""Texts of Alamofire's and Foundation's errors. Foundation does not tell a failed pin from other
failures of TLS, so what it says is only suspected. Linear."""

from __future__ import annotations

import re

from collector.model import Kind
from collector.reports.hosts import read_host
from collector.reports.okhttp import Text

_READ = 8192  # characters searched
_HOST = r"([A-Za-z0-9_.:\[\]\u0080-\uffff-]{1,253}?)"
_ALAMOFIRE = re.compile(
    r"(Public key pinning|Certificate pinning|Default evaluation|Host validation|Revocation check)"
    rf" failed for host {_HOST}\.?(?=[\s\"'\\)]|$)"
)
# String(describing: error): serverTrustEvaluationFailed(reason: ….publicKeyPinningFailed(host: "…"
_DESCRIBED = re.compile(
    rf"(publicKeyPinning|certificatePinning|noRequiredEvaluator)(?:Failed)?\(host: \\?\"{_HOST}\\?\""
)
_FAILING_URL = re.compile(r"NSErrorFailingURL(?:String)?Key=(https?://[^\s,;}]{1,500})")
_KINDS = {
    "publicKeyPinning": Kind.PIN_MISMATCH,
    "certificatePinning": Kind.PIN_MISMATCH,
    "noRequiredEvaluator": Kind.NO_PINS,
    "Public key pinning": Kind.PIN_MISMATCH,
    "Certificate pinning": Kind.PIN_MISMATCH,
    "Default evaluation": Kind.CHAIN_UNTRUSTED,
    "Host validation": Kind.NAME_MISMATCH,
    "Revocation check": Kind.REVOKED,
}
_PRETENDING = re.compile(rf"pretending to be [\u201c\"']?{_HOST}[\u201d\"']? which")
# NSURLErrorDomain; -1200 and -1202 are also what App Transport Security gives for NSPinnedDomains.
CODES = {
    -1200: Kind.SUSPECTED,
    -1201: Kind.EXPIRED,
    -1202: Kind.SUSPECTED,
    -1203: Kind.CHAIN_UNTRUSTED,
    -1204: Kind.NOT_YET_VALID,
}
_CODE = re.compile(r"NSURLErrorDomain[^\n]{0,20}?(-120[0-4])\b")
_SSL_ERROR = "An SSL error has occurred and a secure connection to the server cannot be made"


def read_apple_text(text: str) -> tuple[str, Text] | None:
    """(SDK, what it says), or None if it is no such text."""
    text = text[:_READ]
    match = _ALAMOFIRE.search(text) or _DESCRIBED.search(text)
    if match:
        return "alamofire", Text(kind=_KINDS[match[1]], host=_host(match[2]))
    pretending = _PRETENDING.search(text)
    code = _CODE.search(text)
    if code or pretending or _SSL_ERROR in text:
        kind = CODES[int(code[1])] if code else Kind.SUSPECTED
        named = pretending or _FAILING_URL.search(text)
        return "foundation", Text(kind=kind, host=_host(named[1]) if named else None)
    return None


def _host(text: str) -> str | None:
    try:
        return read_host(text)[0]
    except ValueError:
        return None
