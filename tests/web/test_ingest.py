import asyncio
import base64
import gzip
import json
import random
import ssl
import uuid
from collections import Counter
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.web.bodies import Pace
from tests.make import nel, neutral, okhttp_text, trustkit_android, trustkit_ios, wrapped
from tests.web.conftest import Site


async def test_a_report_is_stored_once_and_said_so(site: Site) -> None:
    first = await site.post(trustkit_ios(), address="198.51.100.7")
    assert (first.status, first.json) == (
        200,
        {
            "accepted": 1,
            "duplicates": 0,
            "ignored": 0,
            "rejected": 0,
            "shed": 0,
            "spooled": 0,
            "notes": [],
        },
    )
    again = await site.post(trustkit_ios(), address="203.0.113.1")
    assert (again.status, again.json["accepted"], again.json["duplicates"]) == (200, 0, 1)
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1


@pytest.mark.parametrize("where", ["path", "path with a slash", "query", "bearer", "basic"])
async def test_where_the_key_may_be(site: Site, where: str) -> None:
    basic = base64.b64encode(f"{site.key}:anything".encode()).decode()
    path, headers = {
        "path": (f"/r/{site.key}", {}),
        "path with a slash": (f"/r/{site.key}/", {}),
        "query": (f"/r?key={site.key}", {}),
        "bearer": ("/r", {"Authorization": f"Bearer {site.key}"}),
        "basic": ("/r", {"Authorization": f"Basic {basic}"}),
    }[where]
    assert (await site.post(neutral(), path=path, **headers)).status == 200


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/png", ""],
)
async def test_the_content_type_says_nothing(site: Site, content_type: str) -> None:
    answer = await site.post(okhttp_text(), Content_Type=content_type)
    assert answer.json["accepted"] == 1


async def test_a_chunked_body(site: Site) -> None:
    async def chunks() -> Any:
        raw = json.dumps(trustkit_android()).encode()
        for start in range(0, len(raw), 100):
            yield raw[start : start + 100]

    async with site.session.post(f"{site.public}/r/{site.key}", data=chunks()) as response:
        assert response.status == 200
        assert (await response.json())["accepted"] == 1


@pytest.mark.parametrize("told", [{}, {"Content_Encoding": "gzip"}])
async def test_gzip_is_known_by_its_bytes(site: Site, told: dict[str, str]) -> None:
    answer = await site.post(gzip.compress(json.dumps(neutral()).encode()), **told)
    assert answer.json["accepted"] == 1


async def test_a_mixed_body(site: Site) -> None:
    good, odd = neutral(event_id="1"), neutral(event_id="2", host=None)
    answer = await site.post([good, odd, good, 7, nel("tcp.refused"), neutral(event_id="3")])
    assert answer.status == 200
    told = {name: answer.json[name] for name in ("accepted", "duplicates", "ignored", "rejected")}
    assert told == {"accepted": 2, "duplicates": 1, "ignored": 1, "rejected": 2}
    assert answer.json["notes"] == [
        {"index": 1, "result": "rejected", "reason": "no_host"},
        {"index": 3, "result": "rejected", "reason": "unrecognised"},
        {"index": 4, "result": "ignored", "reason": "not_tls"},
    ]


async def test_at_most_20_notes(site: Site) -> None:
    answer = await site.post([7] * 50 + [neutral()])
    assert (answer.json["rejected"], len(answer.json["notes"])) == (50, 20)


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        pytest.param("{", 400, "not_json", id="not JSON"),
        pytest.param("", 400, "not_json", id="empty"),
        pytest.param("[" * 50 + "]" * 50, 400, "too_deep", id="deep"),
        pytest.param("{}", 422, "unrecognised", id="no dialect"),
        pytest.param('{"hostname": "", "known-pins": []}', 422, "no_host", id="no host"),
        pytest.param(json.dumps([1, 2]), 422, "unrecognised", id="all of several"),
        pytest.param("x" * 200_000, 413, "too_large", id="a large item"),
        pytest.param("x" * 5_000_000, 413, "too_large", id="a large body"),
        pytest.param(gzip.compress(b"x" * 50_000_000), 413, "too_large", id="a bomb"),
        pytest.param(json.dumps([1] * 1001), 413, "too_large", id="1,001 items"),
    ],
)
async def test_problems(site: Site, data: str | bytes, status: int, reason: str) -> None:
    answer = await site.post(data)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["type"].endswith(f"/{reason}")
    assert answer.json["status"] == status
    assert answer.json["detail"]


async def test_1000_items_are_taken(site: Site) -> None:
    answer = await site.post([neutral(event_id=str(i)) for i in range(1000)])
    assert answer.json["accepted"] == 1000


async def test_unknown_and_disabled_keys(site: Site) -> None:
    for path in ("/r/nonsense", "/r", "/r/" + "k" * 500, "/r?key=", "/r/%00"):
        answer = await site.post(neutral(), path=path)
        assert (answer.status, answer.json["type"]) == (403, "/problems/unknown_key")
    headers = {"Content-Type": "application/json"}
    url = f"{site.operator}/api/v1/keys/{site.key}/disable"
    async with site.session.post(url, data="{}", headers=headers) as response:
        assert response.status == 200
    assert (await site.post(neutral())).status == 403


