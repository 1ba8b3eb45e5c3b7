"""Places that are small: a disk that can be filled up. And a clock that can be set."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path


class Skipped(Exception):
    """What cannot be tried here, and why."""


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A tmpfs mounted at a directory for the life of the block."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "linux":
        raise Skipped("a small disk is a tmpfs, which only Linux has")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "pinfall-faults", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Skipped(f"no tmpfs may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path, *, leave: int = 0) -> Path:
    """Fill a disk up but for so many bytes; remove the file to make room again."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 64 * 1024
        while size:
            try:
                file.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size //= 4
        if leave:
            os.ftruncate(file.fileno(), max(0, file.tell() - leave))
    return filler


_SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *told) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, told);
    const char *path = getenv("SHIFTED_CLOCK");
    FILE *file = which == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
    long seconds = 0;
    if (file) { if (fscanf(file, "%ld", &seconds) == 1) told->tv_sec += seconds; fclose(file); }
    return failed;
}
"""


class Clock:
    """The time of day of processes that get ``environment``. Others, Postgres among them, keep theirs."""

    def __init__(self, place: Path) -> None:
        """Raises Skipped where there is no compiler, or its work has no effect."""
        self._file = place / "shifted_clock"
        self.environment = {"LD_PRELOAD": str(_library(place)), "SHIFTED_CLOCK": str(self._file)}
        self.set(86_400)
        told = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            env={**os.environ, **self.environment}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        now = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        if float(told) < float(now) + 43_200:
            raise Skipped("clock_gettime cannot be replaced here")
        self.set(0)

    def set(self, seconds: int) -> None:
        """So far from the real one."""
        partial = self._file.with_suffix(".new")
        partial.write_text(str(seconds))
        partial.rename(self._file)


@cache
def _library(place: Path) -> Path:
    compiler = next(
        (found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None
    )
    if compiler is None or sys.platform != "linux":
        raise Skipped("needs a C compiler and Linux")
    place.mkdir(parents=True, exist_ok=True)
    source, library = place / "shift.c", place / "shift.so"
    source.write_text(_SHIFT)
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Skipped(f"the compiler does not work: {done.stderr.strip()[-200:]}")
    return library
