"""Networks that somebody silenced, matched when a report arrives: later its address is gone.

What comes from one is kept, counted and shown as all else is; only towards an alert it does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_network

import msgspec
from msgspec.structs import replace

from collector.fingerprint import IPAddress
from collector.reports.hosts import matches
from collector.store.rows import Row

_MOST = 8192  # addresses that are remembered, also those that lie in none


class SilencedNetwork(msgspec.Struct, frozen=True):
    """project, host: of whose reports, None: of all. host: a name, or ``*.example.com``."""

    cidr: str
    until: datetime
    project: int | None = None
    host: str | None = None


class Silenced:
    """Those that last, read again with the keys. Where ``told`` is empty nobody has to ask ``mark``: then
    it costs a look at that."""

    def __init__(self) -> None:
        self.told: tuple[SilencedNetwork, ...] = ()
        self._ranges: list[tuple[int, int, int, SilencedNetwork]] = []  # version, first, last
        self._found: dict[IPAddress, tuple[SilencedNetwork, ...]] = {}

    def learn(self, told: Iterable[SilencedNetwork]) -> None:
        """In place of those before."""
        told = tuple(told)
        if told == self.told:
            return
        self._ranges = []
        for one in told:
            network = ip_network(one.cidr)
            first, last = int(network.network_address), int(network.broadcast_address)
            self._ranges.append((network.version, first, last, one))
        self._found = {}
        self.told = told

    def mark(self, row: Row, address: IPAddress) -> Row:
        """The row, as one of a silenced network where it is one."""
        found = self._found.get(address)
        if found is None:
            found = self._look(address)
        for one in found:
            if (
                row.received_at < one.until
                and one.project in (None, row.project)
                and (one.host is None or one.host == row.host or matches(one.host, row.host))
            ):
                return replace(row, silenced=True)
        return row

    def _look(self, address: IPAddress) -> tuple[SilencedNetwork, ...]:
        version, number = address.version, int(address)
        found = tuple(
            one
            for of_version, first, last, one in self._ranges
            if of_version == version and first <= number <= last
        )
        if len(self._found) >= _MOST:
            self._found.clear()
        self._found[address] = found
        return found
