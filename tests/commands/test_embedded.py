"""PostgreSQL's lifecycle, without the rest."""

import asyncio
import os
import shutil
from pathlib import Path

import asyncpg
import pytest

from collector.embedded import binaries, identity
from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.errors import StoreError
from tests.conftest import FAST
from tests.tools import needs


def _asks(server: Server, setting: str = "server_version") -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(server.url("postgres"))
        try:
            return str(await connection.fetchval("SELECT current_setting($1)", setting))
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_new_files_of_the_log_are_small_and_checkpoints_rare(tmp_path: Path) -> None:
    """Each file is filled with zeros while commits wait; initdb would allow 64 of them from one checkpoint to the
    next, a second of a storm."""
    with opened(tmp_path, None) as held:
        server = Server(held)
        try:
            server.start()
            assert _asks(server, "wal_segment_size") == "1MB"
            assert (_asks(server, "min_wal_size"), _asks(server, "max_wal_size")) == ("80MB", "1GB")
        finally:
            server.stop()


def _starts(path: Path, setting: str | None = None) -> str:
    with opened(path, setting) as opened_directory:
        server = Server(opened_directory, FAST)
        try:
            server.start()
            return _asks(server)
        finally:
            server.stop()


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    assert _starts(tmp_path / ("long" * 25)).startswith("18")


def test_a_start_after_a_power_cut_ends_what_was_left(tmp_path: Path) -> None:
    with opened(tmp_path, None) as held:
        left = Server(held, FAST)
        left.start()
    pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
    assert _starts(tmp_path).startswith("18")
    assert left._process is not None
    assert left._process.wait(10) == 0
    assert left._process.pid == pid


def test_an_initdb_that_was_killed_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.making").mkdir()
    (tmp_path / "postgres.making" / "PG_VERSION").write_text("18\n")
    assert _starts(tmp_path).startswith("18")


def test_what_postgres_says_when_it_does_not_start(tmp_path: Path) -> None:
    _starts(tmp_path)
    conf = tmp_path / "postgres" / "postgresql.conf"
    conf.write_text(conf.read_text() + "\nno_such_setting = 1\n")
    with pytest.raises(StoreError, match="no_such_setting"):
        _starts(tmp_path)


def test_the_systems_programs_serve_where_the_wheel_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("postgresql")
    monkeypatch.setattr(binaries, "wheel", lambda: None)
    assert _starts(tmp_path).startswith("15")


def test_no_programs_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "wheel", lambda: None)
    monkeypatch.setattr(binaries, "_system", lambda: iter(()))
    with pytest.raises(StoreError, match="PINFALL_POSTGRES_BIN"):
        binaries.choose()
    with pytest.raises(StoreError, match="PINFALL_POSTGRES_BIN"):
        binaries.choose("/nowhere")


def test_root_without_user_namespaces_drops_to_a_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in containers. The programs lie where only root can read them, so they are copied."""
    if os.geteuid():
        pytest.skip("needs root")
    carried = binaries.wheel()
    assert carried is not None
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for root in carried.roots:
        shutil.copytree(root, private / root.name, symlinks=True)
    moved = binaries.Binaries(
        private / carried.bin.relative_to(carried.bin.parents[2]), carried.major, "wheel"
    )
    monkeypatch.setattr(binaries, "wheel", lambda: moved)
    monkeypatch.setattr(identity, "namespaces_allowed", lambda: False)
    data = Path("/var/tmp") / f"pinfall-test-{os.getpid()}"  # where an ordinary user gets to
    copies = []
    try:
        with opened(data, None) as held:
            assert held.identity.kind == "uid"
            assert held.binaries.source == "copy"
            copies.append(held.binaries.bin.parents[2])
            server = Server(held, FAST)
            try:
                server.start()
                assert _asks(server).startswith("18")
            finally:
                server.stop()
        assert (data / "postgres").stat().st_uid != 0
        assert _starts(data).startswith("18")
    finally:
        shutil.rmtree(data, ignore_errors=True)
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)


def test_a_namespace_that_is_gone_says_how_to_convert(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    _starts(tmp_path)
    monkeypatch.setattr(identity, "namespaces_allowed", lambda: False)
    with pytest.raises(StoreError, match=r"chown -R \w+ /"):
        _starts(tmp_path)
