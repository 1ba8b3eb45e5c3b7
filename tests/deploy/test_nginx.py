"""The nginx configuration of the docs, by a real nginx in front of a real collector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.proxying import certified, filled, free_port, passes_reports_on, running
from tests.tools import needs
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
CONF = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that stands before the collector."""
    nginx = needs("nginx")
    certified(tmp_path)
    port = free_port()
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen [::]:443 ssl;": "",
        "/etc/nginx/tls": str(tmp_path),
        "server pinfall:8080": f"server 127.0.0.1:{site.collector.public_port}",
    }
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"{filled(CONF.read_text(), changes)} }}\n"
    )
    with running([nginx, "-c", str(main), "-p", str(tmp_path)], port, tmp_path) as listening:
        yield listening


async def test_a_chunked_report_passes_with_its_senders_address(
    site: Site, proxy: int, tmp_path: Path
) -> None:
    await passes_reports_on(site, proxy, tmp_path)
