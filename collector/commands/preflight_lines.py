"""A judgement of preflight for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.web.shown import shown

_MOST = 30  # parts that are shown
_WORDS = {
    "breaks": "BREAKS",
    "unknown": "UNKNOWN",
    "pinning_off": "not pinning",
    "accepts": "accepts",
}
_WHEN = (("now", "now"), ("after_24h", "24 h"), ("after_48h", "48 h"), ("after_a_week", "a week"))


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """All of it is made safe for a terminal: names come from files and from reports."""
    yield f"{shown(told['host'])} at {told['at']}: {shown(told['verdict'])}"
    for place in told["chain"]:
        until = f"until {place['not_after'][:10]}" if place["not_after"] else ""
        kind = place["role"] if place["sent"] else "root, not sent"
        yield f"  {kind:14} {place['pin']}  {shown(place['subject'], 80)}  {until}".rstrip()
    for note in told["notes"]:
        yield f"  note: {shown(note)}"
    for part in told["parts"][:_MOST]:
        yield from _part(part)
    left = len(told["parts"]) - _MOST + told["parts_left_out"]
    if left > 0:
        yield f"  and {left} more, of which none is worse: --json has them"
    breaks = told["totals"]["breaks"]
    if breaks["now"] is not None:
        yield f"would break, of all: {_over_time(breaks)}"
    for basis in told["basis"]:
        yield f"  by {shown(basis['text'])}"
    if told["steps"]:
        yield "what to do, in this order:"
        for number, step in enumerate(told["steps"], 1):
            yield f"  {number}. {shown(step, 600)}"


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    who = " ".join(shown(part[key], 80) for key in ("app", "platform") if part[key]) or "any app"
    share = _over_time(part["shares"])
    yield f"  {_WORDS.get(part['outcome'], '?'):12} {who} {_versions(part)}{': ' if share else ''}{share}"
    if part["held"] and part["outcome"] == "accepts":
        for held in part["held"][:3]:
            condition = f", {shown(held['condition'])}" if held["condition"] else ""
            yield f"  {'':12} by {held['pin']} of the {held['role']}{condition}"
    elif part["reason"]:
        source = f" ({shown(part['source'], 80)})" if part["source"] else ""
        yield f"  {'':12} {shown(part['reason'])}{source}"
    for hint in part["learned"][:3]:
        yield f"  {'':12} {shown(hint)}"


def _versions(part: Mapping[str, Any]) -> str:
    first, last = part["version_from"], part["version_to"]
    if first is None and last is None and part["pins"]:
        return "any version"
    if part["pins"] or first or last:
        if first == last:
            return shown(first, 40)
        return f"{shown(first or 'first', 40)} to {shown(last or 'newest', 40)}"
    named = [shown(version, 40) or "a version not told" for version in part["versions"][-5:]]
    left = part["versions_in_all"] - len(named)
    return ", ".join(named) + (f" and {left} older" if left else "")


def _over_time(shares: Mapping[str, str | None]) -> str:
    told = [f"{word} {shares[name]}" for name, word in _WHEN if shares[name] is not None]
    return ", ".join(told)
