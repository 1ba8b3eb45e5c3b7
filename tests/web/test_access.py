"""Who may do what on the operator listener, and how somebody else is kept from doing it."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from collector.web.access import Role
from tests.conftest import Clock
from tests.web.conftest import Site

FIRST = "the first operator's own token"
V, P, O = Role.VIEWER, Role.PIPELINE, Role.OPERATOR  # noqa: E741
SHA = "00" * 32
PIN = "sha256/" + "A" * 43 + "="
# Every route with the role it needs; what is asked may be refused, but not for want of a role.
TABLE: list[tuple[str, str, object, Role | None]] = [
    ("GET", "/", None, V),
    ("GET", "/setup", None, V),
    ("POST", "/setup/hosts", None, O),
    ("GET", "/alerts", None, V),
    ("GET", "/alerts/nobody", None, V),
    ("POST", "/alerts/nobody/acknowledge", None, O),
    ("POST", "/alerts/nobody/silence", None, O),
    ("POST", "/alerts/nobody/resolve", None, O),
    ("POST", "/alerts/nobody/note", None, O),
    ("POST", "/silences", None, O),
    ("POST", "/silences/nobody/end", None, O),
    ("GET", "/hosts/default/b.example", None, V),
    ("GET", f"/signatures/{SHA[:32]}", None, V),
    ("POST", f"/signatures/{SHA[:32]}/relabel", None, O),
    ("POST", "/setup/test", None, O),
    ("GET", "/setup/watch", None, V),
    ("GET", "/rotations", None, V),
    ("POST", "/rotations", None, P),
    ("POST", "/rotations/nobody/end", None, P),
    ("GET", "/pins", None, V),
    ("POST", "/pins", None, P),
    ("GET", "/preflight", None, V),
    ("POST", "/preflight", None, P),
    ("GET", "/runbooks", None, V),
    ("GET", "/runbooks/pin_failure_spike", None, V),
    ("GET", "/sign-in", None, None),
    ("POST", "/sign-in", None, None),
    ("POST", "/sign-out", None, V),
    ("GET", "/metrics", None, V),
    ("GET", "/healthz", None, None),
    ("GET", "/readyz", None, None),
    ("GET", "/static/pinfall.css", None, None),
    ("GET", "/api/v1/openapi.json", None, V),
    ("GET", "/api/v1/projects", None, V),
    ("POST", "/api/v1/projects", {"name": "n"}, O),
    ("PATCH", "/api/v1/projects/nobody", {"hosts": []}, O),
    ("DELETE", "/api/v1/projects/nobody", None, O),
    ("GET", "/api/v1/keys", None, V),
    ("POST", "/api/v1/keys", {"project": "default", "app": "a"}, O),
    ("PATCH", "/api/v1/keys/nobody", {"quota": 5}, O),
    ("POST", "/api/v1/keys/nobody/disable", {}, O),
    ("POST", "/api/v1/keys/nobody/enable", {}, O),
    ("GET", "/api/v1/hosts", None, V),
    ("POST", "/api/v1/hosts", {"project": "default", "host": "a.example"}, O),
    ("DELETE", "/api/v1/hosts/default/b.example", None, O),
    ("GET", "/api/v1/hosts/default/b.example/served", None, V),
    (
        "POST",
        "/api/v1/probes",
        {
            "host": "b.example",
            "vantage": "v",
            "answers": [{"address": "9.9.9.9", "asked": "tls1.3", "state": "refused"}],
        },
        P,
    ),
    ("GET", "/api/v1/certs", None, V),
    ("POST", "/api/v1/certs", {"pins": [PIN]}, P),
    ("DELETE", "/api/v1/certs/nobody", None, O),
    ("POST", "/api/v1/notify-test", {}, O),
    ("GET", "/api/v1/rotations", None, V),
    ("POST", "/api/v1/rotations", {"host": "nobody.example"}, P),
    ("POST", "/api/v1/rotations/nobody/end", {}, P),
    ("GET", "/api/v1/pin-sets", None, V),
    (
        "POST",
        "/api/v1/pin-sets",
        {"project": "default", "sets": [{"host": "a.example", "pins": [PIN]}]},
        P,
    ),
    ("DELETE", "/api/v1/pin-sets/nobody", None, O),
    ("GET", "/api/v1/pins/lint", None, V),
    ("POST", "/api/v1/pins/proofs", {"project": "default", "pem": "x"}, P),
    ("GET", "/api/v1/tokens", None, O),
    ("POST", "/api/v1/tokens", {"name": "t", "role": "viewer"}, O),
    ("DELETE", "/api/v1/tokens/nobody", None, O),
    ("GET", "/api/v1/audit", None, O),
    ("POST", "/api/v1/forget", {"install": "x"}, O),
    ("GET", "/api/v1/violations", None, V),
    ("GET", "/api/v1/signatures", None, V),
    ("GET", f"/api/v1/signatures/{SHA[:32]}", None, V),
    ("POST", f"/api/v1/signatures/{SHA[:32]}/relabel", {"label": "interception"}, O),
    ("GET", "/api/v1/certificates", None, V),
    ("GET", f"/api/v1/certificates/{SHA}", None, V),
    ("GET", f"/api/v1/chains/{SHA[:32]}", None, V),
    ("GET", "/api/v1/connections", None, V),
    ("POST", "/api/v1/connections", {"project": "default", "windows": []}, P),
    ("POST", "/api/v1/preflight", {"host": "a.example", "chain": ""}, P),
    ("GET", "/api/v1/adoption", None, V),
    ("GET", "/api/v1/hosts/default/b.example/readiness", None, V),
    ("GET", "/api/v1/hosts/default/b.example/verdict", None, V),
    ("POST", "/api/v1/adoption", {"project": "default", "rows": []}, P),
    ("GET", "/api/v1/alerts", None, V),
    ("GET", "/api/v1/alerts/nobody", None, V),
    ("POST", "/api/v1/alerts/nobody/acknowledge", {}, O),
    ("POST", "/api/v1/alerts/nobody/silence", {"until": None}, O),
    ("POST", "/api/v1/alerts/nobody/resolve", {}, O),
    ("POST", "/api/v1/alerts/nobody/note", {"note": "n"}, O),
    ("GET", "/api/v1/silences", None, V),
    ("POST", "/api/v1/silences", {"until": "2026-11-20T13:00:00Z", "host": "b.example"}, O),
    ("DELETE", "/api/v1/silences/nobody", None, O),
    ("GET", "/api/v1/totals", None, V),
]
with_token = pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])


async def test_the_table_has_every_route(site: Site) -> None:
    from collector.web.api import routes

    assert routes  # the table of the product is read by the running application, not here
    told = {(method, _shape(path)) for method, path, _, _ in TABLE}
    real = {
        (route.method, _shape(route.resource.canonical))
        for route in site.collector.operator.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert {place for place in real if place[1] != "/static"} == {
        place for place in told if not place[1].startswith("/static")
    }


def _shape(path: str) -> str:
    """Without what stands for a parameter."""
    parts = path.split("/")
    known = {"default", "nobody", "pin_failure_spike", "b.example", SHA, SHA[:32]}
    return "/".join("{}" if part in known or part.startswith("{") else part for part in parts)


@with_token
@pytest.mark.parametrize(
    ("method", "path", "body", "needed"), TABLE, ids=[f"{m} {p[:40]}" for m, p, _, _ in TABLE]
)
async def test_each_role_on_each_route(
    site: Site, chosen: dict[str, Any], method: str, path: str, body: object, needed: Role | None
) -> None:
    tokens: dict[Role, str] = {role: await site.token(role, role, by=FIRST) for role in Role}
    nobody = await site.call(method, path, body)
    wrong = await site.call(method, path, body, token="pft_" + "x" * 43)
    assert (nobody.status == 401) == (needed is not None), nobody.json
    assert (wrong.status == 401) == (needed is not None)
    for role, token in tokens.items():
        answer = await site.call(method, path, body, token=token)
        assert answer.status not in (401, 500, 503), answer.json
        refused = answer.status == 403 and "needs the role" in json.dumps(answer.json)
        assert refused == (needed is not None and not role.may(needed)), (role, answer.json)
        assert "Access-Control-Allow-Origin" not in answer.headers


@with_token
@pytest.mark.parametrize("form", ["bearer", "basic"])
async def test_wrong_expired_and_revoked_tokens(
    site: Site, clock: Clock, chosen: dict[str, Any], form: str
) -> None:
    async def status(token: str) -> int:
        told = f"Bearer {token}" if form == "bearer" else aiohttp.encode_basic_auth("me", token)
        return (await site.call("GET", "/api/v1/totals", Authorization=told)).status

    short = await site.token("short", "viewer", by=FIRST, days=1)
    long = await site.token("long", "viewer", by=FIRST)
    assert [await status(t) for t in (short, long, FIRST)] == [200, 200, 200]
    assert [await status(t) for t in ("", "x", short[:-1], long + "x", "\u00e9" * 20)] == [401] * 5
    clock.now += timedelta(days=1)
    assert [await status(t) for t in (short, long)] == [401, 200]
    await site.call("DELETE", "/api/v1/tokens/long", token=FIRST)
    assert await status(long) == 401
    again = await site.call(
        "POST", "/api/v1/tokens", {"name": "long", "role": "viewer"}, token=FIRST
    )
    assert again.status == 201  # a name is free again, and its old token stays dead
    assert await status(long) == 401


@with_token
async def test_a_token_is_stored_hashed_and_told_once(site: Site, chosen: dict[str, Any]) -> None:
    token = await site.token("ci", "pipeline", by=FIRST)
    listed = await site.call("GET", "/api/v1/tokens", token=FIRST)
    assert [(t["name"], t["role"], t["created_by"]) for t in listed.json["tokens"]] == [
        ("ci", "pipeline", "PINFALL_OPERATOR_TOKEN")
    ]
    everything = json.dumps(listed.json) + str(await site.pool.fetch("SELECT * FROM token, audit"))
    assert token not in everything
    twice = await site.call("POST", "/api/v1/tokens", {"name": "ci", "role": "viewer"}, token=FIRST)
    assert twice.status == 409


@pytest.mark.parametrize("body", [
    {"name": "x", "role": "root"}, {"name": "x"}, {"role": "viewer"}, {"name": "", "role": "viewer"},
    {"name": "x", "role": "viewer", "days": 0}, {"name": "x", "role": "viewer", "days": "1"},
    {"name": "x", "role": "viewer", "days": True}, {"name": "this machine", "role": "viewer"},
    {"name": "PINFALL_OPERATOR_TOKEN", "role": "viewer"}, {"name": "x", "role": ["viewer"]},
])  # fmt: skip
async def test_no_such_token(site: Site, body: object) -> None:
    assert (await site.call("POST", "/api/v1/tokens", body)).status == 400


async def test_on_loopback_without_a_token_this_machine_operates(site: Site) -> None:
    assert (await site.call("GET", "/api/v1/audit")).status == 200
    viewer = await site.token("viewer", "viewer")
    # Whoever shows a token is its owner, and no more.
    assert (await site.call("GET", "/api/v1/audit", token=viewer)).status == 403
    assert (await site.call("GET", "/api/v1/totals", token="wrong")).status == 401


async def test_every_change_is_in_the_audit(site: Site) -> None:
    changes: list[tuple[str, str, object]] = [
        ("POST", "/api/v1/projects", {"name": "p", "hosts": ["*.example.com"]}),
        ("PATCH", "/api/v1/projects/p", {"hosts": ["a.example.com"]}),
        ("POST", "/api/v1/hosts", {"project": "p", "host": "b.example.com"}),
        ("DELETE", "/api/v1/hosts/p/b.example.com", None),
        ("POST", "/api/v1/keys", {"project": "p", "app": "ios"}),
        ("PATCH", f"/api/v1/keys/{site.key}", {"quota": 5}),
        ("POST", f"/api/v1/keys/{site.key}/disable", {}),
        ("POST", f"/api/v1/keys/{site.key}/enable", {}),
        ("POST", "/api/v1/certs", {"pins": [PIN], "project": "p"}),
        ("DELETE", f"/api/v1/certs/{PIN.replace('/', '%2F')}", None),
        ("POST", "/api/v1/notify-test", {}),
        ("POST", "/api/v1/rotations", {"host": "a.example.com"}),
        ("POST", "/api/v1/rotations/1/end", {}),
        ("POST", "/api/v1/tokens", {"name": "t", "role": "viewer"}),
        ("DELETE", "/api/v1/tokens/t", None),
        ("POST", "/api/v1/forget", {"install": "planted-install"}),
        ("DELETE", "/api/v1/projects/p", None),
    ]
    for method, path, body in changes:
        answer = await site.call(method, path, body)
        assert answer.status in (200, 201), answer.json
    lines = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert [line["action"] for line in reversed(lines)] == [
        "project.added", "project.hosts_set", "project.hosts_set", "project.hosts_set", "key.added",
        "key.set", "key.disabled", "key.enabled", "cert.added", "cert.removed", "channel.tested",
        "rotation.declared", "rotation.ended", "token.added", "token.revoked", "install.forgotten", "project.forgotten",
    ]  # fmt: skip
    assert {line["who"] for line in lines} == {"this machine"}
    assert {line["at"] for line in lines} == {"2026-11-20T12:00:00Z"}
    told = json.dumps(lines)
    assert "planted-install" not in told
    assert site.key not in told
    assert lines[-2]["details"] == {"added": ["a.example.com"], "removed": ["*.example.com"]}
    first = (await site.call("GET", "/api/v1/audit?limit=4")).json
    rest = (await site.call("GET", f"/api/v1/audit?after={first['next']}")).json
    assert first["audit"] + rest["audit"] == lines


async def test_what_changes_nothing_is_not_in_the_audit(site: Site) -> None:
    wanted = {"project": "default", "host": "a.example.com"}
    for _ in range(3):
        assert (await site.call("POST", "/api/v1/hosts", wanted)).status == 201
    assert len((await site.call("GET", "/api/v1/audit")).json["audit"]) == 1


async def test_registrations_at_once_are_all_kept(site: Site) -> None:
    wanted = [{"project": "default", "host": f"h{n}.example.com"} for n in range(20)]
    answers = await asyncio.gather(*(site.call("POST", "/api/v1/hosts", w) for w in wanted))
    assert {answer.status for answer in answers} == {201}
    (project,) = (await site.call("GET", "/api/v1/projects")).json["projects"]
    assert sorted(project["hosts"]) == sorted(w["host"] for w in wanted)
    lines = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert sorted(line["details"]["added"][0] for line in lines) == sorted(project["hosts"])


async def test_a_change_that_fails_is_not_in_the_audit(site: Site) -> None:
    for method, path, body in (
        ("POST", "/api/v1/projects", {"name": "default"}),
        ("DELETE", "/api/v1/projects/nobody", None),
        ("POST", "/api/v1/keys", {"project": "nobody", "app": "a"}),
        ("POST", "/api/v1/keys/nobody/enable", {}),
        ("DELETE", "/api/v1/tokens/nobody", None),
        ("DELETE", "/api/v1/hosts/default/a.example", None),
    ):
        assert (await site.call(method, path, body)).status in (404, 409)
    assert (await site.call("GET", "/api/v1/audit")).json["audit"] == []


class Browser:
    """What a browser keeps and sends, without one."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookie: str | None = None

    async def go(
        self, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, str, Any]:
        sent = {"Accept": "text/html", **({"Cookie": self.cookie} if self.cookie else {})}
        if form is not None:
            sent["Origin"] = self.site.operator
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            method = "GET" if form is None else "POST"
            async with session.request(
                method, self.site.operator + path, data=form, headers=sent, allow_redirects=False
            ) as response:
                if "Set-Cookie" in response.headers:
                    self.cookie = response.headers["Set-Cookie"].partition(";")[0]
                return response.status, await response.text(), response.headers


