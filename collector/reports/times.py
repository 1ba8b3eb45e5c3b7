"""Client clocks: read what devices write, and say how far to believe it."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from collector.model import TimeTrust

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[Tt ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9})\d{0,20})?)?"
    r"\s{0,3}(?:([Zz]|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?"
)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{3}|\.\d{6})?Z", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,12})?")
EARLIEST = timedelta(days=30)  # before receipt: reports wait up to 7 days for Wi-Fi and power
LATEST = timedelta(days=1)  # after receipt
_ZONE_STEP = timedelta(minutes=15)  # every zone's offset is a multiple of it
_WORST_ZONE = timedelta(hours=14)
_PROMPT = timedelta(minutes=2)  # TrustKit Android sends at once or never


def parse_time(raw: object) -> datetime | None:
    """RFC 3339 and its usual spellings, or a Unix time in s, ms or us; None if unreadable.

    Other scripts' digits are read. A time without a zone is taken as UTC.
    """
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        return _unix(float(raw))
    if not isinstance(raw, str) or len(raw) > 64:
        return None
    if _PLAIN.fullmatch(raw):  # as nearly all write it; the same result, in a tenth of the time
        try:
            return datetime.fromisoformat(raw)
        except ValueError:
            return None
    text = _latin_digits(raw.strip())
    if _NUMBER.fullmatch(text):
        return _unix(float(text))
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(match[i]) for i in range(1, 6))
    micro = int((match[7] or "0").ljust(6, "0")[:6])
    zone = timedelta()
    if match[9]:
        zone = timedelta(hours=int(match[10]), minutes=int(match[11] or 0))
        zone = -zone if match[9] == "-" else zone
    try:
        at = datetime(year, month, day, hour, minute, int(match[6] or 0), micro, tzinfo=UTC)
        return at - zone
    except (ValueError, OverflowError):
        return None


def _unix(number: float) -> datetime | None:
    for unit in (1.0, 1e3, 1e6, 1e9):
        if abs(number) < 1e11 * unit:
            try:
                return datetime.fromtimestamp(round(number / unit, 6), UTC)
            except (ValueError, OverflowError, OSError):
                return None
    return None


def _latin_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(c, c)) if not c.isascii() else c for c in text)


def client_time(
    raw: object, received_at: datetime | None, *, local_labelled_utc: bool = False
) -> tuple[datetime | None, TimeTrust | None]:
    """What the client's clock said, in UTC, and how far to believe it.

    received_at: None where it is not known: then nothing is implausible, and a local time
        cannot be corrected.
    local_labelled_utc: TrustKit Android writes the device's local time with a literal ``Z``.
        It sends at once, so the zone is the difference to the receipt, rounded to 15 minutes,
        where what remains is under 2 minutes.
    Returns (None, trust) where the time cannot be used, (None, None) where none was sent.
    """
    if raw is None or raw == "":
        return None, None
    at = parse_time(raw)
    if at is None:
        return None, TimeTrust.UNPARSEABLE
    trust = TimeTrust.CLIENT_LOCAL_LABELLED_UTC if local_labelled_utc else TimeTrust.CLIENT_UTC
    if received_at is None:
        return (None if local_labelled_utc else at), trust
    ahead = at - received_at
    if not -EARLIEST <= ahead <= LATEST:
        return None, TimeTrust.IMPLAUSIBLE
    if not local_labelled_utc:
        return at, trust
    zone = round(ahead / _ZONE_STEP) * _ZONE_STEP
    if abs(zone) <= _WORST_ZONE and abs(ahead - zone) < _PROMPT:
        return at - zone, trust
    return None, trust