async def test_a_key_of_another_process_is_found_at_once(site: Site) -> None:
    from collector.store import projects
    from tests.make import NOON

    async with site.pool.acquire() as connection:
        key = await projects.add_key(
            connection, "default", app="b", environment="staging", trusted=False, now=NOON
        )
    assert (await site.post(neutral(), path=f"/r/{key}")).status == 200
    assert await site.pool.fetchval("SELECT environment FROM violation") == "staging"


async def test_a_disabled_key_is_turned_away_by_every_process(site: Site) -> None:
    from collector.app import collecting
    from collector.store import projects
    from tests.make import NOON

    async with collecting(site.collector.settings, lambda: NOON) as other:
        url = f"{other.public_url()}/r/{site.key}"
        async with site.session.post(url, json=neutral()) as response:
            assert response.status == 200
        async with site.pool.acquire() as connection:
            await projects.turn_key(connection, site.key, NOON, on=False)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            async with site.session.post(url, json=neutral()) as response:
                if response.status == 403:
                    break
            assert loop.time() - began < 10
            await asyncio.sleep(0.2)


async def test_nothing_else_is_there(site: Site) -> None:
    async def status(method: str, path: str) -> int:
        async with site.session.request(
            method, site.public + path, allow_redirects=False
        ) as response:
            assert response.status not in (301, 302, 303, 307, 308, 411)
            return response.status

    assert await status("GET", "/healthz") == 200
    for path in (
        "/",
        "/metrics",
        "/readyz",
        "/api/v1/projects",
        "/static/pinfall.css",
        "/r/../metrics",
        "//r/x",
    ):
        assert await status("GET", path) in (404, 405)
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert await status(method, f"/r/{site.key}") == 405


async def test_browsers_may_post(site: Site) -> None:
    preflight = {"Origin": "null", "Access-Control-Request-Method": "POST"}
    async with site.session.options(f"{site.public}/r/{site.key}", headers=preflight) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
        assert response.headers["Access-Control-Allow-Headers"] == "content-type"
        assert response.headers["Access-Control-Max-Age"] == "86400"
    assert (await site.post("{")).headers["Access-Control-Allow-Origin"] == "*"


