"""The mix of reports that clients send, as requests in memory.

60 % TrustKit (two thirds iOS, one third Android), 30 % texts of OkHttp (half of them bare, nearly
half from our own reporter, the rest in JSON that an app made up), 10 % others; 1 % bring a chain
that nobody has seen, 5 % were sent before. A request is a
function of its serial number: so a number that is used again is a duplicate, and no other is.
"""

from __future__ import annotations

import base64
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collector.simulate import bodies
from collector.simulate.bodies import EVENT, WHEN, WHO, Chain, Client, Message
from collector.simulate.chains import Authority

HOSTS = tuple(f"{name}.bench.example" for name in (
    "api", "login", "cdn", "pay", "push", "media", "eu", "us",
))  # fmt: skip
INSTALLS = 25_000
ADDRESSES = 20_000
AGAIN = 20  # every how manieth request was sent before
BEHIND = 300  # how many numbers before, so that the first is mostly answered
FRESH = 100  # every how manieth number has a new chain
_VERSIONS = ("8.24.1", "8.24.0", "8.23.2")
_ADDRESS = "<<<<address>>>>"
_Make = Callable[[Client, Chain], Message]
# Of 200 numbers; two of TrustKit's are those with a new chain.
_SHARES: tuple[tuple[_Make, int], ...] = (
    (bodies.trustkit_ios, 78), (bodies.trustkit_android, 40), (bodies.okhttp_text, 30),
    (bodies.okhttp_reporter, 26), (bodies.okhttp_wrapped, 4), (bodies.neutral, 10), (bodies.hpkp, 4),
    (bodies.react_native, 4),
)  # fmt: skip
_WINDOWS = 2  # of the 10 % others, of 200


@dataclass(frozen=True, slots=True)
class Template:
    """A request, and where its address, install and time stand in it. event: -1 where it has none.

    who: a window of connections names its install in its id, too.
    """

    raw: bytearray
    address: int
    who: tuple[int, ...]
    when: int
    event: int


def template(path: str, message: Message) -> Template:
    """Raises ValueError if a mark is missing."""
    body = message.body.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {_ADDRESS}\r\n"
        f"User-Agent: {message.agent}\r\nContent-Type: {message.content_type}\r\n"
        f"Accept-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    raw = bytearray(head.encode() + body)
    there, when = (raw.index(mark.encode()) for mark in (_ADDRESS, WHEN))
    who = tuple(found.start() for found in re.finditer(WHO.encode(), raw))
    if not who:
        raise ValueError("a report of nobody")
    return Template(raw, there, who, when, raw.find(EVENT.encode()))


def address(number: int) -> bytes:
    """One of ADDRESSES, each 15 characters long; none of them is private."""
    a, b, c = 128 + number % 40, 100 + number // 40 % 100, 100 + number // 4000 % 100
    return b"%d.%d.%d.%d" % (a, b, c, 100 + number % 97)


class Mix:
    """All that can be made before the first round."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._date = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
        self._ours, self._theirs = Authority.make("Bench"), Authority.make("Inspector")
        self._pins = {host: (_pin(), _pin()) for host in HOSTS}
        shares = [*_SHARES, (bodies.window, _WINDOWS)]
        self._messages: list[Message] = []
        by_make: list[list[int]] = []
        chains = [self._ours.chain(host) for host in HOSTS for _ in range(2)]
        for make, _ in shares:
            first = len(self._messages)
            self._messages += [
                make(self._client(HOSTS[number // 2], version), chain)
                for number, chain in enumerate(chains)
                for version in _VERSIONS
            ]
            by_make.append(list(range(first, len(self._messages))))
        #: For each number, modulo its length, a template; None: one with a new chain.
        self.plan: list[int | None] = []
        for _ in range(10):
            kinds = [k for k, (_, share) in enumerate(shares) for _ in range(share)]
            self._random.shuffle(kinds)
            some: list[int | None] = [self._random.choice(by_make[kind]) for kind in kinds]
            for place in range(0, 200, FRESH):
                some.insert(place, None)
            self.plan += some
        self.who = [b"%012d" % number for number in range(INSTALLS)]
        self.when = [b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)]
        self.addresses = [address(number) for number in range(ADDRESSES)]

    def templates(self, path: str) -> list[Template]:
        return [template(path, message) for message in self._messages]

    def fresh(self, path: str, count: int) -> list[Template]:
        """Requests with a chain each that nobody has seen: an interceptor's, as TrustKit tells it."""
        found = []
        for _ in range(count):
            client = self._client(self._random.choice(HOSTS), _VERSIONS[0])
            chain = self._theirs.chain(client.host)
            found.append(template(path, bodies.trustkit_ios(client, chain)))
        return found

    def _client(self, host: str, version: str) -> Client:
        return Client(host, version, self._pins[host], self._date)


def _pin() -> str:
    return "sha256/" + base64.b64encode(os.urandom(32)).decode()