def form_token(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]


@with_token
async def test_people_sign_in_and_out(site: Site, clock: Clock, chosen: dict[str, Any]) -> None:
    token = await site.token("ada", "operator", by=FIRST)
    browser = Browser(site)
    status, _, headers = await browser.go("/setup?x=1")
    assert (status, headers["Location"]) == (303, "/sign-in?next=/setup%3Fx%3D1")
    assert (await browser.go("/sign-in?next=/setup"))[0] == 200
    status, page, headers = await browser.go("/sign-in", {"token": "wrong", "next": "/setup"})
    assert (status, "Set-Cookie" in headers) == (403, False)
    assert "not known" in page
    status, _, headers = await browser.go("/sign-in", {"token": token, "next": "/setup"})
    assert (status, headers["Location"]) == (303, "/setup")
    for part in ("HttpOnly", "SameSite=Strict", "Max-Age=43200", "Path=/"):
        assert part in headers["Set-Cookie"]
    status, page, _ = await browser.go("/setup")
    assert status == 200
    assert "ada (operator)" in page

    form = {"form_token": form_token(page), "project": "default", "host": "a.example.com"}
    assert (await browser.go("/setup/hosts", form))[0] == 303
    audit = (await site.call("GET", "/api/v1/audit", token=FIRST)).json["audit"]
    assert (audit[0]["who"], audit[0]["action"]) == ("ada", "project.hosts_set")

    before = browser.cookie
    assert (await browser.go("/sign-out", {"form_token": form_token(page)}))[0] == 303
    browser.cookie = before
    assert (await browser.go("/setup"))[0] == 303  # the session is gone, not only the cookie

    await browser.go("/sign-in", {"token": token})
    assert (await browser.go("/setup"))[0] == 200
    clock.now += timedelta(hours=12)
    assert (await browser.go("/setup"))[0] == 303
    await browser.go("/sign-in", {"token": token})
    await site.call("DELETE", "/api/v1/tokens/ada", token=FIRST)
    assert (await browser.go("/setup"))[0] == 303


