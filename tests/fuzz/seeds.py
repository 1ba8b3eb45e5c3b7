"""What each target begins with: all made here, by the makers of the other tests."""

from __future__ import annotations

import gzip
import json
import struct
from itertools import chain as joined

from tests.make import (
    EVERY_DIALECT,
    INSTALL,
    PIN_A,
    PIN_B,
    authority,
    body,
    chain,
    ios_pem,
    neutral,
    okhttp_text,
    trustkit_android,
    trustkit_ios,
    window,
)

_PROXY = b"\r\n\r\n\x00\r\nQUIT\n"


def bodies() -> list[bytes]:
    every = [body(report) for report in EVERY_DIALECT]
    odd = [
        trustkit_ios(known_pins=[PIN_A] * 70, port=2**40),
        neutral(network={"server_ip": "fe80::1%eth0"}, host="BÜCHER.example", observed_at=1e300),
        neutral(served_chain=[issued.pem for issued in chain()], policy={"pattern": "*.example.com"}),
        {"data": {"host": "api.example.com", "message": okhttp_text(), "appVersion": "1"}, "app_version": "2"},
    ]  # fmt: skip
    every += [body(report) for report in odd]
    one, other = every[0], every[2]
    return [
        *every,
        b"[" + one + b"," + other + b"]",
        one + b"\n" + other + b"\n",
        json.dumps(one.decode()).encode(),
        other.decode().encode("utf-16"),
        gzip.compress(one, mtime=0),
        okhttp_text().encode(),
        b'{"hostname":"a.b","known-pins":[],"x":NaN,"date-time":1e400}',
        b'{"hostname":"a.b","hostname":"c.d","known-pins":[]}',
    ]


def trustkits() -> list[bytes]:
    told = [
        trustkit_ios(),
        trustkit_android(),
        trustkit_ios(app_platform="OSX", validation_result=2, port=443, known_pins=[]),
        trustkit_ios(app_vendor_id="unit-tests", app_bundle_id="N/A", hostname="BÜCHER.example."),
        trustkit_ios(date_time="2026-13-40T25:61:61Z", app_version="", validation_result=1.0),
    ]
    return [body(report) for report in told]


def texts() -> list[bytes]:
    leaf = chain()[0].pin
    told = [
        okhttp_text(),
        okhttp_text(pins=(PIN_A, PIN_B)).replace("\n", " "),
        okhttp_text().replace("\n", "\\n"),
        f"Hostname api.example.com not verified:\n    certificate: sha256/{leaf}\n    DN: CN=x\n",
        f"Pin verification failed\n  Configured pins: {PIN_A} {PIN_B}\n  Peer certificate chain:\n    {leaf} - CN=x",
        "CertPathValidatorException: Trust anchor for certification path not found.",
        "Server trust evaluation failed due to reason: Public key pinning failed for host api.example.com.",
        'publicKeyPinningFailed(host: "api.example.com", trust: x)',
        "Error Domain=NSURLErrorDomain Code=-1202 NSErrorFailingURLStringKey=https://api.example.com/x",
        "The certificate is pretending to be “api.example.com” which could put you at risk",
        f"id {INSTALL} a@b.example GET /v1?sid=x 10.1.2.3 2001:db8::1 token=abcdef eyJhbGciOi.eyJzdWIi.x",
    ]
    return [text.encode() for text in told]


def certificates() -> list[bytes]:
    return [issued.der for issued in joined(chain(), authority())]


def chains() -> list[bytes]:
    pems = [ios_pem(issued.der) for issued in chain()]
    return ["\n".join(pems).encode(), pems[0].encode(), json.dumps(pems).encode()]


def values() -> list[bytes]:
    told = [
        "api.example.com", "https://user@api.example.com:8443/x?y#z", "[2001:db8::1]:443", "192.0.2.1",
        "bücher.example",
        "*.example.com", "EXAMPLE.COM.", "fe80::1%eth0", "2026-11-20T11:59:30Z", "2026-11-20 11:59:30.123456 +05:30",
        "1763639970123", "-62135596800", "٢٠٢٦-١١-٢٠T١١:٥٩:٣٠Z", "1e308", f'pin-sha256="{PIN_A}"; max-age=5',
        f"sha256/{PIN_A}", PIN_B, "AB:" * 31 + "AB", "sha1/" + "A" * 27 + "=", "iPhone OS 18.1",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UQ1A)",
    ]  # fmt: skip
    return [text.encode() for text in told]


def headers() -> list[bytes]:
    return [
        b"203.0.113.9, 10.0.0.2", b"1.2.3.4\n203.0.113.9:4711", b"[2001:db8::9]:443, unknown, ,",
        b"=for=203.0.113.9;proto=https", b'=for="[2001:db8:1::9]:4711", For=_hidden\n203.0.113.9',
    ]  # fmt: skip


def proxy_headers() -> list[bytes]:
    four = bytes([198, 51, 100, 7, 10, 0, 0, 1]) + struct.pack("!HH", 4711, 443)
    six = bytes(32) + struct.pack("!HH", 4711, 443)
    return [
        _PROXY + bytes([command, family]) + struct.pack("!H", len(told)) + told + b"POST / HTTP/1.1"
        for command, family, told in ((0x21, 0x11, four), (0x21, 0x21, six), (0x20, 0, b""))
    ]


def tables() -> list[bytes]:
    return [
        b"host,window_start,window_end,successes\napi.example.com,2026-11-20T11:00:00Z,2026-11-20T12:00:00Z,97\n",
        b"timestamp,cs-host\n2026-11-20 11:00:01,api.example.com\n2026-11-20 11:00:02,api.example.com\n",
        b'hour,domain,requests,failures\n1763636400,"b\xc3\xbccher.example",12,\n',
    ]


def environments() -> list[bytes]:
    return [
        b"PINFALL_DATABASE_URL=postgresql://u:p@h/d\nPINFALL_PUBLIC_ADDRESS=[::1]:8080",
        b"PINFALL_TRUSTED_PROXIES=10.0.0.0/8, 2001:db8::/32\nPINFALL_RETENTION_DAYS=30\nPINFALL_PROXY_PROTOCOL=on",
        b"PINFALL_PUBLIC_URL=https://a.example/x\nPINFALL_LOG_LEVEL=INFO\nPINFALL_BIND=1\nPINFALL_HASH_KEY=short",
    ]


def windows() -> list[bytes]:
    return [body(window()), body([window(), window(id=None)]), gzip.compress(b"", mtime=0) * 3]
