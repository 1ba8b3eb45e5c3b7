"""Success counts: durable, once each, public apart from trusted."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import NOON, nel, neutral, okhttp_text, window
from tests.web.conftest import Site

OK = 'pinfall_client_connections_total{{host="{host}",project="default",result="ok",source="{source}"}}'
RATIO = 'pinfall_rejection_ratio{{host="{host}",project="default",source="{source}"}}'
HOST = "api.example.com"


async def trusted_key(site: Site, **more: Any) -> str:
    wanted = {"project": "default", "app": "gateway", "trusted": True, **more}
    return str((await site.call("POST", "/api/v1/keys", wanted)).json["key"])


async def registered(site: Site, host: str = HOST) -> None:
    await site.call("POST", "/api/v1/hosts", {"project": "default", "host": host})
    await site.collector.tick("hosts")


async def ratio(site: Site, source: str = "trusted", host: str = HOST) -> float | None:
    await site.collector.tick("rates")
    return (await site.metrics()).get(RATIO.format(host=host, source=source))


async def count(site: Site, source: str, host: str = HOST) -> float:
    return (await site.metrics())[OK.format(host=host, source=source)]


@pytest.mark.parametrize("path", ["/r/{key}/connections", "/r/{key}"])
async def test_a_window_counts_once(site: Site, clock: Clock, path: str) -> None:
    await registered(site)
    for number, name in enumerate(("accepted", "duplicates", "duplicates")):
        clock.now = NOON + timedelta(days=3 * number)  # the id is exact for 8 days
        answer = await site.post(window(), path=path.format(key=site.key))
        assert (answer.status, answer.json[name]) == (200, 1)
    row = await site.pool.fetchrow("SELECT * FROM connection_window")
    assert (row["successes"], row["pin_failures"], row["trusted"]) == (97, 3, False)
    assert (row["starts"], row["ends"]) == (NOON - timedelta(hours=1), NOON)
    assert await count(site, "public") == 97
    assert (await site.ledger())["default"] == {"received": 3, "accepted": 1, "duplicate": 2}


async def test_the_ratio_is_of_connections_and_absent_without(site: Site, clock: Clock) -> None:
    await registered(site)
    assert await ratio(site) is None
    for number in range(5):  # reports are never a numerator over connections
        await site.post(neutral(event_id=str(number)))
    assert await ratio(site) is None
    key = await trusted_key(site)
    await site.post(window(), path=f"/r/{key}/connections")
    assert await ratio(site) == pytest.approx(0.03)
    assert await ratio(site, "public") is None
    await site.post(window(id="2", successes=100, pin_failures=0, window_start="2026-11-20T11:30:00Z"),
                    path=f"/r/{key}/connections")  # fmt: skip
    assert await ratio(site) == pytest.approx(3 / 200)
    clock.now = NOON + timedelta(minutes=30)  # half of the first window is still inside the hour
    assert await ratio(site) == pytest.approx(1.5 / (1.5 + 48.5 + 100))
    clock.now = NOON + timedelta(minutes=61)
    assert await ratio(site) is None


async def test_a_flood_of_claims_changes_no_trusted_ratio(site: Site) -> None:
    await registered(site)
    key = await trusted_key(site)
    await site.post(window(successes=900, pin_failures=100), path=f"/r/{key}/connections")
    before = await ratio(site)
    assert before == pytest.approx(0.1)
    claims = [window(id=f"c{i}", successes=10**9, pin_failures=0) for i in range(1000)]
    assert (await site.post(claims, address="203.0.113.9")).json["accepted"] == 1000
    for i in range(1, 21):  # and from as many networks
        await site.post(window(id=f"d{i}", successes=10**9), address=f"203.{i}.113.9")
    assert await ratio(site) == before
    assert await count(site, "trusted") == 900
    # Of 10^12 claimed successes, what one window may claim, once an install.
    assert await count(site, "public") == pytest.approx(21 * 10_000, rel=1e-6)


async def test_one_window_an_install_and_few_a_network(site: Site, clock: Clock) -> None:
    await registered(site)
    same = [window(id=f"a{i}", successes=1, pin_failures=0, install_id="one") for i in range(10)]
    await site.post(same, address="198.51.100.7")
    assert await count(site, "public") == 1
    following = window(id="b", successes=1, pin_failures=0, install_id="one",
                       window_start="2026-11-20T12:00:00Z", window_end="2026-11-20T12:30:00Z")  # fmt: skip
    clock.now = NOON + timedelta(minutes=30)
    await site.post(following, address="198.51.100.7")
    assert await count(site, "public") == 2  # it does not overlap
    many = [window(id=f"n{i}", successes=1, pin_failures=0, install_id=f"i{i}") for i in range(100)]
    await site.post(many, address="198.51.100.8")
    assert await count(site, "public") == 50  # of the network, within the hour
    await site.post([{**w, "id": w["id"] + "x"} for w in many], address="203.0.113.8")
    # From another network those installs that counted overlap themselves, and 50 others are new.
    assert await count(site, "public") == 100
    kept = await site.pool.fetchrow("SELECT count(*), sum(counted::int) FROM connection_window")
    assert kept is not None
    assert tuple(kept) == (211, 100)


async def test_a_trusted_window_takes_no_place_of_a_public_one(site: Site) -> None:
    await registered(site)
    key = await trusted_key(site)
    await site.post(window(), path=f"/r/{key}/connections", address="198.51.100.7")
    await site.post(window(id="mine"), address="198.51.100.7")
    assert (await count(site, "trusted"), await count(site, "public")) == (97, 97)


async def test_samples_of_browsers_weigh(site: Site) -> None:
    await registered(site)
    batch = [nel("ok", sampling_fraction=0.01, elapsed_time=n) for n in range(3)]
    failure = nel(sampling_fraction=1.0)
    answer = await site.post(
        [*batch, batch[0], failure, nel("tcp.refused")], address="198.51.100.7"
    )
    # The fourth says the same as the first: it is another sample, of the same body.
    assert (answer.json["accepted"], answer.json["ignored"]) == (5, 1)
    assert await count(site, "public") == 400
    assert await ratio(site, "public") == pytest.approx(1 / 401)
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1
    again = [{**item, "age": 90_000} for item in (*batch, batch[0], failure)]
    answer = await site.post(again, address="198.51.100.7")  # the browser tried again, later
    assert (answer.json["accepted"], answer.json["duplicates"]) == (0, 5)
    assert await count(site, "public") == 400
    metrics = await site.metrics()
    assert metrics['pinfall_reports_ignored_total{reason="not_tls"}'] == 1


async def test_only_production_counts(site: Site) -> None:
    await registered(site)
    for environment in ("staging", "debug"):
        key = await trusted_key(site, environment=environment)
        await site.post(window(id=environment), path=f"/r/{key}/connections")
        await site.post(neutral(event_id=environment), path=f"/r/{key}")
    assert await ratio(site) is None
    assert await count(site, "trusted") == 0
    metrics = await site.metrics()
    failures = {
        n: v for n, v in metrics.items() if n.startswith("pinfall_pin_failures_total") and v
    }
    assert failures == {}
    rows = await site.pool.fetch("SELECT environment, trusted FROM violation ORDER BY 1")
    assert [tuple(row) for row in rows] == [("debug", True), ("staging", True)]
    sighted = await site.pool.fetch("SELECT environment FROM sighting ORDER BY 1")
    assert [row[0] for row in sighted] == ["debug", "staging"]


async def test_hosts_that_are_not_admitted(site: Site) -> None:
    await site.post(window(host="forged.example"), address="203.0.113.9")
    metrics = await site.metrics()
    assert not [name for name in metrics if "forged.example" in name or 'host="other"' in name]
    assert await ratio(site, "public", "forged.example") is None
    key = await trusted_key(site)
    await site.post(window(id="t", host="ours.example"), path=f"/r/{key}/connections")
    assert await ratio(site, "trusted", "ours.example") == pytest.approx(0.03)


async def test_times_that_have_not_come_yet(site: Site) -> None:
    await registered(site)
    key = await trusted_key(site)
    odd = window(window_start="2026-11-20T11:30:00Z", window_end="2026-11-25T00:00:00Z")
    await site.post(odd, path=f"/r/{key}/connections")
    await site.post(
        window(id="none", window_start=..., window_end=...), path=f"/r/{key}/connections"
    )
    rows = await site.pool.fetch("SELECT starts, ends FROM connection_window ORDER BY starts")
    assert [tuple(row) for row in rows] == [(NOON - timedelta(minutes=30), NOON), (NOON, NOON)]
    assert await ratio(site) == pytest.approx(0.03)


async def test_what_is_imported_is_trusted(site: Site) -> None:
    await registered(site)
    wanted = {"project": "default", "windows": [window(), window(id="2", successes=-1)]}
    answer = await site.call("POST", "/api/v1/connections", wanted)
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (200, 1, 1)
    again = await site.call("POST", "/api/v1/connections", {**wanted, "windows": [window()]})
    assert again.json["duplicates"] == 1
    assert await count(site, "trusted") == 97
    listed = (await site.call("GET", "/api/v1/connections")).json["connections"]
    assert listed == [{
        "project": "default", "host": HOST, "environment": "production", "source": "trusted",
        "hour": "2026-11-20T12:00:00Z", "successes": 97.0, "pin_failures": 3.0,
    }]  # fmt: skip


async def test_sums_by_hour_survive_folding(site: Site) -> None:
    from collector.intake.maintain import fold

    key = await trusted_key(site)
    for number in range(7):
        await site.post(window(id=f"{number}"), path=f"/r/{key}/connections")
        if number % 3 == 0:
            await asyncio.gather(*(fold(site.pool) for _ in range(3)))
        (told,) = (await site.call("GET", "/api/v1/connections")).json["connections"]
        assert (told["successes"], told["pin_failures"]) == (
            97.0 * (number + 1),
            3.0 * (number + 1),
        )


async def test_a_success_outside_nel_is_no_connection(site: Site) -> None:
    """Its sender's failures would not be in the same windows."""
    await registered(site)
    forged = neutral(outcome="ok", event_id="1", weight=10_000, counts={"occurrences": 1_000_000})
    assert (await site.post(forged)).json["notes"] == [
        {"index": 0, "result": "ignored", "reason": "success"}
    ]
    assert await count(site, "public") == 0


