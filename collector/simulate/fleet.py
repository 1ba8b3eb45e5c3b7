"""Who reports what, and when: a scenario played through in numbers, before anything is sent."""

from __future__ import annotations

import base64
import dataclasses
import heapq
import math
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from collector.simulate import bodies
from collector.simulate.bodies import Chain, Client, Message
from collector.simulate.chains import Authority
from collector.simulate.clients import ANDROID, DIALECTS, IOS, OKHTTP, Dialect, Install
from collector.simulate.scenarios import Scenario
from collector.simulate.truth import Shown

APP = "com.example.wallet"
VERSIONS = (("8.24.1", 0.55), ("8.24.0", 0.25), ("8.23.2", 0.15), ("8.9.0", 0.05))
WRONG = "8.25.0"  # the release with the wrong pin; a fifth of the fleet has it
_CARRIERS = 6  # networks that 30 % of all sit behind
_OPERATORS = 97  # that networks belong to
_CONNECTS = 4.0  # times that an install connects in the simulated time
_LOOP = 2.0  # seconds between two tries of one that loops
_FORGED_FOR = 0.1  # of the time
_LATE = 0.2  # of iOS reports: the system sends them once it sees fit
_LATE_FROM = 60.0  # seconds
_PRODUCT = "Zscaler"  # what every second proxy calls itself; the others are nobody's that is known

_authority = cache(Authority.make)  # a second's work: fleets of one process share them


@dataclass(frozen=True, slots=True)
class Sent:
    """at: of its arrival, in seconds from the start, as simulated. host: within the network, which is the
    sender's address (``address``). class_: what it shows, None where no pin failed (``truth``)."""

    at: float
    network: int
    host: int
    install: int
    class_: str | None
    forged: bool
    make: Callable[[datetime], Message]

    def arrived(self, at: float) -> Shown:
        """at: when it was really sent."""
        return Shown(at, self.install, self.network, self.class_, self.forged)


@dataclass(slots=True)
class Truth:
    """Installs that were really affected, by the class that their reports show; and reports, by who sent
    them."""

    installs: dict[str, set[int]] = field(
        default_factory=lambda: {"self": set(), "interception": set(), "unknown": set()}
    )
    reports: Counter[str] = field(default_factory=Counter)


