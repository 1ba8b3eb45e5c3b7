"""A test alert to channels: does it arrive?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from aiohttp import web

from collector.errors import NotFoundError
from collector.notify import Channel
from collector.notify.trial import alert, tried
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO


@dataclass(frozen=True, slots=True)
class NotifyTest:
    channels: Sequence[Channel]
    changes: Changes

    async def send(self, request: web.Request) -> web.Response:
        """{"channel"}: of this name; none: all. It wakes people where a real one would."""
        told = await asked.body(request, {"channel": False})
        name = None if told.get("channel") is None else asked.name(told, "channel")
        wanted = [channel for channel in self.channels if name in (None, channel.config.name)]
        if name is not None and not wanted:
            raise NotFoundError(f"there is no channel '{name}'")
        who = request[WHO]
        async with self.changes.by(who, "channel.tested", name or "all channels"):
            pass  # the line of the audit stands before anybody is woken
        results = await tried(wanted, alert(self.changes.clock(), who.name))
        return web.json_response({"results": [asdict(result) for result in results]})
