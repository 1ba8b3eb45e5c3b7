"""Rules, by the real promtool; and that what they ask for is what is scraped."""

import asyncio
import re
import subprocess
from pathlib import Path

from collector.metrics import Metrics
from tests.make import neutral, window
from tests.tools import needs
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
PLACE = Path(__file__).parents[2] / "dashboards" / "prometheus"


TESTS = ("recording.test.yml", "alerts.test.yml", "weeks.test.yml")


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [needs("promtool"), *arguments]
    return subprocess.run(
        command, cwd=PLACE, input=stdin, capture_output=True, text=True, check=False
    )


def test_rules_are_rules_and_compute_what_they_should() -> None:
    for arguments in (("check", "rules", "recording.yml", "alerts.yml"), ("test", "rules", *TESTS)):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_rules_ask_for_metrics_that_there_are() -> None:
    asked = set(re.findall(r"\bpinfall_\w+", (PLACE / "recording.yml").read_text()))
    there = {
        name
        for metric in Metrics().registry.collect()
        for name in (metric.name, f"{metric.name}_total")
    }
    assert asked <= there


async def test_what_is_scraped_is_clean(site: Site) -> None:
    await site.post(neutral(), address="127.0.0.1")
    await site.post(window(), address="127.0.0.1")
    await site.collector.tick("rates")
    text = (await site.get("/metrics"))[1]
    assert "pinfall_rejection_ratio{" in text
    done = await asyncio.to_thread(promtool, "check", "metrics", stdin=text)
    assert done.returncode == 0, done.stderr
