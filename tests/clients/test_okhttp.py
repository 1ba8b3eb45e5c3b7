import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import GOOD, OTHER, PINNED, App, Recorder, Served
from tests.make import NOON, PIN_A, PIN_B
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]  # fixtures
FAILED = "SSLPeerUnverifiedException: Certificate pinning failure!"
WRONG = ("pin", PINNED, f"sha256/{PIN_A}", "pin", PINNED, f"sha256/{PIN_B}")


def trusting(served: Served) -> tuple[object, ...]:
    """One host with wrong pins, one with the right one."""
    return ("root", served.root, *WRONG, "pin", GOOD, f"sha256/{served.leaf.pin}")


def at(moment: datetime) -> tuple[str, str]:
    return ("clock", str(int(moment.timestamp() * 1000)))


def utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def test_a_collector_has_it_once(
    app: App, served: Served, site: Site, tmp_path: Path
) -> None:
    steps = (
        "ingest", f"{site.public}/r/{site.key}", "store", tmp_path / "kept", *trusting(served),
        "get", served.url(PINNED), "get", served.url(PINNED), "get", served.url(GOOD), "flush",
    )  # fmt: skip
    for _ in range(2):  # the second is the app's next launch
        assert await app(*steps) == [FAILED, FAILED, "200"]
    (row,) = await site.pool.fetch("""
        SELECT host, kind, port, app_id, app_version, platform, os_version, sdk, sdk_version, enforced, weak,
               time_trust, details, (SELECT pins FROM pin_set WHERE id = pin_set) AS pins
        FROM violation
    """)  # fmt: skip
    assert (row["host"], row["kind"], row["port"]) == (PINNED, "pin_mismatch", served.port)
    assert (row["app_id"], row["app_version"]) == ("com.example.wallet", "8.24.1")
    assert (row["platform"], row["os_version"]) == ("ANDROID", "14")
    assert (row["sdk"], row["sdk_version"], row["enforced"]) == ("pinfall-okhttp", "1", True)
    assert (row["weak"], row["time_trust"]) == (False, "client_utc")
    assert json.loads(row["pins"]) == sorted((f"sha256/{PIN_A}", f"sha256/{PIN_B}"))
    leaf = f"sha256/{served.leaf.pin}"
    assert await site.pool.fetchval("SELECT leaf FROM sighting") == leaf
    status, page = await site.get("/")
    assert status == 200
    assert PINNED in page
    assert leaf in page
    counted = await site.pool.fetch("""
        SELECT host, sum(successes) AS ok, sum(pin_failures) AS failed FROM connection_window GROUP BY host
    """)
    assert {r["host"]: (r["ok"], r["failed"]) for r in counted} == {PINNED: (0, 4), GOOD: (2, 0)}


async def test_a_collector_takes_what_is_hard_to_write(
    app: App, served: Served, site: Site, tmp_path: Path
) -> None:
    ingest = f"{site.public}/r/{site.key}"
    await app(
        "ingest", ingest, "odd", tmp_path / "kept", *trusting(served), "get", served.url(PINNED), "flush",
    )  # fmt: skip
    # No text of Postgres holds a lone surrogate, so the version is kept beside, repaired.
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1
    details = await site.pool.fetchval("SELECT details FROM violation")
    assert json.loads(details)["extra"]["app.version"] == '"\\\n\x01 é 😀 \ufffd \ufffd'


async def test_what_is_sent(app: App, served: Served, recorder: Recorder, tmp_path: Path) -> None:
    begin = (*at(NOON), "ingest", recorder.url, "store", tmp_path / "kept", *trusting(served))
    twice = ("get", served.url(PINNED), "flush") * 2
    assert await app(
        *begin, *("get", served.url(PINNED)) * 2, "reuse", served.url(GOOD), *at(NOON + timedelta(minutes=5)), "flush",
    ) == [FAILED, FAILED, "200", "200"]  # fmt: skip
    (report,) = recorder.reports
    install = report["install_id"]
    assert uuid.UUID(report["event_id"]) != uuid.UUID(install)
    message = report["error"].pop("message")
    assert message.startswith(
        "Certificate pinning failure!\n  Peer certificate chain:\n    sha256/"
    )
    assert message.endswith(f":\n    sha256/{PIN_A}\n    sha256/{PIN_B}")
    assert report == {
        "schema": "pin-report/1",
        "event_id": report["event_id"],
        "observed_at": utc(NOON),
        "host": PINNED,
        "port": served.port,
        "outcome": "pin_mismatch",
        "enforced": True,
        "error": {"type": "javax.net.ssl.SSLPeerUnverifiedException"},
        "app": {"id": "com.example.wallet", "version": "8.24.1"},
        "os": {"name": "ANDROID", "version": "14"},
        "sdk": {"name": "pinfall-okhttp", "version": "1"},
        "install_id": install,
        "weight": 1,
    }
    (window,) = recorder.connections
    ids = [uuid.UUID(counted.pop("id")) for counted in window]
    assert len(set(ids)) == 2
    common = {
        "app": "com.example.wallet",
        "app_version": "8.24.1",
        "platform": "ANDROID",
        "install_id": install,
        "window_start": utc(NOON),
        "window_end": utc(NOON + timedelta(minutes=5)),
    }
    assert window == [
        {**common, "host": PINNED, "successes": 0, "pin_failures": 2},
        {**common, "host": GOOD, "successes": 1, "pin_failures": 0},
    ]

    # The next launch, and the next day.
    await app(*begin, *twice, *at(NOON + timedelta(days=1, seconds=-1)), *twice, "flush")
    assert len(recorder.reports) == 1
    await app(*begin, *at(NOON + timedelta(days=1, seconds=1)), *twice, "flush")
    _, again = recorder.reports
    assert again["install_id"] == install
    assert again["event_id"] != report["event_id"]


