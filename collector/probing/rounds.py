"""The prober: asks hosts that are due, and at once those that are reported with a key nobody knows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.detect.probed import HERE, Answer
from collector.model import Certificate
from collector.pinfall_toml import HostToml
from collector.probing.asking import AT_ONCE, Found, chain_of
from collector.probing.resolving import Resolve, system_resolver
from collector.probing.roots import Roots
from collector.probing.targets import SOONEST, USUAL, Target, due_at, targets
from collector.probing.trust import check
from collector.store import hosts, served
from collector.store.connect import STORE_DOWN, Connection

log = structlog.get_logger()
HOSTS_AT_ONCE = 64  # most of them wait for room to ask
_LOOKS = 3  # ago: a flush that took its ids then has committed by now
_MOST_SIGHTINGS = 5_000  # that one look reads: in a storm a new leaf is among the newest
_FORGET = timedelta(hours=1)


class Prober:
    """A round is short: it looks who is due and sets to work; the asking goes on beside it.

    Several processes may each have one: who takes a host's turn in the database asks it.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Callable[[], datetime],
        named: Sequence[HostToml] = (),
        resolve: Resolve = system_resolver,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._named = named
        self._resolve = resolve
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._looked: deque[int] = deque(maxlen=_LOOKS)  # newest sighting, of each look
        self._forgot: datetime | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What is being asked at the end is let go."""
        try:
            yield
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def tick(self) -> None:
        now = self._clock()
        async with self._pool.acquire() as connection:
            every = targets(self._named, await hosts.to_probe(connection))
            wanted = await self.unknown(connection, {target.host for target in every})
            last = await served.turns(connection)
            for target in self._due(every, wanted, last, now):
                if len(self._tasks) >= HOSTS_AT_ONCE:
                    break
                place = target.host, target.port
                until = last.get(place, now - USUAL)
                if await served.take_turn(connection, *place, now=now, unless_since=until):
                    self._begin(target)
            if self._forgot is None or now - self._forgot >= _FORGET:
                await served.forget(connection, now)
                self._forgot = now

    def _due(
        self,
        every: Sequence[Target],
        wanted: Collection[str],
        last: Mapping[tuple[str, int], datetime],
        now: datetime,
    ) -> list[Target]:
        """Who waits longest first. wanted: hosts that are due sooner than usual."""
        found: list[tuple[datetime, Target]] = []
        for target in every:
            place = target.host, target.port
            before = last.get(place)
            at = due_at(target, before)
            if at is None or before is None:
                at = now - USUAL
            elif target.host in wanted:
                at = min(at, before + SOONEST)
            if at <= now and place not in self._tasks:
                found.append((at, target))
        found.sort(key=lambda each: each[0])
        return [target for _, target in found]

    async def unknown(self, connection: Connection, names: Collection[str]) -> set[str]:
        """Hosts among these with new sightings whose leaf no chain of theirs has: a rotation nobody
        told of, or somebody in the middle. They are asked, for they are ours; what the report says is
        not."""
        newest = await served.newest_sighting(connection)
        after = self._looked[0] if self._looked else newest
        self._looked.append(newest)
        if newest <= after or not names:
            return set()
        after = max(after, newest - _MOST_SIGHTINGS)
        told = await served.reported_leaves(connection, names, after, newest)
        known = {
            (leaf.host, text)
            for leaf in await served.leaves(connection, hosts={host for host, _ in told})
            for text in leaf.hashes()
        }
        return {host for host, _ in told - known}

    def _begin(self, target: Target) -> None:
        place = target.host, target.port
        task = asyncio.create_task(self._probe(target), name=f"probe {target.host}")
        self._tasks[place] = task
        task.add_done_callback(lambda _: self._tasks.pop(place, None))

    async def settled(self) -> None:
        """Until nothing is being asked."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _probe(self, target: Target) -> None:
        try:
            found = await chain_of(
                target.host,
                target.port,
                resolve=self._resolve,
                allow_private=target.allow_private,
                named=target.addresses,
                client=target.client,
                room=self._room,
            )
            await keep(self._pool, target, found, self._clock())
        except STORE_DOWN as error:  # another turn comes
            log.warning("probe.not_kept", host=target.host, error=type(error).__name__)
        except Exception as error:
            log.exception("probe.failed", host=target.host, error=type(error).__name__)


async def keep(pool: asyncpg.Pool, target: Target, found: Found, at: datetime) -> None:
    """Store what our own probe saw: each chain with whether it is trusted, and how asking went."""
    chains = {answer.chain for answer in found.answers if answer.chain}
    problems = await judged(target, chains, at)
    async with pool.acquire() as connection, connection.transaction():
        ids = {}
        for chain in sorted(chains, key=lambda chain: [each.sha256 for each in chain]):
            ids[chain] = await served.keep(
                connection, target.host, target.port, chain, problem=problems[chain], at=at
            )
        told = [(answer, ids.get(answer.chain)) for answer in found.answers]
        await served.keep_states(
            connection, target.host, target.port, HERE, told, at, resolved=found.resolved
        )
        await served.crowd_out(connection, target.host, target.port)
    log.info("host.probed", host=target.host, port=target.port, **_summary(found.answers))


def _summary(answers: Sequence[Answer]) -> dict[str, int]:
    states = [str(answer.state) for answer in answers]
    return {state: states.count(state) for state in sorted({*states})}


async def judged(
    target: Target, chains: Collection[tuple[Certificate, ...]], at: datetime
) -> dict[tuple[Certificate, ...], str | None]:
    """Why each chain is not trusted; None: it is."""
    try:
        roots = await asyncio.to_thread(target.trusted_roots)
    except (OSError, ValueError):
        return dict.fromkeys(chains, "the roots that pinfall.toml names cannot be read")
    return {
        chain: await asyncio.to_thread(_problem, chain, target.host, at, roots) for chain in chains
    }


def _problem(chain: tuple[Certificate, ...], host: str, at: datetime, roots: Roots) -> str | None:
    trust = check(chain, host, at, roots)
    return None if trust.problem is None else f"{trust.problem}: {trust.told}"
