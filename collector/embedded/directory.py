"""The data directory of `pinfall up`: who holds it, who made it, of which major it is.

DIR/lock            held (flock) by the one process that uses it; holds its pid
DIR/made.json       how it was made: PostgreSQL's major, and as whom it runs
DIR/postgres/       PostgreSQL's own
DIR/postgres.log    what PostgreSQL said
DIR/operator.json   0600: where a running `up` answers commands
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from collector.embedded.binaries import Binaries, choose
from collector.embedded.identity import Identity, answers_as, choose_identity
from collector.errors import StoreError

_LONGEST_SOCKET = 90  # bytes of a directory; with the socket's name under macOS' 103


def default_directory() -> Path:
    """``$XDG_DATA_HOME/pinfall``, else ``~/.local/share/pinfall``."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "pinfall"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """An open data directory: locked, of the right major, with an identity that fits."""

    path: Path
    identity: Identity
    binaries: Binaries

    @property
    def cluster(self) -> Path:
        return self.path / "postgres"

    @property
    def log(self) -> Path:
        return self.path / "postgres.log"

    @property
    def is_new(self) -> bool:
        return not (self.cluster / "PG_VERSION").exists()

    def record(self) -> None:
        """Write how it was made, for whoever starts it next."""
        made = {
            "postgres": self.binaries.major,
            "as": self.identity.kind,
            "uid": self.identity.owner,
        }
        (self.path / "made.json").write_text(json.dumps(made) + "\n")


def major_of(path: Path) -> int | None:
    """The PostgreSQL major that made the cluster, or None where there is none yet."""
    try:
        return int((path / "postgres" / "PG_VERSION").read_text().split(".")[0])
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StoreError(f"{path}: {choose_identity_error(path)}") from error
    except ValueError as error:
        raise StoreError(
            f"{path}/postgres/PG_VERSION cannot be read; is it a data directory?"
        ) from error


def choose_identity_error(path: Path) -> str:
    """Why files of another user cannot be used, in one line."""
    try:
        choose_identity(_owner(path))
    except OSError as error:
        return error.strerror or str(error)
    except StoreError as error:
        return str(error).replace("DIR", str(path))
    return "permission denied"


def _owner(path: Path) -> int | None:
    try:
        return (path / "postgres").stat().st_uid
    except FileNotFoundError:
        return None
    except PermissionError:
        return path.stat().st_uid


@contextlib.contextmanager
def opened(
    path: Path, binaries_setting: str | None, *, same_major: bool = False
) -> Iterator[DataDirectory]:
    """Lock the directory for this process; made if it is not there.

    same_major: take whatever programs fit the cluster's major (backup), instead of refusing
        a cluster that is not of the first choice's major.
    Raises StoreError, in one line, if it is held, of another major, or somebody else's.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path):
            raise StoreError(f"{path} holds other files; use an empty or a new directory")
        lock = (path / "lock").open("a+")
    except FileExistsError as error:
        raise StoreError(f"{path} is a file, not a directory") from error
    except OSError as error:
        reason = (
            error.strerror if isinstance(error, FileNotFoundError) else choose_identity_error(path)
        )
        raise StoreError(f"{path}: {reason}") from error
    with lock:
        _hold(lock, path)
        major = major_of(path)
        binaries = choose(binaries_setting, major if same_major else None)
        if major is not None and major != binaries.major:
            raise StoreError(
                f"{path} was made by PostgreSQL {major}, and this is PostgreSQL {binaries.major}; "
                f"move it with: pinfall backup FILE --data {path}; then pinfall restore FILE "
                "--data NEW_DIRECTORY"
            )
        try:
            identity = choose_identity(_owner(path))
        except StoreError as error:
            raise StoreError(f"{path}: {str(error).replace('DIR', str(path))}") from None
        if identity.kind != "self" and not _may_write(path, identity):
            raise StoreError(
                f"{path}: {identity.describe()} cannot write there: a directory above it is "
                "somebody else's and closed; use another --data"
            )
        yield DataDirectory(path, identity, _reachable(binaries, path, identity))


def _ours(path: Path) -> bool:
    """Whether the directory is empty, or one of ours."""
    names = {entry.name for entry in path.iterdir()}
    return not names or bool(names & {"lock", "made.json", "postgres", "postgres.making"})


def _hold(lock: IO[str], path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(200).strip() or "another process"
        raise StoreError(
            f"{path} is in use by {holder}; stop it first, or use another --data"
        ) from None
    lock.truncate(0)
    lock.write(f"'pinfall {' '.join(sys.argv[1:2])}', pid {os.getpid()}\n")
    lock.flush()


def _may_write(path: Path, identity: Identity) -> bool:
    """Whether the data directory can be used; one that is to be given away has to be reachable."""
    wanted = os.X_OK if identity.kind == "uid" else os.W_OK | os.X_OK
    place = path.parent if identity.kind == "uid" else path
    return answers_as(identity.told, lambda: os.access(place, wanted))


def _reachable(binaries: Binaries, path: Path, identity: Identity) -> Binaries:
    """The programs where a dropped uid can reach them: copied, if the venv is under /root."""
    if identity.kind != "uid":
        return binaries
    if answers_as(identity.told, lambda: os.access(binaries.program("postgres"), os.X_OK)):
        return binaries
    place = Path(tempfile.gettempdir()) if not _traversable(path) else path
    copy = place / f"pinfall-postgresql-{binaries.major}-{identity.owner}"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(dir=place))
        for root in binaries.roots:
            shutil.copytree(root, partial / root.name, symlinks=True)
        _give(partial, identity.owner)
        partial.rename(copy)
    if copy.stat().st_uid != identity.owner:
        raise StoreError(f"{copy} belongs to somebody else; remove it")
    return Binaries(
        copy / binaries.bin.relative_to(binaries.roots[0].parent), binaries.major, "copy"
    )


def _traversable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def _give(path: Path, owner: int) -> None:
    for directory, _, files in os.walk(path):
        os.chown(directory, owner, -1)
        for name in files:
            os.chown(Path(directory) / name, owner, -1, follow_symlinks=False)


def socket_directory(path: Path) -> Path:
    """Where the socket goes: the data directory, or a short one where the path is too long."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    return Path(tempfile.mkdtemp(prefix="pinfall-"))
