"""A running `up` and how other commands find it: a 0600 file in its data directory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from collector.errors import PinfallError

_NAME = "operator.json"


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running `up` answers. ``token`` is None where it asks for none."""

    pid: int
    operator_url: str
    ingest_url: str
    database_url: str
    token: str | None


def publish(data: Path, running: Running) -> None:
    partial = data / f"{_NAME}.part"
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(running), file)
    partial.rename(data / _NAME)


def withdraw(data: Path) -> None:
    (data / _NAME).unlink(missing_ok=True)


def find(data: Path) -> Running | None:
    """The `up` that runs on this data, or None."""
    try:
        found = Running(**json.loads((data / _NAME).read_text()))
        os.kill(found.pid, 0)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise PinfallError(
            f"{data}: belongs to another user; run this as the user of 'pinfall up'"
        ) from error
    except (ValueError, TypeError) as error:
        raise PinfallError(f"{data / _NAME} cannot be read; start 'pinfall up' again") from error
    return found
