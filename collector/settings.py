"""Settings: the only module that reads the environment."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from collector.errors import SettingsError

PREFIX = "PINFALL_"
# Read by the launcher and by commands, or set by Kubernetes for a Service named pinfall.
_OTHERS = re.compile(
    r"PINFALL_(?:PYTHON|CHECKOUT|URL|TOKEN|DATA|TEST_\w+|PORT(?:_\w+)?|SERVICE_\w+)"
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. ``port`` 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """``host:port``, ``[::1]:8080`` or ``:8080``. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError("not host:port")
        return cls(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104 (what ':8080' means)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose. Each field is one PINFALL_<NAME> variable."""

    database_url: str | None = field(default=None, repr=False)  # holds a password
    public_address: Address = Address("0.0.0.0", 8080)  # noqa: S104 (it is the public listener)
    operator_address: Address = Address("127.0.0.1", 8081)
    pages_url: str | None = (
        None  # of the operator's pages, as people reach them; for links in alerts
    )
    public_url: str | None = None  # as clients reach it; for what is printed and shown
    operator_token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()
    proxy_protocol: bool = False  # expect PROXY protocol v2 on the public listener
    spool_dir: Path | None = None  # where reports go while Postgres is away; none: they are shed
    spool_bytes: int = 1024**3
    source_rate: float = 50  # items a second that one address may send; ten times as much a network
    source_burst: float = 2000  # and at once
    max_connections: int = 0  # of the public listener; 0: as many as descriptors allow
    hash_key: str | None = field(default=None, repr=False)
    retention_days: int = 30  # of violations
    rollup_days: int = 400  # of sums by hour, and of signatures
    row_budget: int = 1_000  # violations of one signature and hour that are stored whole
    audit_days: int = 400
    log_format: str = "auto"  # json, console, or auto: json unless stderr is a terminal
    log_level: str = "info"
    asn_db: Path | None = None  # whose network is whose: MMDB, or TSV as iptoasn.com has it
    config: Path | None = None  # pinfall.toml: hosts to probe, networks, runbooks, channels
    postgres_bin: str | None = None  # PostgreSQL's programs for `up`, `backup`, `restore`


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _boolean(text: str) -> bool:
    told = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    return told[text.strip().lower()]


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text.lower()

    return read


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 3650:
        raise ValueError("1 to 3650")
    return days


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})\s{0,2}([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError("not a size")
    size: int = int(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")
    if size < 1024**2:
        raise ValueError("under 1 MiB")
    return size


def _rows(text: str) -> int:
    rows = int(text)
    if not 1 <= rows <= 1_000_000_000:
        raise ValueError("1 to 1000000000")
    return rows


def _number(text: str) -> float:
    number = float(text)
    if not 0.1 <= number <= 1_000_000:
        raise ValueError("0.1 to 1000000")
    return number


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError("0 or more")
    return count


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", text):
        raise ValueError("not an http(s) URL")
    return text.rstrip("/")


_READ: dict[str, tuple[Callable[[str], object], str]] = {
    "database_url": (str, "a postgresql:// URL"),
    "public_address": (Address.parse, "host:port, such as 0.0.0.0:8080 or [::]:8080"),
    "operator_address": (Address.parse, "host:port, such as 127.0.0.1:8081"),
    "public_url": (_url, "an http:// or https:// URL"),
    "pages_url": (_url, "an http:// or https:// URL"),
    "operator_token": (str, "a text"),
    "tls_cert": (Path, "a path"),
    "tls_key": (Path, "a path"),
    "trusted_proxies": (_networks, "networks such as 10.0.0.0/8,2001:db8::/32"),
    "proxy_protocol": (_boolean, "true or false"),
    "spool_dir": (Path, "a directory"),
    "spool_bytes": (_bytes, "a number of bytes such as 1073741824, 512M or 4G"),
    "source_rate": (_number, "a number from 0.1 to 1000000"),
    "source_burst": (_number, "a number from 0.1 to 1000000"),
    "max_connections": (_count, "a number, 0 for as many as descriptors allow"),
    "hash_key": (str, "a text of 16 characters or more"),
    "retention_days": (_days, "a number of days from 1 to 3650"),
    "rollup_days": (_days, "a number of days from 1 to 3650"),
    "row_budget": (_rows, "a number of rows from 1 to 1000000000"),
    "audit_days": (_days, "a number of days from 1 to 3650"),
    "log_format": (_one_of("auto", "json", "console"), "auto, json or console"),
    "log_level": (_one_of("debug", "info", "warning", "error"), "debug, info, warning or error"),
    "asn_db": (Path, "a path"),
    "config": (Path, "a path"),
    "postgres_bin": (str, "a directory"),
}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read Settings. Raises SettingsError with every mistake, one a line."""
    known = {PREFIX + f.name.upper(): f.name for f in fields(Settings)}
    mistakes = []
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not _OTHERS.fullmatch(name):
            near = difflib.get_close_matches(name, known, 1, cutoff=0.85)
            mistakes.append(f"{name}: no such setting" + (f"; is it {near[0]}?" if near else ""))
    values: dict[str, object] = {}
    for name, attribute in known.items():
        text = environ.get(name)
        if not text:  # empty means unset, as compose files write it
            continue
        read, shape = _READ[attribute]
        try:
            values[attribute] = read(text)
        except (ValueError, KeyError):
            mistakes.append(f"{name}: should be {shape}")
    mistakes += _contradictions(values)
    if mistakes:
        raise SettingsError("\n".join(sorted(mistakes)))
    return Settings(**values)  # type: ignore[arg-type]


def _contradictions(values: Mapping[str, object]) -> list[str]:
    mistakes = []
    url = values.get("database_url")
    if url is not None and not str(url).startswith(("postgresql://", "postgres://")):
        mistakes.append("PINFALL_DATABASE_URL: should start with postgresql://")
    if ("tls_cert" in values) != ("tls_key" in values):
        mistakes.append("PINFALL_TLS_CERT and PINFALL_TLS_KEY: set both, or neither")
    if values.get("proxy_protocol") and "tls_cert" in values:
        mistakes.append(
            "PINFALL_PROXY_PROTOCOL: with TLS of our own it cannot work; let the proxy do TLS"
        )
    if "hash_key" in values and len(str(values["hash_key"])) < 16:
        mistakes.append("PINFALL_HASH_KEY: should be a text of 16 characters or more")
    operator = values.get("operator_address")
    if (
        isinstance(operator, Address)
        and not operator.is_loopback
        and "operator_token" not in values
    ):
        mistakes.append(
            f"PINFALL_OPERATOR_ADDRESS: {operator} is beyond loopback and needs PINFALL_OPERATOR_TOKEN"
        )
    if "operator_token" in values and len(str(values["operator_token"])) < 16:
        mistakes.append("PINFALL_OPERATOR_TOKEN: should be 16 characters or more")
    return mistakes
