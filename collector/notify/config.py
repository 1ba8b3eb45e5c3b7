"""Channels as ``[[channel]]`` of pinfall.toml tells them. Every mistake at once, none with a value of
what may be secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from urllib.parse import urlsplit

import jinja2

from collector.alert import Audience, Severity
from collector.errors import SettingsError
from collector.model import ENVIRONMENTS
from collector.notify import render
from collector.notify.chosen import (
    AlertmanagerConfig,
    ChannelConfig,
    EmailConfig,
    Heartbeat,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.pinfall_toml import PinfallToml
from collector.reports.hosts import read_pattern

_TYPES: dict[str, type[ChannelConfig]] = {
    "slack": SlackConfig,
    "pagerduty": PagerDutyConfig,
    "alertmanager": AlertmanagerConfig,
    "webhook": WebhookConfig,
    "email": EmailConfig,
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,250}")
_SMTP_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LARGEST = 64 * 1024  # bytes of a file that holds a secret or a template
_READY = ("teams", "discord", "opsgenie")  # templates that are part of it


class _Table:
    """One [[channel]] while it is read: each value once, by what it should be."""

    def __init__(
        self, told: Mapping[str, object], environ: Mapping[str, str], directory: Path
    ) -> None:
        self.told = told
        self._environ = environ
        self._directory = directory

    def text(self, key: str) -> str:
        value = self.told[key]
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise ValueError("should be a text")
        return value.strip()

    def texts(self, key: str) -> list[str]:
        value = self.told[key]
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise ValueError('should be a list of texts, such as ["a", "b"]')
        return value

    def secret(self, key: str) -> str:
        """Raises ValueError, which never tells the value: it may be the secret itself."""
        kind, _, place = self.text(key).partition(":")
        if kind == "env" and place:
            value = self._environ.get(place, "")
            if not value.strip():
                raise ValueError(f"the environment has no {place[:80]}")
        elif kind == "file" and place:
            value = self.file(place)
        else:
            raise ValueError("is a secret: write env:NAME or file:PATH, and keep it there")
        if not value.strip().isprintable() or not value.strip().isascii():
            raise ValueError(f"what {kind}:{place[:80]} holds is no line of ASCII")
        return value.strip()

    def file(self, place: str) -> str:
        try:
            with (self._directory / place).open("rb") as file:
                data = file.read(_LARGEST + 1)
            value = data.decode()
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "not a text"
            raise ValueError(f"{place[:200]}: {words}") from None
        if len(data) > _LARGEST or not value.strip():
            raise ValueError(f"{place[:200]}: should be a text of at most {_LARGEST} bytes")
        return value


def _url(value: str) -> str:
    """An address of http or https, as it is. Raises ValueError without the value."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not value.isascii() or any(c.isspace() for c in value):
        raise ValueError("should be an address of http or https")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("should hold no user, password or fragment; there is authorization")
    return value


def _place(value: str) -> str:
    """An address in the open: what is secret does not stand in it."""
    if "?" in _url(value):
        raise ValueError("should have no query")
    return value.rstrip("/")


def _one_of(value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError("should be " + ", ".join(choices))
    return value


def _audience(table: _Table, key: str) -> Audience | None:
    told = _one_of(table.text(key), (*Audience, "all"))
    return None if told == "all" else Audience(told)


def _environments(table: _Table, key: str) -> frozenset[str]:
    return frozenset(_one_of(told, ENVIRONMENTS) for told in table.texts(key))


def _hosts(table: _Table, key: str) -> tuple[str, ...]:
    found = []
    for told in table.texts(key):
        try:
            found.append(read_pattern(told))
        except ValueError:
            raise ValueError(f"{told[:80]!r} is no host name, nor *.example.com") from None
    return tuple(found)


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is no plain address, such as oncall@example.com")
    return value


def _recipients(table: _Table, key: str) -> tuple[str, ...]:
    found = tuple(_address(told) for told in table.texts(key))
    if not found:
        raise ValueError("should name somebody")
    return found


def _smtp_host(table: _Table, key: str) -> str:
    told = table.text(key)
    if not _SMTP_HOST.fullmatch(told):
        raise ValueError("should be the name or address of a mail server; there is port")
    return told


def _port(table: _Table, key: str) -> int:
    told = table.told[key]
    if not isinstance(told, int) or isinstance(told, bool) or not 1 <= told <= 65535:
        raise ValueError("should be a number from 1 to 65535")
    return told


def _template(table: _Table, key: str) -> str:
    told = table.text(key)
    if told in _READY:
        text = (Path(__file__).parent / "templates" / f"{told}.json.j2").read_text("utf-8")
    else:
        text = table.file(told)
    try:
        render.environment().parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.message}") from None
    return text


