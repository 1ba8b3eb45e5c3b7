"""Rounds of the prober on a real database, with real servers on loopback."""

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from collector.detect.probed import ProbeState
from collector.model import Hash
from collector.pinfall_toml import HostToml
from collector.probing.addresses import IPAddress
from collector.probing.resolving import ResolvingError
from collector.probing.rounds import Prober
from collector.probing.targets import Target, due_at, targets
from collector.store import hosts, projects, served
from collector.store.connect import Connection
from collector.store.hosts import Probed
from tests.conftest import Clock
from tests.make import NOON
from tests.probing import servers
from tests.probing.chains import HOST, Made, family, make

OWN = {"allow_private": True}
LOCAL = ("127.0.0.1",)


class Names:
    """A resolver that a test sets; it notes what it was asked."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known: Mapping[str, Sequence[str]] = {HOST: LOCAL, **known}
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[IPAddress]:
        self.asked.append(name)
        if name not in self.known:
            raise ResolvingError("no such name")
        return [ipaddress.ip_address(address) for address in self.known[name]]


async def run(prober: Prober) -> None:
    await prober.tick()
    await prober.settled()


def named(port: int, place: Path, **more: object) -> HostToml:
    roots = place / "roots.pem"
    roots.write_bytes(family().root.pem)
    told = {"name": HOST, "port": port, "roots": roots, "allow_private": True, **more}
    return HostToml(**told)  # type: ignore[arg-type]


async def rotate(place: Path) -> tuple[Made, servers.Serve]:
    leaf = family().leaf()
    return leaf, servers.tls(leaf.write(place / "now.pem", family().intermediate))


async def sight(connection: Connection, leaf: str | None, host: str = HOST) -> None:
    await connection.execute(
        """
        INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
            operator_network, received_at)
        VALUES (1, $1, 'pin_mismatch', 'i', false, $2, 's', 'n', 'o', $3)
        """,
        host, leaf, NOON,
    )  # fmt: skip


async def test_what_is_served_is_kept_with_first_and_last_seen(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    leaf, serve = await rotate(tmp_path)
    with servers.listening(serve) as port:
        prober = Prober(pool, clock, [named(port, tmp_path)], Names())
        await run(prober)
        clock.now += timedelta(minutes=6)
        await run(prober)
        async with pool.acquire() as connection:
            (chain,) = await served.of_host(connection, HOST)
            states = await served.states(connection, HOST)
    assert [c.der for c in chain.chain] == [leaf.der, family().intermediate.der]
    assert (chain.trusted, chain.problem, chain.port) == (True, None, port)
    assert chain.key_type == "ECDSA secp256r1"
    assert (chain.first_seen, chain.last_seen) == (NOON, NOON + timedelta(minutes=6))
    told = [(s.address, s.asked, s.state) for s in states]
    assert told == [
        ("127.0.0.1", "tls1.2 ecdsa", "served"), ("127.0.0.1", "tls1.2 rsa", "not_offered"),
        ("127.0.0.1", "tls1.3", "served"),
    ]  # fmt: skip
    assert {(s.since, s.at, s.vantage) for s in states} == {(NOON, clock.now, "here")}
    assert states[0].chain == states[2].chain == served.chain_id(HOST, port, chain.chain)


async def test_a_rotation_keeps_the_old_chain(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    old, serve = await rotate(tmp_path)
    with servers.listening(serve) as port:
        prober = Prober(pool, clock, [named(port, tmp_path)], Names())
        await run(prober)
    new, serve = await rotate(tmp_path)
    with servers.listening(serve, port=port):
        clock.now += timedelta(minutes=6)
        await run(prober)
    async with pool.acquire() as connection:
        chains = await served.of_host(connection, HOST)
        since = await served.of_host(connection, HOST, NOON + timedelta(minutes=1))
        leaves = await served.leaves(connection)
        states = await served.states(connection, HOST)
    assert [c.leaf.der for c in chains] == [new.der, old.der]
    assert [c.leaf.der for c in since] == [new.der]
    assert [leaf.spki_sha256 for leaf in leaves] == [c.leaf.spki_sha256 for c in chains]
    assert [s.since for s in states if s.state is ProbeState.SERVED] == [clock.now] * 2


async def test_untrusted_chains_say_why(pool: asyncpg.Pool, clock: Clock, tmp_path: Path) -> None:
    _, serve = await rotate(tmp_path)
    with servers.listening(serve) as port:
        await run(Prober(pool, clock, [named(port, tmp_path, roots=None)], Names()))
        async with pool.acquire() as connection:
            (chain,) = await served.of_host(connection, HOST)
        assert not chain.trusted
        assert chain.problem.startswith("unknown_root: 'CN=Test CA 1' is signed by 'CN=Test Root'")
        (tmp_path / "roots.pem").unlink()
        clock.now += timedelta(minutes=6)
        gone = named(port, tmp_path)
        gone.roots.unlink()
        await run(Prober(pool, clock, [gone], Names()))
        async with pool.acquire() as connection:
            (chain,) = await served.of_host(connection, HOST)
        assert chain.problem == "the roots that pinfall.toml names cannot be read"


async def test_failures_are_states_and_what_is_gone_goes(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    names = Names()
    _, serve = await rotate(tmp_path)

    async def told() -> dict[tuple[str, str], str]:
        async with pool.acquire() as connection:
            rows = await served.states(connection, HOST)
        return {(row.address, row.asked): row.state for row in rows}

    with servers.listening(serve) as port:
        prober = Prober(pool, clock, [named(port, tmp_path)], names)
        await run(prober)
        assert ("127.0.0.1", "tls1.3") in await told()
        names.known = {}
        clock.now += timedelta(minutes=6)
        await run(prober)
        # Nobody knows where it is: what was known stays.
        assert (await told())["", ""] == "dns_failed"
        assert ("127.0.0.1", "tls1.3") in await told()
        names.known = {HOST: ("127.0.0.2",)}
        clock.now += timedelta(minutes=6)
        await run(prober)
        kinds = ("tls1.3", "tls1.2 rsa", "tls1.2 ecdsa")
        assert await told() == dict.fromkeys([("127.0.0.2", k) for k in kinds], "refused")
    async with pool.acquire() as connection:
        assert len(await served.of_host(connection, HOST)) == 1  # seen once, and kept


async def test_every_five_minutes_more_or_less(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    names = Names()
    prober = Prober(pool, clock, [named(1, tmp_path)], names)
    for seconds in range(0, 3600, 5):
        clock.now = NOON + timedelta(seconds=seconds)
        await prober.tick()
        await prober.settled()
    assert 10 <= len(names.asked) <= 14
    target = Target(host=HOST, port=443)
    waits = set()
    for n in range(200):
        last = NOON + timedelta(seconds=n)
        due = due_at(target, last)
        assert due is not None
        waits.add(due - last)
    assert len(waits) > 150
    assert timedelta(seconds=270) <= min(waits) <= timedelta(seconds=285)
    assert timedelta(seconds=315) <= max(waits) <= timedelta(seconds=330)
    assert due_at(target, None) is None


async def test_of_many_processes_one_asks(pool: asyncpg.Pool, clock: Clock, tmp_path: Path) -> None:
    names = Names()
    probers = [Prober(pool, clock, [named(1, tmp_path)], names) for _ in range(4)]
    for _ in range(3):
        for prober in probers:
            await run(prober)
    assert len(names.asked) == 1
    clock.now += timedelta(minutes=6)
    for prober in probers:
        await run(prober)
    assert len(names.asked) == 2


async def test_a_leaf_that_nobody_knows_is_looked_for_at_once(
    pool: asyncpg.Pool, connection: Connection, clock: Clock, tmp_path: Path
) -> None:
    names = Names()
    leaf, serve = await rotate(tmp_path)
    with servers.listening(serve) as port:
        prober = Prober(pool, clock, [named(port, tmp_path)], names)
        await sight(connection, str(Hash("sha256", b"o" * 32)))  # before its time
        await run(prober)
        known = leaf.noun
        for told in (
            str(Hash("sha256", known.spki_sha256)), str(Hash("sha1", known.spki_sha1)), None,
        ):  # fmt: skip
            await sight(connection, told)
        await sight(connection, str(Hash("sha256", b"x" * 32)), "another.example.com")
        clock.now += timedelta(seconds=65)
        await run(prober)
        assert len(names.asked) == 1
        await sight(connection, str(Hash("sha256", b"x" * 32)))
        clock.now += timedelta(seconds=5)
        await run(prober)
        assert len(names.asked) == 2
        # Whatever comes: once a minute.
        for second in range(0, 60, 5):
            await sight(connection, str(Hash("sha256", bytes([second]) * 32)))
            clock.now += timedelta(seconds=5)
            await run(prober)
        assert len(names.asked) == 3
    assert {*names.asked} == {HOST}


async def test_hosts_are_those_that_somebody_registered(
    pool: asyncpg.Pool, connection: Connection, clock: Clock
) -> None:
    """Reports admit and propose hosts; neither makes one that is asked."""
    project = await projects.add(connection, "p", ["api.example.com", "*.example.com"], NOON)
    other = await projects.add(connection, "q", [], NOON)
    await hosts.register(connection, project, [HOST, "third.example.com"], NOON)
    await hosts.register(connection, other, [HOST], NOON)
    await hosts.set_probing(connection, other, HOST, port=8443, third_party=False)
    await hosts.set_probing(connection, project, "third.example.com", port=443, third_party=True)
    await hosts.admit(
        connection, project, "evil.example.com", NOON, registered=False, matching=True, local=True
    )
    await hosts.propose(connection, [(project, "worse.example.com", b"n" * 8)], NOON.date())
    await sight(connection, str(Hash("sha256", b"x" * 32)), "evil.example.com")
    assert [tuple(each) for each in await hosts.to_probe(connection)] == [
        (HOST, 443, False), (HOST, 8443, False), ("third.example.com", 443, True),
    ]  # fmt: skip
    names = Names(**{"evil.example.com": LOCAL, "worse.example.com": LOCAL})
    prober = Prober(pool, clock, (), names)
    for _ in range(20):
        await sight(connection, str(Hash("sha256", b"y" * 32)), "evil.example.com")
        clock.now += timedelta(minutes=1)
        await run(prober)
    assert {*names.asked} == {HOST, "third.example.com"}
    # What is registered and not public is not asked.
    states = await served.states(connection, HOST)
    assert {(s.state, s.detail) for s in states} == {("not_allowed", "loopback")}


def test_what_the_file_says_goes_before_what_was_registered(tmp_path: Path) -> None:
    registered = [Probed(HOST, 443, False), Probed("b.example", 443, True), Probed(HOST, 1, False)]
    told = targets(
        [
            named(443, tmp_path, third_party=True),
            named(443, tmp_path, name="b.example", probe=False),
        ],
        registered,
    )
    assert [(t.host, t.port, t.third_party, t.allow_private) for t in told] == [
        (HOST, 1, False, False), (HOST, 443, True, True),
    ]  # fmt: skip


async def test_a_server_that_makes_a_new_chain_each_time_fills_no_disk(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "MOST_UNTRUSTED", 3)
    monkeypatch.setattr(served, "MOST_TRUSTED", 2)
    for number in range(6):
        for problem in (None, "self_signed: x"):
            chain = [make(f"{number}").noun]
            at = NOON + timedelta(minutes=number)
            await served.keep(connection, HOST, 443, chain, problem=problem, at=at)
    await served.crowd_out(connection, HOST, 443)
    kept = await served.of_host(connection, HOST)
    assert [c.trusted for c in kept].count(True) == 2
    assert [c.trusted for c in kept].count(False) == 3
    assert min(c.last_seen for c in kept) == NOON + timedelta(minutes=3)
    await served.forget(connection, NOON + served.KEPT + timedelta(minutes=4, seconds=30))
    assert {c.last_seen for c in await served.of_host(connection, HOST)} == {
        NOON + timedelta(minutes=5)
    }


async def test_what_ends_with_the_process_is_let_go(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    def mute(connection: object) -> None:
        connection.recv(4096)  # type: ignore[attr-defined]
        connection.recv(4096)  # type: ignore[attr-defined]

    with servers.listening(mute) as port:
        prober = Prober(pool, clock, [named(port, tmp_path)], Names())
        async with prober.running():
            await prober.tick()
        assert not prober._tasks
