"""The nginx configuration of the docs, by a real nginx in front of a real collector."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.make import chain, neutral
from tests.tools import needs
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
CONF = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that stands before the collector."""
    nginx = needs("nginx")
    leaf, intermediate, root = chain("reports.example.net")
    (tmp_path / "reports.pem").write_text(leaf.pem + intermediate.pem)
    (tmp_path / "reports.key").write_bytes(leaf.key_pem)
    (tmp_path / "ca.pem").write_text(root.pem)
    port = _free_port()
    text = CONF.read_text()
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen [::]:443 ssl;", ""),
        ("/etc/nginx/tls", str(tmp_path)),
        ("server pinfall:8080", f"server 127.0.0.1:{site.collector.public_port}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"{text} }}\n"
    )
    process = subprocess.Popen([nginx, "-c", str(main), "-p", str(tmp_path)])
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, "nginx does not listen"
                assert process.poll() is None, "nginx ended"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def test_a_chunked_report_passes_with_its_senders_address(
    site: Site, proxy: int, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.check_hostname = False
    raw = json.dumps(neutral(install_id="behind-nginx")).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield raw[:100]
        await asyncio.sleep(0.01)
        yield raw[100:]

    url = f"https://127.0.0.1:{proxy}/r/{site.key}"
    async with aiohttp.ClientSession() as session:
        # What the client writes itself is not believed.
        headers = {"X-Forwarded-For": "203.0.113.9"}
        async with session.post(
            url, data=chunks(), ssl=context, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 200
            assert (await answer.json())["accepted"] == 1
        async with session.post(url, data=io.BytesIO(b"x" * (5 << 20)), ssl=context) as answer:
            assert answer.status == 413
        # No redirect: not to another scheme, not to a host of the configuration.
        async with session.get(
            f"https://127.0.0.1:{proxy}/healthz", ssl=context, allow_redirects=False
        ) as answer:
            assert answer.status == 200
    direct = await site.post(neutral(install_id="without-nginx"))
    assert direct.json["accepted"] == 1
    counted = await site.pool.fetchrow(
        "SELECT count(*) AS sightings, count(DISTINCT network) AS networks FROM sighting"
    )
    assert (counted["sightings"], counted["networks"]) == (2, 1)
