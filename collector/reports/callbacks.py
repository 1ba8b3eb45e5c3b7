"""What SDKs tell their apps, posted as it is: each SDK by the words that only it uses.

None of them sends reports itself, so a field that an app adds is read by its usual name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from collector.model import Hash, Kind
from collector.reports.apple import CODES, read_apple_text
from collector.reports.fields import Fields
from collector.reports.okhttp import Text
from collector.reports.pins import read_pins

# http_certificate_pinning: its method channel's code, and its exceptions in Dart. On iOS the same
# code also comes when there is no network at all.
_FLUTTER = ("CONNECTION_NOT_SECURE", "CertificateNotVerifiedException")
_FLUTTER_WRAPS = ("CertificateCouldNotBeVerifiedException",)  # whatever else went wrong, too
# Wultra's ValidationResult: EMPTY is a store without a fingerprint for this name; it blocks too.
_WULTRA = {"EMPTY": Kind.NO_PINS, "UNTRUSTED": Kind.PIN_MISMATCH, "TRUSTED": Kind.OK}
_WORDS = ("code", "errorcode", "error", "errortype", "exceptiontype", "exception", "type", "name",
          "message", "errormessage", "reason")  # fmt: skip
_OTHER_ERRORS = frozenset(_WORDS) - {"message", "type", "name", "reason"}  # than frw's own
_RESULTS = ("result", "validationresult", "outcome", "status")
_CODE = re.compile(r"-?[0-9]{1,5}")
_DOMAINS = ("domain", "errordomain")
_FINGERPRINTS = ("fingerprints", "allowedshafingerprints", "allowedfingerprints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What one SDK's words mean. ``text``: of an error that it passed on."""

    sdk: str
    kind: Kind
    text: Text | None = None
    common_name: str | None = None
    known_pins: tuple[Hash, ...] = ()


def read_callback(fields: Fields, told: Text | None, platform: str | None) -> Callback | None:
    """fields: with folded keys. told: what a text of OkHttp's in it says. None: no SDK's words."""
    if "serverhostname" in fields.rest and (told or not _OTHER_ERRORS & fields.rest.keys()):
        kind = told.kind if told else Kind.PIN_MISMATCH
        return Callback(sdk="react-native-ssl-public-key-pinning", kind=kind, text=told)
    if told is not None:
        return None
    return _wultra(fields) or _flutter(fields, platform) or _apple(fields)


def _wultra(fields: Fields) -> Callback | None:
    name = fields.rest.get("commonname")
    if not isinstance(name, str) or not name.strip():
        return None
    for key in _RESULTS:
        value = fields.rest.get(key)
        word = value.strip().upper().rpartition(".")[2] if isinstance(value, str) else ""
        if word in _WULTRA:
            fields.rest.pop(key)
            told = fields.common_name("commonname")
            kind = _WULTRA[word]
            return Callback(sdk="wultra-ssl-pinning", kind=kind, common_name=told)
    return None


def _flutter(fields: Fields, platform: str | None) -> Callback | None:
    words = [value for key in _WORDS if isinstance(value := fields.rest.get(key), str)]
    if not any(sign in word[:2000] for word in words for sign in (*_FLUTTER, *_FLUTTER_WRAPS)):
        return None
    surely = any(sign in word[:2000] for word in words for sign in _FLUTTER)
    kind = Kind.PIN_MISMATCH if surely and platform == "ANDROID" else Kind.SUSPECTED
    size = fields.text("sha", "shatype", limit=16) or "SHA256"
    hashed = "cert-sha1" if size.upper().replace("-", "") == "SHA1" else "cert-sha256"
    value = next((fields.raw(key) for key in _FINGERPRINTS if key in fields.rest), None)
    if isinstance(value, str):  # a list of texts was joined by lines
        value = value.split("\n")
    pins = read_pins(value, "fingerprints", fields.flags, hashed)
    return Callback(sdk="http_certificate_pinning", kind=kind, known_pins=tuple(pins))


def _apple(fields: Fields) -> Callback | None:
    domain = next((v for key in _DOMAINS if isinstance(v := fields.rest.get(key), str)), "")
    told = fields.rest.get("code", fields.rest.get("errorcode"))
    code = int(told) if isinstance(told, int | float) and abs(told) < 10_000 else None
    if isinstance(told, str) and _CODE.fullmatch(told):
        code = int(told)
    if domain == "NSURLErrorDomain" and code in CODES:
        for key in _DOMAINS:
            fields.rest.pop(key, None)  # no host, whatever else a domain is
        return Callback(sdk="foundation", kind=CODES[code])
    for key in (*_WORDS, "localizeddescription", "description", "details", "text", "log"):
        value = fields.rest.get(key)
        found = read_apple_text(value) if isinstance(value, str) else None
        if found is not None:
            return Callback(sdk=found[0], kind=found[1].kind, text=found[1])
    return None
