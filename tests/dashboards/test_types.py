"""Dashboards against Grafana's own types, by the real TypeScript compiler.

Types and compiler come from npm, once, into the directory of temporary files. Without npm, or without a
network, these tests skip and say so.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dashboards.source.__main__ import BOARDS
from tests.tools import needs

PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
_WAIT = 180.0  # seconds
#: JSON holds the value of an enum, not its name. Beside what is in Grafana's types stands what plugins add
#: to them: Prometheus to annotations, Grafana's own editor to variables. Options that are left out get
#: the defaults of their panel.
TYPES = """
import type { AnnotationQuery, Dashboard, DataQuery, VariableModel } from '@grafana/schema';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries
  from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Plain<T> = T extends string ? `${T}` : T extends number ? T
  : T extends (infer Item)[] ? Plain<Item>[]
  : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;
type Annotation = Plain<AnnotationQuery> & {
  expr: string; step: string; useValueForTime: 'on'; titleFormat: string; textFormat: string; tagKeys: string;
};
type Variable = Plain<VariableModel> & { definition?: string };
type Target = Plain<DataQuery> & {
  expr: string; legendFormat: string; instant: boolean; range: boolean;
  format: 'table' | 'time_series'; editorMode: 'code';
};
export type Board = Omit<Plain<Dashboard>, 'annotations' | 'templating'> & {
  annotations: { list: Annotation[] }; templating: { list: Variable[] };
};
export type Targets = Target[];
export interface Options {
  stat: Partial<Plain<stat.Options>>;
  table: Partial<Plain<table.Options>>;
  timeseries: Partial<Plain<timeseries.Options>>;
}
export interface Custom { stat: never; table: never; timeseries: Plain<timeseries.FieldConfig> }
"""


@cache
def compiler() -> Path:
    """A directory with types and compiler in its node_modules."""
    npm = needs("npm")
    name = "-".join(package.rpartition("@")[2] for package in PACKAGES)
    place = Path(tempfile.gettempdir()) / f"pinfall-types-{os.getuid()}-{name}"
    if place.is_dir() and place.stat().st_uid == os.getuid():
        return place
    making = Path(tempfile.mkdtemp(prefix="pinfall-types-"))
    command = [
        npm, "install", "--prefix", str(making), "--ignore-scripts", "--no-audit", "--no-fund",
        "--fetch-retries=1", "--fetch-timeout=20000", *PACKAGES,
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WAIT)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        shutil.rmtree(making, ignore_errors=True)
        told = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        pytest.skip(f"npm could not fetch Grafana's types: {told[0] if told else error}")
    try:
        making.rename(place)
    except OSError:  # somebody else was faster
        return making
    return place


def _source(made: dict[str, Any]) -> str:
    lines = ["import type { Board, Custom, Options, Targets } from './types';"]
    lines.append(f"export const board: Board = {json.dumps(made, indent=1)};")
    for panel in made["panels"]:
        if panel["type"] == "row":
            continue
        kind, name = panel["type"], f"{panel['type']}_{panel['id']}"
        lines.append(
            f"export const {name}: Options['{kind}'] = {json.dumps(panel['options'], indent=1)};"
        )
        lines.append(f"export const {name}_targets: Targets = {json.dumps(panel['targets'])};")
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            lines.append(
                f"export const {name}_custom: Custom['{kind}'] = {json.dumps(custom, indent=1)};"
            )
    return "\n".join(lines)


def complaints(boards: dict[str, dict[str, Any]], directory: Path) -> str:
    """What the compiler says, a mistake a line; files are named like the boards."""
    tools = compiler()
    (directory / "node_modules").symlink_to(tools / "node_modules")
    (directory / "types.ts").write_text(TYPES)
    for name, made in boards.items():
        (directory / f"{name}.ts").write_text(_source(made))
    command = [
        "node", str(tools / "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck",
        "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--pretty", "false",
        *(f"{name}.ts" for name in boards),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=_WAIT
    )
    assert done.returncode == 0 or "error TS" in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_dashboards_are_of_grafanas_types(tmp_path: Path) -> None:
    assert complaints({board.uid: board.json() for board in BOARDS}, tmp_path) == ""


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        node: Any = made
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = to

    return change


FAULTS = {
    "height": _set("panels", 0, "gridPos", "h", to="8"),
    "refresh": _set("refresh", to=60),
    "colour": _set("panels", 0, "fieldConfig", "defaults", "color", "mode", to="rainbow"),
    "thresholds": _set("panels", 0, "fieldConfig", "defaults", "thresholds", "mode", to="relative"),
    "stacking": _set("panels", 7, "fieldConfig", "defaults", "custom", "stacking", "mode", to="high"),
    "options": _set("panels", 0, "options", "colorMode", to="foreground"),
    "unknown": _set("panels", 0, "options", "colourMode", to="value"),
    "variable": _set("templating", "list", 1, "refresh", to="always"),
    "link": _set("links", 0, "tags", to="pinfall"),
    "target": _set("panels", 0, "targets", 0, "format", to="graph"),
}  # fmt: skip


def test_mistakes_are_found(tmp_path: Path) -> None:
    """Each of these, in a dashboard that is right otherwise."""
    (overview,) = (board.json() for board in BOARDS if board.uid == "pinfall-overview")
    assert overview["panels"][7]["type"] == "timeseries"
    wrong = {}
    for name, fault in FAULTS.items():
        wrong[name] = copy.deepcopy(overview)
        fault(wrong[name])
    told = complaints(wrong, tmp_path)
    assert {line.partition(".ts(")[0] for line in told.splitlines() if ".ts(" in line} == set(wrong)
