"""The lines of docs/clients.md for curl, run as they stand."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from tests.make import issue
from tests.tools import needs
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
BLOCKS = [b for b in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if "curl" in b]


def test_there_are_such_lines() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=["report", "connections"])
async def test_lines_for_curl(site: Site, tmp_path: Path, block: str) -> None:
    needs("curl")
    leaf = issue("mqtt.example.com")
    (tmp_path / "seen.pem").write_text(leaf.pem)
    script = block.replace("https://reports.example.net/r/KEY", f"{site.public}/r/{site.key}")
    assert site.key in script
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert '"accepted":1' in done.stdout
    if "served_chain" in block:
        row = await site.pool.fetchrow("SELECT v.host, v.port, s.leaf FROM violation v, sighting s")
        assert tuple(row or ()) == ("mqtt.example.com", 8883, f"sha256/{leaf.pin}")
