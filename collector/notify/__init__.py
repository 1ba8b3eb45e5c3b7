"""Channels: ways to reach people."""
