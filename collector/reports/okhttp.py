"""Texts of exceptions: OkHttp's CertificatePinner (2.x to 5.x) and its neighbours on Android.

    Certificate pinning failure!
      Peer certificate chain:
        sha256/<base64>: <subject>       one a certificate, leaf first, trust anchor last
      Pinned certificates for <host>:
        sha256/<base64>                  one a pin

The chain is the one that OkHttp's chain cleaner built, so it is the validated chain. Texts come
mangled: newlines as blanks or spelt out, logcat prefixes, stack frames behind, cut at the end. So
tokens count, not lines; a subject runs to the end of its line, or to the next token. Every step is
linear in the text's length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from collector.errors import Reason, ReportError
from collector.model import (
    NO_CHAIN,
    NO_PINS,
    WORST_CHAIN,
    WORST_PINS,
    Chain,
    Dialect,
    Hash,
    Kind,
    PinSet,
    Slot,
    Violation,
)
from collector.reports.agents import android
from collector.reports.fields import Hints
from collector.reports.hosts import read_host
from collector.reports.pins import digest, pin_set
from collector.reports.texts import clean

_WORST_READ = 131_072  # characters searched for a marker
WORST_TEXT = 32_768  # characters read from the first marker on
_FAILURE = "Certificate pinning failure"
_PEERS = "Peer certificate chain"
_PINNED = "Pinned certificates for"
# A hash; where newlines were lost without a trace, the next one begins right behind its "=".
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9+/])(sha256|sha1)/"
    r"([A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}(?![A-Za-z0-9+/=])|[A-Za-z0-9+/]{27}(?![A-Za-z0-9+/=]))",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"[\"'\[]?([^\s\"'\]<>]{1,260}?)[\"'\]]? ?:?(?=\s|$|<br|sha(?:256|1)/)", re.IGNORECASE
)
_ESCAPED_LINE = re.compile(r"\\{1,8}[rn]")
_LINE = re.compile(r"\r\n|\r|\n")  # not all that Python calls a line: a subject can hold the others
_NO_BREAK = str.maketrans("\u00a0\u2007\u202f", "   ")
_NOT_VERIFIED = re.compile(r"Hostname ([^\s]{1,260}) not verified")
_TRUSTKIT = re.compile(r"(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{43}=)(?![A-Za-z0-9+/=])")
_STOPS = (" at ", "\nat ", "Caused by:", "Suppressed:", _FAILURE, _PEERS, _PINNED)
_SUBJECT = 512
_SMALL = 4096  # characters of a text that is kept: 12 MB at the worst

# First match wins; all are texts of the platform that name no host.
_OTHERS = (
    ("Trust anchor for certification path not found", Kind.CHAIN_UNTRUSTED),
    ("PKIX path building failed", Kind.CHAIN_UNTRUSTED),
    ("unable to find valid certification path", Kind.CHAIN_UNTRUSTED),
    ("Failed to find a trusted cert that signed", Kind.CHAIN_UNTRUSTED),
    ("Certificate chain too long", Kind.CHAIN_UNTRUSTED),
    ("CertificateExpiredException", Kind.EXPIRED),
    ("CertificateNotYetValidException", Kind.NOT_YET_VALID),
    ("CertificateRevokedException", Kind.REVOKED),
    ("Pin verification failed", Kind.PIN_MISMATCH),
)


# At least one word of each text that is read, whatever became of its blanks.
_SIGNS = (
    "pinning",
    "Pinned",
    "not verified",
    "Configured pins",
    *(sign.split()[0] for sign, _ in _OTHERS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What an exception's text says. ``host`` is None where the text names none."""

    kind: Kind
    host: str | None = None
    known_pins: PinSet = NO_PINS
    chain: Chain = NO_CHAIN
    suspect: str | None = None
    flags: tuple[str, ...] = ()


