"""What somebody who has the public key of an app, and many addresses, can do to the page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.detect.paths import Roots
from collector.intake.newness import Newness
from collector.reports.certificates import certificate_from_der
from tests.make import PIN_A, authority, ios_pem, issue, neutral, row, trustkit_ios, window
from tests.watch.conftest import tick
from tests.watch.story import (
    HOST,
    MINUTE,
    Story,
    another,
    chosen,
    receiver,
    reported,
    site,
    story,
)

__all__ = ["chosen", "receiver", "site", "story"]
_AT_ONCE = 16
_FORGED = 5000


async def forge(story: Story, addresses: list[str], **changes: Any) -> int:
    """A report of an install of its own from each address. How many were taken."""
    places = asyncio.Semaphore(_AT_ONCE)
    date = story.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def one(number: int, address: str) -> int:
        body = trustkit_ios(
            app_vendor_id=f"AAAAAAAA-6B5D-4A51-9E0C-{number:012X}", date_time=date, **changes
        )
        async with places:
            answer = await story.site.post(body, address=address)
        return int(answer.json.get("accepted", 0))

    taken = await asyncio.gather(*(one(n, address) for n, address in enumerate(addresses)))
    return sum(taken)


async def affected(story: Story) -> int:
    """Installs that were counted, caps aside."""
    return int(
        await story.site.pool.fetchval("SELECT count(*) FROM counted_install WHERE class = 'self'")
    )


async def acknowledged(story: Story, alert: str) -> None:
    await story.site.pool.execute(
        "INSERT INTO alert_order (alert, what, who, at) VALUES ($1, 'acknowledge', 'ada', $2)",
        alert, story.clock.now,
    )  # fmt: skip
    await story.look()
    assert await story.site.pool.fetchval("SELECT count(*) FROM alert_order") == 0


async def test_a_forged_page_that_was_acknowledged_hides_no_real_rotation(story: Story) -> None:
    await story.rotate()  # a good one: nobody fails
    story.clock.now += MINUTE
    await story.fail(40)  # made up, with the chain that anybody can fetch
    await story.look()
    page = await story.page()
    assert page is not None
    await acknowledged(story, page["id"])
    await story.wait(5)
    assert story.pages().count("firing") <= 2  # once more as its cause becomes known
    before = len(story.pages())
    story.clock.now += 30 * MINUTE
    bad = another()
    await story.rotate(bad)
    story.clock.now += MINUTE
    await story.fail(12, **reported(bad))
    await story.look()
    assert story.pages()[before:][:1] == ["firing"]
    again = await story.page()
    assert again is not None
    assert again["acknowledged"] is None


@pytest.mark.parametrize("form", ["2001:db8:{:x}::9", "198.51.{}.9", "203.0.113.{}"])
@pytest.mark.parametrize("rotates", [True, False])
async def test_wrong_pins_that_one_operator_agrees_on_page_nobody(
    story: Story, form: str, rotates: bool
) -> None:
    """A release is registered, and 200 made-up installs of it agree on other pins: of a /32, of a /16 and of
    a /24. They are believed to hold them, since ten networks do; the cap of operators is what is left."""
    pool = story.site.pool
    await pool.execute(
        "INSERT INTO shipped_pin_set (project, host, include_subdomains, app, platform, pins, format, source,"
        " imported_at, imported_by) SELECT id, $1, false, NULL, NULL, $2, 'plist', '', $3, 'ada' FROM project",
        HOST, [f"sha256/{story.old[0].pin}"], story.clock.now,
    )  # fmt: skip
    served = another() if rotates else story.old
    if rotates:
        await story.rotate(served)
    story.clock.now += MINUTE
    addresses = [form.format(n) for n in range(1, 201)]
    assert await forge(story, addresses, **reported(served)) == 200
    for _ in range(5):
        await story.look()
        story.clock.now += MINUTE
    assert await story.page() is None
    assert not any(alert["kind"] == "wrong_pins" for alert in await story.alerts())


async def test_a_forged_ticket_that_was_acknowledged_hides_no_real_rotation(story: Story) -> None:
    old = another()
    await story.rotate(old)
    story.clock.now += 26 * 60 * MINUTE  # no change is recent
    await story.probed()
    await story.look()
    await story.fail(60, **reported(old))
    await story.look()
    assert story.pages() == []
    (ticket,) = await story.alerts()
    assert ticket["severity"] == "ticket"
    await acknowledged(story, ticket["id"])
    story.clock.now += 20 * MINUTE
    bad = another()
    await story.rotate(bad)
    story.clock.now += MINUTE
    await story.fail(12, **reported(bad))
    await story.look()
    assert story.pages()[:1] == ["firing"]


@pytest.mark.parametrize("successes", [0, 10**9])
async def test_forged_successes_change_nothing(story: Story, successes: int) -> None:
    async def connect(number: int) -> None:
        if not successes:
            return
        end = story.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        start = (story.clock.now - 10 * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = window(
            id=f"w-{number}",
            successes=successes,
            pin_failures=0,
            window_start=start,
            window_end=end,
        )
        answer = await story.site.post(body, path=f"/r/{story.site.key}/connections")
        assert answer.status in (200, 400, 422), answer.json

    await connect(0)
    await story.rotate()
    paged = None
    for minute in range(6):
        story.clock.now += MINUTE
        await connect(minute + 1)
        await story.fail(3)
        await story.look()
        if paged is None and await story.page():
            paged = minute
    assert paged == 1  # six installs, at the second minute
    for minute in range(10, 100, 5):
        story.clock.now += 5 * MINUTE
        await connect(minute)
        await story.look()
    assert "resolved" not in story.pages()
    page = await story.page()
    assert page is not None
    assert page["reach"]["installs"] == 18


async def test_one_ipv6_provider_forges_no_page(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    addresses = [f"2001:db8:{n:x}::9" for n in range(1, _FORGED + 1)]
    taken = await forge(story, addresses)
    assert taken > _FORGED * 0.9
    for _ in range(100):  # rounds of the collector's own count too, and only one does at a time
        await tick(story.site, "count")
        if await affected(story) == taken:
            break
        await asyncio.sleep(0.2)
    assert await affected(story) == taken
    await story.wait(3)
    assert story.pages() == []
    assert await story.page() is None


@pytest.fixture
def table(tmp_path: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    """300 networks all over the address space, of one operator."""
    path = tmp_path / "asn.tsv"
    networks = [f"{20 + n % 150}.{n // 2}.{n % 250}" for n in range(300)]
    path.write_text("".join(f"{net}.0\t{net}.255\t64500\tZZ\tEXAMPLE\n" for net in networks))
    chosen["asn_db"] = path
    return {"addresses": [f"{net}.{host}" for host in (7, 8, 9) for net in networks]}


async def test_one_operator_with_300_networks_forges_no_page(
    table: dict[str, Any], story: Story
) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    taken = await forge(story, table["addresses"])
    assert taken == 900
    await story.wait(3)
    operators = await story.site.pool.fetchval(
        "SELECT count(DISTINCT operator_network) FROM counted_install WHERE class = 'self'"
    )
    assert (operators, await affected(story)) == (1, 900)
    assert await story.page() is None
    # Real clients of others page as ever.
    await story.fail(12)
    await story.wait(1)
    assert await story.page() is not None


async def test_a_spoof_from_two_networks_is_no_page(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    addresses = [f"{net}.{n}" for n in range(1, 200) for net in ("198.51.100", "203.0.113")]
    assert await forge(story, addresses) > 100
    await story.wait(10)
    assert await story.page() is None
    assert story.pages() == []


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices trust the authority of tests."""
    root = certificate_from_der(authority()[0].der)
    monkeypatch.setattr("collector.app.public_roots", lambda: Roots.of([root]))


