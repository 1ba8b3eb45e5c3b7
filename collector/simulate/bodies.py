"""Reports as clients write them. What differs in each sending may be a mark of fixed width, which is
written over later: so a benchmark makes them once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collector.model import Hash
from collector.reports.certificates import certificate_from_der, facts
from collector.simulate import chains

# 12 digits that tell installs apart, and the time of day.
WHO, WHEN = "<<<<who>>>>>", "<<when>>"
EVENT = "<event>>"  # 8 hexadecimal digits, where an event id is a UUID
APP = "com.example.wallet"
_INSTALL = "7c1b6f0e-6b5d-4a51-9e0c-"  # and who it is
Chain = Sequence[bytes]  # DER, leaf first


@dataclass(frozen=True, slots=True)
class Message:
    """What one client sends. Both marks are in the agent or in the body."""

    agent: str
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Client:
    """Of whom a report is. date, time: what its clock says, in UTC. pins: "sha256/…"."""

    host: str
    version: str
    pins: tuple[str, ...]
    date: str
    time: str = WHEN
    who: str = WHO
    event: str = EVENT
    app: str = APP
    enforced: bool = True
    untrusted: bool = False  # the chain itself was refused, before any pin

    @property
    def install(self) -> str:
        return _INSTALL + self.who

    @property
    def result(self) -> int:
        """TrustKit's validation-result."""
        return 2 if self.untrusted else 1


def pin(der: bytes) -> str:
    return str(Hash("sha256", certificate_from_der(der).spki_sha256))


def _json(agent: str, report: Any) -> Message:
    return Message(agent, "application/json", json.dumps(report))


def trustkit_ios(client: Client, chain: Chain) -> Message:
    report = {
        "app-bundle-id": client.app, "app-version": client.version, "app-platform": "IOS",
        "app-platform-version": "18.1.0", "app-vendor-id": _INSTALL.upper() + client.who,
        "trustkit-version": "3.0.0", "date-time": f"{client.date}T{client.time}Z", "hostname": client.host,
        "port": 0, "noted-hostname": client.host, "include-subdomains": True, "enforce-pinning": client.enforced,
        "validated-certificate-chain": [chains.ios(der) for der in chain],
        "known-pins": [f'pin-sha256="{p.removeprefix("sha256/")}"' for p in client.pins],
        "validation-result": client.result, "known-pins-expiration-date": None,
    }  # fmt: skip
    return _json(f"Wallet/{client.version} CFNetwork/1498.700.2 Darwin/24.1.0", report)


def trustkit_android(client: Client, chain: Chain) -> Message:
    """Android 7 and newer leave out the root, and TrustKit sends both chains."""
    pems = [chains.android(der) for der in chain[:2]]
    report = {
        "app-bundle-id": client.app, "app-version": client.version, "app-vendor-id": client.install,
        "app-platform": "ANDROID", "trustkit-version": "1.1.5", "hostname": client.host, "port": 0,
        "noted-hostname": client.host, "include-subdomains": True, "enforce-pinning": client.enforced,
        "validation-result": client.result, "date-time": f"{client.date}T{client.time}Z",
        "validated-certificate-chain": pems, "served-certificate-chain": pems,
        "known-pins": [f'pin-sha256="{p.removeprefix("sha256/")}"' for p in client.pins],
    }  # fmt: skip
    return _json("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UQ1A.240205.004)", report)


def _okhttp(client: Client, chain: Chain) -> str:
    lines = ["Certificate pinning failure!", "  Peer certificate chain:"]
    lines += [f"    {pin(der)}: {facts(der).subject}" for der in chain]
    lines.append(f"  Pinned certificates for {client.host}:")
    return "\n".join([*lines, *(f"    {p}" for p in client.pins)])


