"""A host of ours, its clients and the hours, with a receiver that hears of it: all of it real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import NOON, Issued, authority, chain, ios_pem, issue, trustkit_ios
from tests.notify.receiver import Receiver, receiving
from tests.watch.conftest import serve, tick
from tests.web.conftest import Site, site

__all__ = ["site"]
HOST = "api.example.com"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def chosen(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("HOOK", receiver.url)
    config = tmp_path / "pinfall.toml"
    config.write_text('[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "env:HOOK"\n')
    return {"config": config, "pages_url": "https://pinfall.example.net"}


def another() -> tuple[Issued, Issued]:
    """A new leaf of ours with its intermediate."""
    return issue(HOST, authority()[1], sans=(HOST,)), authority()[1]


def reported(served: Sequence[Issued]) -> dict[str, Any]:
    """The change to a report whose client was served this."""
    return {"validated_certificate_chain": [ios_pem(one.der) for one in (*served, authority()[0])]}


@dataclass
class Story:
    """A host of ours, its clients and the hours."""

    site: Site
    clock: Clock
    receiver: Receiver
    sent: int = 0
    old: tuple[Issued, Issued] = field(default_factory=another)  # served for a month

    async def begin(self) -> None:
        """Registered; probed for a month."""
        await self.site.call("POST", "/api/v1/hosts", {"project": "default", "host": HOST})
        await self.site.pool.execute("UPDATE host SET admitted_at = $1", NOON - timedelta(days=30))
        await serve(self.site.pool, HOST, self.old, last=NOON - MINUTE)
        await tick(self.site, "hosts", "lease")

    async def rotate(self, to: Sequence[Issued] = ()) -> None:
        """To the chain that clients of tests report, or another."""
        served = to or chain()[:2]
        await serve(self.site.pool, HOST, served, first=self.clock.now, last=self.clock.now)
        await self.probed()
        await tick(self.site, "rotations")

    async def probed(self, what: Sequence[Issued] = (), *, address: str = "198.51.100.1") -> None:
        """An address shows a chain that was served before, or the newest."""
        leaf = bytes.fromhex(what[0].pin_hex) if what else None
        await self.site.pool.execute("DELETE FROM probe_state WHERE address = $1", address)
        await self.site.pool.execute(
            "INSERT INTO probe_state (host, port, vantage, address, asked, state, chain, at, since)"
            " SELECT host, port, 'here', $3, 'tls1.3', 'served', id, $1, $1 FROM served_chain"
            " WHERE $2::bytea IS NULL OR leaf = $2 ORDER BY first_seen DESC LIMIT 1",
            self.clock.now, leaf, address,
        )  # fmt: skip
        if what:
            await self.site.pool.execute(
                "UPDATE served_chain SET last_seen = $1 WHERE leaf = $2", self.clock.now, leaf
            )
            return
        await self.site.pool.execute("UPDATE served_chain SET last_seen = $1 WHERE first_seen >= $2",
                                     self.clock.now, NOON)  # fmt: skip

    async def fail(self, installs: int, **changes: Any) -> None:
        """So many new installs, each on a network and an operator of its own."""
        for _ in range(installs):
            self.sent += 1
            body = trustkit_ios(
                app_vendor_id=f"7C1B6F0E-6B5D-4A51-9E0C-{self.sent:012X}",
                **{"date_time": self.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes},
            )  # fmt: skip
            answer = await self.site.post(
                body, address=f"{11 + self.sent % 180}.{self.sent % 250}.7.9"
            )
            assert answer.json["accepted"] == 1, answer.json

    async def look(self) -> None:
        await tick(self.site, "lease", "count", "causes", "watch", "send")

    async def wait(self, minutes: int, step: int = 1) -> None:
        """Look each ``step`` minutes."""
        for _ in range(0, minutes, step):
            self.clock.now += step * MINUTE
            await self.look()

    async def alerts(self) -> list[dict[str, Any]]:
        rows = await self.site.pool.fetch("SELECT body FROM alert ORDER BY started_at")
        return [json.loads(row["body"]) for row in rows]

    async def page(self) -> dict[str, Any] | None:
        """The spike that pages, if one does."""
        return next((one for one in await self.alerts() if one["severity"] == "page"), None)

    def pages(self) -> list[str]:
        """States of pages, as the receiver heard them."""
        return [one.json["state"] for one in self.receiver.asked if one.json["severity"] == "page"]

    def heard(self) -> list[tuple[str, str]]:
        return [(one.json["kind"], one.json["state"]) for one in self.receiver.asked]


@pytest.fixture
async def story(site: Site, clock: Clock, receiver: Receiver) -> Story:
    told = Story(site, clock, receiver)
    await told.begin()
    return told
