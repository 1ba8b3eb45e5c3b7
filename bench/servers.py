"""What the collector is compared with, each a process of its own.

python -m bench.servers bare PORT
python -m bench.servers naive PORT DATABASE_URL
python -m bench.servers pipeline              (settings as of `pinfall serve`)
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
import uvloop
from aiohttp import web

from bench import stub
from collector.model import Violation, Window
from collector.reports.body import read_body
from collector.reports.fields import Hints

Handler = Callable[[web.Request], Awaitable[web.Response]]

_TABLE = """
CREATE TABLE IF NOT EXISTS report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, received_at timestamptz NOT NULL, host text,
    kind text, app_id text, app_version text, platform text, install text, client_time timestamptz,
    pins text[]
)
"""
_INSERT = """
INSERT INTO report (received_at, host, kind, app_id, app_version, platform, install, client_time, pins)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def serve(handler: Handler, port: int) -> None:
    app = web.Application()
    app.router.add_post("/{tail:.*}", handler)
    app.router.add_get("/healthz", _healthy)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    gc.freeze()
    await asyncio.Event().wait()


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def bare(port: int) -> None:
    """HTTP and nothing else: the body is left to aiohttp."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=204)

    await serve(answer, port)


async def naive(port: int, url: str) -> None:
    """What is written first: read the report, one INSERT, answer."""
    async with asyncpg.create_pool(url, min_size=8, max_size=8) as pool:
        await pool.execute(_TABLE)

        async def answer(request: web.Request) -> web.Response:
            now = datetime.now(UTC)
            hints = Hints(now, request.headers.get("User-Agent"))
            item = read_body(await request.read(), hints)[0]
            if isinstance(item, Violation):
                pins = [str(pin) for pin in item.known_pins]
                await pool.execute(
                    _INSERT, now, item.name, item.kind.value, item.app_id, item.app_version,
                    item.platform, item.install_id, item.client_time, pins,
                )  # fmt: skip
            elif isinstance(item, Window):
                await pool.execute(
                    _INSERT, now, item.host, None, item.app_id, item.app_version, item.platform,
                    None, item.end, [],
                )  # fmt: skip
            return web.Response(text="ok\n")

        await serve(answer, port)


def main(arguments: list[str]) -> int:
    name, *rest = arguments
    if name == "pipeline":
        from collector.cli import main as command

        stub.store_nothing()
        return command(["serve", "--workers", "0"])  # nothing is stored in this process alone
    # What the kernel sends when the bench dies; a shell may have had it ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bare(int(rest[0])) if name == "bare" else naive(int(rest[0]), rest[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