async def test_nobody_uses_up_the_ids_of_a_gateway(site: Site) -> None:
    await registered(site)
    key = await trusted_key(site)
    debug = await trusted_key(site, environment="debug")
    for claimed in (site.key, debug):
        await site.post(window(successes=0, pin_failures=0), path=f"/r/{claimed}/connections")
    assert (await site.post(window(), path=f"/r/{key}/connections")).json["accepted"] == 1
    assert await ratio(site) == pytest.approx(0.03)
    wanted = {"project": "default", "windows": [window()]}
    assert (await site.call("POST", "/api/v1/connections", wanted)).json["duplicates"] == 1
    lines = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert lines[0]["action"] == "connections.imported"


async def test_phones_without_ids_are_many(site: Site) -> None:
    await registered(site)
    for number in range(20):
        told = window(id=..., successes=1, pin_failures=0)
        answer = await site.post(told, address=f"198.51.{number}.7")
        assert answer.json["accepted"] == 1
    assert (await site.post(told, address="198.51.19.7")).json["duplicates"] == 1
    assert await count(site, "public") == 20


async def test_an_instant_overlaps_nothing(site: Site) -> None:
    await registered(site)
    at = {"window_start": "2026-11-20T11:30:00Z", "window_end": "2026-11-20T11:30:00Z"}
    for number, times in enumerate((at, {}, at)):
        told = window(id=str(number), successes=1, pin_failures=0, install_id="one", **times)
        await site.post(told, address="198.51.100.7")
    assert await count(site, "public") == 3


async def test_claims_about_hosts_of_nobody_make_no_rows_to_keep(site: Site) -> None:
    claims = [window(id=str(i), host=f"h{i}.example") for i in range(500)]
    assert (await site.post(claims)).json["accepted"] == 500
    assert await site.pool.fetchval("SELECT count(*) FROM connection_delta") == 0


async def test_what_ended_long_ago_is_no_rate(site: Site) -> None:
    await registered(site)
    old = window(window_start="2026-10-01T00:00:00Z", window_end="2026-10-01T01:00:00Z")
    assert (await site.post(old)).json["accepted"] == 1
    assert await count(site, "public") == 0


async def test_failing_texts_and_windows_share_a_body(site: Site) -> None:
    answer = await site.post([window(), {"message": okhttp_text()}, window(id="w2", host="")])
    assert {k: answer.json[k] for k in ("accepted", "rejected")} == {"accepted": 2, "rejected": 1}
