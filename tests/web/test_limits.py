"""Quotas and web origins of ingest keys, over the API."""

import json
from typing import Any

import pytest

from collector.web.api.limits import read_origin
from tests.web.conftest import Site

V1 = "/api/v1"


@pytest.mark.parametrize(("text", "origin"), [
    ("https://app.example.com", "https://app.example.com"),
    ("HTTPS://App.Example.COM", "https://app.example.com"),
    (" https://app.example.com:8443 ", "https://app.example.com:8443"),
    ("https://app.example.com:443", "https://app.example.com"),
    ("http://app.example.com:80", "http://app.example.com"),
    ("https://app.example.com:80", "https://app.example.com:80"),
    ("http://localhost:3000", "http://localhost:3000"),
    ("capacitor://localhost", "capacitor://localhost"),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("http://192.0.2.7:8080", "http://192.0.2.7:8080"),
    ("http://[2001:DB8:0::1]:8080", "http://[2001:db8::1]:8080"),
])  # fmt: skip
def test_an_origin_is_as_browsers_send_it(text: str, origin: str) -> None:
    assert read_origin(text) == origin
    assert read_origin(origin) == origin


WRONG = [
    "", "null", "*", "app.example.com", "https://", "https://app.example.com/", "https://app.example.com/x",
    "https://app.example.com?x", "https://app.example.com#x", "https://me@app.example.com", "https://a b.example",
    "https://*.example.com", "https://app.example.com:0", "https://app.example.com:65536", "https://[::1",
    "https://[::1]x", "https://app.example.com:", "https://a..b", "://app.example.com", "https:app.example.com",
    "https://app.example.com\\x", "https://a\x00b", "https://\ud800.example", "https://" + "a" * 300,
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=ascii)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match=r"origin|host|port|such as|wildcard"):
        read_origin(text)


async def _limits(site: Site, key: str) -> tuple[Any, Any]:
    (row,) = [k for k in (await site.call("GET", f"{V1}/keys")).json["keys"] if k["key"] == key]
    known = site.collector.ingest.keyring.known(key)
    assert known is not None
    assert (known.quota, sorted(known.origins)) == (row["quota"], sorted(row["origins"]))
    return row["quota"], row["origins"]


async def test_a_key_is_made_with_limits(site: Site) -> None:
    wanted = {"project": "default", "app": "a"}
    plain = await site.call("POST", f"{V1}/keys", wanted)
    assert (plain.json["quota"], plain.json["origins"]) == (None, [])
    assert await _limits(site, plain.json["key"]) == (None, [])
    limits = {
        "quota": 0.1,
        "origins": ["https://B.example", "https://a.example", "https://b.example:443"],
    }
    made = await site.call("POST", f"{V1}/keys", wanted | limits)
    assert made.status == 201
    told = (0.1, ["https://b.example", "https://a.example"])
    assert (made.json["quota"], made.json["origins"]) == told
    assert await _limits(site, made.json["key"]) == told


async def test_limits_of_a_key_change_one_by_one(site: Site) -> None:
    path, key = f"{V1}/keys/{site.key}", site.key
    steps: list[tuple[dict[str, Any], tuple[Any, Any]]] = [
        ({"quota": 50}, (50, [])),
        ({"origins": ["https://a.example"]}, (50, ["https://a.example"])),
        ({"quota": 50}, (50, ["https://a.example"])),  # changes nothing
        ({"quota": None}, (None, ["https://a.example"])),
        ({"quota": 7, "origins": []}, (7, [])),
        ({"origins": ["https://b.example"]}, (7, ["https://b.example"])),
        ({"origins": None, "quota": 2.5}, (2.5, [])),
    ]  # fmt: skip
    for change, after in steps:
        answer = await site.call("PATCH", path, change)
        assert answer.status == 200, answer.json
        assert (answer.json["quota"], answer.json["origins"]) == after
        assert await _limits(site, key) == after
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    told = [line["details"] for line in reversed(lines) if line["action"] == "key.set"]
    assert told == [
        {"quota": 50}, {"origins": ["https://a.example"]}, {"quota": None}, {"quota": 7, "origins": []},
        {"origins": ["https://b.example"]}, {"origins": [], "quota": 2.5},
    ]  # fmt: skip
    assert key not in json.dumps(lines)


@pytest.mark.parametrize("change", [
    {}, {"quota": 0}, {"quota": -1}, {"quota": "5"}, {"quota": True}, {"quota": 1_000_001}, {"quota": 1e400},
    {"quota": float("nan")}, {"quota": [5]}, {"origins": "https://a.example"}, {"origins": [5]},
    {"origins": ["https://a.example/"]}, {"origins": [f"https://a{n}.example" for n in range(51)]},
    {"quota": 5, "origin": ["https://a.example"]},
])  # fmt: skip
async def test_limits_that_are_none(site: Site, change: dict[str, Any]) -> None:
    answer = await site.call("PATCH", f"{V1}/keys/{site.key}", change)
    assert answer.status == 400
    assert "\n" not in answer.json["detail"]
    assert await _limits(site, site.key) == (None, [])
    if change:
        made = {"project": "default", "app": "a", **change}
        assert (await site.call("POST", f"{V1}/keys", made)).status == 400
    assert (await site.call("GET", f"{V1}/audit")).json["audit"] == []


async def test_limits_of_a_key_that_is_not_there(site: Site) -> None:
    assert (await site.call("PATCH", f"{V1}/keys/nobody", {"quota": 5})).status == 404
