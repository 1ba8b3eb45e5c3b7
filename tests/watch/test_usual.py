"""Sightings are stored with the class that those like them have; counting decides, whatever that was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from collector.detect.classes import Class
from collector.detect.usual import OFTEN, Usual
from tests.conftest import Clock
from tests.make import NOON, chain
from tests.watch.conftest import serve, tick
from tests.watch.test_count import HOST, admitted, report, rows, sighting
from tests.web.conftest import Site


async def told(site: Site, first: int, many: int) -> list[tuple[str, Any]]:
    """So many more installs: of each its class, and where its row is; not counted yet."""
    for number in range(first, first + many):
        answer = await site.post(report(number), address=f"198.{number}.7.9")
        assert answer.json["accepted"] == 1
    return await placed(site, many)


async def placed(site: Site, many: int) -> list[tuple[str, Any]]:
    found = "SELECT class, ctid FROM sighting ORDER BY id DESC LIMIT $1"
    return [tuple(row) for row in await site.pool.fetch(found, many)]


async def test_what_is_usual_is_written_once(site: Site) -> None:
    await admitted(site)
    assert {class_ for class_, _ in await told(site, 0, OFTEN)} == {None}
    await tick(site, "count")
    assert {class_ for class_, _ in await placed(site, OFTEN)} == {"interception"}
    assert {class_ for class_, _ in await told(site, OFTEN, 1)} == {None}, "nobody has heard yet"
    await tick(site, "hosts")
    before = await told(site, OFTEN + 1, 3)
    assert {class_ for class_, _ in before} == {"interception"}
    await tick(site, "count")
    assert await placed(site, 3) == before, "nothing is written a second time"
    assert len(await rows(site)) == OFTEN + 4


async def test_what_is_another_is_counted_as_that_and_once(site: Site, clock: Clock) -> None:
    await admitted(site)
    await told(site, 0, OFTEN)
    await tick(site, "count", "hosts")
    assert {class_ for class_, _ in await told(site, OFTEN, 2)} == {"interception"}
    await serve(site.pool, HOST, chain()[:2])
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["self"] * (OFTEN + 2)
    assert {class_ for class_, _ in await placed(site, OFTEN + 2)} == {"self"}
    # What is usual changes once there are enough, and with it what is stored.
    assert {class_ for class_, _ in await told(site, OFTEN + 2, OFTEN)} == {"interception"}
    await tick(site, "count", "hosts")
    assert {class_ for class_, _ in await told(site, 2 * OFTEN + 2, 1)} == {"self"}
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["self"] * (2 * OFTEN + 3)
    clock.now = NOON + timedelta(days=9)
    await tick(site, "maintain")
    assert await site.pool.fetchval("SELECT count(*) FROM usual_class") == 0


def _of(id_: int, chain: bytes | None = b"c") -> Any:
    one = sighting(id_, 0)
    return type(one)(
        **{name: getattr(one, name) for name in one.__struct_fields__} | {"chain": chain}
    )


def test_usual_is_what_is_met_often_and_it_is_told_once_a_day() -> None:
    usual, today = Usual(), NOON.date()
    of = 1, HOST, "pin_mismatch", b"c"
    some = [(_of(n), Class.UNKNOWN) for n in range(OFTEN - 1)]
    assert usual.learn(some, today) == {}
    assert usual.learn([(_of(77, None), Class.UNKNOWN)] * 99, today) == {}, "of no chain"
    assert usual.learn(some[:1], today) == {of: Class.UNKNOWN}
    assert usual.learn(some * 3, today) == {}, "it was told"
    assert usual.learn([(_of(n), Class.SELF) for n in range(OFTEN)], today) == {of: Class.SELF}
    assert usual.learn(some, today) == {}, "seldom, again"
    later = today + timedelta(days=1)
    assert usual.learn([(_of(n), Class.SELF) for n in range(OFTEN)], later) == {of: Class.SELF}
