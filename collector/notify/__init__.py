"""Channels: ways to reach people."""

from collector.notify.channel import Channel

__all__ = ["Channel"]
