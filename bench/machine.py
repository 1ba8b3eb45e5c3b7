"""Where and with what it was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.database import Postgres, sync_milliseconds


def describe(postgres: Postgres) -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo")), 0)
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "memory_mb": memory // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": postgres.server.directory.binaries.major,
        "fdatasync_ms": round(sync_milliseconds(postgres.directory), 3),
        **{
            name: version(name)
            for name in ("aiohttp", "asyncpg", "uvloop", "msgspec", "cryptography")
        },
    }


def line(told: dict[str, Any]) -> str:
    return (
        f"{told['cores']} cores ({told['processor']}), Python {told['python']}, aiohttp {told['aiohttp']}, "
        f"asyncpg {told['asyncpg']}, PostgreSQL {told['postgresql']}, fsync on, "
        f"fdatasync {told['fdatasync_ms']:.2f} ms"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
