"""Single values of a file with pins: hosts, pins, switches, dates, URLs. Mistakes are one line each."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from hashlib import sha256

from collector.errors import PinfallError
from collector.model import Hash
from collector.pins.placeholders import placeholder
from collector.pins.readers.quoting import quoted
from collector.pins.uris import uri_host
from collector.reports.certificates import read_certificate
from collector.reports.hosts import read_host
from collector.reports.pins import digest, parse_pin

MOST_WARNINGS = 100
MOST_URIS = 20
MOST_PINS = 32  # of a set; an index of Postgres has room for no more
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}:?){32}")
_SHA1 = re.compile(r"(?:sha1[/=].*|[A-Za-z0-9+/]{27}=|(?:[0-9A-Fa-f]{2}:?){20})", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WORST_URI = 2000  # characters


@dataclass(slots=True)
class Notes:
    """What a person should know of a file that was read: what was left out, and why."""

    warnings: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)
        elif len(self.warnings) == MOST_WARNINGS:
            self.warnings.append("and more like these")


class Prefix(Enum):
    """Whether the SDK wants ``sha256/`` before a pin: with the wrong one it does not start."""

    NEVER = 0
    ALWAYS = 1
    EITHER = 2


def read_name(value: object, *, wildcards: str | None = None) -> str:
    """A host as an A-label. wildcards: how this format says "and under", where it has no ``*``."""
    if not isinstance(value, str) or not value.strip():
        raise PinfallError(f"{quoted(value)} is no host name")
    text = value.strip()
    if wildcards is not None and "*" in text:
        raise PinfallError(f"{quoted(text)}: there is no wildcard in this format: {wildcards}")
    try:
        host, port = read_host(text)
    except ValueError:
        raise PinfallError(f"{quoted(text)} is no host name") from None
    if port is not None or "/" in text:
        raise PinfallError(f"{quoted(text)}: a host has no port and no path here")
    return host


def read_pin(value: object, prefix: Prefix, *, sha1: bool = False) -> Hash:
    """sha1: whether the client takes such pins too (OkHttp)."""
    if not isinstance(value, str):
        raise PinfallError(f"{quoted(value)} should be a text: base64 of SHA-256")
    text = value.strip()
    if "-----BEGIN" in text:
        raise PinfallError(_instead(text))
    kind, slash, rest = text.partition("/")
    named = bool(slash) and kind in ("sha256", "sha1")
    if _SHA1.fullmatch(text) and not (sha1 and named):
        raise PinfallError(f"{quoted(text)} is a SHA-1 pin: clients compare SHA-256")
    if named and prefix is Prefix.NEVER:
        raise PinfallError(
            f"{quoted(text)}: pins are bare base64 in this format, without '{kind}/'"
        )
    if not named and prefix is Prefix.ALWAYS:
        raise PinfallError(f"{quoted(text)}: pins begin with 'sha256/' in this format")
    if named and kind == "sha1":
        pin = digest("sha1", rest)
        if pin is None:
            raise PinfallError(f"{quoted(text)} is no base64 of 20 bytes")
        return pin
    body = rest if named else text
    pin = digest("sha256", body) if _BASE64.fullmatch(body) else None
    if pin is None:
        raise PinfallError(_wrong(body))
    return pin


def _instead(text: str) -> str:
    """Of a certificate or key where its pin should be."""
    if "CERTIFICATE-----" in text:
        certificate = read_certificate(text)
        if certificate is None:
            return "a certificate that cannot be read stands where a pin should"
        pin = Hash("sha256", certificate.spki_sha256)
        return f"a certificate stands where a pin should: its pin is {pin}"
    body = text.partition("PUBLIC KEY-----")[2].partition("-----END")[0]
    try:
        der = binascii.a2b_base64("".join(body.split()), strict_mode=True)
    except ValueError:
        der = b""
    if not der:
        return "PEM stands where a pin should"
    return (
        f"a public key stands where a pin should: its pin is {Hash('sha256', sha256(der).digest())}"
    )


def _wrong(text: str) -> str:
    if _HEX.fullmatch(text):
        told = parse_pin(text)
        return f"{quoted(text)} is hexadecimal: as clients read it, it is {told}"
    try:
        size = len(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return f"{quoted(text)} is no base64"
    return f"{quoted(text)} is base64 of {size} bytes, not of the 32 of SHA-256"


def read_pins(
    values: object, notes: Notes, host: str, prefix: Prefix, *, sha1: bool = False
) -> tuple[Hash, ...]:
    """Sorted, each once. A placeholder stays: clients ship it, and their reports name it."""
    if not isinstance(values, list | tuple):
        raise PinfallError(f"{host}: the pins should be a list")
    if len(values) > MOST_PINS:
        raise PinfallError(f"{host}: more than {MOST_PINS} pins")
    found: set[Hash] = set()
    for place, value in enumerate(values, 1):
        try:
            pin = read_pin(value, prefix, sha1=sha1)
        except PinfallError as error:
            raise PinfallError(f"{host}: pin {place}: {error}") from None
        if pin in found:
            notes.add(f"{host}: {pin} is listed twice")
        made_up = placeholder(pin)
        if made_up:
            notes.add(f"{host}: {pin} {made_up}")
        found.add(pin)
    if found and all(placeholder(pin) for pin in found):
        raise PinfallError(f"{host}: none of its pins is one: they are placeholders")
    return tuple(sorted(found))


def read_switch(value: object, name: str, default: bool) -> bool:
    """Also as texts, which property lists often hold."""
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    told = str(value).strip().lower() if isinstance(value, str | int) else ""
    if told in ("1", "yes", "true"):
        return True
    if told in ("0", "no", "false"):
        return False
    raise PinfallError(f"{name}: {quoted(value)} is neither true nor false")


def read_day(value: object, name: str, *, through: bool = False) -> datetime | None:
    """A day as 2027-01-31: its first moment in UTC. through: the day after, where it counts still."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):  # of a property list: UTC, without saying so
        return value.replace(tzinfo=UTC)
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
            raise ValueError
        day = date.fromisoformat(value.strip())
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return at + timedelta(days=1) if through else at
    except (ValueError, OverflowError):
        raise PinfallError(f"{name}: {quoted(value)} is no day such as 2027-01-31") from None


def read_uris(value: object, name: str) -> tuple[str, ...]:
    """HTTP(S) URLs, each once, in order."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise PinfallError(f"{name}: should be a list of URLs")
    if len(value) > MOST_URIS:
        raise PinfallError(f"{name}: more than {MOST_URIS} URLs")
    found: dict[str, None] = {}
    for uri in value:
        text = uri.strip() if isinstance(uri, str) else ""
        if not (
            len(text) <= _WORST_URI and text.isascii() and text.isprintable() and uri_host(text)
        ):
            raise PinfallError(f"{name}: {quoted(uri)} is no http(s) URL")
        found[text] = None
    return tuple(found)


def read_text(value: object, name: str, most: int = 200) -> str | None:
    """A printable text, or None."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise PinfallError(f"{name}: should be a text of at most {most} printable characters")
    return value.strip() or None


def once(hosts: Sequence[str]) -> None:
    """Raises PinfallError where a host stands twice: clients refuse that, or take either."""
    seen: set[str] = set()
    for host in hosts:
        if host in seen:
            raise PinfallError(f"{host} stands twice")
        seen.add(host)