async def test_one_forged_report_with_a_public_certificate_is_a_ticket_at_most(
    public: None, story: Story
) -> None:
    stranger = another()
    await story.fail(1, **reported(stranger))
    await story.wait(10)
    assert all(one["severity"] == "ticket" for one in await story.alerts())
    assert story.pages() == []


async def test_caps_on_new_chains_that_are_used_up_delay_no_page(story: Story) -> None:
    taking = story.site.collector.ingest.taking
    small = Newness(taking.newness.owns, a_minute=5, registered_a_minute=5, network_a_minute=5)
    taking.newness = small
    made = 0

    async def exhaust() -> None:
        nonlocal made
        for _ in range(15):
            made += 1
            pems = [ios_pem(issue(HOST, sans=(HOST,)).der)]
            answer = await story.site.post(
                trustkit_ios(
                    app_vendor_id=f"BBBBBBBB-6B5D-4A51-9E0C-{made:012X}",
                    validated_certificate_chain=pems,
                ),
                address=f"2001:db8:{made:x}::9",
            )
            assert answer.json["accepted"] == 1

    await exhaust()
    await exhaust()
    assert await story.site.pool.fetchval("SELECT count(*) FROM deferred") > 0
    # Nothing that is not ours has room now.
    strange = replace(row(trustkit_ios()), registered=True, network=b"n" * 16)
    assert not small.has_room(strange, asyncio.get_running_loop().time())
    bad = another()
    await story.rotate(bad)
    await tick(story.site, "keys", "hosts")
    paged = None
    for minute in range(4):
        story.clock.now += MINUTE
        await exhaust()
        await story.fail(3, **reported(bad))
        await story.look()
        if paged is None and await story.page():
            paged = minute
    assert paged == 1