def okhttp_text(client: Client, chain: Chain) -> Message:
    """A stack trace as it is. Nothing in it tells installs apart, so the User-Agent has to."""
    text = (
        f"javax.net.ssl.SSLPeerUnverifiedException: {_okhttp(client, chain)}\n"
        "\tat okhttp3.CertificatePinner.check$okhttp(CertificatePinner.kt:199)\n"
        "\tat okhttp3.internal.connection.RealConnection.connectTls(RealConnection.kt:411)\n"
        "\tat okhttp3.internal.connection.RealConnection.establishProtocol(RealConnection.kt:337)\n"
    )
    agent = f"Wallet/{client.version} (Android 14; {client.who}; {client.time}) okhttp/4.12.0"
    return Message(agent, "text/plain; charset=utf-8", text)


def okhttp_reporter(client: Client, chain: Chain) -> Message:
    """As docs/okhttp/PinfallReporter.java tells it."""
    report = {
        "schema": "pin-report/1", "event_id": f"{client.event}-5f0a-4a51-9e0c-0b2a3c0f9d11",
        "observed_at": f"{client.date}T{client.time}.250Z", "host": client.host, "port": 443,
        "outcome": "pin_mismatch", "enforced": client.enforced,
        "error": {"type": "javax.net.ssl.SSLPeerUnverifiedException", "message": _okhttp(client, chain)},
        "app": {"id": client.app, "version": client.version}, "os": {"name": "ANDROID", "version": "14"},
        "sdk": {"name": "pinfall-okhttp", "version": "1"}, "install_id": client.install, "weight": 1.0,
    }  # fmt: skip
    return _json("okhttp/4.12.0", report)


def okhttp_wrapped(client: Client, chain: Chain) -> Message:
    """The same text, as an app's own error reporter sends it."""
    report = {
        "url": f"https://{client.host}/v1/accounts", "message": _okhttp(client, chain),
        "installId": client.install, "appId": client.app, "appVersion": client.version, "platform": "android",
        "timestamp": f"{client.date}T{client.time}Z",
    }  # fmt: skip
    return _json("okhttp/4.12.0", report)


def neutral(client: Client, chain: Chain) -> Message:
    report = {
        "schema": "pin-report/1", "host": client.host, "outcome": "pin_mismatch", "enforced": client.enforced,
        "event_id": f"{client.event}-5f0a-4a51-9e0c-0b2a3c0f9d12", "install_id": client.install,
        "observed_at": f"{client.date}T{client.time}Z",
        "pins": {"kind": "spki-sha256", "expected": list(client.pins), "served": [pin(d) for d in chain]},
        "app": {"id": client.app, "version": client.version}, "os": {"name": "ios", "version": "18.1"},
    }  # fmt: skip
    return _json("Wallet/1 CFNetwork/1498.700.2 Darwin/24.1.0", report)


def hpkp(client: Client, chain: Chain) -> Message:
    report = {
        "date-time": f"{client.date}T{client.time}.{client.who}Z", "hostname": client.host, "port": 443,
        "effective-expiration-date": f"{client.date}T23:59:59Z", "include-subdomains": False,
        "noted-hostname": client.host,
        "served-certificate-chain": [chains.pem(der, 64, "\n", "\n") for der in chain[:2]],
        "validated-certificate-chain": [chains.pem(der, 64, "\n", "\n") for der in chain],
        "known-pins": [f'pin-sha256="{p.removeprefix("sha256/")}"' for p in client.pins],
    }  # fmt: skip
    return _json("Mozilla/5.0 (X11; Linux x86_64) Chrome/71.0.3578.98", report)


def react_native(client: Client, chain: Chain) -> Message:
    report = {
        "hostname": client.host, "enforced": client.enforced, "known-pins": list(client.pins),
        "served-pins": [pin(der) for der in chain[:2]],
        "message": f"Blocked connection to {client.host}", "date-time": f"{client.date}T{client.time}.{client.who}Z",
    }  # fmt: skip
    return _json("okhttp/4.9.2", report)


def window(client: Client, _chain: Chain) -> Message:
    report = {
        "id": f"{client.time}-{client.who}", "host": client.host, "app": client.app, "app_version": client.version,
        "platform": "ANDROID", "install_id": client.install, "window_start": f"{client.date}T11:00:00Z",
        "window_end": f"{client.date}T12:00:00Z", "successes": 97, "pin_failures": 3,
    }  # fmt: skip
    return _json("okhttp/4.12.0", report)
