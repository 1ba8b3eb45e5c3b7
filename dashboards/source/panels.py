"""Panels, variables and dashboards as Grafana reads them (schema of Grafana 10 and newer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
TAGS = ["pinfall"]
COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Query:
    """legend: as Grafana's legendFormat. instant: now only, as tables and single numbers need."""

    expr: str
    legend: str = ""
    instant: bool = False

    def target(self, place: int, *, table: bool) -> Json:
        return {
            "datasource": SOURCE,
            "refId": chr(ord("A") + place),
            "expr": self.expr,
            "legendFormat": self.legend or "__auto",
            "instant": self.instant,
            "range": not self.instant,
            "format": "table" if table else "time_series",
            "editorMode": "code",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """kind: timeseries, stat, table or row. steps: (from, colour); the first has no lower end."""

    title: str
    kind: str = "timeseries"
    says: str = ""
    queries: Sequence[Query] = ()
    unit: str = "short"
    width: int = 12
    height: int = 8
    stacked: bool = False
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    columns: Sequence[tuple[str, str, str]] = ()  # of a table: (field, heading, unit)
    links: Sequence[tuple[str, str]] = ()  # (title, URL); else those of its dashboard
    # (field, or "" for any; title; URL): of one row or series, by its own labels
    leads: Sequence[tuple[str, str, str]] = ()
    empty: str | None = None  # what is read where there is no series

    def json(self, number: int, x: int, y: int, links: Sequence[tuple[str, str]] = ()) -> Json:
        place = {"h": 1 if self.kind == "row" else self.height, "w": self.width, "x": x, "y": y}
        if self.kind == "row":
            return {
                "id": number, "type": "row", "title": self.title, "gridPos": place, "collapsed": False,
                "panels": [],
            }  # fmt: skip
        defaults: Json = {
            "unit": self.unit,
            "min": 0,
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": at, "color": colour} for at, colour in self.steps],
            },
            "color": {"mode": "thresholds" if self.kind != "timeseries" else "palette-classic"},
        }
        if self.empty is not None:
            defaults["noValue"] = self.empty
        if self.kind == "timeseries":
            defaults["custom"] = {
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if self.stacked else 5,
                "showPoints": "never", "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            }  # fmt: skip
        panel: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": SOURCE,
            "gridPos": place,
            "targets": [
                q.target(n, table=self.kind == "table") for n, q in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": defaults, "overrides": self._overrides()},
            "options": _OPTIONS[self.kind],
        }
        if self.kind == "table":
            panel["transformations"] = self._transformations()
        every = [_lead(title, url) for name, title, url in self.leads if not name]
        if every:
            defaults["links"] = every
        panel["links"] = [_link(title, url) for title, url in self.links or links]
        return panel

    def _overrides(self) -> list[Json]:
        units = [
            (heading, {"id": "unit", "value": unit}) for _, heading, unit in self.columns if unit
        ]
        named = dict.fromkeys(name for name, _, _ in self.leads if name)
        leads = [
            (name, {"id": "links", "value": [_lead(t, url) for n, t, url in self.leads if n == name]})
            for name in named
        ]  # fmt: skip
        return [
            {"matcher": {"id": "byName", "options": name}, "properties": [one]}
            for name, one in (*units, *leads)
        ]

    def _transformations(self) -> list[Json]:
        """Several queries become one row a set of labels; what nobody asked for is left out."""
        names = {name: heading for name, heading, _ in self.columns}
        return [
            {"id": "merge", "options": {}},
            {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}},
            {
                "id": "organize",
                "options": {
                    "renameByName": names,
                    "indexByName": {name: place for place, name in enumerate(names)},
                    "excludeByName": {},
                },
            },
        ]


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"],
                   "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background", "graphMode": "area", "textMode": "auto", "orientation": "auto",
        "justifyMode": "auto",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard, from the labels that there are."""

    name: str
    label: str
    query: str
    several: bool = True
    regex: str = ""
    sort: int = 1  # by name; 4: by number, largest first

    def json(self) -> Json:
        every: Json = {
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"], "selected": True},
        }
        return {
            "type": "query", "name": self.name, "label": self.label, "datasource": SOURCE,
            "query": {"query": self.query, "refId": f"variable-{self.name}"}, "definition": self.query,
            "refresh": 2, "regex": self.regex, "sort": self.sort, "hide": 0, "skipUrlSync": False,
            "multi": self.several, "includeAll": self.several, "options": [],
            **(every if self.several else {}),
        }  # fmt: skip


_DATASOURCE: Json = {
    "type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "refresh": 1,
    "hide": 0, "regex": "", "multi": False, "includeAll": False, "options": [], "skipUrlSync": False,
}  # fmt: skip
_PAGES: Json = {
    "type": "textbox", "name": "pages", "label": "Pinfall's pages", "query": "http://localhost:8081",
    "current": {"text": "http://localhost:8081", "value": "http://localhost:8081", "selected": True},
    "hide": 0, "options": [], "skipUrlSync": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """rotations: PromQL whose values are seconds at which keys changed; each is marked."""

    uid: str
    title: str
    says: str
    panels: Sequence[Panel]
    links: Sequence[tuple[str, str]]  # (title, URL) of what every panel is a part of
    variables: Sequence[Variable] = field(default=())
    rotations: str = ""
    since: str = "now-24h"

    def json(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": TAGS,
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "1m",
            "time": {"from": self.since, "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "fiscalYearStartMonth": 0,
            "liveNow": False,
            "links": _LINKS,
            "annotations": {"list": self._annotations()},
            "templating": {
                "list": [_DATASOURCE, *(v.json() for v in self.variables), _PAGES],
            },
            "panels": self._placed(),
        }

    def _annotations(self) -> list[Json]:
        if not self.rotations:
            return []
        return [
            {
                "name": "Rotations", "datasource": SOURCE, "enable": True, "hide": False,
                "iconColor": "purple", "expr": f"{self.rotations} * 1000", "useValueForTime": "on",
                "step": "60s", "titleFormat": "{{host}}: keys changed", "textFormat": "{{source}}",
                "tagKeys": "source",
            },
        ]  # fmt: skip

    def _placed(self) -> list[Json]:
        """From left to right, row by row."""
        placed, x, y, tallest = [], 0, 0, 0
        for number, panel in enumerate(self.panels, 1):
            width = COLUMNS if panel.kind == "row" else panel.width
            if x + width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            made = panel.json(number, x, y, self.links)
            made["gridPos"]["w"] = width
            placed.append(made)
            x, tallest = x + width, max(tallest, made["gridPos"]["h"])
        return placed


def _link(title: str, url: str, tooltip: str = "") -> Json:
    """To a page, in a tab of its own."""
    return {
        "type": "link", "title": title, "url": url, "asDropdown": False, "includeVars": False,
        "keepTime": False, "targetBlank": True, "icon": "doc", "tooltip": tooltip, "tags": [],
    }  # fmt: skip


def _lead(title: str, url: str) -> Json:
    return {"title": title, "url": url, "targetBlank": True}


_LINKS: list[Json] = [
    {"type": "dashboards", "title": "Pinfall", "tags": TAGS, "asDropdown": True, "includeVars": True,
     "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""},
    _link("Pages", "${pages}", "Chains, pins and evidence"),
]  # fmt: skip
