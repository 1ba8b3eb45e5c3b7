import json
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.make import chain, ios_pem, issue, neutral, okhttp_text, trustkit_android, trustkit_ios
from tests.web.conftest import Site


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("127.0.0.1:8081", 200), ("[::1]:8081", 200), ("LOCALHOST:1", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:8081", 421), ("", 421),
        ("evil@localhost", 421), ("localhost/.evil.example", 421),
    ],
)  # fmt: skip
async def test_only_this_machine_by_its_own_name(site: Site, host: str, status: int) -> None:
    for path in ("/", "/metrics", "/healthz", "/api/v1/projects"):
        assert (await site.get(path, Host=host))[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 201),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Origin": "https://evil.example"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
async def test_changes_come_from_here(site: Site, headers: dict[str, str], status: int) -> None:
    data = json.dumps({"name": "x"})
    async with site.session.post(
        f"{site.operator}/api/v1/projects", data=data, headers=headers
    ) as response:
        assert response.status == status
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("projects", {"name": ""}, "name"),
        ("projects", {"name": "x", "host": []}, "no such field"),
        ("projects", {"name": "x", "hosts": ["other"]}, "other"),
        ("projects", {"name": "x", "hosts": ["*.com"]}, "*.com"),
        ("projects", {"name": "x", "hosts": "api"}, "list"),
        ("projects", [], "object"),
        ("keys", {"project": "default", "app": "a", "environment": "moon"}, "environment"),
        ("keys", {"project": "default"}, "app"),
        ("keys", {"project": "default", "app": "a\u202eb"}, "printable"),
        ("keys/%00/disable", {}, "cannot be stored"),
        ("projects", {"name": "unknown"}, "unknown"),
    ],
)
async def test_mistakes_are_one_line(site: Site, path: str, body: object, words: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with site.session.post(
        f"{site.operator}/api/v1/{path}", data=json.dumps(body), headers=headers
    ) as response:
        assert response.status == 400
        assert words in (await response.json(content_type=None))["detail"]


async def test_health(site: Site) -> None:
    assert await site.get("/healthz") == (200, "ok\n")
    status, text = await site.get("/readyz")
    told = json.loads(text)
    assert told.pop("connections")["room"] > 0
    assert (status, told) == (200, {"state": "ready", "warnings": []})


async def test_it_is_not_ready_while_nothing_can_be_stored(site: Site) -> None:
    name = await site.pool.fetchval("SELECT current_database()")
    await site.pool.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await site.collector.ingest.taking.intake.pool.expire_connections()
    assert (await site.post(neutral())).status == 503
    status, text = await site.get("/readyz")
    assert (status, json.loads(text)["state"]) == (503, "down")


async def test_oddities_are_no_crash(site: Site) -> None:
    headers = {"Content-Type": "application/json; charset=bogus"}
    async with site.session.post(
        f"{site.operator}/api/v1/projects", data='{"name": "x"}', headers=headers
    ) as response:
        assert response.status == 201
    headers = {"Content-Type": "application/json", "Origin": "http://["}
    async with site.session.post(
        f"{site.operator}/api/v1/projects", data="{}", headers=headers
    ) as response:
        assert response.status == 403
    assert (await site.get("/static/" + "x" * 300))[0] == 404
    assert (await site.post(neutral(), path="/r", Authorization="Basic \xff\xff")).status == 403


async def test_metrics_are_zero_from_the_start_and_few(site: Site) -> None:
    metrics = await site.metrics()
    assert (
        metrics[
            'pinfall_reports_total{dialect="okhttp-message",project="default",result="duplicate"}'
        ]
        == 0
    )
    assert metrics['pinfall_reports_rejected_total{reason="too_slow"}'] == 0
    assert metrics['pinfall_background_ticks_total{result="error",task="keys"}'] == 0
    assert metrics["pinfall_waiting_reports"] == 0
    assert not [name for name in metrics if "_created" in name]
    assert len(metrics) < 400


class _Page(HTMLParser):
    """Which elements a page has; fails on anything that could act."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name != "style"
            if name in ("href", "src"):
                assert value is not None
                assert value.startswith(("/", "#"))
                assert not value.startswith("//")

    def handle_data(self, data: str) -> None:
        self.text += data


async def _page(site: Site) -> _Page:
    async with site.session.get(site.operator + "/") as response:
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        page = _Page()
        page.feed(await response.text())
    assert "script" not in page.tags
    return page


async def test_an_empty_page_says_what_to_do(site: Site) -> None:
    page = await _page(site)
    assert "No host yet" in page.text
    assert f"{site.public}/r/" in page.text


async def test_the_page_explains_a_violation(site: Site) -> None:
    for report in (trustkit_ios(), trustkit_android(), okhttp_text()):
        await site.post(report, address="127.0.0.1")
    page = await _page(site)
    leaf, intermediate, root = chain()
    for text in (
        "api.example.com",
        "pin_mismatch",
        leaf.pin,
        intermediate.pin,
        root.pin,
        "com.example.wallet",
    ):
        assert text in page.text
    assert "The 2 pins do not match any of the 3 certificates of this chain." in page.text
    for role in ("leaf", "intermediate", "root", "trust anchor"):
        assert role in page.text
    assert "CN=Pinfall Test Intermediate" in page.text


async def test_the_page_shows_which_certificate_is_pinned(site: Site) -> None:
    await site.post(
        trustkit_ios(known_pins=[f'pin-sha256="{chain()[1].pin}"']), address="127.0.0.1"
    )
    page = await _page(site)
    assert "a pin of the client" in page.text
    assert "The report contradicts itself." in page.text


ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e\x1b[31m"


async def test_nothing_in_a_report_acts_on_the_page(site: Site) -> None:
    report: dict[str, Any] = dict.fromkeys(trustkit_ios(), ATTACK)
    leaf = issue("<script>alert(2)</script>\u202e", sans=("api.example.com",))
    report |= {"hostname": "api.example.com", "validation-result": 1, ATTACK: ATTACK}
    report |= {"validated-certificate-chain": [ios_pem(leaf.der)]}
    assert (await site.post(report, address="127.0.0.1")).json["accepted"] == 1
    odd = neutral(error={"message": ATTACK, "type": ATTACK}, sdk={"name": ATTACK, "version": ATTACK},
                  os={"name": ATTACK, "version": ATTACK}, device={"model": ATTACK}, common_name=ATTACK)  # fmt: skip
    assert (await site.post(odd, address="127.0.0.1")).json["accepted"] == 1
    text = okhttp_text().replace("CN=Pinfall Test Root", ATTACK.replace("\n", ""))
    assert (await site.post(text, address="127.0.0.1")).json["accepted"] == 1
    page = await _page(site)
    assert page.tags.count("img") == 0
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
    assert "\\u202e" in page.text
