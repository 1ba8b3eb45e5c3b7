"""What a collector has to know to take reports, in a file beside the spool: so that it starts, and goes
on, with Postgres away. It holds the projects' secrets, and is readable by its owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import msgspec

from collector.errors import PinfallError
from collector.intake.known import Place
from collector.intake.silenced import SilencedNetwork
from collector.model import ProjectId
from collector.store.own_keys import Own

_NAME = "mirror.json"


class MirroredKey(msgspec.Struct, frozen=True):
    """A row of ``projects.keys_in_use``."""

    key: str
    app: str
    environment: str
    trusted: bool
    project: int
    project_name: str
    hosts: list[str]
    secret: bytes
    quota: float | None = None
    origins: list[str] = []


class Mirror(msgspec.Struct, frozen=True):
    """keys: those in use. projects: names by id. hosts: those that are labels, by project. own:
    public keys of our own, by project (None: every one). silenced: networks."""

    keys: list[MirroredKey] = []
    projects: dict[int, str] = {}
    day_secrets: dict[str, bytes] = {}
    hosts: list[tuple[int, str]] = []
    own: list[tuple[int | None, bytes]] = []
    silenced: list[SilencedNetwork] = []


def read(directory: Path) -> Mirror | None:
    """None where there is none. Raises PinfallError where it cannot be read."""
    path = directory / _NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mirror)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PinfallError(f"{path} cannot be read: {type(error).__name__}") from error


def write(directory: Path, mirror: Mirror) -> None:
    """Whole or not at all. Raises OSError."""
    partial = directory / f"{_NAME}.{os.getpid()}.{secrets.token_hex(3)}"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(mirror))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(directory / _NAME)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def days(told: Mapping[str, bytes]) -> dict[date, bytes]:
    return {date.fromisoformat(day): secret for day, secret in told.items()}


def hosts(places: set[Place]) -> list[tuple[int, str]]:
    return sorted((int(project), host) for project, host in places)


def own(known: Iterable[Own]) -> list[tuple[int | None, bytes]]:
    return sorted(known, key=lambda place: (place[0] or 0, place[1]))


def own_of(told: Iterable[tuple[int | None, bytes]]) -> set[Own]:
    return {(None if project is None else ProjectId(project), spki) for project, spki in told}
