"""Dashboards: written by the source beside them, PromQL that parses, metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import promql_parser
import pytest
import yaml

from collector.metrics import Metrics
from dashboards.source.__main__ import BOARDS, PLACE, texts
from dashboards.source.panels import COLUMNS

RULES = PLACE.parent / "prometheus"
#: As a person would have chosen.
CHOSEN = {
    "$project": "wallet", "$host": "api.example.com", "$instance": "a", "$rotation": "1764000000",
    "$__rate_interval": "5m", "${pages}": "http://localhost:8081",
}  # fmt: skip
#: As Grafana has it of a series or a row.
LABELS = {
    "${__data.fields.Project}": "wallet", "${__field.labels.project}": "wallet",
    "${__value.raw}": "api.example.com", "${__field.labels.host}": "api.example.com",
}  # fmt: skip
_NAMES = re.compile(r"\bpinfall(?:_|:)[a-z0-9_:]+")


def filled(expr: str) -> str:
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    return expr


def queries() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of all panels, annotations and variables."""
    for board in BOARDS:
        made: dict[str, Any] = board.json()
        for panel in made["panels"]:
            for target in panel.get("targets", ()):
                yield f"{board.uid}: {panel['title']} {target['refId']}", target["expr"]
        for annotation in made["annotations"]["list"]:
            yield f"{board.uid}: rotations", annotation["expr"]
        for variable in board.variables:
            inside = re.fullmatch(
                r"(?:label_values|query_result)\((.*?)(?:, \w+)?\)", variable.query
            )
            assert inside, variable.query
            yield f"{board.uid}: variable {variable.name}", inside[1]


ALL = list(queries())


def registered() -> set[str]:
    """Names of series that this code can export."""
    found = set()
    for metric in Metrics().registry.collect():
        found |= {metric.name, metric.name + "_total", metric.name + "_bucket"}
    return found


def recorded() -> set[str]:
    told = yaml.safe_load((RULES / "recording.yml").read_text())
    return {rule["record"] for group in told["groups"] for rule in group["rules"]}


def test_files_are_what_the_source_writes() -> None:
    assert texts() == {path.name: path.read_text() for path in PLACE.glob("*.json")}


@pytest.mark.parametrize(("where", "expr"), ALL, ids=[where for where, _ in ALL])
def test_every_query_parses(where: str, expr: str) -> None:
    assert "$" not in filled(expr), where
    promql_parser.parse(filled(expr))


def test_every_name_exists() -> None:
    asked = {name for _, expr in ALL for name in _NAMES.findall(expr)}
    for path in (RULES / "recording.yml", RULES / "alerts.yml"):
        told = yaml.safe_load(path.read_text())
        for group in told["groups"]:
            for rule in group["rules"]:
                asked |= set(_NAMES.findall(rule["expr"]))
    assert asked - registered() - recorded() == set()


def test_every_metric_is_on_a_dashboard() -> None:
    asked = {name for _, expr in ALL for name in _NAMES.findall(expr)}
    for path in (RULES / "recording.yml", RULES / "alerts.yml"):
        asked |= set(_NAMES.findall(path.read_text()))
    for metric in Metrics().registry.collect():
        names = {metric.name, metric.name + "_total", metric.name + "_bucket"}
        assert names & asked, metric.name


@pytest.mark.parametrize("board", BOARDS, ids=[board.uid for board in BOARDS])
def test_panels_are_described_and_do_not_overlap(board: Any) -> None:
    made = board.json()
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    taken = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, panel["title"]
                taken.add((x, y))
        if panel["type"] != "row":
            assert len(panel["description"]) > 20, panel["title"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["links"], panel["title"]


def test_links_lead_to_pages_and_dashboards_that_there_are() -> None:
    uids = {board.uid for board in BOARDS}
    routes = {"/", "/alerts", "/pins", "/rotations", "/hosts/wallet/api.example.com"}
    for text in texts().values():
        for found in re.findall(r'"url": "([^"]+)"', text):
            url = found
            for name, value in LABELS.items():
                url = url.replace(name, value)
            url = urlsplit(filled(url))
            assert "$" not in url.geturl(), found
            if url.path.startswith("/d/"):
                assert url.path.removeprefix("/d/") in uids, found
            else:
                assert f"{url.scheme}://{url.netloc}" == CHOSEN["${pages}"], found
                assert (url.path or "/") in routes, found


def test_the_review_is_of_a_rotation_that_was_chosen() -> None:
    (board,) = (board for board in BOARDS if board.uid == "pinfall-rotation")
    made = board.json()
    (chosen,) = (v for v in made["templating"]["list"] if v["name"] == "rotation")
    assert (chosen["multi"], chosen["includeAll"], chosen["sort"]) == (
        False,
        False,
        4,
    )  # newest first
    compared = [p for p in made["panels"] if p["type"] == "stat"]
    assert compared
    for panel in compared:
        assert all("@ $rotation" in target["expr"] for target in panel["targets"])


def test_no_datasource_is_written_down() -> None:
    for text in texts().values():
        uids = {d["uid"] for d in _sources(json.loads(text))}
        assert uids == {"${datasource}"}


def _sources(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("datasource"), dict):
            yield node["datasource"]
        for value in node.values():
            yield from _sources(value)
    elif isinstance(node, list):
        for value in node:
            yield from _sources(value)
