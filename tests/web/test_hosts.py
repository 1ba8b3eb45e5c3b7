"""Hosts: registered, admitted, other; and how nobody crowds them out."""

import asyncio
import json
from datetime import timedelta

from tests.conftest import Clock
from tests.make import neutral, okhttp_text
from tests.web.conftest import Site


async def hosts(site: Site) -> dict[str, str]:
    told = (await site.call("GET", "/api/v1/hosts?limit=1000")).json
    return {
        **{row["host"]: "proposed" for row in told["proposed"]},
        **{row["host"]: row["state"] for row in told["hosts"]},
    }


async def test_100_000_forged_hosts_first_and_then_a_real_one(site: Site) -> None:
    made = {"name": "wallet", "hosts": ["*.example.com"]}
    await site.call("POST", "/api/v1/projects", made)
    key = (await site.call("POST", "/api/v1/keys", {"project": "wallet", "app": "ios"})).json["key"]

    async def forge(start: int) -> None:
        body = [
            {"host": f"h{n}.example.com", "schema": "pin-report/1", "outcome": "pin_mismatch"}
            for n in range(start, start + 1000)
        ]
        answer = await site.post(body, path=f"/r/{key}", address=f"203.0.{start // 1000}.66")
        assert answer.json["accepted"] == 1000

    for start in range(0, 100_000, 4000):
        await asyncio.gather(*(forge(start + n * 1000) for n in range(4)))
    # By a wildcard, few: the rest of the room is not the forger's to fill.
    admitted = await site.pool.fetchval("SELECT count(*) FROM host WHERE NOT registered")
    assert 0 < admitted <= 50

    async def report(host: str, number: int) -> None:
        answer = await site.post(okhttp_text(host), path=f"/r/{key}", address=f"198.51.{number}.7")
        assert answer.json["accepted"] == 1

    for number in range(3):
        await report("real.example.com", number)
    # The forger used up what may be new at once; what waits is looked into by network in turn.
    assert await site.pool.fetchval("SELECT count(*) FROM deferred") > 50_000
    for _ in range(5):  # a slow machine does less in a round
        await site.collector.tick("settle")
    proposed = (await site.call("GET", "/api/v1/hosts?project=wallet&limit=5")).json["proposed"]
    assert (proposed[0]["host"], proposed[0]["networks"]) == ("real.example.com", 3)
    assert "real.example.com" in (await site.get("/setup"))[1]

    registered = {"project": "wallet", "host": "real.example.com"}
    assert (await site.call("POST", "/api/v1/hosts", registered)).status == 201
    await report("real.example.com", 3)
    metrics = await site.metrics()
    name = 'pinfall_violations_total{host="real.example.com",kind="pin_mismatch",project="wallet"}'
    assert metrics[name] == 1
    assert len(metrics) < 3000
    told = (await site.call("GET", "/api/v1/hosts?project=wallet&limit=100")).json["hosts"]
    assert (told[0]["host"], told[0]["state"]) == ("real.example.com", "registered")
    page = (await site.get("/"))[1]
    assert '<a href="/hosts/wallet/real.example.com">real.example.com</a>' in page


async def test_registering_makes_labels_and_unregistering_keeps_them_a_while(
    site: Site, clock: Clock
) -> None:
    wanted = {"project": "default", "host": "API.Example.com."}
    assert (await site.call("POST", "/api/v1/hosts", wanted)).status == 201
    await site.collector.tick("hosts")
    zero = 'pinfall_pin_failures_total{enforced="true",host="api.example.com",platform="IOS",project="default"}'
    assert (await site.metrics())[zero] == 0
    assert await hosts(site) == {"api.example.com": "registered"}
    assert (await site.call("DELETE", "/api/v1/hosts/default/api.example.com")).status == 200
    assert await hosts(site) == {"api.example.com": "admitted"}
    clock.now += timedelta(days=31)
    await site.collector.tick("maintain")
    await site.collector.tick("hosts")
    assert await hosts(site) == {}
    assert zero not in await site.metrics()


async def test_a_host_is_released_after_30_idle_days(site: Site, clock: Clock) -> None:
    async def report(host: str) -> None:
        await site.post(neutral(host=host, event_id=f"{host}{clock.now}"), address="127.0.0.1")

    for host in ("idle.example.com", "busy.example.com"):
        await report(host)
    await site.call("POST", "/api/v1/hosts", {"project": "default", "host": "quiet.example.com"})
    for day in (1, 15, 29, 31):
        clock.now = clock.now.replace(day=1, month=12) + timedelta(days=day)
        await site.collector.tick("maintain")  # the day's partition, too
        await report("busy.example.com")
    assert await hosts(site) == {
        "busy.example.com": "admitted",
        "quiet.example.com": "registered",
    }
    await site.collector.tick("hosts")
    metrics = json.dumps(await site.metrics())
    assert "idle.example.com" not in metrics
    assert "busy.example.com" in metrics
    await report("idle.example.com")
    # Since the project names a host, it is closed to others: they are proposed.
    assert (await hosts(site))["idle.example.com"] == "proposed"


async def test_registered_hosts_never_compete_for_room(site: Site) -> None:
    from collector.store.hosts import MOST_AN_HOUR

    named = [f"n{i}.example.net" for i in range(120)]
    await site.call(
        "POST", "/api/v1/projects", {"name": "many", "hosts": [*named, "*.example.com"]}
    )
    key = (await site.call("POST", "/api/v1/keys", {"project": "many", "app": "a"})).json["key"]
    for i in range(MOST_AN_HOUR):
        await site.post(neutral(host=f"w{i}.example.com", event_id=f"{i}"), path=f"/r/{key}")
    told = await hosts(site)
    assert len([host for host, state in told.items() if state == "registered"]) == 120
    assert len([host for host, state in told.items() if state == "admitted"]) == MOST_AN_HOUR


async def test_one_project_holds_many_apps_and_both_platforms(site: Site) -> None:
    keys = {}
    for app in ("wallet-ios", "wallet-android"):
        for environment in ("production", "staging"):
            wanted = {"project": "default", "app": app, "environment": environment}
            keys[app, environment] = (await site.call("POST", "/api/v1/keys", wanted)).json["key"]
    for (app, environment), key in keys.items():
        platform = app.partition("-")[2]
        report = neutral(event_id=app + environment, os={"name": platform}, app={"id": app})
        await site.post(report, path=f"/r/{key}", address="127.0.0.1")
    rows = (await site.call("GET", "/api/v1/violations?project=default")).json["violations"]
    assert {(r["app"], r["environment"], r["platform"]) for r in rows} == {
        (app, environment, app.partition("-")[2].upper()) for app, environment in keys
    }
    assert len((await site.call("GET", "/api/v1/signatures")).json["signatures"]) == 1
    only = await site.call("GET", "/api/v1/violations?app=wallet-ios&environment=staging")
    assert len(only.json["violations"]) == 1
