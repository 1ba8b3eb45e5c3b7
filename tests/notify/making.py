"""Alerts for tests."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from collector.alert import (
    Alert,
    Audience,
    Cause,
    Event,
    Fact,
    Link,
    Links,
    Message,
    Reach,
    Severity,
    State,
    Turn,
)
from tests.make import NOON, PIN_A, PIN_B


def alert(**chosen: Any) -> Alert:
    """A botched rotation of api.example.com; a resolved one ended an hour later."""
    made = Alert(
        id="a1",
        kind="pin_failures",
        severity=Severity.PAGE,
        audience=Audience.ONCALL,
        state=State.FIRING,
        project="default",
        host="api.example.com",
        apps=("wallet",),
        started_at=NOON,
        updated_at=NOON + timedelta(minutes=2),
        summary="api.example.com: 42 installs of wallet reject our own new leaf",
        cause=Cause("own_rotation", 0.93, (Fact("onset", "4 min after the rotation"),)),
        reach=Reach(
            installs=42,
            networks=17,
            expected=0.4,
            share=0.031,
            app_versions=("4.2.0", "4.1.9"),
            platforms=("IOS",),
        ),
        chain=(Link("leaf", "CN=api.example.com", f"sha256/{PIN_A}", NOON + timedelta(days=80)),),
        pins=(f"sha256/{PIN_B}",),
        rotation=Turn(NOON - timedelta(minutes=4), "done", ("declared", "probed")),
        next_steps=("Serve the old leaf again until 4.3.0 is out.",),
        links=Links("https://pinfall.example/alerts/a1", "https://wiki.example/pins"),
        dedup_key="pinfall/a1",
    )
    if chosen.get("state") is State.RESOLVED:
        chosen.setdefault("ended_at", NOON + timedelta(hours=1))
    if "id" in chosen:
        chosen.setdefault("dedup_key", f"pinfall/{chosen['id']}")
    return replace(made, **chosen)


def message(event: Event = Event.FIRED, of: Alert | None = None, **chosen: Any) -> Message:
    told = of or alert(**({"state": State.RESOLVED} if event is Event.RESOLVED else {}))
    return replace(Message("7", event, told, told.dedup_key), **chosen)