def _plain(text: str) -> str:
    """Newlines that were spelt out become newlines; blanks of a line become one."""
    if "\\" in text:
        text = _ESCAPED_LINE.sub("\n", text).replace("\\t", "\t").replace("\\/", "/")
    if not text.isascii():
        text = text.translate(_NO_BREAK)
    return "\n".join(" ".join(line.split()) for line in _LINE.split(text))


def read_text(text: str) -> Text | None:
    """Read an exception's text, or None if it says nothing about a certificate or a pin.

    The earliest marker says what it is: what comes later may be a subject's words.
    """
    # After a rotation many clients send one text: its chain is then one object, see model.Chain.
    return _read_cached(text) if len(text) <= _SMALL else _read(text)


def _read(text: str) -> Text | None:
    if not any(sign in text for sign in _SIGNS):
        return None
    plain = _plain(text[:_WORST_READ])
    failure = min((p for p in (plain.find(_FAILURE), plain.find(_PINNED)) if p >= 0), default=-1)
    mismatch = _NOT_VERIFIED.search(plain)
    if mismatch and (failure < 0 or mismatch.start() < failure):
        return _name_mismatch(mismatch[1], plain[mismatch.start() :][:WORST_TEXT])
    if failure >= 0:
        return _pinning_failure(plain[failure:])
    plain = plain[:WORST_TEXT]
    place = plain.find("Configured pins:")
    if place >= 0:
        return _trustkit(plain[place:])
    for sign, kind in _OTHERS:
        if sign in plain:
            return Text(kind=kind)
    return None


def _pinning_failure(plain: str) -> Text:
    flags: list[str] = []
    if len(plain) > WORST_TEXT:
        flags.append("cut:text")
        plain = plain[:WORST_TEXT]
    peers, pinned = _halves(plain)
    host = None
    if pinned:
        match = _HOST.match(pinned.lstrip())
        try:
            host = read_host(_unbracketed(match[1].rstrip(":") or match[1]))[0] if match else None
        except ValueError:
            host = None
        if host is None:
            flags.append("unreadable:host")
    elif "cut:text" not in flags:
        flags.append("cut:text")
    stop = min((p for sign in _STOPS if (p := pinned.find(sign)) >= 0), default=len(pinned))
    pins = _hashes(_TOKEN.findall(pinned, 0, stop), flags, "pins")
    chain = _peers(peers, flags)
    # OkHttp >= 4.2 swallows a failure of its chain cleaner: no chain means no trusted chain.
    empty = pinned and not chain
    return Text(
        kind=Kind.PIN_MISMATCH,
        host=host,
        known_pins=pin_set(pins),
        chain=chain,
        suspect="chain_untrusted" if empty else None,
        flags=tuple(flags),
    )


def _unbracketed(host: str) -> str:
    """OkHttp writes an IPv6 address bare: not a host with a port."""
    return f"[{host}]" if host.count(":") > 1 else host


def _halves(plain: str) -> tuple[str, str]:
    """(what is before the pins, the text from the host on).

    The marker at the start of a line, before any hash, is the real one. Where lines were lost it is
    the last one with no certificate behind it. A subject can hold the words, and a subject is
    chosen by whoever made the certificate.
    """
    place = 0
    for line in plain.split("\n"):
        found = line.find(_PINNED)
        if found >= 0 and not _TOKEN.search(line, 0, found):
            return plain[: place + found], plain[place + found + len(_PINNED) :]
        place += len(line) + 1
    again = plain.find(_FAILURE, 1)  # a second message: suppressed, or a cause
    first = plain if again < 0 else plain[:again]
    certificates = [m.end() for m in _TOKEN.finditer(first) if first.startswith(":", m.end())]
    found = first.find(_PINNED, certificates[-1] if certificates else 0)
    if found < 0:
        return first, ""
    return first[:found], first[found + len(_PINNED) :]


