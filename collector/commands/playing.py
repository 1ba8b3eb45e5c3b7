"""What the operator of an `up` would tell it while a fleet of `simulate` plays: the keys of the host, a
rotation where the scenario declares one, and its end where it is taken back."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from collector.commands.remote import request
from collector.commands.up import PROJECT
from collector.errors import PinfallError
from collector.simulate import chains
from collector.simulate.bodies import pin
from collector.simulate.fleet import Fleet

_NOTE = "of pinfall simulate"
_PATIENCE = 30.0  # seconds


@dataclass
class Operator:
    """told: where the `up` is. Raises PinfallError where it does not answer, or refuses."""

    told: argparse.Namespace
    fleet: Fleet
    _rotation: int | None = field(default=None, init=False)
    _is_over: bool = field(default=False, init=False)
    _tried: float = field(default=0.0, init=False)
    _again: float = field(default=0.0, init=False)

    def begin(self) -> None:
        """Register the leaf that is served, and the keys above it: a new leaf is then no stranger's."""
        leaf, *above = self.fleet.old
        keys = {"certificates": [_pem(leaf)], "pins": [pin(der) for der in above]}
        self._post("/api/v1/certs", {**keys, "project": PROJECT, "note": _NOTE})

    async def at(self, seconds: float) -> None:
        """Declare and end what is due. seconds: simulated, from the start."""
        fleet, back = self.fleet, self.fleet.scenario.back
        if fleet.rotated_at is None or not fleet.scenario.declared or seconds < fleet.rotated_at:
            return
        if self._rotation is None:
            await self._declare()
        if back is not None and self._rotation is not None and seconds >= back * fleet.seconds:
            if not self._is_over:
                await asyncio.to_thread(self._post, f"/api/v1/rotations/{self._rotation}/end", {})
            self._is_over = True

    async def _declare(self) -> None:
        """Tried again while the host is too new: it is known some seconds after its first report."""
        now = asyncio.get_running_loop().time()
        self._tried = self._tried or now
        if now < self._again:
            return
        chain = "".join(_pem(der) for der in self.fleet.new[:2])
        wanted = {"project": PROJECT, "host": self.fleet.host, "chain": chain, "note": _NOTE}
        try:
            made = await asyncio.to_thread(self._post, "/api/v1/rotations", wanted)
        except PinfallError:
            if now - self._tried > _PATIENCE:
                raise
            self._again = now + 1
        else:
            self._rotation = int(made["id"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return request(self.told, "POST", path, body)

    def alerts(self) -> list[dict[str, Any]]:
        """Of the host, as the API has them."""
        query = urlencode({"host": self.fleet.host, "project": PROJECT})
        found: list[dict[str, Any]] = request(self.told, "GET", f"/api/v1/alerts?{query}")["alerts"]
        return found


def _pem(der: bytes) -> str:
    return chains.pem(der, 64, "\n", "\n")
