"""The registry in Postgres: what is the same set, and which of them is for a host."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest

from collector.errors import NotFoundError
from collector.model import Hash, ProjectId
from collector.pins.model import ShippedPinSet
from collector.store import pin_sets, projects
from collector.store.pin_sets import Added
from tests.make import NOON
from tests.pins.samples import PINS, pin

ONE = ShippedPinSet(
    host="example.com",
    pins=PINS,
    include_subdomains=True,
    app="com.example.wallet",
    platform="IOS",
    version_from="8.0",
    version_to=None,
    enforced=True,
    starts=NOON,
    expires=NOON + timedelta(days=90),
    report_uris=("https://reports.example.net/r/k",),
    format="trustkit-ios",
    source="Info.plist",
)
THREE = (pin("three"),)


async def _project(connection: asyncpg.Connection, name: str = "wallet") -> ProjectId:
    return await projects.add(connection, name, [], NOON)


async def _add(
    connection: asyncpg.Connection, project: ProjectId, *sets: ShippedPinSet
) -> list[Added]:
    return [await pin_sets.add(connection, project, one, now=NOON, who="ci") for one in sets]


async def test_what_was_registered_comes_back(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    bare = ShippedPinSet(host="example.com", pins=THREE)
    assert await _add(connection, project, ONE, bare) == [Added.NEW, Added.NEW]
    assert await pin_sets.of_project(connection, project) == [ONE, bare]
    other = ShippedPinSet(host="www.example.com", pins=THREE)
    await _add(connection, project, other)
    assert await pin_sets.expiring(connection) == [("wallet", ONE), ("wallet", bare)]


async def test_the_same_set_again_changes_nothing(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    bare = ShippedPinSet(host="example.com", pins=PINS)
    told = []
    for one in (
        ONE, ONE, replace(ONE, source="other.plist"), replace(ONE, enforced=False), replace(ONE, expires=None),
        replace(ONE, version_to="9.0"), replace(ONE, pins=THREE), replace(ONE, include_subdomains=False),
        bare, bare, replace(bare, enforced=True),
    ):  # fmt: skip
        told += await _add(connection, project, one)
    assert told == [
        Added.NEW, Added.KNOWN, Added.KNOWN, Added.CHANGED, Added.CHANGED, Added.NEW, Added.NEW, Added.NEW,
        Added.NEW, Added.KNOWN, Added.CHANGED,
    ]  # fmt: skip
    assert len(await pin_sets.of_project(connection, project)) == 5


async def test_the_largest_set_fits(connection: asyncpg.Connection) -> None:
    """Of all its columns an index entry is made, which has an end."""
    project = await _project(connection)
    pins = tuple(sorted(pin(str(n)) for n in range(32)))
    long = "x" * 63 + "."
    one = ShippedPinSet(
        host=long * 3 + "y" * 61,
        pins=pins,
        app="a" * 100,
        version_from="1" * 100,
        version_to="2" * 100,
    )
    assert await _add(connection, project, one) == [Added.NEW]


async def test_a_client_goes_by_the_nearest_domain(connection: asyncpg.Connection) -> None:
    project, other = await _project(connection), await _project(connection, "other")
    near = replace(ONE, host="api.example.com", include_subdomains=False, pins=THREE)
    out = replace(ONE, host="open.example.com", include_subdomains=False, pins=())
    elsewhere = replace(ONE, app="com.example.other")
    await _add(connection, project, ONE, near, out, elsewhere)
    await _add(connection, other, replace(ONE, pins=THREE))

    async def chosen(host: str) -> list[tuple[str | None, str]]:
        return [(one.app, one.host) for one in await pin_sets.of_host(connection, project, host)]

    mine, its = "com.example.wallet", "com.example.other"
    assert await chosen("example.com") == [(mine, "example.com"), (its, "example.com")]
    assert await chosen("deep.www.example.com") == [(mine, "example.com"), (its, "example.com")]
    assert await chosen("api.example.com") == [(mine, "api.example.com"), (its, "example.com")]
    assert await chosen("v1.api.example.com") == [(mine, "example.com"), (its, "example.com")]
    assert await chosen("open.example.com") == [(its, "example.com")]
    assert await chosen("notexample.com") == []
    assert await chosen("com") == []


async def test_okhttp_takes_all_patterns_as_one(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    base = ShippedPinSet(host="example.com", pins=PINS, include_subdomains=True, format="okhttp")
    star = replace(base, host="*.example.com", include_subdomains=False, pins=THREE)
    await _add(connection, project, base, star)
    (one,) = await pin_sets.of_host(connection, project, "api.example.com")
    assert one.pins == tuple(sorted((*PINS, *THREE)))
    for host in ("example.com", "v1.api.example.com"):
        (one,) = await pin_sets.of_host(connection, project, host)
        assert one.pins == PINS


async def test_lists_by_project_app_and_host(connection: asyncpg.Connection) -> None:
    project, other = await _project(connection), await _project(connection, "other")
    await _add(connection, project, ONE, replace(ONE, host="www.example.com", app=None))
    await _add(connection, other, ONE)

    async def found(**filters: str) -> list[tuple[str, str]]:
        rows = await pin_sets.listed(connection, 10, **filters)
        return [(row["project"], row["host"]) for row in rows]

    assert await found() == [
        ("other", "example.com"), ("wallet", "example.com"), ("wallet", "www.example.com"),
    ]  # fmt: skip
    assert await found(project="other") == [("other", "example.com")]
    assert len(await found(app="com.example.wallet")) == 2
    assert len(await found(host="www.example.com")) == 3
    assert len(await found(host="example.com")) == 2


async def test_a_key_is_proven_once_and_only_if_it_is_pinned(
    connection: asyncpg.Connection,
) -> None:
    project, other = await _project(connection), await _project(connection, "other")
    await _add(connection, project, ONE)

    async def prove(where: ProjectId, which: Hash) -> bool:
        return await pin_sets.prove(
            connection, where, which, how="csr", subject="CN=x", now=NOON, who="ci"
        )

    assert await prove(project, PINS[0]) is True
    assert await prove(project, PINS[0]) is False
    assert await pin_sets.proven(connection, project) == {PINS[0]}
    assert await pin_sets.proven(connection, other) == frozenset()
    for where, which in ((project, pin("three")), (other, PINS[0])):
        with pytest.raises(NotFoundError, match="in no pin set"):
            await prove(where, which)
    (row,) = await pin_sets.listed(connection, 10)
    assert row["proven"] == [str(PINS[0])]


async def test_removing(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _add(connection, project, ONE)
    (row,) = await pin_sets.listed(connection, 10)
    gone = await pin_sets.remove(connection, row["id"])
    assert (gone["host"], gone["app"]) == ("example.com", "com.example.wallet")
    with pytest.raises(NotFoundError, match="there is no pin set"):
        await pin_sets.remove(connection, row["id"])
    assert await pin_sets.of_project(connection, project) == []


async def test_new_pins_where_there_were_others_were_pushed(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    two, later = (pin("two"),), NOON + timedelta(hours=5)

    async def push(*sets: ShippedPinSet, at: datetime) -> None:
        for one in sets:
            await pin_sets.add(connection, project, one, now=at, who="ci")

    await push(ONE, at=NOON)
    assert await pin_sets.pushed(connection, NOON - timedelta(days=1)) == []  # the first of them
    again = replace(ONE, version_from="9.0", version_to=None)
    await push(replace(ONE, enforced=False), again, replace(ONE, platform="ANDROID"), at=later)
    assert await pin_sets.pushed(connection, NOON) == []  # the same pins, and another app
    new = replace(ONE, version_from="9.1", pins=two)
    await push(new, at=later)
    await push(
        replace(new, enforced=False),
        replace(new, version_from="9.2"),
        at=later + timedelta(hours=1),
    )
    [(owner, told, at)] = await pin_sets.pushed(connection, NOON)
    assert (owner, told.pins, told.version_from, at) == (project, two, "9.1", later)
    assert await pin_sets.pushed(connection, later) == []
