from typing import Any

import pytest

from collector.alert import Audience, Event, Severity
from collector.notify.chosen import (
    AlertmanagerConfig,
    ChannelConfig,
    PagerDutyConfig,
    SlackConfig,
)
from collector.notify.wants import blind_channels, is_page_channel, owed, wants
from collector.store.outbox import Owed
from tests.notify.making import alert

TICKET, PAGE = Severity.TICKET, Severity.PAGE
SECURITY = Audience.SECURITY


@pytest.mark.parametrize(
    ("config", "told", "environment", "expected"),
    [
        ({}, {}, "production", True),
        ({}, {"severity": TICKET}, "production", True),
        ({"min_severity": PAGE}, {}, "production", True),
        ({"min_severity": PAGE}, {"severity": TICKET}, "production", False),
        ({"audience": SECURITY}, {}, "production", False),
        ({"audience": SECURITY}, {"audience": SECURITY}, "production", True),
        ({}, {"audience": SECURITY}, "production", True),
        ({}, {}, "staging", False),
        ({"environments": frozenset({"staging"})}, {}, "staging", True),
        ({"hosts": ("*.example.com",)}, {}, "production", True),
        ({"hosts": ("*.example.com",)}, {"host": "example.com"}, "production", False),
        ({"hosts": ("a.example", "b.example")}, {"host": "b.example"}, "production", True),
    ],
)
def test_wants(
    config: dict[str, Any], told: dict[str, Any], environment: str, expected: bool
) -> None:
    assert wants(ChannelConfig(name="c", **config), alert(**told), environment) is expected


SLACK = SlackConfig(name="slack", url="u")
PHONE = SlackConfig(name="phone", url="u", min_severity=PAGE)
PAGER = PagerDutyConfig(name="pager", routing_key="k")
AM = AlertmanagerConfig(name="am", url="u", min_severity=PAGE)
ALL = (SLACK, PHONE, PAGER, AM)


def test_page_channels() -> None:
    assert [config.name for config in ALL if is_page_channel(config)] == ["phone", "pager"]
    assert blind_channels(ALL) == [PHONE, PAGER]
    assert blind_channels([SLACK, AM]) == [SLACK, AM]


@pytest.mark.parametrize(
    ("severity", "event", "told", "expected"),
    [
        (PAGE, Event.FIRED, [], [Owed("slack"), Owed("phone", joins=True),
                                 Owed("pager", joins=True, keyed=True), Owed("am")]),
        (TICKET, Event.FIRED, [], [Owed("slack")]),
        (PAGE, Event.BECAME_PAGE, ["slack"], [Owed("slack"), Owed("phone", joins=True),
                                              Owed("pager", joins=True, keyed=True), Owed("am")]),
        (PAGE, Event.CAUSE_CHANGED, ["slack", "am"], [Owed("slack"), Owed("am")]),
        (PAGE, Event.RESOLVED, [], []),
        (TICKET, Event.RESOLVED, ["pager"], [Owed("pager", keyed=True)]),
        (PAGE, Event.ACKNOWLEDGED, ["slack", "pager", "am"],
         [Owed("pager", joins=True, keyed=True)]),
        (PAGE, Event.RESOLVED, ["gone"], []),
    ],
)  # fmt: skip
def test_owed(severity: Severity, event: Event, told: list[str], expected: list[Owed]) -> None:
    assert owed(ALL, alert(severity=severity), event, told) == expected
