"""Nothing personal that is planted in reports is found again: database, logs, data directory."""

import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector.embedded.server import Server
from collector.logs import set_up_logs
from collector.model import Dialect
from tests.make import (
    CALLBACKS,
    NOON,
    expect,
    nel,
    neutral,
    okhttp_text,
    rn_ssl_manager,
    sentry,
    trustkit_android,
    trustkit_ios,
    window,
)
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
    extra: dict[str, Any] = {
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
        # Every other dialect, with the same in whatever place it has for it.
        {**rn_ssl_manager(message=note), "installId": INSTALL, **extra},
        {"host": "api.example.com", "enforced": True, "servedPins": [], "message": url, **extra},
        *(
            {**callback, "installId": INSTALL, "reason": note, **extra}
            for callback in CALLBACKS.values()
        ),
        {**CALLBACKS["foundation"], "NSErrorFailingURLStringKey": url, "userInfo": extra},
        {**CALLBACKS["alamofire"], "underlyingError": note + url},
        {"hostname": "api.example.com", "known-pins": [], "note": note, **extra},
        _sentry(note, url, extra),
        {**nel(referrer=url, **extra), "url": url, "user_agent": note},
        {**nel("ok", referrer=url, **extra), "url": url, "user_agent": note},
        {
            "type": "hpkp",
            "age": 1,
            "url": url,
            "user_agent": note,
            "body": {"hostname": "api.example.com", "known-pins": [], **extra},
        },
        {
            "type": "csp-violation",
            "age": 1,
            "url": url,
            "user_agent": note,
            "body": {"documentURL": url, **extra},
        },
        {**expect(**extra), **extra},
        {**expect("expect-staple-report", **extra), **extra},
        {**window(install_id=INSTALL, app_version=EMAIL, platform=ADDRESS), **extra},
        {**window(id="w2", app=url), "note": note, **extra},
    ]


def _sentry(note: str, url: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Sentry's envelope knows all about a user; none of it is ours to keep."""
    report = sentry(f"Pin verification failed: {note} {url}")
    event = report["data"]["event"]
    event["user"] = {"id": INSTALL, "email": EMAIL, "ip_address": ADDRESS, "username": EMAIL}
    event["request"] = {"url": url, "headers": [["Cookie", TOKEN]], "env": {"REMOTE_ADDR": ADDRESS}}
    event["breadcrumbs"] = {"values": [{"message": note, "data": {"url": url}}]}
    event["tags"] = [["user.email", EMAIL], ["url", url]]
    event["contexts"]["device"] |= {"name": EMAIL, "model": note}
    event["contexts"]["app"]["device_app_hash"] = INSTALL
    event |= {"extra": extra, "server_name": ADDRESS, "web_url": url, "culprit": note}
    return {**report, "installation": {"uuid": INSTALL}, "actor": {"name": EMAIL}, **extra}


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

    made = {"name": "p", "hosts": ["*.example.com"]}
    assert (await site.call("POST", "/api/v1/projects", made)).status == 201
    assert (
        await site.call("POST", "/api/v1/forget", {"install": "nobody" + INSTALL})
    ).status == 200
    stored = await _rows(site.pool)
    for dialect in set(Dialect) - {Dialect.CONNECTIONS}:
        assert dialect in stored, dialect
    assert "com.example.wallet" in stored  # the search would find what is there
    page = (await site.get("/"))[1] + (await site.get("/setup"))[1]
    for name in ("violations", "connections", "signatures", "certificates"):
        for format_ in ("ndjson", "csv"):
            page += (await site.get(f"/api/v1/{name}?format={format_}"))[1]
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
    days = await site.pool.fetchrow("SELECT min(day) AS first, max(day) AS last FROM day_secret")
    assert (days["first"], days["last"]) == (NOON.date(), NOON.date() + timedelta(days=2))
