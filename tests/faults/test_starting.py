"""A collector that starts and goes on with Postgres away, and what it leaves on the disk meanwhile."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import stat
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults import checks
from tests.faults.hurt import Database
from tests.faults.places import Skipped, fill, small_disk
from tests.faults.serving import Serve
from tests.make import neutral, okhttp_text, trustkit_ios

_STORED = "SELECT app_version, count(*)::int AS times FROM violation GROUP BY 1 ORDER BY 1"


async def post(
    serve: Serve, key: str, report: Any, headers: dict[str, str] | None = None
) -> dict[str, int]:
    data = report if isinstance(report, str) else json.dumps(report)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{serve.public}/r/{key}", data=data, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()  # type: ignore[no-any-return]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "faults"


@pytest.mark.parametrize("workers", [0, 1])
def test_started_with_postgres_away_it_takes_reports_that_are_there_once(
    place: Path, tmp_path: Path, workers: int
) -> None:
    def report(number: int) -> dict[str, Any]:
        return neutral(event_id=f"e-{number}", app={"id": "com.example", "version": f"v{number}"})

    async def run() -> None:
        async with Database(place / "postgres") as database:
            key = database.keys["one"]
            serve = Serve(tmp_path, database.url, workers, tmp_path / "spool")
            try:
                await serve.start()
                assert (await post(serve, key, report(1)))["accepted"] == 1
                await database.stop()
                await serve.kill()
                await serve.start()
                for number in (2, 2, 3, 1):
                    assert (await post(serve, key, report(number)))["spooled"] == 1
                assert await serve.answers("/readyz") == 200
                await serve.kill()
                await serve.start()
                assert (await post(serve, key, report(4)))["spooled"] == 1
                await database.start()
                assert await checks.of_metrics(serve, exact=False) == []
                assert (await post(serve, key, report(5)))["accepted"] == 1
                assert (await post(serve, key, report(3)))["duplicates"] == 1
                assert await serve.stop() == 0
                assert serve.complaints() == []
                stored = await database.fetch(_STORED)
                assert [tuple(row) for row in stored] == [(f"v{n}", 1) for n in range(1, 6)]
                assert await checks.of_ledger(database) == []
            finally:
                serve.end()

    asyncio.run(run())


def test_a_full_disk_under_the_spool_is_no_reason_not_to_start(place: Path, tmp_path: Path) -> None:
    """Nor for anything else to fail, as long as Postgres is there."""

    async def run() -> None:
        spool = tmp_path / "spool"
        with small_disk(spool, "256k"):
            async with Database(place / "postgres") as database:
                filler = fill(spool)
                serve = Serve(tmp_path, database.url, 0, spool)
                try:
                    await serve.start()
                    key = database.keys["one"]
                    assert (await post(serve, key, neutral(event_id="e")))["accepted"] == 1
                    assert await serve.answers("/readyz") == 200
                    await serve.rounds("keys", 2)
                    assert not (spool / "mirror.json").exists()
                    names = [event["event"] for event in serve.events()]
                    assert "store.away" not in names
                    assert "background.failed" not in names
                    assert names.count("mirror.not_written") == 1
                    filler.unlink()
                    await serve.rounds("keys", 2)
                    assert (spool / "mirror.json").exists()
                    assert await serve.stop() == 0
                finally:
                    serve.end()

    try:
        asyncio.run(run())
    except Skipped as why:
        pytest.skip(str(why))


def test_an_unknown_key_is_not_taken_into_the_spool(place: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with Database(place / "postgres") as database:
            serve = Serve(tmp_path, database.url, 1, tmp_path / "spool")
            try:
                await serve.start()
                await database.stop()
                with pytest.raises(AssertionError, match="not_durable"):
                    await post(serve, "no-such-key-that-anybody-made", neutral(event_id="e"))
                assert serve.segments() == []
                await database.start()
            finally:
                serve.end()

    asyncio.run(run())


def test_the_spool_is_its_owners_and_says_not_who_sent_what(place: Path, tmp_path: Path) -> None:
    install, event, address = uuid.uuid4(), f"planted-event-{uuid.uuid4()}", "203.0.113.77"
    agent = "planted-agent/7.7"
    more = {"message": f"failed for {install} at {address}", "type": "x"}
    reports = (
        trustkit_ios(app_vendor_id=str(install).upper(), app_version="marker-1"),
        neutral(event_id=event, install_id=str(install), app={"version": "marker-2"}, error=more),
        okhttp_text("marker-3.example.com"),
    )
    planted = [
        *(form for text in (str(install), str(install).upper(), install.hex, event, agent, address)
          for form in (text.encode(), text.encode("utf-16-le"))),
        install.bytes, ipaddress.ip_address(address).packed,
    ]  # fmt: skip

    async def run() -> None:
        async with Database(place / "postgres") as database:
            spool = tmp_path / "deep" / "spool"
            serve = Serve(tmp_path, database.url, 2, spool, PINFALL_TRUSTED_PROXIES="127.0.0.0/8")
            try:
                await serve.start()
                await database.stop()
                headers = {"X-Forwarded-For": address, "User-Agent": agent}
                for report in reports:
                    assert (await post(serve, database.keys["one"], report, headers))[
                        "spooled"
                    ] == 1
                written = {path: path.read_bytes() for path in spool.iterdir()}
                assert stat.S_IMODE(spool.stat().st_mode) == 0o700
                assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
                whole = b"".join(written.values())
                assert [value for value in planted if value in whole] == []
                for told in (
                    b"marker-1",
                    b"marker-2",
                    b"marker-3",
                ):  # it is the right place to look
                    assert told in b"".join(
                        data for path, data in written.items() if path in serve.segments()
                    )
                assert database.keys["one"].encode() in written[spool / "mirror.json"]
                await database.start()
                assert await checks.of_metrics(serve, exact=False) == []
                assert await serve.stop() == 0
                assert len(await database.fetch("SELECT FROM violation")) == 3
            finally:
                serve.end()

    asyncio.run(run())
