"""What the fuzzer found, each in its smallest form."""

import json
from typing import Any

import pytest

from collector.store.rows import details
from tests.fuzz.invariants import storable
from tests.make import nel, neutral, read, row, trustkit_ios


@pytest.mark.parametrize("zone", ["eth0", "x" * 500, "\x00", "\ud800"])
@pytest.mark.parametrize("report", [neutral(network={"server_ip": "?"}), nel(server_ip="?")])
def test_a_zone_is_no_part_of_an_address(report: dict[str, Any], zone: str) -> None:
    """The library takes any text for a zone: also one that Postgres does not store."""
    sent = json.loads(json.dumps(report).replace('"?"', json.dumps(f"fe80::1%{zone}")))
    violation = read(sent)
    assert violation.server_ip == "fe80::1"
    storable(json.loads(details(violation)))


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(
            trustkit_ios(validated_certificate_chain=[{"pem": "x", "place": 0}]),
            id="an object for a certificate",
        ),
        pytest.param(
            {"host": "a.b", "message": "Pin verification failed", "appVersion": "1", "app_version": "2"},
            id="two spellings of a key",
        ),
        pytest.param(
            {"host": "a.b", "message": "Pin verification failed", "appVersion": "1", "data": {"appVersion": "2"}},
            id="a key here and further down",
        ),
        pytest.param(
            {"host": "a.b", "message": "Pin verification failed", "app": {"version": "1"}, "appversion": "2"},
            id="a key and a pair of keys",
        ),
        pytest.param(
            nel("ok", **{f"k{i:02}": f"{i:02}" * 100 for i in range(40)}), id="more than is kept"
        ),
        pytest.param(nel("ok", odd={f"k{i:02}": i for i in range(60)}), id="more keys than are kept"),
    ],
)  # fmt: skip
def test_the_order_of_keys_is_no_part_of_an_identity(report: dict[str, Any]) -> None:
    assert row(report).delivery == row(_turned(report)).delivery


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _turned(inner) for key, inner in reversed(value.items())}
    return [_turned(inner) for inner in value] if isinstance(value, list) else value