async def test_forged_interception_from_one_provider_delays_no_page(story: Story) -> None:
    root = issue("Somebody's Root", ca=True, days=3650)
    pems = [ios_pem(one.der) for one in (issue(HOST, root, sans=(HOST,)), root)]
    await story.rotate()
    story.clock.now += MINUTE
    addresses = [f"2001:db8:{n:x}::9" for n in range(1, 2001)]
    assert await forge(story, addresses, validated_certificate_chain=pems) == 2000
    await story.fail(3)
    await story.look()
    story.clock.now += MINUTE
    await story.fail(3)
    await story.look()
    assert await story.page() is not None


async def bare(story: Story, installs: int) -> None:
    """So many new installs whose clients tell no chain, each on a network of its own."""
    for _ in range(installs):
        story.sent += 1
        body = neutral(
            host=HOST, event_id=f"bare-{story.sent}", install_id=f"bare-{story.sent}",
            observed_at=story.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            pins={"kind": "spki-sha256", "expected": [f"sha256/{PIN_A}"], "served": []},
        )  # fmt: skip
        address = f"{11 + story.sent % 180}.{story.sent % 250}.7.9"
        answer = await story.site.post(body, address=address)
        assert answer.json["accepted"] == 1, answer.json


async def test_a_made_up_chain_hides_no_break_of_clients_that_tell_none(story: Story) -> None:
    root = issue("Somebody's Root", ca=True, days=3650)
    pems = [ios_pem(one.der) for one in (issue(HOST, root, sans=(HOST,)), root)]
    assert await forge(story, ["192.0.2.9"], validated_certificate_chain=pems) == 1
    assert await forge(story, ["198.51.100.9"]) == 1
    await story.look()
    await story.rotate()
    paged = None
    for minute in range(5):
        story.clock.now += MINUTE
        await bare(story, 6)
        await story.look()
        if paged is None and await story.page():
            paged = minute
    assert paged is not None
    assert paged <= 2


async def test_what_pages_goes_on_to_when_chains_are_told(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await bare(story, 20)
    await story.look()
    assert await story.page() is not None
    for _ in range(5):
        story.clock.now += MINUTE
        await story.fail(10)  # whoever it is
        await story.look()
    assert ("pin_failure_spike", "resolved") not in story.heard()
