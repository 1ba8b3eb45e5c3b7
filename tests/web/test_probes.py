"""What hosts serve, over the API: registered with a port, probed, submitted by other vantages."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.core import Tick
from collector.detect.probed import Answer, Asked, ProbeState
from collector.store import served
from tests.conftest import Clock
from tests.make import NOON, neutral
from tests.probing import servers
from tests.probing.chains import HOST, Made, family
from tests.web.conftest import Site

V1 = "/api/v1"


@pytest.fixture
def chosen(tmp_path: Path) -> dict[str, Any]:
    """One host that has a root of its own."""
    (tmp_path / "roots.pem").write_bytes(family().root.pem)
    told = f'[[host]]\nname = "{HOST}"\nroots = "file:roots.pem"\nthird_party = true\n'
    (tmp_path / "pinfall.toml").write_text(told)
    return {"config": tmp_path / "pinfall.toml"}


def answer(*chain: Made, **more: object) -> dict[str, Any]:
    told = {"address": "9.9.9.9", "asked": "tls1.3", "state": "served" if chain else "refused"}
    return {**told, "chain": [base64.b64encode(each.der).decode() for each in chain], **more}


def probe(*answers: object, **more: object) -> dict[str, Any]:
    return {"host": HOST, "vantage": "frankfurt", "answers": list(answers), **more}


async def test_a_vantage_submits_what_it_sees(site: Site) -> None:
    leaf = family().leaf()
    sent = probe(
        answer(leaf, family().intermediate),
        answer(asked="tls1.2 rsa", state="not_offered", detail="\u202e"),
    )
    made = await site.call("POST", f"{V1}/probes", sent)
    assert made.status == 201, made.json
    assert made.json["chains"] == [{"leaf": f"sha256/{_pin(leaf)}", "kept": True, "problem": None}]
    told = (await site.call("GET", f"{V1}/hosts/default/{HOST}/served")).json
    (chain,) = told["chains"]
    assert (chain["trusted"], chain["problem"], chain["port"]) == (True, None, 443)
    assert [each["role"] for each in chain["chain"]] == ["leaf", "intermediate"]
    assert chain["chain"][0]["pin"] == f"sha256/{_pin(leaf)}"
    assert told["third_party"] is True
    assert [(s["vantage"], s["address"], s["asked"], s["state"], s["chain"]) for s in told["states"]] == [
        ("frankfurt", "9.9.9.9", "tls1.2 rsa", "not_offered", None),
        ("frankfurt", "9.9.9.9", "tls1.3", "served", chain["id"]),
    ]  # fmt: skip
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [(line["action"], line["subject"]) for line in lines] == [("probe.submitted", HOST)]
    later = f"{V1}/hosts/default/{HOST}/served?since=2026-11-20T12:00:01Z"
    assert (await site.call("GET", later)).json["chains"] == []


def _pin(made: Made) -> str:
    return base64.b64encode(made.noun.spki_sha256).decode()


async def test_an_untrusted_chain_is_not_kept(site: Site) -> None:
    """Whoever submits cannot make another key ours."""
    wrong = family("Other").leaf()
    elsewhere = family().leaf("www.example.com")
    for leaf, problem in ((wrong, "unknown_root: "), (elsewhere, "wrong_name: ")):
        made = await site.call("POST", f"{V1}/probes", probe(answer(leaf, family().intermediate)))
        (chain,) = made.json["chains"]
        assert not chain["kept"]
        assert chain["problem"].startswith((problem, "missing_intermediate: "))
    told = (await site.call("GET", f"{V1}/hosts/default/{HOST}/served")).json
    assert told["chains"] == []
    assert [state["chain"] for state in told["states"]] == [None]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"host": "other.example.com"}, 404),
        ({"port": 8443}, 404),
        ({"port": "443"}, 400),
        ({"host": 5}, 400),
        ({"host": "a b"}, 400),
        ({"vantage": "here"}, 400),
        ({"vantage": "a/b"}, 400),
        ({"vantage": "x" * 65}, 400),
        ({"answers": []}, 400),
        ({"answers": {}}, 400),
        ({"answers": [answer()] * 37}, 400),
        ({"answers": [5]}, 400),
        ({"answers": [{"address": "9.9.9.9"}]}, 400),
        ({"answers": [answer(address="example.com")]}, 400),
        ({"answers": [answer(address=5)]}, 400),
        ({"answers": [answer(asked="x")]}, 400),
        ({"answers": [answer(asked=[])]}, 400),
        ({"answers": [answer(state="x")]}, 400),
        ({"answers": [answer(state="served")]}, 400),
        ({"answers": [answer(detail="x" * 301)]}, 400),
        ({"answers": [answer(detail="\x00")]}, 400),
        ({"answers": [answer(chain="x")]}, 400),
        ({"answers": [answer(state="served", chain=["x"])]}, 400),
        ({"answers": [answer(state="served", chain=[5])]}, 400),
        ({"answers": [answer(state="served", chain=["AAAA"])]}, 400),
        ({"answers": [answer(more=1)]}, 400),
        ({"more": 1}, 400),
    ],
)
async def test_what_is_refused(site: Site, change: dict[str, Any], status: int) -> None:
    told = await site.call("POST", f"{V1}/probes", {**probe(answer()), **change})
    assert told.status == status, told.json
    assert await site.pool.fetchval("SELECT count(*) FROM probe_state WHERE vantage <> 'here'") == 0


async def test_a_chain_beyond_all_measure(site: Site) -> None:
    leaf = family().leaf()
    many = await site.call("POST", f"{V1}/probes", probe(answer(*[leaf] * 13)))
    assert many.status == 400
    der = base64.b64encode(
        family().leaf(sans=tuple(f"{n}.{'x' * 60}.example" for n in range(900))).der
    )
    sent = probe(answer(state="served", chain=[der.decode()] * 2))
    large = await site.call("POST", f"{V1}/probes", sent)
    assert large.status == 400
    assert "more than 65536 bytes" in large.json["detail"]


async def test_hosts_have_a_port_and_an_owner(site: Site) -> None:
    wanted = {"project": "default", "host": "mqtt.example.com", "port": 8883, "third_party": True}
    made = await site.call("POST", f"{V1}/hosts", wanted)
    assert made.json == wanted
    plain = {"project": "default", "host": "mqtt.example.com"}
    assert (await site.call("POST", f"{V1}/hosts", plain)).json == wanted  # what is not named stays
    back = await site.call("POST", f"{V1}/hosts", {**plain, "third_party": False})
    assert back.json == {**wanted, "third_party": False}
    (row,) = (await site.call("GET", f"{V1}/hosts")).json["hosts"]
    assert (row["port"], row["third_party"]) == (8883, False)
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [line["action"] for line in lines] == [
        "host.probing_set", "host.probing_set", "project.hosts_set",
    ]  # fmt: skip
    assert lines[1]["details"] == {"project": "default", "port": 8883, "third_party": True}
    for wrong in ({"port": 0}, {"port": 65536}, {"port": True}, {"port": "x"}, {"third_party": 1}):
        assert (await site.call("POST", f"{V1}/hosts", {**plain, **wrong})).status == 400
    pattern = {"project": "default", "host": "*.example.com", "port": 8443}
    assert (await site.call("POST", f"{V1}/hosts", pattern)).status == 400
    told = (await site.call("GET", f"{V1}/hosts/default/mqtt.example.com/served")).json
    assert told == {**plain, "third_party": False, "chains": [], "states": []}
    assert (await site.call("GET", f"{V1}/hosts/default/b.example.com/served")).status == 404
    assert (await site.call("GET", f"{V1}/hosts/nobody/mqtt.example.com/served")).status == 404


async def test_when_it_ends_is_a_metric_while_it_is_served(site: Site, clock: Clock) -> None:
    leaf, i = family().leaf(), family().intermediate
    chain = (leaf.noun, i.noun)
    async with site.pool.acquire() as connection:
        id_ = await served.keep(connection, HOST, 443, chain, problem=None, at=NOON)
        told = Answer("9.9.9.9", Asked.TLS13, ProbeState.SERVED, "", chain)
        await served.keep_states(connection, HOST, 443, "here", [(told, id_)], NOON, resolved=True)
    await site.collector.tick("expiries")
    name = "pinfall_certificate_not_after_timestamp_seconds"

    async def ends() -> dict[str, float]:
        return {k: v for k, v in (await site.metrics()).items() if k.startswith(name)}

    assert await ends() == {
        f'{name}{{host="{HOST}",role="{role}"}}': each.certificate.not_valid_after_utc.timestamp()
        for role, each in (("leaf", leaf), ("intermediate", i))
    }
    clock.now += timedelta(hours=1)
    await site.collector.tick("expiries")
    assert await ends() == {}


async def test_nothing_of_a_report_leads_to_a_probe(site: Site, tmp_path: Path) -> None:
    """Names, addresses, ports and URLs of a server that waits for whoever comes: nobody does."""
    came: list[object] = []
    tick: Tick = site.collector.ticks["probe"]
    with servers.listening(lambda connection: came.append(connection.getpeername())) as port:
        places = (
            "localhost",
            "127.0.0.1",
            f"127.0.0.1:{port}",
            f"https://localhost:{port}/x",
            "[::1]",
        )
        for number, host in enumerate(places):
            report = neutral(host=host, port=port, server_ip="127.0.0.1", install_id=f"i{number}")
            for network in range(4):
                told = await site.post(report, address=f"198.51.{network}.7")
                assert told.status == 200, told.json
        await tick()
        rows = await site.pool.fetch("SELECT DISTINCT host FROM probe_state")
        assert {row["host"] for row in rows} == {HOST}
        states = (await site.call("GET", f"{V1}/hosts")).json["hosts"]
        assert {row["state"] for row in states} == {"admitted"}
    assert came == []


async def test_a_report_with_a_key_nobody_knows_has_its_host_asked_at_once(
    site: Site, clock: Clock
) -> None:
    """A registered host: the one of the file."""

    async def turn() -> object:
        async with site.pool.acquire() as connection:
            return (await served.turns(connection)).get((HOST, 443))

    async def look(seconds: int) -> Any:
        clock.now += timedelta(seconds=seconds)
        await site.collector.tick("probe")
        return await turn()

    first = await look(0)
    assert first == NOON
    assert await look(65) == first
    told = await site.post(neutral(host=HOST, install_id="i"))
    assert told.json["accepted"] == 1
    asked = await look(5)
    for _ in range(90):  # its first turn may still go on
        if asked != first:
            break
        await asyncio.sleep(0.1)
        asked = await look(1)
    assert NOON + timedelta(seconds=70) <= asked < NOON + timedelta(seconds=170)
