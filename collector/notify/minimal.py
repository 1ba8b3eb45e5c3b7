"""What is left of an alert for a receiver that refused the whole: our own words and numbers; pure."""

from __future__ import annotations

import re
from dataclasses import replace

from collector.alert import Acknowledged, Alert, Cause, Links, Message, Reach, Turn, affected
from collector.notify import texts

_NAME = re.compile(r"[a-z_]{1,40}")  # of causes and kinds
_HOST = re.compile(r"[a-z0-9._:-]{1,253}")  # an A-label or an address: admitted ones are ours
_STEP = "Open the alert in Pinfall: the receiver of this message did not take the whole of it."


def minimal(message: Message) -> Message:
    """Of the same id and thread: to its receiver it is the same message."""
    return replace(message, alert=reduced(message.alert))


def reduced(alert: Alert) -> Alert:
    """Without a word of reports: no versions, apps, chain, pins or evidence, and none of people's."""
    host = alert.host if _HOST.fullmatch(alert.host) else ""
    reach, ack, turn = alert.reach, alert.acknowledged, alert.rotation
    label = alert.cause.label if _NAME.fullmatch(alert.cause.label) else "unknown"
    what = alert.kind.replace("_", " ") + (f" at {host}" if host else "")
    if reach.installs:
        what += f", {affected(reach.installs, reach.networks)}"
    return replace(
        alert,
        acknowledged=Acknowledged("an operator", ack.at) if ack else None,
        host=host,
        apps=(),
        summary=f"{what}, since {texts.time(alert.started_at)}",
        cause=Cause(label, alert.cause.confidence),
        reach=Reach(
            installs=reach.installs,
            networks=reach.networks,
            expected=reach.expected,
            share=reach.share,
        ),
        chain=(),
        pins=(),
        rotation=Turn(turn.at, turn.state, turn.sources) if turn else None,
        next_steps=(_STEP,),
        links=Links(page=alert.links.page),
    )