class Fleet:
    """One scenario: chains, pins, installs; seeded but for its keys and the ids of installs and events, for
    who was counted today is not counted again. late: seconds after a failure, up to which a fifth of iOS
    reports arrive, the most of them early, so also after the end. speed: simulated seconds in a real one."""

    def __init__(
        self, scenario: Scenario, host: str, installs: int, seconds: float, seed: int, started: datetime,
        *, late: float = 0.0, speed: float = 1.0,
    ) -> None:  # fmt: skip
        self.scenario, self.host, self.seconds, self.started = scenario, host, seconds, started
        self._late, self._delays = late, random.Random(seed)  # noqa: S311 (apart: the rest plays the same)
        self._random = random.Random(seed)  # noqa: S311 (a play, no secret)
        self._run = secrets.randbelow(1_000_000)
        self.ours = _authority("Example")
        theirs = (_authority("Inspector"), _authority(_PRODUCT))
        days = 90.0
        if scenario.expires is not None:  # leaves are two days old
            days = 2 + scenario.expires * seconds / speed / 86400
        self.old, self.old_key = self.ours.issued(host, days, started)
        self.new, self.new_key = self.ours.issued(host, at=started)
        backup, wrong = _pin(self._random), (_pin(self._random), _pin(self._random))
        self._pins = (bodies.pin(self.old[0]), backup)
        self._pins_safe = (bodies.pin(self.old[0]), bodies.pin(self.new[0]))
        self._pins_wrong = wrong
        self._products = [bool((place + seed) % 2) for place in range(scenario.behind_networks)]
        self._proxies = [theirs[is_known].chain(host, at=started) for is_known in self._products]
        self.fleet = [self._install(number) for number in range(installs)]
        self.truth = Truth()

    @property
    def rotated_at(self) -> float | None:
        return None if self.scenario.rotates is None else self.scenario.rotates * self.seconds

    def reports(self) -> Iterator[Sent]:
        """In the order of their arrival."""
        waiting: list[tuple[float, int, Sent]] = []
        for number, sent in enumerate(heapq.merge(
            self._failures(), self._loops(), self._forgeries(), self._strangers(), key=lambda sent: sent.at
        )):  # fmt: skip
            while waiting and waiting[0][0] <= sent.at:
                yield heapq.heappop(waiting)[2]
            arrives = sent.at + self._delay(sent)
            if arrives > sent.at:
                late = dataclasses.replace(
                    sent, at=arrives, make=_earlier(sent.make, arrives - sent.at)
                )
                heapq.heappush(waiting, (arrives, number, late))
            else:
                yield sent
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _delay(self, sent: Sent) -> float:
        install = self.fleet[sent.install] if sent.install < len(self.fleet) else None
        if install is None or not install.dialect.late or self._late <= _LATE_FROM:
            return 0.0
        if self._delays.random() >= _LATE:
            return 0.0
        return math.exp(self._delays.uniform(math.log(_LATE_FROM), math.log(self._late)))

    def _install(self, number: int) -> Install:
        drawn, scenario = self._random, self.scenario
        (version,) = drawn.choices([v for v, _ in VERSIONS], [share for _, share in VERSIONS])
        if scenario.wrong_version and drawn.random() < 0.2:
            version = WRONG
        (dialect,) = drawn.choices(DIALECTS, [one.share for one in DIALECTS])
        behind = None
        if drawn.random() < scenario.behind:
            behind = drawn.randrange(scenario.behind_networks)
        if behind is not None:
            network = 10_000 + behind
        elif drawn.random() < 0.3:
            network = drawn.randrange(_CARRIERS)
        else:
            network = 100 + number
        return Install(
            number, version, dialect, network, drawn.randrange(2, 250), drawn.random() < scenario.safe,
            behind,
        )  # fmt: skip

    def _pins_of(self, install: Install) -> tuple[str, ...]:
        if install.version == WRONG:
            return self._pins_wrong
        return self._pins_safe if install.safe else self._pins

    def shown(self, at: float) -> tuple[Chain, ...]:
        """What the host's edges serve at a time, to who asks each of them."""
        scenario, share = self.scenario, at / self.seconds
        rotates, back = scenario.rotates, scenario.back
        if rotates is None or share < rotates or (back is not None and share >= back):
            return (self.old,)
        return (self.new,) if scenario.edges >= 1 else (self.old, self.new)

    def _served(self, at: float) -> Chain:
        shown = self.shown(at)
        if shown == (self.old,):
            return self.old
        return self.new if self._random.random() < self.scenario.edges else self.old

    def _failures(self) -> Iterator[Sent]:
        """Each install connects now and then; TrustKit tells of one failure once a day."""
        drawn, mean = self._random, self.seconds / _CONNECTS
        told: set[tuple[int, bytes]] = set()
        due = [(drawn.expovariate(1 / mean), install.number) for install in self.fleet]
        heapq.heapify(due)
        while due and due[0][0] < self.seconds:
            at, number = due[0]
            heapq.heapreplace(due, (at + drawn.expovariate(1 / mean), number))
            install = self.fleet[number]
            share = at / self.seconds
            if install.behind is not None and share >= self.scenario.behind_from:
                chain: Chain = self._proxies[install.behind]
                class_ = self._shown(install.dialect, install.behind)
            else:
                chain, class_ = self._served(at), "self"
            untrusted = self._is_over(chain, share)
            if untrusted and not install.dialect.untrusted:
                continue
            if not untrusted and {bodies.pin(der) for der in chain} & {*self._pins_of(install)}:
                continue
            if not install.dialect.repeats and (number, chain[0]) in told:
                continue
            told.add((number, chain[0]))
            self.truth.installs[class_].add(number)
            self.truth.reports["clients"] += 1
            yield self._sent(at, install, chain, None if untrusted else class_, untrusted=untrusted)

    def _shown(self, dialect: Dialect, proxy: int) -> str:
        """What a report of this proxy's chain lets a reader tell."""
        is_told = dialect.root or (dialect.issuers and self._products[proxy])
        return "interception" if is_told else "unknown"

    def _is_over(self, chain: Chain, share: float) -> bool:
        expires = self.scenario.expires
        return expires is not None and share >= expires and chain is self.old

    def _loops(self) -> Iterator[Sent]:
        at = 0.2 * self.seconds
        while self.scenario.loops and at < self.seconds:
            for place in range(self.scenario.loops):
                install = Install(
                    900_000 + place,
                    VERSIONS[0][0],
                    OKHTTP,
                    20_000 + place,
                    9,
                    safe=False,
                    behind=None,
                )
                class_ = self._shown(install.dialect, 0)
                self.truth.installs[class_].add(install.number)
                self.truth.reports["loops"] += 1
                yield self._sent(at, install, self._proxies[0], class_)
            at += _LOOP

    def _forgeries(self) -> Iterator[Sent]:
        count = int(self.scenario.forged * len(self.fleet))
        first, last = self.scenario.forged_at, self.scenario.forged_at + _FORGED_FOR
        for place in range(count):
            at = self.seconds * (first + (last - first) * place / count)
            install = Install(800_000 + place, VERSIONS[0][0], IOS,
                              30_000 + place % self.scenario.forged_networks, 2 + place % 240,
                              safe=False, behind=None)  # fmt: skip
            self.truth.reports["forged"] += 1
            yield self._sent(at, install, self.old, "self", pins=self._pins_wrong, forged=True)

    def _strangers(self) -> Iterator[Sent]:
        chain = self.ours.chain(
            self.host
        )  # whoever gets one, gets it of an authority that we use too
        for place in range(self.scenario.misissued):
            at = self.seconds * (0.3 + 0.05 * place)
            install = Install(700_000 + place, VERSIONS[0][0], ANDROID,
                              40_000 + 300 * place, 9, safe=False, behind=None)  # fmt: skip
            self.truth.installs["unknown"].add(install.number)
            self.truth.reports["strangers"] += 1
            yield self._sent(at, install, chain, "unknown")

    def _sent(
        self, at: float, install: Install, chain: Chain, class_: str | None, *, untrusted: bool = False,
        pins: tuple[str, ...] | None = None, forged: bool = False,
    ) -> Sent:  # fmt: skip
        event = secrets.token_hex(4)

        def make(now: datetime) -> Message:
            now = now.astimezone(UTC) - timedelta(seconds=1)
            return install.dialect.make(
                Client(
                    self.host, install.version, pins or self._pins_of(install), now.strftime("%Y-%m-%d"),
                    now.strftime("%H:%M:%S"), f"{self._run:06d}{install.number:06d}", event, APP, untrusted=untrusted,
                ),
                chain,
            )  # fmt: skip

        return Sent(at, install.network, install.host, install.number, class_, forged, make)


def _earlier(make: Callable[[datetime], Message], seconds: float) -> Callable[[datetime], Message]:
    """Written so long before it is sent."""
    return lambda now: make(now - timedelta(seconds=seconds))


def address(network: int, host: int, *, loopback: bool) -> str:
    """Each network a /24 of its own, spread over as many operators as there are in real life: a /16 each."""
    operator, place = network % _OPERATORS, network // _OPERATORS
    high, low = divmod(place, 250)
    if loopback:
        return f"127.{1 + operator + _OPERATORS * high}.{low}.{host}"
    return f"{100 + high}.{64 + operator}.{low}.{host}"


def _pin(drawn: random.Random) -> str:
    return "sha256/" + base64.b64encode(drawn.randbytes(32)).decode()