# What each key should be. ``url`` is a secret where whoever has it may write.
_READ: dict[str, Callable[[_Table, str], object]] = {
    "min_severity": lambda table, key: Severity(_one_of(table.text(key), [*Severity])),
    "audience": _audience,
    "environments": _environments,
    "hosts": _hosts,
    "routing_key": _Table.secret,
    "secret": _Table.secret,
    "authorization": _Table.secret,
    "password": _Table.secret,
    "url": lambda table, key: _place(table.text(key)),
    "proxy": lambda table, key: _place(table.text(key)),
    "template": _template,
    "host": _smtp_host,
    "port": _port,
    "from": lambda table, key: _address(table.text(key)),
    "to": _recipients,
    "tls": lambda table, key: _one_of(table.text(key), [*_PORTS]),
    "username": _Table.text,
}
_SECRET_URL = ("slack", "webhook")


def _secret_url(table: _Table, key: str) -> str:
    return _url(table.secret(key))


def read_channels(
    tables: Sequence[Mapping[str, object]], environ: Mapping[str, str], directory: Path
) -> list[ChannelConfig]:
    """directory: of the file, which its paths start from. Raises SettingsError, a mistake a line."""
    mistakes: list[str] = []
    found = [_channel(n, table, environ, directory, mistakes) for n, table in enumerate(tables, 1)]
    names = [config.name for config in found if config is not None]
    mistakes += [
        f"channel '{name}': there are two of this name"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return [config for config in found if config is not None]


def _channel(
    number: int,
    told: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path,
    mistakes: list[str],
) -> ChannelConfig | None:
    name, type_ = told.get("name"), told.get("type")
    has_name = isinstance(name, str) and _NAME.fullmatch(name) is not None
    where = f"channel '{name}'" if has_name else f"channel {number}"
    before = len(mistakes)
    if not has_name:
        mistakes.append(
            f"{where}: name: should be letters, digits, '-', '_' and '.', at most 63 of them"
        )
    if not isinstance(type_, str) or type_ not in _TYPES:
        mistakes.append(f"{where}: type: should be " + ", ".join(_TYPES))
        return None
    made = _TYPES[type_]
    known = {"from" if f.name == "sender" else f.name: f for f in fields(made)}
    values: dict[str, object] = {}
    table = _Table(told, environ, directory)
    for key in told:
        if key in ("name", "type"):
            continue
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, cutoff=0.6)
            guess = f"; is it {near[0]}?" if near else ""
            mistakes.append(f"{where}: {key[:40]!r}: no such key for {type_}{guess}")
            continue
        read = _secret_url if key == "url" and type_ in _SECRET_URL else _READ[key]
        try:
            values[known[key].name] = read(table, key)
        except ValueError as error:
            mistakes.append(f"{where}: {key}: {error}")
    if made is EmailConfig and "port" not in told:
        values["port"] = _PORTS.get(str(told.get("tls", "starttls")), 0)
    mistakes += [
        f"{where}: {key}: is needed"
        for key, one in known.items()
        if one.default is MISSING and key not in told and one.name not in values and key != "name"
    ]
    if len(mistakes) == before and made is EmailConfig:
        mistakes += _mail_contradictions(where, values)
    return made(name=str(name), **values) if len(mistakes) == before else None  # type: ignore[arg-type]


def _mail_contradictions(where: str, values: Mapping[str, object]) -> list[str]:
    if ("username" in values) != ("password" in values):
        return [f"{where}: username and password: give both, or neither"]
    if "password" in values and values.get("tls") == "none":
        return [f"{where}: tls: a password needs starttls or tls"]
    return []


def read_heartbeat(
    told: Mapping[str, object], environ: Mapping[str, str], directory: Path
) -> Heartbeat:
    """``[heartbeat]``: url (a secret) and proxy. Raises SettingsError."""
    table = _Table(told, environ, directory)
    reads: dict[str, Callable[[_Table, str], str]] = {
        "url": _secret_url,
        "proxy": lambda table, key: _place(table.text(key)),
    }
    values, mistakes = (
        {},
        [f"heartbeat: {key[:40]!r}: no such key" for key in told if key not in reads],
    )
    for key, read in reads.items():
        try:
            if key in told:
                values[key] = read(table, key)
        except ValueError as error:
            mistakes.append(f"heartbeat: {key}: {error}")
    if "url" not in told:
        mistakes.append("heartbeat: url: is needed")
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return Heartbeat(**values)


def configured(
    told: PinfallToml, environ: Mapping[str, str]
) -> tuple[list[ChannelConfig], Heartbeat | None]:
    """What ``pinfall.toml`` says of channels. Raises SettingsError, a mistake a line."""
    mistakes: list[str] = []
    found: list[ChannelConfig] = []
    heartbeat = None
    try:
        found = read_channels(told.channels, environ, told.directory)
    except SettingsError as error:
        mistakes += str(error).splitlines()
    try:
        if told.heartbeat is not None:
            heartbeat = read_heartbeat(told.heartbeat, environ, told.directory)
    except SettingsError as error:
        mistakes += str(error).splitlines()
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return found, heartbeat
