"""Against a real Alertmanager, which tells a receiver of ours what it makes of it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from collector.alert import Event, Severity, State
from collector.notify.alertmanager import Alertmanager
from collector.notify.chosen import AlertmanagerConfig
from collector.notify.posting import Poster
from tests.conftest import Clock
from tests.notify.making import alert, message
from tests.notify.receiver import Receiver, nobody
from tests.tools import needs

CONFIG = """
route: {receiver: ours, group_by: ['...'], group_wait: 10ms, group_interval: 100ms, repeat_interval: 1h}
receivers: [{name: ours, webhook_configs: [{url: '%s', send_resolved: true}]}]
"""
PATIENCE = 60.0  # seconds


class Real:
    def __init__(self, url: str, receiver: Receiver, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.receiver = receiver
        self.session = session

    async def alerts(self) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/api/v2/alerts") as response:
            return await response.json()  # type: ignore[no-any-return]

    async def heard(self, status: str, severity: str) -> dict[str, Any]:
        """The alert of this status and severity, once the receiver was told of it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for asked in self.receiver.asked:
                    for told in asked.json["alerts"]:
                        if (told["status"], told["labels"]["severity"]) == (status, severity):
                            return told  # type: ignore[no-any-return]
                await asyncio.sleep(0.05)


@pytest.fixture
def clock() -> Clock:
    """The real time: Alertmanager ends alerts by it."""
    return Clock(datetime.now(UTC))


@pytest.fixture
async def real(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Real]:
    program, port = needs("prometheus-alertmanager"), await nobody()
    (tmp_path / "am.yml").write_text(CONFIG % receiver.url)
    command = [
        program, f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
            while True:
                assert process.poll() is None
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/-/ready") as response:
                        if response.status == 200:
                            break
                await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as session:
            yield Real(url, receiver, session)
    finally:
        process.terminate()
        process.wait(30)


async def test_an_alert_from_its_beginning_to_its_end(
    real: Real, poster: Poster, clock: Clock
) -> None:
    way = Alertmanager(AlertmanagerConfig(name="am", url=real.url), poster)
    began = clock.now - timedelta(minutes=3)
    ticket = alert(severity=Severity.TICKET, started_at=began, updated_at=began)
    await way.send(message(of=ticket))
    told = await real.heard("firing", "ticket")
    assert told["labels"] == {
        "alertname": "Pinfall", "project": "default", "host": "api.example.com",
        "severity": "ticket", "kind": "pin_failures",
    }  # fmt: skip
    assert told["generatorURL"] == "https://pinfall.example/alerts/a1"
    assert told["annotations"]["summary"] == ticket.summary

    # Growth is no other alert, and what is sent again is the same.
    grown = alert(severity=Severity.TICKET, started_at=began, summary="9,000 installs")
    for _ in range(3):
        await way.send(message(Event.CAUSE_CHANGED, grown))
    (one,) = await real.alerts()
    assert one["annotations"]["summary"] == "9,000 installs"
    lasts = datetime.fromisoformat(one["endsAt"]) - clock.now
    assert timedelta(hours=5, minutes=59) < lasts <= timedelta(hours=6)

    await way.send(message(Event.BECAME_PAGE, alert(started_at=began)))
    await real.heard("firing", "page")
    await real.heard("resolved", "ticket")
    (one,) = await real.alerts()
    assert one["labels"]["severity"] == "page"

    clock.now = datetime.now(UTC)
    over = alert(state=State.RESOLVED, started_at=began, ended_at=clock.now)
    await way.send(message(Event.RESOLVED, over))
    await real.heard("resolved", "page")
    assert await real.alerts() == []
