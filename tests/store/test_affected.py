"""Affected installs of 24 h by cause: each once a host and cause, however often and in whatever class."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import sha256

import asyncpg

from collector.model import ProjectId
from collector.store import affected, hosts, projects
from tests.make import NOON

HOST, OTHER = "api.example.com", "cdn.example.com"


def _hash(what: str, size: int = 16) -> bytes:
    return sha256(what.encode()).digest()[:size]


async def _project(connection: asyncpg.Connection, name: str = "wallet") -> ProjectId:
    project = await projects.add(connection, name, [], NOON)
    await hosts.register(connection, project, [HOST], NOON)
    return project


async def _signature(connection: asyncpg.Connection, name: str, label: str | None) -> None:
    await connection.execute(
        "INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations, cause)"
        " SELECT $1, id, $2, 'pin_mismatch', '[]', $3, $3, 1, $4 FROM project LIMIT 1",
        _hash(name), HOST, NOON, None if label is None else json.dumps({"label": label}),
    )  # fmt: skip


async def _count(
    connection: asyncpg.Connection, project: ProjectId, install: str, signature: str,
    at: datetime = NOON, class_: str = "self", host: str = HOST,
) -> None:  # fmt: skip
    await connection.execute(
        "INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,"
        " operator_network, signature, app, app_version, platform)"
        " VALUES ($1, $2, $3, $4, false, $5, true, $6, $6, $7, 'wallet', '1.0', 'IOS')",
        project, host, class_, _hash(install), at, _hash("network", 8), _hash(signature),
    )  # fmt: skip


async def test_an_install_counts_once_a_host_and_cause(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _signature(connection, "rotated", "own_rotation")
    await _signature(connection, "rotated too", "own_rotation")
    await _signature(connection, "not judged", None)
    await _count(connection, project, "ann", "rotated")
    await _count(connection, project, "ann", "rotated too", class_="unknown")
    await _count(connection, project, "ann", "not judged", class_="interception")
    await _count(connection, project, "ben", "rotated")
    await _count(connection, project, "cid", "of nobody any more")
    await _count(connection, project, "dan", "rotated", at=NOON - timedelta(hours=25))
    await _count(connection, project, "eve", "rotated", host=OTHER)
    assert await affected.by_cause(connection, NOON) == {
        ("wallet", HOST, "own_rotation"): 2,
        ("wallet", HOST, "unknown"): 2,
    }


async def test_what_an_operator_said_last_is_the_cause(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _signature(connection, "proxy", "own_rotation")
    await _count(connection, project, "ann", "proxy")
    for label in ("unknown", "interception"):
        await connection.execute(
            "INSERT INTO relabel (signature, label, note, at, who) VALUES ($1, $2, '', $3, 'ada')",
            _hash("proxy"), label, NOON,
        )  # fmt: skip
    assert await affected.by_cause(connection, NOON) == {("wallet", HOST, "interception"): 1}


async def test_a_forgotten_project_has_none(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _count(connection, project, "ann", "any")
    await connection.execute("UPDATE project SET forgotten_at = $1", NOON)
    assert await affected.by_cause(connection, NOON) == {}
