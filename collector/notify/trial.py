"""A test alert, sent past the outbox: whoever asks waits for what each channel says."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.alert import (
    Alert,
    Audience,
    Cause,
    Event,
    Fact,
    Message,
    Reach,
    Severity,
    State,
)
from collector.notify import texts
from collector.notify.channel import Channel
from collector.notify.sender import attempt


@dataclass(frozen=True, slots=True)
class Tried:
    """``error`` None: it was taken."""

    channel: str
    type: str
    error: str | None


def alert(now: datetime, who: str) -> Alert:
    """who: asked for it."""
    id_ = f"test-{secrets.token_hex(6)}"
    return Alert(
        id=id_,
        kind="test",
        severity=Severity.PAGE,
        audience=Audience.ONCALL,
        state=State.FIRING,
        project="test",
        host="test.example",
        started_at=now - timedelta(minutes=5),
        updated_at=now,
        summary="this is a test of Pinfall, nothing is wrong",
        cause=Cause("test_traffic", 1.0, (Fact(texts.ASKED_BY, who),)),
        reach=Reach(installs=0, networks=0, expected=0),
        next_steps=("Close it.",),
        dedup_key=f"pinfall/{id_}",
    )


async def tried(channels: Sequence[Channel], told: Alert) -> list[Tried]:
    """All at once, in the order of the channels."""
    message = Message(told.id, Event.TEST, told, told.dedup_key)
    failures = await asyncio.gather(*(attempt(channel, message) for channel in channels))
    return [
        Tried(channel.config.name, channel.config.type, str(failure) if failure else None)
        for channel, failure in zip(channels, failures, strict=True)
    ]
