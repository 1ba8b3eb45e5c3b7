"""Sightings: the raw material of counting affected installs."""

from __future__ import annotations

from datetime import datetime

from collector.store.chunks import Sweep


def forget_before(at: datetime) -> Sweep:
    return Sweep("sighting", "received_at < $1", at)
