"""Asking the operator listener: every page and query that there is, and how long each takes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from bench import proc
from bench.database import PROJECT
from bench.mix import HOSTS
from bench.stats import percentile

TIMES = 20
PATIENCE = 60.0  # seconds for one answer
_LONG = 4.0  # seconds for one place from which on it is asked fewer times: at least three
_EACH = ("/hosts/", "/signatures/", "/alerts/")  # a page each: one of them is asked
_LINK = re.compile(r'href="(/[^"#?]*)["#?]')


@dataclass(frozen=True, slots=True)
class Asked:
    """One place at one size. Times and cpu (collector and Postgres) in ms an answer. median: None
    where no answer came in time. foreign: cores that others used meanwhile."""

    path: str
    rows: int
    times: int
    median: float | None
    p95: float | None
    bytes: int
    cpu: float
    foreign: float = 0.0


class Site:
    """The operator listener of a running collector."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """(status, body). Raises OSError where none comes."""
        request = urllib.request.Request(self._base + path, headers={"Accept": "*/*"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def places(self) -> list[str]:
        """Every page and query there is, with and without filters."""
        found = ["/", "/setup", "/metrics", "/readyz"]
        found += self._linked()
        document = json.loads(self.get("/api/v1/openapi.json")[1])
        base: str = document.get("servers", [{}])[0].get("url", "").rstrip("/")
        paths: dict[str, Any] = document["paths"]
        found += [base + p for p, m in paths.items() if "get" in m and "{" not in p]
        found += [f"/api/v1/violations?{urlencode(filters)}" for filters in self._filters()]
        for query in (f"host={HOSTS[3]}", "limit=1000"):
            found.append(f"/api/v1/signatures?{query}")
        listed = json.loads(self.get("/api/v1/violations?limit=1")[1])
        chain = _first(listed, "validated_chain")
        if chain:
            found.append(f"/api/v1/chains/{chain}")
        certificate = _first(json.loads(self.get("/api/v1/certificates?limit=1")[1]), "sha256")
        if certificate:
            found.append(f"/api/v1/certificates/{certificate}")
        unlike = [p for p in dict.fromkeys(found) if not p.startswith(("/static", "/sign-"))]
        return [p for p in unlike if self.get(p)[0] == 200]

    def _linked(self) -> list[str]:
        """Pages that the overview links to; of hosts, signatures and alerts the first of each, as a week
        and as a month."""
        found: dict[str, str] = {}
        for link in _LINK.findall(self.get("/")[1].decode()):
            kind = next((kind for kind in _EACH if link.startswith(kind)), link)
            found.setdefault(kind, link)
        host = found.get("/hosts/")
        return [*found.values(), *([f"{host}?days=30"] if host else [])]

    def _filters(self) -> list[dict[str, object]]:
        week = (datetime.now(UTC) - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found: list[dict[str, object]] = [
            {"limit": 1000},
            {"host": HOSTS[0]},
            {"project": PROJECT, "host": HOSTS[5], "kind": "chain_untrusted"},
            {"app_version": "8.23.2"},
            {"app_version": "1.0.0"},  # nobody has it: what is looked through is all there is
            {"platform": "IOS", "until": week},
            {"since": week, "dialect": "okhttp-message"},
        ]
        signatures = json.loads(self.get("/api/v1/signatures?limit=1")[1])
        if signature := _first(signatures, "id"):
            found.append({"signature": signature})
        page = json.loads(self.get("/api/v1/violations?limit=1000")[1])
        if isinstance(page, dict) and page.get("next"):
            found.append({"limit": 1000, "after": page["next"]})
        return found


def _first(told: Any, field: str) -> str | None:
    """A field of the first object of a list, wherever the list is."""
    lists = [told] if isinstance(told, list) else [v for v in told.values() if isinstance(v, list)]
    for some in lists:
        if some and isinstance(some[0], dict) and isinstance(some[0].get(field), str):
            value: str = some[0][field]
            return value
    return None


def _cpu(*roots: int) -> float:
    return proc.cpu_seconds(proc.descendants(*roots))


def _foreign() -> float:
    return proc.busy_seconds()[0] - _cpu(os.getpid())


@dataclass(slots=True)
class _Times:
    """What one place cost at one size, so far."""

    took: list[float] = field(default_factory=list)
    size: int = 0
    cpu: float = 0.0


def ask(sizes: Mapping[int, tuple[Site, Sequence[int]]], path: str) -> list[Asked]:
    """By number of rows: a site, and whose CPU it costs. They are asked in turns, so that what the machine
    does meanwhile is the same for each."""
    found = {rows: _Times() for rows in sizes}
    others, start = _foreign(), time.perf_counter()
    answering = []  # who does not, once, is not asked again
    for rows, (site, _) in sizes.items():
        with contextlib.suppress(OSError):
            site.get(path)  # the first reads from disk what later ones find in memory
            answering.append(rows)
    for turn in range(TIMES):
        if turn >= 3 and sum(sum(times.took) for times in found.values()) > _LONG * 1000:
            break
        for rows in answering[:: 1 if turn % 2 else -1]:
            site, roots = sizes[rows]
            before, began = _cpu(*roots), time.perf_counter()
            try:
                found[rows].size = len(site.get(path)[1])
            except OSError:
                answering = [other for other in answering if other != rows]
                continue
            found[rows].took.append(1000 * (time.perf_counter() - began))
            found[rows].cpu += 1000 * (_cpu(*roots) - before)
    foreign = max(_foreign() - others, 0.0) / (time.perf_counter() - start)
    return [_asked(path, rows, times, foreign) for rows, times in found.items()]


def _asked(path: str, rows: int, told: _Times, foreign: float) -> Asked:
    took = told.took
    if not took:
        return Asked(path, rows, 0, None, None, 0, 0.0)
    return Asked(
        path, rows, len(took), statistics.median(took), percentile(took, 0.95), told.size,
        told.cpu / len(took), foreign,
    )  # fmt: skip