async def _raw(site: Site, *parts: bytes, pause: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(65536), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_slow_body_is_ended(site: Site) -> None:
    site.collector.ingest.pace = Pace(seconds=1.0, grace=0.3, bytes_a_second=1000)
    head = f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n".encode()
    assert b" 408 " in await _raw(site, head)  # nothing comes
    assert b" 408 " in await _raw(site, head, *[b"x"] * 8, pause=0.06)  # a drip
    body = json.dumps(neutral()).encode()
    head = f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert b" 200 " in await _raw(site, head, body[:50], body[50:], pause=0.05)


async def test_a_body_that_breaks_off_is_no_report(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    writer.write(
        f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{{".encode()
    )
    await writer.drain()
    writer.close()
    for _ in range(100):
        if (await site.metrics())["pinfall_reports_received_total"]:
            break
        await asyncio.sleep(0.05)
    assert (await site.metrics())['pinfall_reports_rejected_total{reason="not_json"}'] == 1


async def test_a_client_that_does_not_wait_for_its_answer_is_counted(site: Site) -> None:
    body = json.dumps(neutral()).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    writer.write(
        f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    writer.close()
    for _ in range(100):
        if await site.pool.fetchval("SELECT count(*) FROM violation"):
            break
        await asyncio.sleep(0.05)
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1
    assert (await site.metrics())["pinfall_waiting_reports"] == 0


async def test_conservation(site: Site) -> None:
    """A mixed stream adds up: in the answers, in /metrics, in the database."""
    bodies: list[Any] = []
    for number in range(20):
        bodies += [
            trustkit_ios(app_version=str(number)),
            trustkit_ios(app_version=str(number)),
            okhttp_text(f"h{number}.example.com"),
            [
                neutral(event_id=str(number)),
                7,
                nel("tcp.refused"),
                {"hostname": "", "known-pins": []},
            ],
            "{",
            b"",
        ]
    answers = await asyncio.gather(*(site.post(data) for data in bodies))
    await site.post(neutral(), path="/r/nobody")
    told: Counter[str] = Counter()
    for answer in answers:
        if answer.status == 200:
            told.update({k: v for k, v in answer.json.items() if isinstance(v, int)})
        else:
            told["rejected"] += max(1, answer.json.get("rejected", 0))
    assert told == {
        "accepted": 60,
        "duplicates": 20,
        "ignored": 20,
        "rejected": 80,
        "shed": 0,
        "spooled": 0,
    }

    metrics = await site.metrics()
    results: Counter[str] = Counter()
    for name, value in metrics.items():
        if name.startswith("pinfall_reports_total{"):
            results[name.partition('result="')[2].partition('"')[0]] += int(value)
    assert results == {"accepted": 60, "duplicate": 20, "ignored": 20, "rejected": 81, "shed": 0}
    assert metrics["pinfall_reports_received_total"] == sum(results.values())
    assert metrics["pinfall_waiting_reports"] == 0
    reasons = {
        n: v for n, v in metrics.items() if n.startswith("pinfall_reports_rejected_total") and v
    }
    assert sum(reasons.values()) == 81

    ledger = await site.ledger()
    assert ledger == {
        "default": {
            "received": 180,
            "accepted": 60,
            "duplicate": 20,
            "ignored": 20,
            "rejected": 80,
        },
        "unknown": {"received": 1, "rejected": 1},
    }
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 60


async def test_metrics_of_hosts(site: Site) -> None:
    await site.post(trustkit_ios(), address="127.0.0.1")
    await site.post(neutral(host="far.example.org", event_id="1"), address="198.51.100.1")
    metrics = await site.metrics()
    labels = 'host="api.example.com",kind="pin_mismatch",project="default"'
    assert metrics[f"pinfall_violations_total{{{labels}}}"] == 1
    labels = 'enforced="true",host="api.example.com",platform="IOS",project="default"'
    assert metrics[f"pinfall_pin_failures_total{{{labels}}}"] == 1
    assert 'pinfall_violations_total{host="other",kind="pin_mismatch",project="default"}' in metrics
    assert "far.example.org" not in str(metrics)


async def test_a_test_suites_traffic_is_stored_and_never_counted(site: Site) -> None:
    answer = await site.post(trustkit_ios(app_vendor_id="unit-tests"), address="127.0.0.1")
    assert answer.json["accepted"] == 1
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 0
    assert 'host="api.example.com",kind="pin_mismatch"' not in str(await site.metrics())


async def test_nothing_durable_is_said_so(site: Site) -> None:
    pool = site.collector.ingest.taking.intake.pool
    site.collector.ingest.taking.intake.pool = _Down()  # type: ignore[assignment]
    try:
        answer = await site.post(neutral())
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json["type"] == "/problems/not_durable"
        assert answer.json["shed"] == 1
    finally:
        site.collector.ingest.taking.intake.pool = pool
    assert (await site.post(neutral())).json["accepted"] == 1
    assert (await site.ledger())["default"] == {"received": 2, "accepted": 1, "shed": 1}


class _Down:
    """What a pool does while its Postgres is away (tests/commands stops a real one)."""

    def acquire(self, timeout: float) -> Any:
        raise ConnectionRefusedError


@pytest.mark.parametrize("chosen", [{"hash_key": "a key from outside the database"}])
async def test_a_hash_key_from_outside(site: Site, chosen: dict[str, Any]) -> None:
    await site.post(trustkit_ios())
    from collector.fingerprint import install_hash
    from tests.make import read

    stored = await site.pool.fetchval("SELECT install FROM violation")
    secret = await site.pool.fetchval("SELECT secret FROM project")
    assert stored != install_hash(secret, read(trustkit_ios()))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=400))
async def test_any_bytes_get_an_answer(site: Site, raw: bytes) -> None:
    answer = await site.post(raw)
    assert answer.status in (200, 400, 413, 422)
    if answer.status != 200:
        assert answer.json["type"].startswith("/problems/")


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**9),
    columns=st.sampled_from([(64, "\r\n"), (76, "\n"), (900, "\n")]),
    maker=st.sampled_from([trustkit_ios, trustkit_android]),
)
async def test_any_report_posted_twice_in_any_spelling_counts_once(
    site: Site, seed: int, columns: tuple[int, str], maker: Any
) -> None:
    chance = random.Random(seed)
    version = uuid.uuid4().hex  # an example may be tried again
    first = maker(app_version=version)
    assert (await site.post(first)).json["accepted"] == 1
    again = maker(app_version=version)
    for chain in ("validated-certificate-chain", "served-certificate-chain"):
        if chain in again:
            again[chain] = [
                wrapped(ssl.PEM_cert_to_DER_cert(pem), *columns) for pem in again[chain]
            ]
    chance.shuffle(again["known-pins"])
    keys = list(again)
    chance.shuffle(keys)
    body = (
        [{key: again[key] for key in keys}]
        if chance.random() < 0.5
        else {key: again[key] for key in keys}
    )
    assert (await site.post(body, address=f"198.51.100.{seed % 250}")).json["duplicates"] == 1


async def test_postgres_refusals_of_odd_values_stay_out(site: Site, pool: asyncpg.Pool) -> None:
    odd = [
        trustkit_ios(hostname="a.example", date_time="0001-01-01T00:00:00Z", app_version="\u0000"),
        neutral(event_id="\ud800", counts={"occurrences": 2**70}, port=2**40),
        neutral(observed_at=1e300, error={"message": "\u0000" * 100, "code": 2**80}),
        neutral(event_id="x", extra={"a": float("nan"), "b": 2**200, "\u0000": "\udfff"}),
    ]
    answer = await site.post(json.dumps(odd))
    assert (answer.status, answer.json["accepted"]) == (200, 4)
