import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector import listeners
from collector.app import collecting
from collector.errors import PinfallError
from collector.settings import Settings
from tests.conftest import Clock
from tests.make import Issued, issue
from tests.web.conftest import LOCAL


def _write(issued: Issued, cert: Path, key: Path) -> None:
    cert.write_text(issued.pem)
    key.write_bytes(issued.key_pem)


async def _served(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        transport = writer.get_extra_info("ssl_object")
        return bytes(transport.getpeercert(binary_form=True))
    finally:
        writer.close()
        await writer.wait_closed()


async def test_tls_is_reloaded_when_the_files_change(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    first, second = (
        issue("localhost", sans=("localhost",), start=datetime.now(UTC)) for _ in range(2)
    )
    _write(first, cert, key)
    settings = Settings(
        database_url=database_url,
        public_address=LOCAL,
        operator_address=LOCAL,
        tls_cert=cert,
        tls_key=key,
    )
    reload = listeners._reload_tls
    monkeypatch.setattr(
        listeners, "_reload_tls", lambda context, c, k: reload(context, c, k, seconds=0.05)
    )
    async with collecting(settings, Clock()) as collector:
        assert collector.public_url().startswith("https://")
        assert await _served(collector.public_port) == first.der
        cert.write_text("half written")
        await asyncio.sleep(0.2)
        assert await _served(collector.public_port) == first.der
        _write(second, cert, key)
        for _ in range(100):
            if await _served(collector.public_port) == second.der:
                break
            await asyncio.sleep(0.05)
        assert await _served(collector.public_port) == second.der
    cert.write_text("nonsense")
    with pytest.raises(PinfallError, match="PINFALL_TLS_CERT"):
        async with collecting(replace(settings), Clock()):
            pass
