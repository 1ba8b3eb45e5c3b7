"""Nothing personal that is planted in reports is found again: database, logs, data directory."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector.embedded.server import Server
from collector.logs import set_up_logs
from tests.make import neutral, okhttp_text, trustkit_android, trustkit_ios
from tests.web.conftest import Site

INSTALL = "d9b2d63d-a233-4123-847a-7ac09f9ee1b5"
EMAIL = "eve.planted@mail.example"
ADDRESS, ADDRESS6 = "203.0.113.77", "2001:db8:77:88::99"
TOKEN = "planted-s3cr3t-token"
PATH = "planted-path"
PLANTED = (INSTALL, EMAIL, ADDRESS, ADDRESS6, TOKEN, PATH)


def _reports() -> list[Any]:
    note = f"install {INSTALL} mail {EMAIL} at {ADDRESS} and {ADDRESS6}, Bearer {TOKEN}"
    url = f"https://user:{TOKEN}@api.example.com/{PATH}?token={TOKEN}&mail={EMAIL}"
    extra = {
        "user": {"id": INSTALL, "email": EMAIL}, "email": EMAIL, "ip": ADDRESS, "authorization": TOKEN,
        "cookie": TOKEN, "note": note, "link": url, "deep": {"more": [note, {"token": TOKEN, "x": url}]},
    }  # fmt: skip
    return [
        {**trustkit_ios(app_vendor_id=INSTALL.upper()), **extra},
        {**trustkit_android(app_vendor_id=INSTALL), **extra},
        neutral(
            install_id=INSTALL,
            extra=extra,
            error={"message": note + " " + url, "type": "x"},
            odd=note,
        ),
        {"url": url, "message": okhttp_text(), "installId": INSTALL, **extra},
        {
            "url": url,
            "message": "Pin verification failed for " + note,
            "installId": INSTALL,
            "comment": note,
        },
        okhttp_text(),
    ]


async def _rows(pool: asyncpg.Pool) -> str:
    """Every column of every row of every table, as text; bytes as text and as hex."""
    told = []
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        for row in await pool.fetch(f"SELECT * FROM {table['tablename']}"):
            for value in row.values():
                told.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return "\n".join(told)


async def test_planted_values_are_nowhere(
    site: Site, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logs = io.StringIO()
    monkeypatch.setattr(sys, "stderr", logs)
    set_up_logs(json=True, level="debug")
    agent = f"App/1 ({EMAIL})"
    for address in (ADDRESS, ADDRESS6):
        for report in _reports():
            answer = await site.post(report, address=address, User_Agent=agent)
            assert answer.status == 200, answer.json
            for value in PLANTED:
                assert value not in json.dumps(answer.json)
        await site.post("{" + INSTALL + EMAIL, address=address)
        await site.post(neutral(install_id=INSTALL), path=f"/r/{TOKEN}", address=address)

    stored = await _rows(site.pool)
    assert "com.example.wallet" in stored  # the search would find what is there
    page = (await site.get("/"))[1]
    metrics = (await site.get("/metrics"))[1]
    await site.pool.execute("CHECKPOINT")
    for value in PLANTED:
        for where, text in (
            ("rows", stored),
            ("page", page),
            ("metrics", metrics),
            ("logs", logs.getvalue()),
        ):
            assert value.lower() not in text.lower(), f"{value} in {where}"

    needles = [v.encode() for v in PLANTED] + [v.upper().encode() for v in PLANTED]
    found_any = False
    for path in server.directory.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found_any = found_any or b"com.example.wallet" in data
            for needle in needles:
                assert needle not in data, f"{needle!r} in {path}"
    assert found_any


async def test_addresses_are_hashed_with_a_secret_that_goes(site: Site) -> None:
    await site.post(okhttp_text(), address=ADDRESS)
    sighting = await site.pool.fetchrow("SELECT * FROM sighting")
    assert len(sighting["network"]) == 8
    assert sighting["network"] != sighting["operator_network"]
    assert await site.pool.fetchval("SELECT count(*) FROM day_secret") == 1