@with_token
@pytest.mark.parametrize(
    ("following", "goes_to"),
    [
        ("/setup?a=b", "/setup?a=b"), ("//evil.example", "/"), ("https://evil.example", "/"),
        ("/\\evil.example", "/"), ("/sign-in", "/"), ("javascript:alert(1)", "/"), ("/a\r\nX: y", "/"), ("", "/"),
    ],
)  # fmt: skip
async def test_signing_in_leads_nowhere_else(
    site: Site, chosen: dict[str, Any], following: str, goes_to: str
) -> None:
    _, _, headers = await Browser(site).go("/sign-in", {"token": FIRST, "next": following})
    assert headers["Location"] == goes_to


@with_token
@pytest.mark.parametrize("change", [
    {"form_token": ""}, {"form_token": "0" * 64}, {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Origin": None}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
])  # fmt: skip
async def test_a_form_of_another_site(
    site: Site, chosen: dict[str, Any], change: dict[str, Any]
) -> None:
    browser = Browser(site)
    await browser.go("/sign-in", {"token": FIRST})
    _, page, _ = await browser.go("/setup")
    form = {"form_token": form_token(page), "project": "default", "host": "a.example.com"}
    headers = {"Origin": site.operator, "Cookie": browser.cookie or ""}
    for name, value in change.items():
        if name == "form_token":
            form[name] = value
        elif value is None:
            del headers[name]
        else:
            headers[name] = value
    async with site.session.post(
        site.operator + "/setup/hosts", data=form, headers=headers, allow_redirects=False
    ) as response:
        assert response.status == 403
    assert await site.pool.fetchval("SELECT hosts FROM project") == []


@with_token
async def test_a_forms_token_is_of_one_session(site: Site, chosen: dict[str, Any]) -> None:
    mine, theirs = Browser(site), Browser(site)
    for browser in (mine, theirs):
        await browser.go("/sign-in", {"token": FIRST})
    _, page, _ = await theirs.go("/setup")
    form = {"form_token": form_token(page), "project": "default", "host": "a.example.com"}
    assert (await mine.go("/setup/hosts", form))[0] == 403
    assert (await theirs.go("/setup/hosts", form))[0] == 303


@with_token
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # a browser that says nothing of where a change comes from
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}, 415),
        (
            {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"},
            415,
        ),
        ({"Sec-Fetch-Site": "same-origin", "Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
async def test_a_cookie_is_not_enough_for_a_change(
    site: Site, chosen: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    browser = Browser(site)
    await browser.go("/sign-in", {"token": FIRST})
    answer = await site.call(
        "POST", "/api/v1/projects", {"name": "x"}, Cookie=browser.cookie or "", **headers
    )
    assert answer.status == status


@with_token
async def test_signing_in_from_another_site(site: Site, chosen: dict[str, Any]) -> None:
    browser = Browser(site)
    status, _, headers = await browser.go(
        "/sign-in", {"token": FIRST}, Origin="https://evil.example"
    )
    assert (status, "Set-Cookie" in headers) == (403, False)


@with_token
async def test_doors_stay_open_while_postgres_is_away(site: Site, chosen: dict[str, Any]) -> None:
    """A scrape with a token that is known needs no database; one that is not is no crash."""
    token = await site.token("prometheus", "viewer", by=FIRST)
    assert (await site.call("GET", "/metrics", token=token)).status == 200
    name = await site.pool.fetchval("SELECT current_database()")
    await site.pool.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
    await site.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'pinfall' AND datname = current_database()"
    )
    try:
        assert (await site.call("GET", "/metrics", token=token)).status == 200
        unknown = await site.call("GET", "/metrics", token="pft_unknown")
        assert unknown.status in (401, 503)
    finally:
        await site.pool.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


@with_token
async def test_another_process_hears_of_a_token(site: Site, chosen: dict[str, Any]) -> None:
    from dataclasses import replace

    from collector.app import collecting

    async with collecting(replace(site.collector.settings), lambda: _now(site)) as other:
        token = await site.token("new", "viewer", by=FIRST)
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(100):
            async with site.session.get(other.operator_url() + "/metrics", headers=headers) as r:
                if r.status == 200:
                    return
            await asyncio.sleep(0.1)
    pytest.fail("the other process does not know the token")


def _now(site: Site) -> Any:
    return site.collector.ingest.clock()


@with_token
async def test_a_trusted_key_is_a_secret(site: Site, chosen: dict[str, Any]) -> None:
    made = await site.call(
        "POST", "/api/v1/keys", {"project": "default", "app": "gw", "trusted": True}, token=FIRST
    )
    viewer = await site.token("viewer", "viewer", by=FIRST)
    for path in ("/api/v1/keys", "/setup"):
        seen = await site.call("GET", path, token=viewer)
        assert made.json["key"] not in json.dumps(seen.json)
        assert site.key in json.dumps(seen.json)
        assert made.json["key"] in json.dumps((await site.call("GET", path, token=FIRST)).json)


@pytest.mark.parametrize(("kind", "data"), [
    ("application/x-www-form-urlencoded; charset=bogus", b"token=x"),
    ("application/x-www-form-urlencoded", b"token=\xe9\xff"),
    ("multipart/form-data", b"--x"), ("multipart/form-data; boundary=x", b"--x\r\n\r\ncut"),
    ("application/json", b"{}"),
])  # fmt: skip
async def test_odd_forms_are_no_crash(site: Site, kind: str, data: bytes) -> None:
    async with site.session.post(
        f"{site.operator}/sign-in", data=data, headers={"Content-Type": kind}
    ) as response:
        assert response.status in (400, 403)


@with_token
async def test_a_new_token_is_known_to_all_who_ask_at_once(
    site: Site, chosen: dict[str, Any]
) -> None:
    from collector.app import collecting

    async with collecting(site.collector.settings, lambda: _now(site)) as other:
        token = await site.token("new", "viewer", by=FIRST)
        headers = {"Authorization": f"Bearer {token}"}

        async def ask() -> int:
            async with site.session.get(other.operator_url() + "/metrics", headers=headers) as r:
                return r.status

        assert await asyncio.gather(*(ask() for _ in range(6))) == [200] * 6
