"""What has to be true after every fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.faults.hurt import Database
from tests.faults.load import Item
from tests.faults.serving import Serve

_PATIENCE = 120.0  # seconds until all that waits is stored; generous, for a busy machine
_AGREE = 20.0  # for numbers of processes to agree, once nothing waits
_STORED = """
SELECT marker, count(*)::int AS times FROM (
    SELECT CASE WHEN host LIKE '%.weak.example' THEN split_part(host, '.', 1) ELSE app_version END AS marker
    FROM violation
    UNION ALL SELECT app_version FROM connection_window
) AS all_of_them
WHERE marker LIKE $1 GROUP BY marker
"""
_LEDGER = """
SELECT coalesce(p.name, 'unknown') AS project,
    coalesce(sum(items) FILTER (WHERE result = 'received'), 0)::int AS received,
    coalesce(sum(items) FILTER (WHERE result IN ('accepted', 'duplicate', 'ignored', 'rejected', 'shed')), 0)::int
        AS results,
    coalesce(sum(items) FILTER (WHERE result = 'accepted'), 0)::int AS accepted,
    coalesce(sum(items), 0)::int AS all_of_them
FROM (SELECT project, result, items FROM ledger UNION ALL SELECT project, result, items FROM ledger_delta) AS l
LEFT JOIN project p ON p.id = l.project GROUP BY 1
"""
_ROWS = """
SELECT p.name AS project, count(*)::int AS rows FROM (
    SELECT project FROM violation UNION ALL SELECT project FROM connection_window
) AS r JOIN project p ON p.id = r.project GROUP BY 1
"""
_DEFERRED = "SELECT count(*)::int FROM deferred"
_KEYS = """
SELECT count(*)::int FROM (
    SELECT delivery FROM violation UNION ALL SELECT delivery FROM connection_window
) AS r LEFT JOIN delivery d ON d.key = r.delivery WHERE d.key IS NULL
"""


async def of_metrics(serve: Serve, *, exact: bool) -> list[str]:
    """Wait until nothing waits, and see what the metrics say then. Raises AssertionError with what does.

    exact: no process took its numbers along. They are of several processes, each of which tells them
    in its own time: that they agree is waited for, too.
    """
    told: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while loop.time() < until:
        told = await serve.metrics()
        waits = (
            told["pinfall_waiting_reports"],
            told["pinfall_queue_reports"],
            told["pinfall_spool_reports"],
        )
        received, results = told["pinfall_reports_received_total"], told["pinfall_reports_total"]
        if waits == (0, 0, 0) and not serve.segments():
            if not exact or received == results:
                return []
            until = min(until, loop.time() + _AGREE)
        await asyncio.sleep(0.1)
    segments = [path.name for path in serve.segments()]
    if any(waits) or segments:
        raise AssertionError(
            f"not settled after {_PATIENCE:.0f} s: waiting, queued, spooled: {waits}, segments {segments}"
        )
    return [f"metrics: {received:.0f} received, {results:.0f} results, and none waits"]


async def of_deferred(database: Database) -> list[str]:
    """Wait until what was over the caps on new things, and is counted already, has been parsed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while (left := (await database.fetch(_DEFERRED))[0]["count"]) and loop.time() < until:
        await asyncio.sleep(0.2)
    return [f"{left} items are deferred for good"] if left else []


async def of_items(
    database: Database, prefix: str, items: Mapping[str, Item], *, weak_again: bool = False
) -> tuple[dict[str, int], list[str]]:
    """(figures, mistakes). weak_again: the clock jumped, so weak repeats may count again."""
    rows = await database.fetch(_STORED, f"{prefix}-%")
    stored = {row["marker"]: row["times"] for row in rows}
    figures = {"acknowledged": 0, "found": 0, "lost": 0, "doubled": 0, "unasked": 0}
    wrong = []
    for marker, item in items.items():
        times = stored.pop(marker, 0)
        most = len(item.told) if item.is_weak and weak_again else 1
        if item.is_acknowledged:
            figures["acknowledged"] += 1
            figures["found"] += times > 0
            figures["lost"] += times == 0
        figures["doubled"] += times > most
        figures["unasked"] += times > 0 and not item.is_kept
        if (item.is_acknowledged and not times) or times > most or (times and not item.is_kept):
            wrong.append(f"{marker}: {times} times, answers {item.told}")
    figures["unasked"] += len(stored)
    return figures, wrong[:10] + [f"{marker}: never sent" for marker in list(stored)[:10]]


async def of_ledger(database: Database) -> list[str]:
    """Conservation by project, and the ledger beside what is there."""
    ledger = {row["project"]: row for row in await database.fetch(_LEDGER)}
    rows = {row["project"]: row["rows"] for row in await database.fetch(_ROWS)}
    wrong = []
    for project, told in ledger.items():
        if told["received"] != told["results"] or told["all_of_them"] != 2 * told["received"]:
            wrong.append(
                f"ledger of {project}: received {told['received']}, results {told['results']}"
            )
        if told["accepted"] != rows.get(project, 0):
            wrong.append(
                f"ledger of {project}: accepted {told['accepted']}, rows {rows.get(project, 0)}"
            )
    unknown = (await database.fetch(_KEYS))[0]["count"]
    if unknown:
        wrong.append(f"{unknown} rows without a delivery")
    return wrong


async def received(database: Database) -> int:
    """Items that the ledger has as received."""
    return sum(row["received"] for row in await database.fetch(_LEDGER))


def of_received(came: int, sent: int, *, exact: bool) -> list[str]:
    """Each sending is received once, however often its batch was tried. exact: all were answered."""
    if came == sent or (came < sent and not exact):
        return []
    return [f"ledger: {came} received of {sent} that were sent"]
