import json
from dataclasses import replace
from datetime import datetime

import pytest

from collector.alert import Acknowledged, Alert, State, affected, from_json, to_json, to_text
from collector.errors import PinfallError
from tests.make import NOON
from tests.notify.making import alert

# The contract, word for word.
KEYS = [
    "schema", "id", "kind", "severity", "audience", "state",
    "acknowledged", "silenced_until", "project", "host", "apps", "started_at",
    "updated_at", "ended_at", "summary", "cause", "reach", "chain",
    "pins", "rotation", "next_steps", "links", "dedup_key",
]  # fmt: skip


def test_names_are_the_contract() -> None:
    told = json.loads(json.dumps(to_json(alert(acknowledged=Acknowledged("ada", NOON)))))
    assert list(told) == KEYS
    assert told["schema"] == "pinfall.alert/1"
    assert told["acknowledged"] == {"by": "ada", "at": "2026-11-20T12:00:00Z"}
    assert list(told["cause"]) == ["label", "confidence", "evidence"]
    assert list(told["cause"]["evidence"][0]) == ["fact", "value"]
    assert list(told["reach"]) == [
        "installs", "networks", "expected", "share", "app_versions", "platforms",
    ]  # fmt: skip
    assert list(told["chain"][0]) == ["role", "subject", "pin", "not_after"]
    assert list(told["links"]) == ["page", "runbook"]


@pytest.mark.parametrize("told", [alert(), alert(state=State.RESOLVED, rotation=None)])
def test_there_and_back(told: Alert) -> None:
    assert from_json(to_json(told)) == told
    assert from_json(to_text(told)) == told


def test_a_later_version_may_say_more() -> None:
    assert from_json({**to_json(alert()), "weather": "fine"}) == alert()


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "pinfall.alert/2"},
        {"severity": "sms"},
        {"reach": {"installs": "hunter2"}},
        {"started_at": "hunter2"},
        {"started_at": "2026-11-20T12:00:00"},
        {"state": "resolved"},
    ],
)
def test_what_is_none_is_one_line_without_values(wrong: dict[str, object]) -> None:
    with pytest.raises(PinfallError, match="not an alert") as caught:
        from_json({**to_json(alert()), **wrong})
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_postgres_cannot_hold_is_replaced() -> None:
    told = from_json(to_text(alert(summary="a\x00b\ud800c")))
    assert told.summary == "a\ufffdb\ufffdc"


def test_an_alert_without_an_end_is_not_resolved() -> None:
    with pytest.raises(ValueError, match="end"):
        replace(alert(), ended_at=NOON)
    with pytest.raises(ValueError, match="time zone"):
        alert(updated_at=datetime(2026, 1, 1))


def test_networks_of_a_storm_are_at_least_so_many() -> None:
    assert affected(5000, 17) == "5000 installs on 17 networks"
    assert affected(5001, 17) == "5001 installs on at least 17 networks"