async def test_windows_are_sent_by_themselves_after_an_hour(
    app: App, served: Served, recorder: Recorder, tmp_path: Path
) -> None:
    later = NOON + timedelta(hours=9)
    get = ("get", served.url(GOOD))
    await app(
        *at(NOON), "ingest", recorder.url, "store", tmp_path / "kept", *trusting(served),
        *get, *get, *at(later), *get, "flush",
    )  # fmt: skip
    told = [
        (counted["window_start"], counted["window_end"], counted["successes"])
        for window in recorder.connections
        for counted in window
    ]
    assert told == [
        (utc(NOON), utc(NOON + timedelta(hours=1)), 2),
        (utc(later), utc(later), 1),
    ]


async def test_a_report_that_was_not_taken_is_tried_again_later_under_its_own_id(
    app: App, served: Served, recorder: Recorder, tmp_path: Path
) -> None:
    fail = ("get", served.url(PINNED))
    begin = ("ingest", recorder.url, "store", tmp_path / "kept", *trusting(served))
    recorder.status = 503
    soon = at(NOON + timedelta(minutes=9))
    await app(*at(NOON), *begin, *fail, "flush", *soon, *fail, "flush")
    assert len(recorder.reports) == 1
    recorder.status = 200
    later = at(NOON + timedelta(minutes=11))
    await app(*later, *begin, *fail, "flush", *at(NOON + timedelta(hours=23)), *fail, "flush")
    assert [report["observed_at"] for report in recorder.reports] == [
        utc(NOON),
        utc(NOON + timedelta(minutes=11)),
    ]
    assert len({report["event_id"] for report in recorder.reports}) == 1


async def test_off_sends_nothing_and_on_again_does(
    app: App, served: Served, recorder: Recorder, tmp_path: Path
) -> None:
    calls = ("get", served.url(PINNED), "get", served.url(GOOD), "flush")
    begin = ("ingest", recorder.url, "store", tmp_path / "kept", *trusting(served))
    assert await app(*begin, "off", *calls, "on", "rate", 0, *calls) == [FAILED, "200"] * 2
    assert (recorder.reports, recorder.connections) == ([], [])
    await app(*begin, *calls)
    assert (len(recorder.reports), len(recorder.connections)) == (1, 1)


async def test_a_sample_is_of_installs_and_weighs_more(
    app: App, served: Served, recorder: Recorder
) -> None:
    calls = ("get", served.url(PINNED), "flush", "get", served.url(PINNED), "flush")
    each = [step for i in range(40) for step in ("memory", f"install {i}", *calls)]
    await app(*at(NOON), "ingest", recorder.url, "rate", 0.25, *trusting(served), *each)
    sampled = [report["install_id"] for report in recorder.reports]
    assert len(set(sampled)) == len(sampled)
    assert 4 <= len(sampled) <= 16  # always the same ones: of the day, and of their names
    assert {report["weight"] for report in recorder.reports} == {4}
    assert {counted["install_id"] for window in recorder.connections for counted in window} == set(
        sampled
    )


@pytest.mark.parametrize(
    ("before", "path", "ended", "host"),
    [
        pytest.param(("wrap",), (PINNED, "/"), "IOException: wrapped", PINNED, id="wrapped"),
        pytest.param((), (GOOD, f"/to/{PINNED}"), FAILED, PINNED, id="redirected"),
        pytest.param(("wrap",), (OTHER, "/"), "IOException: wrapped", None, id="a circle of causes"),
        pytest.param((), (OTHER, "/"), f"SSLPeerUnverifiedException: Hostname {OTHER} not verified", None, id="name"),
    ],
)  # fmt: skip
async def test_which_failures_and_of_which_host(
    app: App, served: Served, recorder: Recorder, tmp_path: Path,
    before: tuple[str, ...], path: tuple[str, str], ended: str, host: str | None,
) -> None:  # fmt: skip
    (line,) = await app(
        "ingest", recorder.url, "store", tmp_path / "kept", *trusting(served), *before,
        "get", served.url(*path), "flush",
    )  # fmt: skip
    assert line.startswith(ended)
    assert [report["host"] for report in recorder.reports] == ([host] if host else [])


async def test_its_own_trouble_is_its_own(
    app: App, served: Served, recorder: Recorder, tmp_path: Path
) -> None:
    calls = ("get", served.url(PINNED), "get", served.url(GOOD), "flush")
    nobody = f"https://127.0.0.1:{served.port}/r/KEY"  # no authority of the system's vouches for it
    assert await app(
        *trusting(served), "ingest", recorder.url, "broken", *calls,
        "ingest", nobody, "store", tmp_path / "kept", *calls,
    ) == [FAILED, "200"] * 2  # fmt: skip
    assert (recorder.reports, recorder.connections) == ([], [])


async def test_json_that_is_hard_to_write(
    app: App, served: Served, recorder: Recorder, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    calls: tuple[Any, ...] = ("get", served.url(PINNED), "flush")
    await app("ingest", recorder.url, "odd", kept, *trusting(served), *calls)
    assert recorder.reports[0]["app"]["version"] == '"\\\n\x01 é 😀 \ud83d \ude00'