def _hashes(found: list[tuple[str, str]], flags: list[str], name: str) -> list[Hash]:
    hashes = []
    if len(found) > WORST_PINS:
        flags.append(f"truncated:{name}")
    for place, (kind, encoded) in enumerate(found[:WORST_PINS]):
        value = digest(kind.lower(), encoded)
        if value is None:
            flags.append(f"bad_pin:{name}:{place}")
        else:
            hashes.append(value)
    return hashes


def _peers(text: str, flags: list[str]) -> Chain:
    """One slot a ``<hash>: <subject>``."""
    start = text.find(_PEERS)
    text = text[start + len(_PEERS) :] if start >= 0 else text
    lines = [
        (line, found)
        for line in text.split("\n")
        if (found := [m for m in _TOKEN.finditer(line) if line.startswith(":", m.end())])
    ]
    # Where lines survived, what follows a line's first hash is its subject, whatever it holds;
    # where they were lost, the first hash stands on the line of the words before it.
    head = text.partition("\n")[0]
    survived = not _TOKEN.search(head)
    slots: list[Slot] = []
    for line, found in lines:
        matches = found[:1] if survived else found
        for match, following in zip(matches, [*matches[1:], None], strict=True):
            if len(slots) == WORST_CHAIN:
                flags.append("truncated_chain:peers")
                return Chain(slots)
            subject = line[match.end() + 1 : following.start() if following else len(line)]
            value = digest(match[1].lower(), match[2])
            if value is None:
                flags.append(f"bad_pin:peers:{len(slots)}")
            slots.append(Slot(hash=value, subject=clean(subject.strip())[:_SUBJECT]))
    return Chain(slots)


def _name_mismatch(host_text: str, plain: str) -> Text:
    flags: list[str] = []
    try:
        host = read_host(_unbracketed(host_text))[0]
    except ValueError:
        host = None
        flags.append("unreadable:host")
    hashes = _hashes(_TOKEN.findall(plain)[:1], flags, "peers")
    place = plain.find("DN: ")
    subject = plain[place + 4 :].split("\n", 1)[0].partition(" subjectAltNames:")[0]
    chain = Chain(
        Slot(hash=value, subject=clean(subject)[:_SUBJECT] if place >= 0 else None)
        for value in hashes
    )
    return Text(kind=Kind.NAME_MISMATCH, host=host, chain=chain, flags=tuple(flags))


def _trustkit(text: str) -> Text:
    """TrustKit Android's own exception on API < 24: ``Configured pins: A B``, then the chain."""
    flags: list[str] = []
    pins_text, _, peers = text.partition(_PEERS)
    pins = [digest("sha256", found) for found in _TRUSTKIT.findall(pins_text)[:WORST_PINS]]
    slots = []
    for match in list(_TRUSTKIT.finditer(peers))[:WORST_CHAIN]:
        subject = peers[match.end() :].split("\n", 1)[0].removeprefix(" - ")
        slots.append(Slot(hash=digest("sha256", match[1]), subject=clean(subject)[:_SUBJECT]))
    return Text(
        kind=Kind.PIN_MISMATCH,
        known_pins=pin_set([pin for pin in pins if pin is not None]),
        chain=Chain(slots),
        flags=tuple(flags),
    )


_read_cached = lru_cache(maxsize=1024)(_read)


def read_okhttp_text(text: str, hints: Hints) -> Violation | None:
    """A bare text as a report, or None if it is no such text.

    Raises ReportError(no_host) where it is one, but names no host.
    """
    found = read_text(text)
    if found is None:
        return None
    if found.host is None:
        raise ReportError(Reason.NO_HOST, "the text of the exception names no host")
    os_version, device = android(hints.user_agent)
    return Violation(
        dialect=Dialect.OKHTTP_MESSAGE,
        host=found.host,
        kind=found.kind,
        enforced=True,
        blocked=True,
        known_pins=found.known_pins,
        validated_chain=found.chain,
        suspect=found.suspect,
        platform="ANDROID" if os_version else None,
        os_version=os_version,
        device=device,
        flags=found.flags,
    )
