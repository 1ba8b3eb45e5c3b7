"""What was tried against the listener, and what each gets: the table of SECURITY.md.

An outcome is the answer's status, then what it says; ``closed`` where the connection is closed after
it, and without ``closed`` the connection takes the next request. Several answers are told apart
by ``then``.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.make import PIN_A, body, chain, neutral, okhttp_text
from tests.web.listener_bytes import (
    HOSTILE,
    LENGTH,
    Parts,
    broken,
    chunked,
    chunks_of,
    dripped,
    head,
    hostile,
    joined,
    odd_certificate,
    one,
    padded,
    post,
    served,
    stretched,
    trustkit,
    whole,
    with_header,
)

MIB = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """One input. ``sent``: from the key to the parts that are written, one after the other.

    by_parser: refused before there is a request, so nothing but the status is looked at.
    ends: the client closes its half of the connection behind what it sent.
    """

    what: str
    gets: str
    sent: Callable[[str], Parts]
    by_parser: bool = False
    ends: bool = False


SLOW = "Slow senders"  # tried with a tenth of the real patience
GROUPS: dict[str, list[Case]] = {}


def taken(what: str, sent: Callable[[str], Parts]) -> Case:
    return Case(what, "200: 1 accepted", sent)


def refused(what: str, sent: Callable[[str], Parts]) -> Case:
    return Case(what, "400, closed", sent, by_parser=True)


def unknown(what: str, *headers: str, target: str) -> Case:
    return Case(what, "403 unknown_key, closed", post(one(), *headers, target=target))


def group(title: str, *cases: Case) -> None:
    GROUPS[title] = list(cases)


group(
    "Compression",
    Case("a gzip bomb: 64 MiB of blanks in 64 KiB", "413 too_large, closed", post(gzip.compress(b" " * 64 * MIB))),
    Case("a gzip bomb without Content-Encoding, chunked", "413 too_large, closed",
         chunked(chunks_of(gzip.compress(b" " * 64 * MIB), 4096))),
    Case("gzip within gzip", "400 not_json", post(gzip.compress(gzip.compress(one())))),
    taken("gzip in two members", post(gzip.compress(one("m")[:40]) + gzip.compress(one("m")[40:]))),
    Case("gzip in 200,000 empty members", "400 not_json", post(gzip.compress(b"") * 200_000)),
    Case("gzip cut in the middle", "400 not_json", post(gzip.compress(one())[:-30])),
    Case("gzip with a wrong checksum", "400 not_json",
         post(gzip.compress(one())[:-8] + struct.pack("<II", 1, len(one())))),
    taken("gzip with text behind it", post(gzip.compress(one("behind")) + b"behind")),
    taken("Content-Encoding: gzip over a body that is not", post(one("plain"), "Content-Encoding: gzip")),
    Case("Content-Encoding: br, and 1,000 codings", "400 not_json",
         post(b"\x8b\x00\x80\x7b\x7d\x03", "Content-Encoding: " + ", ".join(["br"] * 1000))),
    Case("zlib instead of gzip", "400 not_json", post(zlib.compress(one()))),
)  # fmt: skip
group(
    "JSON",
    Case("arrays nested 50,000 deep", "400 too_deep", post(b"[" * 50_000 + b"]" * 50_000)),
    Case("objects nested 20,000 deep", "400 too_deep", post(b'{"a":' * 20_000 + b"1" + b"}" * 20_000)),
    Case("nesting of 33 in a report", "400 too_deep", post(body(neutral(x=json.loads("[" * 32 + "]" * 32))))),
    taken("nesting of 32 in a report", post(body(neutral(event_id="32", x=json.loads("[" * 31 + "]" * 31))))),
    Case("nesting inside a string, JSON twice", "400 too_deep",
         post(json.dumps('{"a":' * 5000 + "1" + "}" * 5000).encode())),
    Case("JSON three times", "400 not_json", post(json.dumps(json.dumps(one().decode())).encode())),
    Case("an unclosed array of 100,000 brackets", "400 too_deep", post(b"[" * 100_000)),
    taken("an integer of 100,000 digits", post(one("digits")[:-1] + b', "n": ' + b"9" * 100_000 + b"}")),
    taken("floats such as 1e999, -1e-999 and 1e+0000000400",
         post(one("floats")[:-1] + b', "a": 1e999, "b": -1e-999, "c": 1e+0000000400}')),
    taken("NaN and Infinity", post(one("NaN")[:-1] + b', "a": NaN, "b": -Infinity, "observed_at": Infinity}')),
    taken("a key twice, with the same value", post(one("twice")[:-1] + b', "outcome": "pin_mismatch"}')),
    Case("a key twice, with two values: the last counts", "422 no_host", post(one()[:-1] + b', "host": ""}')),
    Case("100,000 numbers where an object belongs", "413 too_large, closed",
         post(b"[" + b"1," * 100_000 + b"1]")),
    taken("8,000 keys", post(body(neutral(event_id="keys", **{f"k{i}": i for i in range(8_000)})))),
    Case("no value at all: null", "422 unrecognised", post(b"null")),
    Case("an empty array", "422 unrecognised", post(b"[]")),
    Case("an empty body", "400 not_json", post(b"")),
    Case("a body of blanks", "400 not_json", post(b" \r\n\t" * 1000)),
    Case("NDJSON with blank lines", "200: 2 accepted", post(one("l1") + b"\n\n\r\n" + one("l2") + b"\n\n")),
    Case("NDJSON with a line of garbage", "200: 2 accepted, 1 rejected",
         post(one("g1") + b"\n{\x00\xff garbage\n" + one("g2"))),
    Case("a million empty lines", "400 not_json", post(b"\n" * MIB)),
    Case("HTML of a captive portal", "400 not_json", post(b"<html><script>alert(1)</script></html>")),
)  # fmt: skip
group(
    "Characters",
    taken("bytes that are not UTF-8", post(one("utf8").replace(b"8.24.1", b"8\xff\xfe\x80"))),
    taken("overlong UTF-8 of a quotation mark", post(one("overlong").replace(b"8.24.1", b"8\xc0\xa2,\xe0\x80\xa2"))),
    taken("UTF-8 with a byte order mark", post(b"\xef\xbb\xbf" + one("bom"))),
    taken("UTF-16 with a byte order mark", post(one("u16").decode().encode("utf-16"))),
    Case("UTF-16 without a byte order mark", "400 not_json", post(one().decode().encode("utf-16-le"))),
    Case("UTF-32", "400 not_json", post(one().decode().encode("utf-32"))),
    taken("NUL in a text", post(body(neutral(event_id="nul\x00", app={"id": "a\x00b"})))),
    taken("NUL behind the body", post(one("nul behind") + b"\x00" * 100)),
    taken("lone surrogates",
         post(body(neutral(event_id="\ud800", error={"message": "\udfff\ud800"}, x={"\ud800": "\udc00"})))),
    Case("a host of bidi and invisible characters", "422 no_host", post(body(neutral(host="a\u202eb\u200b.example")))),
    Case("a host of 60,000 labels", "422 no_host", post(body(neutral(host="a." * 60_000)))),
    taken("an IPv6 zone of NUL bytes", post(body(neutral(event_id="zone", network={"server_ip": "fe80::1%\x00"})))),
)  # fmt: skip
group(
    "Fields",
    taken("the year 294277", post(body(neutral(event_id="294277", observed_at="+294277-01-09T04:00:54Z")))),
    taken("the year 0", post(body(neutral(event_id="0", observed_at="0000-00-00T00:00:00Z")))),
    taken("a negative time", post(body(neutral(event_id="-1", observed_at=-62135596801)))),
    taken("a time of 10^300", post(body(neutral(event_id="300", observed_at=1e300)))),
    Case("10,000 pins", "413 too_large", post(trustkit(known_pins=[f"sha256/{PIN_A}"] * 10_000))),
    taken("1,700 pins of which 64 are kept",
         post(trustkit(known_pins=[f"sha256/{i:064x}" for i in range(1700)]))),
    taken("numbers beyond 64 bits for every number",
         post(body(neutral(event_id="numbers", port=2**80, counts={"occurrences": 2**80}, weight=2**80)))),
    taken("an object where a text belongs, a text where an object does",
         post(body(neutral(event_id="types", app="x", os=[1], error=7, pins={"expected": {}}, policy="*")))),
    taken("a subject of 20 kB in a text",
         post(okhttp_text().replace("CN=api.example.com", "CN=" + "a" * 20_000).encode())),
    Case("a subject of 100 kB in a text: 32 KiB are read, the host is behind", "422 no_host",
         post(okhttp_text().replace("CN=api.example.com", "CN=" + "a" * 100_000).encode())),
    taken("a message of 120 kB", post(body(neutral(event_id="message", error={"message": "m" * 120_000})))),
)  # fmt: skip
group(
    "Certificates",
    taken("a subject of 90 kB in a certificate", post(served(odd_certificate("subject")))),
    taken("a certificate of 90 kB", post(served(odd_certificate("90000")))),
    Case("a certificate of 100 kB", "413 too_large", post(served(odd_certificate("100000")))),
    Case("a chain of 1,000 certificates", "413 too_large", post(served(*[chain()[0].der] * 1000))),
    taken("a chain of 100: 12 are kept", post(served(*[chain()[0].der] * 100))),
    taken("DER that is cut", post(served(broken("truncated")))),
    taken("DER of indefinite length", post(served(broken("indefinite")))),
    taken("DER elements that overlap", post(served(broken("overlapping")))),
    taken("DER longer than it says", post(served(broken("longer than told")))),
    taken("DER with a length of 127 bytes", post(served(broken("length of lengths")))),
    taken("an RSA exponent of 4,096 bits in the issuer", post(served(chain()[0].der, odd_certificate("exponent")))),
    taken("an RSA key of 16,384 bits in the issuer", post(served(chain()[0].der, odd_certificate("modulus")))),
    taken("PEM markers without an end, 4,000 times",
         post(trustkit(validated_certificate_chain=["-----BEGIN CERTIFICATE-----\n" * 4000]))),
    taken("numbers, objects and null for certificates",
         post(trustkit(validated_certificate_chain=[1, {}, None, [], "", True]))),
)  # fmt: skip
group(
    "Sizes",
    Case("1,000 items", "200: 1000 accepted",
         post(b"[" + b",".join(one(f"of 1000, {i}") for i in range(1000)) + b"]")),
    Case("1,000 items of which none is a report", "422 unrecognised", post(b"[" + b"1," * 999 + b"1]")),
    Case("1,001 items", "413 too_large, closed", post(b"[" + b"1," * 1000 + b"1]")),
    taken("a body of 4 MiB", post(stretched(4 * MIB, "4 MiB"))),
    Case("a body of 4 MiB and a byte", "413 too_large, closed", post(stretched(4 * MIB + 1, "more"))),
    taken("an item of 128 KiB", post(padded(128 * 1024, "128 KiB"))),
    Case("an item of 128 KiB and a byte", "413 too_large", post(padded(128 * 1024 + 1, "more"))),
    Case("a large item beside a good one", "200: 1 accepted, 1 rejected",
         post(b"[" + padded(128 * 1024 + 1, "large") + b"," + one("beside") + b"]")),
    Case("chunks up to 5 MiB without a length", "413 too_large, closed",
         chunked(chunks_of(stretched(5 * MIB, "chunks"), 65_536))),
)  # fmt: skip
group(
    "Content types",
    taken("JSON as image/png", post(one("png"), "Content-Type: image/png")),
    taken("JSON with a Content-Type of 4 kB of garbage", post(one("garbage"), "Content-Type: " + ';="' * 1300)),
    Case("a form", "400 not_json", post(b"report=%7B%7D&a=b", "Content-Type: application/x-www-form-urlencoded")),
    Case("a form of many parts", "400 not_json",
         post(b"--x\r\nContent-Disposition: form-data; name=a; filename=../../etc/passwd\r\n\r\n{}\r\n--x--\r\n",
              "Content-Type: multipart/form-data; boundary=x")),
)  # fmt: skip
group(
    SLOW,
    Case("no body after its headers", "408 too_slow, closed", head(*LENGTH, "Content-Length: 5000")),
    Case("a body of 20 bytes a second", "408 too_slow, closed", dripped(b"{" * 12, 1, 0.05, 5000)),
)  # fmt: skip
group(
    "Framing",
    taken("a body in pieces of 100 bytes, with pauses", dripped(one("pieces"), 100, 0.02)),
    taken("chunks of one byte", chunked(chunks_of(one("tiny"), 1))),
    taken("chunk extensions", chunked(chunks_of(one("extension"), 50, b';a=b;c="d"'))),
    taken("chunk extensions of 100 kB: passed over",
         chunked(chunks_of(one("long extension"), 50, b";a=" + b"x" * 100_000))),
    refused("a chunk size that is no number", chunked(b"zz\r\n{}\r\n0\r\n\r\n")),
    refused("a chunk size over 64 bits", chunked(b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
    refused("a negative chunk size", chunked(b"-2\r\n{}\r\n0\r\n\r\n")),
    refused("a chunk longer than its size", chunked(b"2\r\n{}{}{}\r\n0\r\n\r\n")),
    taken("Transfer-Encoding: gzip, chunked: known by its bytes",
         chunked(chunks_of(one("te"), 50), line="Transfer-Encoding: gzip, chunked")),
    refused("Transfer-Encoding: chunked twice",
            chunked(chunks_of(one(), 50), line="Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    refused("Transfer-Encoding: identity", chunked(b"{}", line="Transfer-Encoding: identity")),
    refused("Transfer-Encoding: xchunked", chunked(chunks_of(one(), 50), line="Transfer-Encoding: xchunked")),
    refused("Content-Length and Transfer-Encoding",
            chunked(chunks_of(one(), 50), line="Content-Length: 5\r\nTransfer-Encoding: chunked")),
    refused("two Content-Lengths that differ", head(*LENGTH, "Content-Length: 2", "Content-Length: 3", raw=b"{}}")),
    refused("two Content-Lengths that agree", with_header("Content-Length: 2")),
    refused("Content-Length: 2, 2", head(*LENGTH, "Content-Length: 2, 2", raw=b"{}")),
    refused("Content-Length: -1", head(*LENGTH, "Content-Length: -1", raw=b"{}")),
    refused("Content-Length: +2", head(*LENGTH, "Content-Length: +2", raw=b"{}")),
    refused("Content-Length: 0x2", head(*LENGTH, "Content-Length: 0x2", raw=b"{}")),
    refused("a Content-Length of 10^30", head(*LENGTH, "Content-Length: 1" + "0" * 30, raw=b"{}")),
    Case("a Content-Length of 10^12", "413 too_large, closed",
         head(*LENGTH, "Content-Length: 1" + "0" * 12, raw=b"{}")),
    refused("Content-Length in other scripts' digits", head(*LENGTH, "Content-Length: ٢", raw=b"{}")),
    Case("no length at all", "400 not_json", head(*LENGTH)),
    Case("a body behind GET", "405", head("GET /r/{key} HTTP/1.1", "Host: x", "Content-Length: 2", raw=b"{}")),
    Case("a body that breaks off", "closed", head(*LENGTH, "Content-Length: 5000", raw=b"{"), ends=True),
    Case("chunks that break off", "closed", chunked(b"5\r\n{"), ends=True),
)  # fmt: skip
group(
    "Headers and targets",
    refused("a header folded over two lines", with_header("X: a", " b")),
    refused("NUL in a header", with_header(b"X: a\x00b")),
    refused("a bare LF between headers", with_header(b"X: a\nY: b")),
    refused("a bare CR in a header", with_header(b"X: a\rY: b")),
    refused("a blank before a colon", head(*LENGTH, "Content-Length : 2", raw=b"{}")),
    refused("a header without a name", with_header(": x")),
    refused("a header without a colon", with_header("X")),
    refused("1,000 headers", with_header(*(f"X-{i}: y" for i in range(1000)))),
    refused("a header of 100 kB", with_header("X: " + "y" * 100_000)),
    refused("a header's name of 100 kB", with_header("X" * 100_000 + ": y")),
    refused("a request line of 100 kB", head("POST /r/" + "k" * 100_000 + " HTTP/1.1", "Host: x")),
    refused("no Host", head("POST /r/{key} HTTP/1.1", "Content-Length: 2", raw=b"{}")),
    refused("two Hosts", with_header("Host: y")),
    taken("a target with a scheme and a host", post(one("absolute"), target="http://other.example/r/{key}")),
    refused("the target *", post(b"{}", target="*")),
    Case("OPTIONS *", "404", post(b"", target="*", method="OPTIONS")),
    Case("CONNECT", "404", head("CONNECT other.example:443 HTTP/1.1", "Host: other.example:443")),
    Case("TRACE", "405", head("TRACE /r/{key} HTTP/1.1", "Host: x")),
    refused("a method of our own", head("BREW /r/{key} HTTP/1.1", "Host: x")),
    refused("a method of 100 kB", head("A" * 100_000 + " /r/{key} HTTP/1.1", "Host: x")),
    refused("HTTP/0.9", whole(b"POST /r/{key}\r\n\r\n")),
    Case("HTTP/1.0", "200: 1 accepted, closed",
         head("POST /r/{key} HTTP/1.0", f"Content-Length: {len(one('1.0'))}", raw=one("1.0"))),
    refused("HTTP/9.9", head("POST /r/{key} HTTP/9.9", "Host: x", "Content-Length: 2", raw=b"{}")),
    refused("the preface of HTTP/2", whole(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")),
    refused("the hello of TLS", whole(b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(range(200)))),
    refused("a header of the PROXY protocol that was not asked for",
            whole(b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 80\r\nPOST /r/{key} HTTP/1.1\r\nHost: x\r\n\r\n")),
    refused("random bytes", whole(bytes(range(1, 256)) * 4 + b"\r\n\r\n")),
    Case("Expect: 100-continue", "100 then 200: 1 accepted", post(one("continue"), "Expect: 100-continue")),
    Case("Expect: something else", "417, closed", post(one(), "Expect: 200-maybe", "Connection: close")),
    taken("Upgrade: websocket",
         post(one("websocket"), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
    taken("Upgrade: h2c", post(one("h2c"), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
               "HTTP2-Settings: AAMAAABkAAQAAP__")),
    Case("two requests at once", "200: 1 accepted then 200: 1 accepted",
         joined(post(one("p1")), post(one("p2")))),
    refused("a second request hidden behind a refused body", joined(chunked(b"zz\r\n"), post(one("hidden")))),
    Case("half a head behind a request, then what looks like one", "200 then 400, closed",
         lambda key: [
             post(one("before half a head"))(key)[0] + f"POST /r/{key} HTTP/1.1\r\nHost: x\r\nX: ".encode(),
             0.2, post(one("hidden in a head"))(key)[0],
         ], by_parser=True),
    Case("a client that closes its half behind the request", "closed", post(one("half")), ends=True),
    Case("the same report, other X-Forwarded-For, from a peer that is no trusted proxy",
         "200: 1 accepted then 200: 1 duplicate",
         joined(post(okhttp_text("xff.example.com").encode(), "X-Forwarded-For: 203.0.113.1"),
                post(okhttp_text("xff.example.com").encode(), "X-Forwarded-For: ' OR 1=1, 203.0.113.2",
                     'Forwarded: for="_x'))),
    taken("Origin and Sec-Fetch of another site",
         post(one("origin"), "Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")),
    Case("OPTIONS, as a browser asks first", "204",
         post(b"", "Origin: null", "Access-Control-Request-Method: POST", method="OPTIONS")),
    taken("X-HTTP-Method-Override: DELETE", post(one("override"), "X-HTTP-Method-Override: DELETE")),
)  # fmt: skip
group(
    "Keys",
    unknown("an unknown key", target="/r/unknown-key-of-22-chars"),
    unknown("a key of 7 kB", target="/r/" + "k" * 7000),
    refused("a key of 10 kB", post(one(), target="/r/" + "k" * 10_000)),
    unknown("a key with %00", target="/r/%00"),
    unknown("a key with a quotation mark and SQL", target="/r/'%20OR%201=1--"),
    unknown("a key of other scripts, as UTF-8", target="/r/%D8%A7%D9%84%F0%9F%94%91"),
    refused("a key of other scripts, raw", post(one(), target="/r/ключ")),
    unknown("a key that is not UTF-8", target="/r/%ff%fe"),
    Case("../ in the path", "404", post(one(), target="/../../etc/passwd")),
    unknown("%2e%2e%2f in the key", target="/r/..%2fmetrics"),
    Case("the operator's paths", "404", post(one(), target="/api/v1/projects")),
    unknown("an empty ?key=", target="/r?key="),
    unknown("?key= twice", target="/r?key=a&key={key}"),
    taken("a key as ?key=", post(one("query"), target="/r?key={key}")),
    unknown("no key", target="/r"),
    unknown("Basic that is not base64", "Authorization: Basic %%%", target="/r"),
    unknown("Basic of bytes that are not UTF-8", "Authorization: Basic //79", target="/r"),
    unknown("Bearer of 6 kB", "Authorization: Bearer " + "k" * 6000, target="/r"),
    unknown("a scheme that nobody has", "Authorization: Negotiate YII=", target="/r"),
)  # fmt: skip
group(
    "Text that would act elsewhere, in every field",
    *[taken(what, post(hostile(text))) for what, text in HOSTILE.items()],
    taken("SQL and HTML as a User-Agent", post(one("agent"), "User-Agent: <script>'; DROP TABLE x; --")),
    refused("escape sequences as a User-Agent", post(one(), "User-Agent: \x1b[2J")),
    Case("SQL and HTML as a host", "422 no_host", post(body(neutral(host="<script>alert(1)</script>'; DROP TABLE x")))),
)  # fmt: skip
