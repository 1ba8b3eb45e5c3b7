"""One timeline a host: what is one event and what is not, and that the order it came in does not matter."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.detect.changes import Reported, is_observed, observed, probed, renewals
from collector.detect.rotations import is_open, merge, open_until, timeline
from collector.detect.served import Rotation, RotationSource, RotationState, ServedChain
from collector.model import Certificate
from tests.make import NOON

HOST = "api.example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
S = RotationState


def key(name: str) -> bytes:
    return sha256(name.encode()).digest()


def certificate(name: str, serial: str = "") -> Certificate:
    """Of a key by its name; nothing here reads the certificate itself."""
    der = f"{name} {serial}".encode()
    return Certificate(der, key(f"der {name} {serial}"), key(name), b"")


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def served(
    name: str,
    first: float,
    last: float,
    *,
    port: int = 443,
    serial: str = "",
    above: str = "intermediate",
) -> ServedChain:
    chain = (certificate(name, serial), certificate(above))
    return ServedChain(
        host=HOST, port=port, chain=chain, trusted=True, problem=None, key_type=None,
        first_seen=at(first), last_seen=at(last),
    )  # fmt: skip


def declared(
    minutes: float,
    leaf: str | None = None,
    *,
    id_: int = 1,
    told: float | None = None,
    project: int | None = 1,
    ended: float | None = None,
    note: str = "",
    by: str = "ci",
) -> Rotation:
    return Rotation(
        id=id_, project=project, host=HOST, at=at(minutes), state=S.PLANNED, planned_at=at(minutes),
        declared_at=at(minutes if told is None else told), declared_by=by, note=note,
        chain=(certificate(leaf), certificate("intermediate")) if leaf else (),
        ended_at=None if ended is None else at(ended),
    )  # fmt: skip


def change(
    minutes: float, *leaves: str, id_: int | None = None, ended: float | None = None
) -> Rotation:
    return Rotation(
        id=id_, project=None, host=HOST, at=at(minutes), state=S.DONE, probed_at=at(minutes),
        old_leaves=frozenset({key("old")}), new_leaves=frozenset(map(key, leaves)),
        ended_at=None if ended is None else at(ended),
    )  # fmt: skip


def reported(minutes: float, leaf: str, id_: int | None = None) -> Rotation:
    return Rotation(
        id=id_, project=None, host=HOST, at=at(minutes), state=S.DONE, observed_at=at(minutes),
        new_leaves=frozenset({key(leaf)}),
    )  # fmt: skip


WEEK = 7 * 24 * 60
# What is known, minutes from noon now, and of each event that it is: minutes, state, sources.
Event = tuple[float, RotationState, str]
TABLE: list[tuple[str, list[Rotation], float, list[Event]]] = [
    ("a plan", [declared(60, told=0)], 0, [(60, S.PLANNED, "D")]),
    ("a plan within its grace", [declared(0)], 120, [(0, S.PLANNED, "D")]),
    ("a plan that did not happen", [declared(0)], 121, [(0, S.NOT_SEEN, "D")]),
    ("a probe alone", [change(0, "new")], 5, [(0, S.DONE, "P")]),
    ("reports alone", [reported(0, "new")], 5, [(0, S.DONE, "O")]),
    ("as declared", [declared(0, "new"), change(3, "new")], 5, [(0, S.DONE, "DP")]),
    ("as declared, seen late by a slow probe", [declared(0, "new"), change(40, "new")], 50, [(40, S.DONE, "DP")]),
    ("weeks early", [declared(2 * WEEK, "new", told=-WEEK), change(0, "new")], 5, [(0, S.DONE, "DP")]),
    ("late", [declared(0, "new"), change(121, "new")], 130, [(121, S.LATE, "DP")]),
    ("weeks late", [declared(0, "new"), change(WEEK, "new")], WEEK, [(WEEK, S.LATE, "DP")]),
    ("another chain", [declared(0, "new"), change(20, "other")], 30, [(20, S.OTHER_CHAIN, "DP")]),
    ("another chain, before the time", [declared(60, "new", told=-60), change(1, "other")], 5,
     [(1, S.OTHER_CHAIN, "DP")]),
    ("another chain, long after", [declared(0, "new"), change(125, "other")], 130,
     [(0, S.NOT_SEEN, "D"), (125, S.DONE, "P")]),
    ("another chain, and then the right one",
     [declared(0, "new"), change(20, "other"), change(90, "new")], 95, [(20, S.DONE, "P"), (90, S.DONE, "DP")]),
    ("without a chain", [declared(0), change(10, "new")], 20, [(0, S.DONE, "DP")]),
    ("declared by a hook after it was done", [declared(30), change(0, "new")], 31, [(0, S.DONE, "DP")]),
    ("declared long after it was done", [declared(61), change(0, "new")], 62, [(0, S.DONE, "P"), (61, S.PLANNED, "D")]),
    ("without a chain, late", [declared(0), change(300, "new")], 310, [(300, S.LATE, "DP")]),
    ("without a chain, a day later", [declared(0), change(24 * 60 + 1, "new")], 24 * 60 + 2,
     [(0, S.NOT_SEEN, "D"), (24 * 60 + 1, S.DONE, "P")]),
    ("every node's hook", [declared(n, id_=n + 1) for n in (0, 10, 20, 30)] + [change(31, "new")], 40,
     [(31, S.DONE, "DP")]),
    ("two plans, one change: the last plan's", [declared(0), declared(240, id_=2), change(245, "new")], 250,
     [(0, S.NOT_SEEN, "D"), (240, S.DONE, "DP")]),
    ("one plan, two changes: the first one", [declared(0), change(5, "new"), change(600, "newer")], 610,
     [(0, S.DONE, "DP"), (600, S.DONE, "P")]),
    ("two plans, two changes", [declared(0), declared(240, id_=2), change(5, "new"), change(245, "newer")], 250,
     [(0, S.DONE, "DP"), (240, S.DONE, "DP")]),
    ("both keys at once", [change(0, "rsa"), change(14, "ecdsa")], 20, [(0, S.DONE, "P")]),
    ("a roll-out over nodes", [change(0, "a"), change(14, "b"), change(28, "c")], 30, [(0, S.DONE, "P")]),
    ("two changes", [change(0, "a"), change(16, "b")], 30, [(0, S.DONE, "P"), (16, S.DONE, "P")]),
    ("both keys, each with its chain", [declared(0, "rsa"), declared(0, "ecdsa", id_=2), change(5, "rsa", "ecdsa")], 9,
     [(0, S.DONE, "DP")]),
    ("one of two declared chains", [declared(0, "rsa"), declared(0, "ecdsa", id_=2), change(5, "rsa")], 121,
     [(0, S.NOT_SEEN, "D"), (0, S.DONE, "DP")]),
    ("reported, then probed", [reported(0, "new"), change(60, "new")], 70, [(0, S.DONE, "PO")]),
    ("reported, then declared", [reported(0, "new"), declared(3000, "new")], 3001, [(0, S.DONE, "DO")]),
    ("reports confirm no plan without a chain", [declared(0), reported(5, "new")], 10,
     [(0, S.PLANNED, "D"), (5, S.DONE, "O")]),
    ("reports are no other chain", [declared(0, "new"), reported(5, "other")], 10,
     [(0, S.PLANNED, "D"), (5, S.DONE, "O")]),
    ("a key that comes back is another event", [change(-WEEK, "new", id_=1), declared(0, "new", id_=2)], 5,
     [(-WEEK, S.DONE, "P"), (0, S.PLANNED, "D")]),
    ("ended", [change(0, "new", id_=1, ended=60), change(0, "new")], 70, [(0, S.ENDED, "P")]),
    ("a new key soon after one that was ended", [change(0, "a", id_=1, ended=5), change(0, "a"), change(10, "b")], 20,
     [(0, S.ENDED, "P"), (10, S.DONE, "P")]),
    ("cancelled, and done all the same", [declared(0, "new", ended=1), change(5, "new")], 10,
     [(0, S.ENDED, "D"), (5, S.DONE, "P")]),
    ("cancelled, and declared again", [declared(0, "new", ended=1), declared(2, "new", id_=2), change(5, "new")], 10,
     [(0, S.ENDED, "D"), (2, S.DONE, "DP")]),
    ("cancelled without a chain", [declared(0, ended=1), change(5, "new")], 10, [(0, S.ENDED, "D"), (5, S.DONE, "P")]),
]  # fmt: skip


def told(rotations: list[Rotation]) -> list[Event]:
    letters = {RotationSource.DECLARED: "D", RotationSource.PROBED: "P", RotationSource.OBSERVED: "O"}  # fmt: skip
    return [
        ((r.at - NOON) / MINUTE, r.state, "".join(letters[source] for source in r.sources))
        for r in rotations
    ]


@pytest.mark.parametrize(
    ("known", "now", "events"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_one_event(known: list[Rotation], now: float, events: list[Event]) -> None:
    once = merge(known, at(now))
    assert sorted(told(once)) == sorted(events)
    for _ in range(5):
        assert merge(random.sample(known, len(known)), at(now)) == once
    assert merge(once, at(now)) == once


def test_what_is_joined_keeps_what_each_tells() -> None:
    known = [
        declared(0, "new", id_=7, note="x"), declared(2, "new", id_=3, project=2, note="longer", by="cd"),
        change(4, "new", "new 2"), reported(1, "new"),
    ]  # fmt: skip
    (one,) = merge(known, at(10))
    assert (one.id, one.project, one.note, one.declared_by) == (3, None, "longer", "ci")
    times = (one.planned_at, one.declared_at, one.probed_at, one.observed_at)
    assert times == (at(0), at(0), at(4), at(1))
    assert one.new_leaves == {key("new"), key("new 2")}
    assert one.old_leaves == {key("old")}
    assert one.chain[0] == certificate("new")
    (same,) = merge([declared(0), declared(1, id_=2)], at(10))
    assert same.project == 1


LEAVES = st.sampled_from("abcd")
MINUTES = st.integers(0, 40).map(lambda n: n * 50) | st.integers(0, 60)


@st.composite
def facts_of_a_host(draw: st.DrawFn) -> list[Rotation]:
    found: list[Rotation] = []
    for id_ in range(draw(st.integers(0, 5))):
        planned, leaf = draw(MINUTES), draw(st.none() | LEAVES)
        ended = draw(st.none() | MINUTES)
        before = draw(st.integers(0, 300))
        found.append(declared(planned, leaf, id_=id_, told=planned - before, ended=ended))
    for leaf in draw(st.sets(LEAVES)):
        found.append(change(draw(MINUTES), leaf))
        if draw(st.booleans()):
            found.append(reported(draw(MINUTES), leaf))
    return found


@given(facts_of_a_host(), st.randoms(use_true_random=False), MINUTES)
def test_merging_in_any_order_and_again(
    known: list[Rotation], chance: random.Random, now: int
) -> None:
    once = merge(known, at(now))
    mixed = list(known)
    chance.shuffle(mixed)
    assert merge(mixed, at(now)) == once
    assert merge(once, at(now)) == once
    assert frozenset().union(*(r.new_leaves for r in known)) == frozenset().union(
        *(r.new_leaves for r in once)
    )
    for one in once:
        assert not one.old_leaves & one.new_leaves
        assert one.sources


@given(facts_of_a_host(), MINUTES)
def test_what_the_probes_tell_again_changes_nothing(known: list[Rotation], now: int) -> None:
    """As every minute does: rows that were written before, and the same served chains."""
    once = merge(known, at(now))
    again = merge([*once, *(r for r in known if r.id is None)], at(now))
    assert told(again) == told(once)
    assert again == once


def test_new_leaves_of_served_chains() -> None:
    chains = [
        served("old", 0, 100), served("old rsa", 0.4, 90), served("new", 60, 200),
        served("gone", 1, 20), served("newest", 180, 200), served("old", 130, 150, serial="renewed"),
    ]  # fmt: skip
    found = {next(iter(r.new_leaves)): r for r in probed(chains, at(-WEEK))}
    assert set(found) == {key("gone"), key("new"), key("newest")}
    assert found[key("new")].at == at(60)
    assert found[key("new")].old_leaves == {key("old"), key("old rsa")}
    assert found[key("newest")].old_leaves == {key("new")}
    assert [r.at for r in probed(chains, at(100))] == [at(180)]
    assert probed([], NOON) == []


def test_another_port_that_is_asked_is_no_rotation() -> None:
    chains = [served("a", 0, 500), served("b", 100, 500, port=8443), served("a", 300, 500, port=8443)]  # fmt: skip
    assert probed(chains, at(0)) == []
    chains.append(served("c", 400, 500, port=8443))
    (one,) = probed(chains, at(0))
    assert one.new_leaves == {key("c")}


def test_a_renewal_with_the_same_key_is_told_and_no_rotation() -> None:
    chains = [
        served("k", 0, 100), served("k", 60, 200, serial="2"), served("k", 60, 200, serial="2", port=8443),
        served("k", 90, 200, serial="2", above="other"), served("n", 120, 200),
    ]  # fmt: skip
    renewed, moved = renewals(chains)
    assert (renewed.at, renewed.is_new_certificate, renewed.new_issuers) == (
        at(60),
        True,
        frozenset(),
    )
    assert (moved.at, moved.is_new_certificate) == (at(90), False)
    assert moved.new_issuers == frozenset({key("other")})
    assert [r.new_leaves for r in probed(chains, at(-10))] == [{key("n")}]


def row(**changes: object) -> Reported:
    facts: dict[str, object] = {
        "leaf": key("new"), "installs": 10, "operator_networks": 5, "first_seen": NOON,
        "not_before": NOON - DAY, "trusted": True, **changes,
    }  # fmt: skip
    return Reported(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_one"),
    [
        ({}, True),
        ({"installs": 9}, False),
        ({"operator_networks": 4}, False),
        ({"trusted": False}, False),
        ({"not_before": None}, False),
        ({"not_before": NOON - 30 * DAY}, True),
        ({"not_before": NOON - 31 * DAY}, False),
        ({"not_before": NOON + MINUTE}, False),
    ],
    ids=str,
)
def test_what_enough_installs_report(changes: dict[str, object], is_one: bool) -> None:
    assert is_observed(row(**changes)) is is_one
    found = observed(HOST, [row(**changes)])
    assert [r.new_leaves for r in found] == ([{key("new")}] if is_one else [])


def test_a_window_is_open_while_both_are_served() -> None:
    rotation = change(60, "new")
    both = [served("old", 0, 180), served("new", 60, 181)]
    assert is_open(rotation, both, at(182))
    assert open_until(rotation, both) == at(180)
    done = [served("old", 0, 80), served("new", 60, 181)]
    assert not is_open(rotation, done, at(182))
    assert open_until(rotation, done) == at(80)
    at_once = [served("old", 0, 59), served("new", 60, 181)]
    assert open_until(rotation, at_once) == at(60)
    assert not is_open(change(60, "new", ended=70), both, at(182))
    assert not is_open(rotation, [], at(182))
    back = [served("old", 0, 900), served("new", 60, 181)]
    assert not is_open(rotation, back, at(900))
    assert open_until(rotation, back) == at(181)


def _timeline(known: list[Rotation], chains: list[ServedChain], now: float) -> list[Rotation]:
    return timeline(known, chains, [], HOST, at(now), at(now) - 30 * DAY)


def test_a_key_that_comes_back_is_seen() -> None:
    """A way back to what was served before: no new leaf, and still the declared chain."""
    chains = [served("old", -WEEK, 125), served("new", 0, 119)]
    known = [*_timeline([], chains, 1), declared(120, "old", id_=9)]
    change_, back = _timeline(known, chains, 126)
    assert (change_.state, *change_.new_leaves) == (S.DONE, key("new"))
    assert (back.id, back.state, back.probed_at) == (9, S.DONE, at(125))
    assert (back.at, *back.new_leaves, *back.old_leaves) == (at(120), key("old"), key("new"))
    assert _timeline([change_, back], chains, 127) == [change_, back]
    later = [served("old", -WEEK, 300), served("new", 0, 119)]
    assert _timeline([change_, back], later, 301) == [change_, back]


def test_a_renewal_with_the_same_key_fulfils_its_declaration() -> None:
    chains = [served("k", -WEEK, 119), served("k", 121, 125, serial="2")]
    (one,) = _timeline([declared(120, "k")], chains, 126)
    assert (one.state, one.probed_at, one.old_leaves) == (S.DONE, at(125), frozenset())
    (waits,) = _timeline([declared(130, "k", told=0)], chains, 126)
    assert waits.state is S.PLANNED


def test_the_declared_chain_after_another_one() -> None:
    known = merge([declared(0, "new"), change(20, "other")], at(21))
    assert told(known) == [(20, S.OTHER_CHAIN, "DP")]
    (one,) = merge([*known, change(20, "other"), change(90, "new")], at(91))
    assert (one.state, one.new_leaves) == (S.DONE, frozenset({key("new"), key("other")}))


def test_every_minute_of_a_roll_out_tells_the_same() -> None:
    """Look each minute while a host rolls out over an hour; rows are kept from look to look."""
    known: list[Rotation] = [declared(0, "new", id_=1)]
    for minute in range(200):
        chains = [served("old", -WEEK, min(minute, 70))]
        if minute >= 4:
            chains.append(served("new", 4, minute))
        known = _timeline(known, chains, minute)
        (one,) = known
        assert one.state is (S.DONE if minute >= 4 else S.PLANNED)
        assert is_open(one, chains, at(minute)) is (4 <= minute <= 85)
