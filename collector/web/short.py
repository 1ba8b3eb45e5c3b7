"""The short way of a request: one that came whole, in one piece, and is as plain as nearly all are.

A general parser and a task for each request are more than half of what a report costs. What is taken
here is a POST to a key's own address, with a head of visible ASCII, one Host, one Content-Length that is
just what follows, and nothing that asks for more. Whatever is not so is not judged here: aiohttp's
parser gets its bytes as if nobody had looked.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

from collector.web.budget import SMALL

_BEGIN, _END = b"POST /r/", b" HTTP/1.1"
_MOST_HEAD = 4096  # bytes
_MOST_LINES = 40
_DIGITS = 6
_VISIBLE = bytes(range(0x20, 0x7F))
_KEY = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(rb"[A-Za-z0-9!#$&'*+.^_`|~%-]{1,64}")  # RFC 9110, 5.6.2


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
_MOST_KNOWN, _SHORT = 1024, 768  # heads that are remembered; bytes of one
# Proxies write it in one of two ways, and a new value for each request.
_ADDRESSES = (b"\r\nX-Forwarded-For: ", b"\r\nx-forwarded-for: ")


class _Head(msgspec.Struct, frozen=True, gc=False):
    key: str
    address: str | None
    agent: str | None
    length: int


_heads: dict[bytes, _Head] = {}  # by their bytes, without the line that tells the address


class Plain(msgspec.Struct, frozen=True, gc=False):
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
    # Of one release behind one proxy heads are alike but for the address: the rest is read once.
    rest, told = _without_address(data[:end])
    head = _heads.get(rest) or _read(rest)
    if head is None or (told is not None and head.address is not None):
        return None
    body = data[end + 4 :]
    if not body or head.length != len(body):
        return None
    return Plain(head.key, head.address if told is None else told, head.agent, body)


def _without_address(head: bytes) -> tuple[bytes, str | None]:
    """A head without the line that tells the address, and what that says; as it is, where no such line is
    plain."""
    for line in _ADDRESSES:
        start = head.find(line)
        if start >= 0:
            end = head.find(b"\r\n", start + 2)
            told = head[start + len(line) : end] if end >= 0 else head[start + len(line) :]
            if told.translate(None, _VISIBLE):
                return head, None
            rest = head[:start] + head[end:] if end >= 0 else head[:start]
            return rest, told.strip(b" ").decode()
    return head, None


def _read(head: bytes) -> _Head | None:
    """One that was not seen before, or is not remembered: most are of a few kinds."""
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
        kind, value = _line(line)
        if kind is _Is.NOTHING:
            continue
        if kind is _Is.LENGTH and length is None:
            length = value
        elif kind is _Is.HOST and not has_host:
            has_host = True
        elif kind is _Is.ADDRESS and address is None:
            address = value.decode()
        elif kind is _Is.AGENT and agent is None:
            agent = value.decode()
        elif kind is not _Is.CONNECTION or value.lower() != b"keep-alive":
            return None  # also what is LONG, and whatever is told twice
    if not has_host or length is None or len(length) > _DIGITS or not length.isdigit():
        return None
    told = _Head(key.decode(), address, agent, int(length))
    if len(head) <= _SHORT:
        if len(_heads) >= _MOST_KNOWN:
            _heads.clear()
        _heads[head] = told
    return told


def _line(line: bytes) -> tuple[_Is, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        return _Is.LONG, b""
    return _KINDS.get(name.lower(), _Is.NOTHING), value.strip(b" ")
