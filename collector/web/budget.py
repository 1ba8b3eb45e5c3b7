"""Bytes of bodies in memory: large ones draw on one budget, small ones never have to."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from aiohttp import web

from collector.settings import Network
from collector.web.room import source_of
from collector.web.source import address_of

SMALL = 16 * 1024  # bytes; three times a report with its chain: what a phone sends is never held up
_MOST = 64 * 1024 * 1024  # sixteen of the largest bodies, or a thousand of 64 KiB
# What one address may hold while less than half is left: an eighth of it, so that seven slow senders
# together leave room; and few enough that many slow ones of middling size do not add up either.
_SHARE = 8
_BODIES = 4


class OverloadedError(Exception):
    """Turned away before anything was read out of it: no item to count, 503."""


@dataclass(slots=True)
class _Claim:
    by: Hashable
    size: int = 0


@dataclass(slots=True)
class _Source:
    size: int = 0
    bodies: int = 0


@dataclass(slots=True)
class Budget:
    """A request claims what of its body has arrived, never what it only announced: a length costs
    nothing to write."""

    proxies: tuple[Network, ...] = ()
    most: int = _MOST
    used: int = 0
    claims: dict[int, _Claim] = field(default_factory=dict)  # by the request's identity
    _sources: dict[Hashable, _Source] = field(default_factory=dict)

    def claim(self, request: web.BaseRequest, size: int) -> None:
        """size: bytes that the body has by now. Raises OverloadedError where they do not fit."""
        held = self.claims.get(id(request))
        by = held.by if held else source_of(address_of(request, self.proxies))
        of_source = self._sources.get(by) or _Source()
        more = size - (held.size if held else 0)
        if self.used + more > self.most:
            raise OverloadedError
        if self.used * 2 > self.most and (
            of_source.size + more > self.most // _SHARE
            or (held is None and of_source.bodies >= _BODIES)
        ):
            raise OverloadedError
        if held is None:
            held = self.claims[id(request)] = _Claim(by)
            of_source.bodies += 1
        self._sources[by] = of_source
        held.size += more
        of_source.size += more
        self.used += more

    def give_back(self, request: web.BaseRequest) -> None:
        """All of it, when the request has its answer. Also where nothing was claimed."""
        held = self.claims.pop(id(request), None)
        if held is None:
            return
        self.used -= held.size
        of_source = self._sources[held.by]
        of_source.size -= held.size
        of_source.bodies -= 1
        if not of_source.bodies:
            del self._sources[held.by]
