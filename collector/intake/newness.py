"""Caps on what was never seen before: chains, pin sets, signatures, and with them hosts.

Each costs a row that is kept, and signatures of certificates to check, so whoever makes them up would
fill the disk and the time of others. What is known costs nothing and is never held back; what is new is
budgeted by source first, so that one network leaves room for the others; what is over budget is counted
at once, kept as bytes, and parsed later. Pure: the time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from collector.intake.buckets import Buckets
from collector.model import ProjectId
from collector.store.rows import Row

A_MINUTE = 600.0  # new things of all sources, for hosts that nobody registered
REGISTERED_A_MINUTE = 1200.0  # the same for registered hosts: nobody takes their room
NETWORK_A_MINUTE = 20.0  # of one /24 or /48
_AT_ONCE = 2  # minutes' worth


@dataclass(slots=True)
class Newness:
    """owns: whether a public key is one that a project had certified."""

    owns: Callable[[ProjectId, bytes], bool]
    a_minute: float = A_MINUTE
    registered_a_minute: float = REGISTERED_A_MINUTE
    network_a_minute: float = NETWORK_A_MINUTE
    _all: Buckets = field(init=False)
    _registered: Buckets = field(init=False)
    _networks: Buckets = field(init=False)

    def __post_init__(self) -> None:
        self._all, self._registered, self._networks = (
            Buckets(minute / 60, minute * _AT_ONCE)
            for minute in (self.a_minute, self.registered_a_minute, self.network_a_minute)
        )

    def has_room(self, row: Row, now: float) -> bool:
        """Whether something new may be looked into now; takes its room."""
        if row.trusted or row.local or self._is_own(row):
            return True
        if not self._networks.take((row.registered, row.network), 1, now):
            return False
        return (self._registered if row.registered else self._all).take(row.project, 1, now)

    def _is_own(self, row: Row) -> bool:
        leaf = row.violation.leaf
        return leaf is not None and leaf.kind == "sha256" and self.owns(row.project, leaf.digest)
