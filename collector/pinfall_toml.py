"""``pinfall.toml``: what operators keep under version control. Read once, at the start.

    [[host]]
    name = "api.example.com"
    addresses = ["10.1.2.3"]            # may be asked although they are not public
    roots = "file:private-ca.pem"       # instead of the public roots

    [[network]]
    cidr = "198.51.100.0/24"
    counts = "each"

    [[channel]]                         # read by notify.config
    name = "oncall"
    type = "pagerduty"
    routing_key = "env:PAGERDUTY_KEY"

    [runbooks]
    own_rotation = "https://wiki.example.com/rotation"

Places in mistakes count from 1: ``host[2].port: …`` is of the second ``[[host]]``.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.errors import SettingsError
from collector.reports.hosts import read_host
from collector.toml_table import Table

_SECTIONS = ("host", "network", "runbooks", "channel", "heartbeat")
_MOST_HOSTS = 1000
_LARGEST = 1024 * 1024  # bytes
_URL = re.compile(r"https?://[^\s/\"<>]+(/[^\s\"<>]*)?")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HostToml:
    """A host to probe. ``project`` None: of every project that names it.

    ``third_party``: its rotations are news, not ours. ``addresses``, ``allow_private``: what may be
    asked although it is not public. ``roots``: a PEM file; they are trusted instead of the public ones.
    """

    name: str
    port: int = 443
    project: str | None = None
    third_party: bool = False
    allow_private: bool = False
    addresses: frozenset[IPAddress] = frozenset()
    roots: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    probe: bool = True


@dataclass(frozen=True, slots=True)
class NetworkToml:
    """An egress of ours. ``counts`` "each": its installs are counted each, caps on networks aside."""

    cidr: IPNetwork
    counts: str


@dataclass(frozen=True, slots=True)
class PinfallToml:
    """``runbooks``: URLs by kind of alert. ``channels`` and ``heartbeat``: as they stand in the file,
    for ``notify.config``. ``directory``: of the file."""

    hosts: tuple[HostToml, ...] = ()
    networks: tuple[NetworkToml, ...] = ()
    runbooks: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Mapping[str, Any], ...] = ()
    heartbeat: Mapping[str, Any] | None = None
    directory: Path = Path()


def load(path: Path | None) -> PinfallToml:
    """Read the file; None: there is none.

    Raises SettingsError with every mistake, one a line.
    """
    if path is None:
        return PinfallToml()
    mistakes: list[str] = []
    told = _parsed(path)
    for name in told:
        if name not in _SECTIONS:
            near = difflib.get_close_matches(name, _SECTIONS, 1, cutoff=0.5)
            words = f"; is it {near[0]}?" if near else ""
            mistakes.append(f"{name[:80]}: no such section{words}")
    directory = path.absolute().parent

    def tables(section: str) -> list[Table]:
        value = told.get(section, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            mistakes.append(f"{section}: should be tables: [[{section}]]")
            return []
        return [
            Table(each, f"{section}[{number}]", directory, mistakes)
            for number, each in enumerate(value, 1)
        ]

    hosts = [_host(table) for table in tables("host")]
    _twice(hosts, mistakes)
    networks = [_network(table) for table in tables("network")]
    channels = [table.told for table in tables("channel")]
    heartbeat = told.get("heartbeat")
    if heartbeat is not None and not isinstance(heartbeat, dict):
        mistakes.append("heartbeat: should be a table: [heartbeat]")
    runbooks = _runbooks(told.get("runbooks", {}), mistakes)
    if mistakes:
        raise SettingsError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return PinfallToml(
        tuple(host for host in hosts if host is not None),
        tuple(network for network in networks if network is not None),
        runbooks,
        tuple(channels),
        heartbeat,
        directory,
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"PINFALL_CONFIG: {path}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise SettingsError(f"{path}: more than {_LARGEST} bytes")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {str(error)[:200]}") from None


def _host(table: Table) -> HostToml | None:
    name = _name(table)
    port = table.number("port", 443, 1, 65535)
    addresses = set()
    for text in table.texts("addresses"):
        try:
            addresses.add(ipaddress.ip_address(text))
        except ValueError:
            table.wrong("addresses", f"'{text[:80]}' is no IP address")
    cert, key = table.file("client_cert"), table.file("client_key")
    if (table.told.get("client_cert") is None) != (table.told.get("client_key") is None):
        table.wrong("client_cert", "and client_key: say both, or neither")
    elif cert is not None and key is not None:
        _pair(table, cert, key)
    roots = table.file("roots")
    if roots is not None:
        _pem(table, roots)
    read = HostToml(
        name=name or "",
        port=port,
        project=table.text("project"),
        third_party=table.boolean("third_party", usual=False),
        allow_private=table.boolean("allow_private", usual=False),
        addresses=frozenset(addresses),
        roots=roots,
        client_cert=cert,
        client_key=key,
        probe=table.boolean("probe", usual=True),
    )
    table.close()
    return read if name else None


def _name(table: Table) -> str | None:
    text = table.text("name", needed=True)
    if text is None:
        return None
    try:
        host, port = read_host(text)
    except ValueError as error:
        table.wrong("name", f"'{text[:80]}': {error}")
        return None
    if port is not None or "/" in text or "@" in text:
        table.wrong("name", f"'{text[:80]}': should be a name; a port has a field of its own")
        return None
    return host


def _pair(table: Table, cert: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # No password: OpenSSL would ask the terminal for one.
        context.load_cert_chain(cert, key, password=lambda: "")
    except OSError:  # ssl.SSLError is one
        table.wrong("client_cert", "and client_key: not a PEM certificate and the key that fits it")


def _pem(table: Table, path: Path) -> None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=path.read_text("latin-1"))
    except (OSError, ValueError):
        table.wrong("roots", f"{path}: no certificates in PEM")


def _twice(hosts: list[HostToml | None], mistakes: list[str]) -> None:
    seen: dict[tuple[str, int], int] = {}
    for number, host in enumerate(hosts, 1):
        if host is None:
            continue
        first = seen.setdefault((host.name, host.port), number)
        if first != number:
            mistakes.append(f"host[{number}].name: host[{first}] is {host.name}:{host.port} too")
    if len(hosts) > _MOST_HOSTS:
        mistakes.append(f"host: at most {_MOST_HOSTS}")


def _network(table: Table) -> NetworkToml | None:
    text = table.text("cidr", needed=True)
    counts = table.one_of("counts", ("each",), "each")
    table.close()
    if text is None or counts is None:
        return None
    try:
        return NetworkToml(ipaddress.ip_network(text), counts)
    except ValueError as error:
        table.wrong("cidr", str(error)[:200])
        return None


def _runbooks(told: object, mistakes: list[str]) -> dict[str, str]:
    if not isinstance(told, dict):
        mistakes.append("runbooks: should be a table: [runbooks]")
        return {}
    for kind, url in told.items():
        if not _KIND.fullmatch(kind):
            mistakes.append(f"runbooks.{kind[:80]}: should be a kind such as own_rotation")
        if not isinstance(url, str) or len(url) > 2000 or not _URL.fullmatch(url):
            mistakes.append(f"runbooks.{kind[:80]}: should be an http(s) URL")
    return dict(told)
