"""Who reports what, and when: a scenario played through in numbers, before anything is sent."""

from __future__ import annotations

import base64
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from collector.simulate import bodies
from collector.simulate.bodies import Chain, Client, Message
from collector.simulate.chains import Authority
from collector.simulate.scenarios import Scenario

APP = "com.example.wallet"
VERSIONS = (("8.24.1", 0.55), ("8.24.0", 0.25), ("8.23.2", 0.15), ("8.9.0", 0.05))
WRONG = "8.25.0"  # the release with the wrong pin; a fifth of the fleet has it
_CARRIERS = 6  # networks that 30 % of all sit behind
_CONNECTS = 4.0  # times that an install connects in the simulated time
_LOOP = 2.0  # seconds between two tries of one that loops
_FORGED_FOR = 0.1  # of the time
_Make = Callable[[Client, Chain], Message]
# What they report with, and how many of the fleet; whether it tells of each failure anew.
_DIALECTS: tuple[tuple[_Make, float, bool], ...] = (
    (bodies.trustkit_ios, 0.4, False), (bodies.trustkit_android, 0.25, False),
    (bodies.okhttp_reporter, 0.2, True), (bodies.okhttp_text, 0.1, True), (bodies.react_native, 0.05, False),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """at: seconds from the start, as simulated. address: of the sender, told apart by ``Fleet.address``."""

    at: float
    network: int
    host: int  # within the network
    make: Callable[[datetime], Message]


@dataclass(frozen=True, slots=True)
class Install:
    number: int
    version: str
    make: _Make
    repeats: bool
    network: int
    host: int
    safe: bool
    behind: int | None  # which proxy


@dataclass(slots=True)
class Truth:
    """Installs that were really affected, by class, and reports by who sent them."""

    installs: dict[str, set[int]] = field(
        default_factory=lambda: {"self": set(), "interception": set(), "unknown": set()}
    )
    reports: Counter[str] = field(default_factory=Counter)


class Fleet:
    """One scenario: chains, pins, installs; seeded but for its keys."""

    def __init__(
        self, scenario: Scenario, host: str, installs: int, seconds: float, seed: int, started: datetime
    ) -> None:  # fmt: skip
        self.scenario, self.host, self.seconds, self.started = scenario, host, seconds, started
        self._random = random.Random(seed)  # noqa: S311 (a play, no secret)
        self.ours = Authority.make("Example")
        self._theirs = Authority.make("Inspector")
        self._public = Authority.make("Other Public")
        days = 90.0
        if scenario.expires is not None:  # leaves are two days old
            days = 2 + scenario.expires * seconds / 86400
        self.old, self.old_key = self.ours.issued(host, days)
        self.new, self.new_key = self.ours.issued(host)
        backup, wrong = _pin(self._random), (_pin(self._random), _pin(self._random))
        self._pins = (bodies.pin(self.old[0]), backup)
        self._pins_safe = (bodies.pin(self.old[0]), bodies.pin(self.new[0]))
        self._pins_wrong = wrong
        self._proxies = [self._theirs.chain(host) for _ in range(scenario.behind_networks)]
        self.fleet = [self._install(number) for number in range(installs)]
        self.truth = Truth()

    @property
    def rotated_at(self) -> float | None:
        return None if self.scenario.rotates is None else self.scenario.rotates * self.seconds

    def reports(self) -> Iterator[Sent]:
        """In the order of time."""
        return heapq.merge(
            self._failures(), self._loops(), self._forgeries(), self._strangers(), key=lambda sent: sent.at
        )  # fmt: skip

    def _install(self, number: int) -> Install:
        drawn, scenario = self._random, self.scenario
        (version,) = drawn.choices([v for v, _ in VERSIONS], [share for _, share in VERSIONS])
        if scenario.wrong_version and drawn.random() < 0.2:
            version = WRONG
        ((make, _, repeats),) = drawn.choices(_DIALECTS, [share for _, share, _ in _DIALECTS])
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
            number, version, make, repeats, network, drawn.randrange(2, 250), drawn.random() < scenario.safe,
            behind,
        )  # fmt: skip

    def _pins_of(self, install: Install) -> tuple[str, ...]:
        if install.version == WRONG:
            return self._pins_wrong
        return self._pins_safe if install.safe else self._pins

    def _served(self, at: float) -> Chain:
        scenario, share = self.scenario, at / self.seconds
        rotates, back = scenario.rotates, scenario.back
        if rotates is None or share < rotates or (back is not None and share >= back):
            return self.old
        return self.new if self._random.random() < scenario.edges else self.old

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
                class_ = "interception"
            else:
                chain, class_ = self._served(at), "self"
            untrusted = self._is_over(chain, share)
            if not untrusted and {bodies.pin(der) for der in chain} & {*self._pins_of(install)}:
                continue
            if not install.repeats and (number, chain[0]) in told:
                continue
            told.add((number, chain[0]))
            self.truth.installs[class_].add(number)
            self.truth.reports["clients"] += 1
            yield self._sent(at, install, chain, untrusted=untrusted)

    def _is_over(self, chain: Chain, share: float) -> bool:
        expires = self.scenario.expires
        return expires is not None and share >= expires and chain is self.old

    def _loops(self) -> Iterator[Sent]:
        at = 0.2 * self.seconds
        while self.scenario.loops and at < self.seconds:
            for place in range(self.scenario.loops):
                install = Install(
                    900_000 + place, VERSIONS[0][0], bodies.okhttp_reporter, repeats=True,
                    network=20_000 + place, host=9, safe=False, behind=None,
                )  # fmt: skip
                self.truth.installs["interception"].add(install.number)
                self.truth.reports["loops"] += 1
                yield self._sent(at, install, self._proxies[0])
            at += _LOOP

    def _forgeries(self) -> Iterator[Sent]:
        count = int(self.scenario.forged * len(self.fleet))
        first, last = self.scenario.forged_at, self.scenario.forged_at + _FORGED_FOR
        for place in range(count):
            at = self.seconds * (first + (last - first) * place / count)
            install = Install(800_000 + place, VERSIONS[0][0], bodies.trustkit_ios, False,
                              30_000 + place % self.scenario.forged_networks, 2 + place % 240,
                              safe=False, behind=None)  # fmt: skip
            self.truth.reports["forged"] += 1
            yield self._sent(at, install, self.old, pins=self._pins_wrong)

    def _strangers(self) -> Iterator[Sent]:
        chain = self._public.chain(self.host)
        for place in range(self.scenario.misissued):
            at = self.seconds * (0.3 + 0.05 * place)
            install = Install(700_000 + place, VERSIONS[0][0], bodies.trustkit_android, False,
                              40_000 + 300 * place, 9, safe=False, behind=None)  # fmt: skip
            self.truth.installs["unknown"].add(install.number)
            self.truth.reports["strangers"] += 1
            yield self._sent(at, install, chain)

    def _sent(
        self, at: float, install: Install, chain: Chain, *, untrusted: bool = False,
        pins: tuple[str, ...] | None = None,
    ) -> Sent:  # fmt: skip
        event = f"{self._random.getrandbits(32):08x}"

        def make(now: datetime) -> Message:
            now = now.astimezone(UTC) - timedelta(seconds=1)
            return install.make(
                Client(
                    self.host, install.version, pins or self._pins_of(install), now.strftime("%Y-%m-%d"),
                    now.strftime("%H:%M:%S"), f"{install.number:012d}", event, APP, untrusted=untrusted,
                ),
                chain,
            )  # fmt: skip

        return Sent(at, install.network, install.host, make)


def address(network: int, host: int, *, loopback: bool) -> str:
    """Each network a /24 of its own; a carrier, an office or an ISP in a /16 of their own."""
    if loopback:
        return f"127.{1 + network // 250 % 250}.{network % 250}.{host}"
    return f"{100 + network // 250 % 100}.{64 + network // 25_000 % 64}.{network % 250}.{host}"


def _pin(drawn: random.Random) -> str:
    return "sha256/" + base64.b64encode(drawn.randbytes(32)).decode()
