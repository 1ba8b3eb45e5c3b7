"""The short way of a request: one that came whole, in one piece, and is as plain as nearly all are.

A general parser and a task for each request are more than half of what a report costs. What is taken
here is a POST to a key's own address, with a head of visible ASCII, one Host, one Content-Length that is
just what follows, and nothing that asks for more. Whatever is not so is not judged here: aiohttp's
parser gets its bytes as if nobody had looked.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from collector.web.budget import SMALL

_BEGIN, _END = b"POST /r/", b" HTTP/1.1"
_MOST_HEAD = 4096  # bytes
_MOST_LINES = 40
_DIGITS = 6
_VISIBLE = bytes(range(0x20, 0x7F))
_KEY = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(rb"[A-Za-z0-9!#$&'*+.^_`|~%-]{1,64}")  # RFC 9110, 5.6.2
_MOST_KNOWN, _SHORT_LINE = 1024, 256


class _Is(Enum):
    """What a header is to us."""

    NOTHING = 0
    HOST = 1
    LENGTH = 2
    ADDRESS = 3
    AGENT = 4
    CONNECTION = 5
    LONG = 6  # asks for something that is not done here


_KINDS = {
    b"host": _Is.HOST,
    b"content-length": _Is.LENGTH,
    b"x-forwarded-for": _Is.ADDRESS,
    b"user-agent": _Is.AGENT,
    b"connection": _Is.CONNECTION,
    b"forwarded": _Is.LONG,  # not seldom beside X-Forwarded-For
    b"transfer-encoding": _Is.LONG,
    b"te": _Is.LONG,
    b"trailer": _Is.LONG,
    b"expect": _Is.LONG,
    b"upgrade": _Is.LONG,
    b"http2-settings": _Is.LONG,
    b"proxy-connection": _Is.LONG,
    b"keep-alive": _Is.LONG,
    b"origin": _Is.LONG,  # of browsers
    b"sec-fetch-site": _Is.LONG,
    b"sec-fetch-mode": _Is.LONG,
}
_OWN = (_Is.ADDRESS, _Is.LENGTH, _Is.LONG)  # differ from one request to the next
_lines: dict[bytes, tuple[_Is, bytes]] = {}  # as they were written before


class Plain(NamedTuple):
    """address: the one line of X-Forwarded-For."""

    key: str
    address: str | None
    agent: str | None
    body: bytes


def read_plain(data: bytes) -> Plain | None:
    """None where it is anything but one plain request, to its last byte."""
    if not data.startswith(_BEGIN):
        return None
    end = data.find(b"\r\n\r\n", 0, _MOST_HEAD)
    if end < 0 or len(data) > end + 4 + SMALL:
        return None
    head = data[:end]
    first, *lines = head.split(b"\r\n")
    breaks = len(lines)
    # Nothing but visible ASCII, and line breaks only where the lines were told apart.
    if breaks > _MOST_LINES or head.translate(None, _VISIBLE) != b"\r\n" * breaks:
        return None
    key = first[8:-9]
    if first[-9:] != _END or not _KEY.fullmatch(key):
        return None
    has_host = False
    length = address = agent = None
    for line in lines:
        kind, value = _lines.get(line) or _line(line)
        if kind is _Is.NOTHING:
            continue
        if kind is _Is.LENGTH and length is None:
            length = value
        elif kind is _Is.HOST and not has_host:
            has_host = True
        elif kind is _Is.ADDRESS and address is None:
            address = value
        elif kind is _Is.AGENT and agent is None:
            agent = value
        elif kind is not _Is.CONNECTION or value.lower() != b"keep-alive":
            return None  # also what is LONG, and whatever is told twice
    body = data[end + 4 :]
    if not has_host or length is None or len(length) > _DIGITS or not length.isdigit():
        return None
    if not body or int(length) != len(body):
        return None
    return Plain(
        key.decode(),
        None if address is None else address.decode(),
        None if agent is None else agent.decode(),
        body,
    )


def _line(line: bytes) -> tuple[_Is, bytes]:
    """One that was not seen before, or is not remembered: most are of a few kinds."""
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        return _Is.LONG, b""
    kind = _KINDS.get(name.lower(), _Is.NOTHING)
    told = kind, value.strip(b" ")
    if kind not in _OWN and len(line) <= _SHORT_LINE:
        if len(_lines) >= _MOST_KNOWN:
            _lines.clear()
        _lines[line] = told
    return told
