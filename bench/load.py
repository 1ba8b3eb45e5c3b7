"""The load: raw sockets under epoll, requests made before, answers read as little as can be.

Closed loop: each connection sends again when it is answered. Open loop: requests are due at times
drawn beforehand, whatever became of those before; what waits for a connection waits in the latency.
"""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.mix import ADDRESSES, AGAIN, BEHIND, FRESH, INSTALLS, Mix, Template
from bench.stats import percentile

_DRAIN = 15.0  # seconds that answers may take after the end
_LENGTH = b"Content-Length: "
_TOLD = 400  # bytes of an answer that are kept to tell answers apart


@dataclass(slots=True)
class Round:
    """What was seen. answered: with 2xx, before the end. told: sums over the answers' counts, of
    all that was answered, also after the end. again: sent that were duplicates of answered ones."""

    seconds: float = 0.0
    answered: int = 0
    sent: int = 0
    again: int = 0
    unanswered: int = 0  # no answer came: what became of them is not known
    unsent: int = 0  # open loop: were due, and found no free connection
    statuses: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)  # latency: p50, p99, p99.9


class Numbers:
    """Serial numbers over all rounds, so that nothing is a duplicate by accident."""

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._next = 0

    def requests(
        self, templates: Sequence[Template], fresh: Sequence[Template]
    ) -> tuple[Callable[[], bytearray], Callable[[], int]]:
        """(makes the next request, says how many were duplicates). The bytes are good until the
        next call for the same template."""
        mix, plan = self._mix, self._mix.plan
        who, when, addresses = mix.who, mix.when, mix.addresses
        period, new = len(plan), len(fresh)
        self._next += -self._next % FRESH  # so that the new chains are counted from 0
        start = number = self._next
        count = again = 0

        def make() -> bytearray:
            nonlocal number, count, again
            count += 1
            if count % AGAIN == 0 and number - start > BEHIND:
                serial = number - BEHIND
                again += 1
            else:
                serial = number
                number += 1
                self._next = number
            place = plan[serial % period]
            t = fresh[(serial - start) // FRESH % new] if place is None else templates[place]
            raw = t.raw
            raw[t.address : t.address + 15] = addresses[serial % ADDRESSES]
            for at in t.who:
                raw[at : at + 12] = who[serial % INSTALLS]
            lap = serial // INSTALLS
            raw[t.when : t.when + 8] = when[lap % 86_400]
            if t.event >= 0:
                raw[t.event : t.event + 8] = b"%08x" % lap
            return raw

        return make, lambda: again


class Load:
    """Connections to one port, kept over a round."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        self._seen: Counter[bytes] = Counter()  # by status and body
        self._busy: set[int] = set()
        self.round = Round()
        for _ in range(connections):
            self._open()

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()
        self._epoll.close()

    def closed_loop(self, make: Callable[[], bytearray], seconds: float) -> None:
        """Send for ``seconds``."""
        began = time.perf_counter()
        deadline = began + seconds
        send, read = self._send, self._read
        for fd in list(self._sockets):
            send(fd, make())
        sent, answered = len(self._sockets), 0
        poll, clock = self._epoll.poll, time.perf_counter
        while True:
            events = poll(0.1)
            if clock() >= deadline:
                break
            for fd, _ in events:
                got = read(fd)
                if got is None:
                    continue
                answered += got
                send(fd if fd in self._sockets else self._open(), make())
                sent += 1
        self._ended(began, sent, answered)

    def open_loop(self, make: Callable[[], bytearray], seconds: float, rate: float) -> None:
        """Send ``rate`` a second for ``seconds``, at random times, as many senders do."""
        drawn = random.Random(7)
        began = time.perf_counter()
        deadline, due = began + seconds, began
        intended: dict[int, float] = {}
        waits: list[float] = []
        idle = list(self._sockets)
        sent = answered = 0
        clock = time.perf_counter
        while True:
            now = clock()
            while due <= now and idle and due < deadline:
                fd = idle.pop()
                intended[fd] = due
                self._send(fd, make())
                sent += 1
                due += drawn.expovariate(rate)
            if now >= deadline:
                break
            # select, because it sleeps for less than a millisecond where epoll cannot.
            until = min(due, deadline) if idle else deadline
            select.select([self._epoll], [], [], max(until - clock(), 0))
            for fd, _ in self._epoll.poll(0):
                got = self._read(fd)
                if got is None:
                    continue
                if fd in intended:
                    waits.append(clock() - intended.pop(fd))
                    answered += got
                else:  # it was idle, and the server closed it
                    idle.remove(fd)
                idle.append(fd if fd in self._sockets else self._open())
        self._ended(began, sent, answered)
        late = list(intended.values())
        while due < deadline:
            self.round.unsent += 1
            late.append(due)
            due += drawn.expovariate(rate)
        waits += [deadline - at for at in late]  # at least that
        if waits:
            self.round.milliseconds = {
                name: 1000 * percentile(waits, share)
                for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
            }

    def drain(self) -> Round:
        """Wait for what is not answered yet, then say what all of it was."""
        deadline = time.perf_counter() + _DRAIN
        while self._busy and time.perf_counter() < deadline:
            for fd, _ in self._epoll.poll(0.2):
                self._read(fd)
        found = self.round
        found.unanswered += len(self._busy)
        statuses, sums = Counter[str](), Counter[str]()
        for answer, times in self._seen.items():
            statuses[answer[:3].decode("ascii", "replace")] += times
            with contextlib.suppress(ValueError, AttributeError):
                told = json.loads(answer[3:])
                for name, items in told.items():
                    if isinstance(items, int):
                        sums[name] += items * times
                # A request is one item, kept in one of two ways.
                sums["kept"] += times * max(told.get("accepted", 0), told.get("spooled", 0))
        found.statuses, found.told = dict(statuses), dict(sums)
        return found

    def idle(self, seconds: float) -> None:
        time.sleep(seconds)

    def _ended(self, began: float, sent: int, answered: int) -> None:
        self.round.seconds = time.perf_counter() - began
        self.round.sent, self.round.answered = sent, answered

    def _open(self) -> int:
        one = socket.create_connection(("127.0.0.1", self._port))
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fd = one.fileno()
        self._sockets[fd] = one
        self._epoll.register(fd, select.EPOLLIN)
        return fd

    def _send(self, fd: int, raw: bytearray) -> None:
        one = self._sockets[fd]
        self._busy.add(fd)
        try:
            done = one.send(raw)
        except BlockingIOError:
            done = 0
        except OSError:
            return  # closed by the server: the next read tells
        if done < len(raw):  # a full socket buffer: rare, and worth waiting for
            one.setblocking(True)
            with contextlib.suppress(OSError):
                one.sendall(raw[done:])
            one.setblocking(False)

    def _read(self, fd: int) -> bool | None:
        """Whether it was a 2xx; None: no whole answer yet. A connection that ended is forgotten."""
        one = self._sockets[fd]
        try:
            data = one.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._epoll.unregister(fd)
            one.close()
            del self._sockets[fd]
            self._partial.pop(fd, None)
            if fd in self._busy:
                self._busy.discard(fd)
                self.round.unanswered += 1
            return False
        if self._partial and fd in self._partial:
            data = self._partial.pop(fd) + data
        end = data.find(b"\r\n\r\n") + 4
        at = data.find(_LENGTH, 0, end)
        size = int(data[at + 16 : data.index(b"\r", at)]) if at >= 0 and end >= 4 else 0
        if end < 4 or len(data) < end + size:
            self._partial[fd] = data
            return None
        self._busy.discard(fd)
        self._seen[data[9:12] + data[end : end + _TOLD]] += 1
        return data[9] == 0x32  # "2"
