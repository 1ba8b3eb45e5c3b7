"""The Caddyfile of the docs, by a real Caddy in front of a real collector."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.web.room import KEEP_ALIVE
from tests.deploy.proxying import NAME, certified, filled, free_port, passes_reports_on, running
from tests.tools import needs
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
CONF = Path(__file__).parents[2] / "docs" / "deploy" / "Caddyfile"


def test_it_is_valid_as_it_stands_there() -> None:
    done = subprocess.run(
        [needs("caddy"), "adapt", "--config", str(CONF), "--adapter", "caddyfile", "--validate"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


def test_it_lets_go_of_idle_connections_before_the_collector_does() -> None:
    (seconds,) = re.findall(r"keepalive (\d+)s", CONF.read_text())
    assert int(seconds) < KEEP_ALIVE


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Iterator[int]:
    """The port of a Caddy that stands before the collector, with a certificate of its own."""
    caddy = needs("caddy")
    certified(tmp_path)
    port, plain = free_port(), free_port()
    changes = {
        "auto_https disable_redirects": (
            f"auto_https disable_redirects\n admin off\n default_bind 127.0.0.1\n http_port {plain}\n https_port {port}"
        ),
        f"{NAME} {{": f"{NAME} {{\n tls {tmp_path}/reports.pem {tmp_path}/reports.key",
        "reverse_proxy pinfall:8080": f"reverse_proxy 127.0.0.1:{site.collector.public_port}",
    }
    main = tmp_path / "Caddyfile"
    main.write_text(filled(CONF.read_text(), changes))
    command = [caddy, "run", "--config", str(main), "--adapter", "caddyfile"]
    with running(command, port, tmp_path) as listening:
        with pytest.raises(OSError):  # nothing that redirects stands beside it
            socket.create_connection(("127.0.0.1", plain), 1)
        yield listening


async def test_a_chunked_report_passes_with_its_senders_address(
    site: Site, proxy: int, tmp_path: Path
) -> None:
    await passes_reports_on(site, proxy, tmp_path)
