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

from collector.errors import Reason, ReportError
from collector.model import WORST_CHAIN, WORST_PINS, Chain, Dialect, Hash, Kind, Slot, Violation
from collector.reports.agents import android
from collector.reports.fields import Hints, clean
from collector.reports.hosts import read_host
from collector.reports.pins import digest, pin_set

WORST_TEXT = 32_768  # characters read from the first marker on
_FAILURE = "Certificate pinning failure"
_PEERS = "Peer certificate chain"
_PINNED = "Pinned certificates for"
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9+/])(sha256|sha1)/([A-Za-z0-9+/]{43}=?|[A-Za-z0-9+/]{27}=?)(?![A-Za-z0-9+/=])"
)
_HOST = re.compile(r"[\"'\[]?([^\s\"'\]]{1,260}?)[\"'\]]?:(?=\s|$|sha(?:256|1)/)")
_NOT_VERIFIED = re.compile(r"Hostname ([^\s]{1,260}) not verified")
_TRUSTKIT = re.compile(r"(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{43}=)(?![A-Za-z0-9+/=])")
_STOPS = (" at ", "\nat ", "Caused by:", "Suppressed:", _FAILURE, _PEERS, _PINNED)
_SUBJECT = 512

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What an exception's text says. ``host`` is None where the text names none."""

    kind: Kind
    host: str | None = None
    known_pins: tuple[Hash, ...] = ()
    chain: Chain = ()
    suspect: str | None = None
    flags: tuple[str, ...] = ()


def _plain(text: str) -> str:
    """Newlines that were spelt out become newlines; blanks of a line become one."""
    if "\\" in text:
        text = text.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t").replace("\\/", "/")
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def read_text(text: str) -> Text | None:
    """Read an exception's text, or None if it says nothing about a certificate or a pin."""
    starts = [place for place in (text.find(_FAILURE), text.find(_PINNED)) if place >= 0]
    if starts:
        return _pinning_failure(text[min(starts) :][:WORST_TEXT])
    place = text.find("Hostname ")
    if place >= 0:
        match = _NOT_VERIFIED.search(text[place:][:WORST_TEXT])
        if match:
            return _name_mismatch(match[1], _plain(text[place:][:WORST_TEXT]))
    head = text[:WORST_TEXT]
    place = head.find("Configured pins:")
    if place >= 0:
        return _trustkit(head[place:])
    for sign, kind in _OTHERS:
        if sign in head:
            return Text(kind=kind)
    return None


def _pinning_failure(text: str) -> Text:
    flags: list[str] = []
    if len(text) == WORST_TEXT:
        flags.append("cut:text")
    plain = _plain(text)
    peers, pinned = _halves(plain)
    host = None
    if pinned:
        match = _HOST.match(pinned.lstrip())
        if match:
            try:
                host = read_host(_unbracketed(match[1]))[0]
            except ValueError:
                flags.append("unreadable:host")
    else:
        flags.append("cut:text")
    after = pinned.find(":") + 1
    stop = min(
        (place for sign in _STOPS if (place := pinned.find(sign, after)) >= 0), default=len(pinned)
    )
    pins = _hashes(_TOKEN.findall(pinned, after, stop), flags, "pins")
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

    The marker at the start of a line, before any hash, is the real one: a subject can hold its
    words, and a subject is chosen by whoever made the certificate.
    """
    place = 0
    for line in plain.split("\n"):
        found = line.find(_PINNED)
        if found >= 0 and not _TOKEN.search(line, 0, found):
            return plain[: place + found], plain[place + found + len(_PINNED) :]
        place += len(line) + 1
    before, _, after = plain.partition(_PINNED)
    return before, after


def _hashes(found: list[tuple[str, str]], flags: list[str], name: str) -> list[Hash]:
    hashes = []
    if len(found) > WORST_PINS:
        flags.append(f"truncated:{name}")
    for place, (kind, encoded) in enumerate(found[:WORST_PINS]):
        value = digest(kind, encoded)
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
    slots: list[Slot] = []
    for line, found in lines:
        # Where lines survived, what follows a line's first hash is its subject, whatever it holds;
        # where they were lost, one line holds the whole list.
        matches = found[:1] if len(lines) > 1 else found
        for match, following in zip(matches, [*matches[1:], None], strict=True):
            if len(slots) == WORST_CHAIN:
                flags.append("truncated_chain:peers")
                return tuple(slots)
            subject = line[match.end() + 1 : following.start() if following else len(line)]
            value = digest(match[1], match[2])
            if value is None:
                flags.append(f"bad_pin:peers:{len(slots)}")
            slots.append(Slot(hash=value, subject=clean(subject.strip())[:_SUBJECT]))
    return tuple(slots)


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
    chain = tuple(
        Slot(hash=value, subject=clean(subject)[:_SUBJECT] if place >= 0 else None)
        for value in hashes
    )
    return Text(kind=Kind.NAME_MISMATCH, host=host, chain=chain, flags=tuple(flags))


def _trustkit(text: str) -> Text:
    """TrustKit Android's own exception on API < 24: ``Configured pins: A B``, then the chain."""
    flags: list[str] = []
    plain = _plain(text)
    pins_text, _, peers = plain.partition(_PEERS)
    pins = [digest("sha256", found) for found in _TRUSTKIT.findall(pins_text)[:WORST_PINS]]
    slots = []
    for match in list(_TRUSTKIT.finditer(peers))[:WORST_CHAIN]:
        subject = peers[match.end() :].split("\n", 1)[0].removeprefix(" - ")
        slots.append(Slot(hash=digest("sha256", match[1]), subject=clean(subject)[:_SUBJECT]))
    return Text(
        kind=Kind.PIN_MISMATCH,
        known_pins=pin_set([pin for pin in pins if pin is not None]),
        chain=tuple(slots),
        flags=tuple(flags),
    )


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
