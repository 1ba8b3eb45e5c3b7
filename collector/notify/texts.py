"""An alert in words, the same in every channel. Text from reports is bounded and cannot hide or reorder
what stands beside it, nor is it anybody's link; whoever puts these words into markup escapes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from collector.alert import Alert, Event, Message, Severity, affected
from collector.detect.judgement import OWN_FACTS
from collector.detect.reported_words import one_line, reported, version

ASKED_BY = "Asked for by"  # of a test: an operator's name
_OWN = OWN_FACTS | {ASKED_BY}
_LIST = 6  # of versions and the like; then "and 3 more"
_EVIDENCE = 8
_STEPS = 5


def clean(text: object, most: int = 300) -> str:
    """One line, at most so many characters; what is not to be seen becomes a space."""
    return one_line(str(text), most)


def time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def link(url: str | None) -> str | None:
    """A web address that ends where it should, in whatever text it stands; None: it is none."""
    if url is None or not url.startswith(("https://", "http://")) or len(url) > 2000:
        return None
    return quote(url, safe=":/?#[]@!$&()*+,;=%~-._", errors="replace")


def title(message: Message, most: int = 250) -> str:
    """What happened, and to what."""
    alert = message.alert
    what = {
        Event.FIRED: "Page" if alert.severity is Severity.PAGE else "Ticket",
        Event.BECAME_PAGE: "Now a page",
        Event.CAUSE_CHANGED: "Update",
        Event.ACKNOWLEDGED: "Acknowledged",
        Event.RESOLVED: "Resolved",
        Event.TEST: "Test",
    }[message.event]
    return clean(f"{what}: {alert.summary}", most)


def facts(alert: Alert) -> list[tuple[str, str]]:
    """(name, value), what matters first, each name once; values of at most 300 characters."""
    found = [("Host", alert.host), ("Project", alert.project)]
    found.append(("Since", time(alert.started_at)))
    if alert.ended_at is not None:
        found.append(("Until", time(alert.ended_at)))
    cause = alert.cause
    found.append(("Cause", f"{cause.label.replace('_', ' ')} ({round(100 * cause.confidence)} %)"))
    found.append(("Affected", _reach(alert)))
    found.append(("Apps", _list(alert.apps, reported)))
    found.append(("App versions", _list(alert.reach.app_versions, version)))
    found.append(("Platforms", _list(alert.reach.platforms, reported)))
    if alert.rotation is not None:
        sources = _list(alert.rotation.sources)
        words = [time(alert.rotation.at), alert.rotation.state.replace("_", " "), sources]
        found.append(("Rotation", ", ".join(filter(None, [*words, alert.rotation.note]))))
    for one in cause.evidence[:_EVIDENCE]:
        own = one.fact in _OWN
        found.append((one.fact, one.value if own else reported(one.value, alert.host)))
    if alert.chain:
        leaf = alert.chain[0]
        ends = f"until {time(leaf.not_after)}" if leaf.not_after else ""
        subject = reported(leaf.subject or "", alert.host)
        found.append(("Reported leaf", ", ".join(filter(None, [leaf.pin, subject, ends]))))
    found.append(("Pins", _list(alert.pins)))
    if alert.acknowledged is not None:
        found.append(("Acknowledged", f"{alert.acknowledged.by}, {time(alert.acknowledged.at)}"))
    told: dict[str, str] = {}
    for name, value in found:
        shown = clean(value)
        if shown:
            told.setdefault(clean(name, 60), shown)
    return [*told.items()]


def steps(alert: Alert) -> list[str]:
    return [told for told in (clean(step, 500) for step in alert.next_steps[:_STEPS]) if told]


def links(alert: Alert) -> list[tuple[str, str]]:
    """(words, address)"""
    told = (("Open the alert", alert.links.page), ("Runbook", alert.links.runbook))
    return [(words, url) for words, address in told if (url := link(address)) is not None]


def _reach(alert: Alert) -> str:
    reach = alert.reach
    told = f"{affected(reach.installs, reach.networks)}, {reach.expected:.3g} expected"
    return told if reach.share is None else f"{told}, {100 * reach.share:.3g} % of all"


def _list(values: Sequence[str], told_as: Callable[[str], str] = clean) -> str:
    more = len(values) - _LIST
    told = ", ".join(told_as(value) for value in values[:_LIST])
    return f"{told} and {more} more" if more > 0 else told
