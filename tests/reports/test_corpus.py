"""Agreement with ground truth that lies beside a development checkout; skipped elsewhere."""

import csv
import json
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from collector.errors import ReportError
from collector.model import Violation
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.reports.line import violation_as_json
from tests.tools import corpus

# What the neutral and natural payloads say, and the ground truth leaves open with null.
LEFT_OPEN = {"client_time_raw", "platform", "sdk_version", "os_version"}


@cache
def truth() -> dict[str, dict[str, Any]]:
    lines = (corpus() / "EXPECTED.jsonl").read_text().splitlines()
    return {told["file"]: told for told in map(json.loads, lines)}


@cache
def meta() -> dict[str, dict[str, Any]]:
    with (corpus() / "MANIFEST.tsv").open() as file:
        return {
            row["file"]: json.loads(row["request_meta"])
            for row in csv.DictReader(file, delimiter="\t")
        }


def got(file: str) -> list[dict[str, Any]]:
    told = meta().get(file, {})
    received = told.get("received_at")
    hints = Hints(datetime.fromisoformat(received) if received else None, told.get("user-agent"))
    try:
        items = read_body((corpus() / file).read_bytes(), hints)
    except ReportError:
        return []
    return [violation_as_json(item) for item in items if isinstance(item, Violation)]


def same(key: str, ours: Any, theirs: Any, *, generic: bool) -> bool:
    if key.startswith("known_pins"):
        return set(ours or []) == set(theirs)
    if key == "install_id" and ours and theirs:
        return bool(ours.lower() == theirs.lower())
    if theirs is None and (key == "os_version" or (generic and key in LEFT_OPEN)):
        return True
    return bool(ours == theirs)


def test_every_payload() -> None:
    wrong = []
    checked = 0
    for file, told in truth().items():
        checked += 1
        ours = got(file)
        if told["accept"] == "reject":
            wrong += [f"{file}: accepted"] if ours else []
            continue
        if told["accept"] == "accept_lenient_or_reject":
            continue
        if len(ours) != len(told["reports"]):
            wrong.append(f"{file}: {len(ours)} reports")
            continue
        for mine, theirs in zip(ours, told["reports"], strict=True):
            wrong += [
                f"{file}: {key}: {mine.get(key)!r}, not {value!r}"
                for key, value in theirs.items()
                if key != "report_enforced_unknown"
                and not same(key, mine.get(key), value, generic=told["format"] == "generic")
            ]
    assert wrong == []
    assert checked == 46


def test_real_messages_of_okhttp_4_12() -> None:
    for path in sorted((corpus() / "okhttp-4.12.0").glob("*.txt")):
        (item,) = read_body(path.read_bytes(), Hints())
        if path.name.startswith("16_"):
            assert isinstance(item, ReportError)
            continue
        assert not isinstance(item, ReportError), path.name
        assert item.kind == ("name_mismatch" if path.name.startswith("15_") else "pin_mismatch")
        assert item.flags == ()


@pytest.mark.parametrize(
    "pair", [("tk-ios-3.0.7-nomatch.json", "tk-ios-3.0.7-nomatch-dup-reordered.json")]
)
def test_a_reordered_repeat_has_the_same_identity(pair: tuple[str, str]) -> None:
    from tests.make import row

    first, second = (row((corpus() / file).read_bytes()) for file in pair)
    assert first.delivery == second.delivery


def test_one_rotation_in_three_dialects_is_one_signature() -> None:
    from tests.make import row

    files = (
        "rotation-ios-new-intermediate.json",
        "rotation-android-same-event.json",
        "rotation-okhttp-empty-subject.txt",
    )
    rows = [row((corpus() / file).read_bytes()) for file in files]
    assert len({r.signature for r in rows}) == 1
    assert len({r.violation.leaf for r in rows}) == 1
