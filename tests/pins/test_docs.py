"""docs/pins.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from collector.pins.findings import Code, Severity
from collector.pins.readers import FORMATS, MOST, read
from collector.pins.readers.document import LIMIT
from collector.pins.readers.values import MOST_PINS

DOC = (Path(__file__).parents[2] / "docs" / "pins.md").read_text(encoding="utf-8")


def test_its_pins_json_is_read() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
    first, second = read(example.encode(), "pins.json")
    assert (first.host, first.app, first.platform, len(first.pins)) == (
        "example.com", "com.example.wallet", "IOS", 2,
    )  # fmt: skip
    assert (second.host, second.pins, second.version_to) == ("open.example.com", (), "8.24.1")


def test_it_lists_every_code_and_format() -> None:
    told = re.findall(r"^\| `([a-z0-9_]+)` \| ((?:error|warning|info)[^|]*) \|", DOC, re.MULTILINE)
    assert [code for code, _ in told] and {code for code, _ in told} == {*Code}
    assert all(any(severity in words for severity in Severity) for _, words in told)
    for name, _ in FORMATS:
        assert f"`{name}`" in DOC


def test_its_numbers() -> None:
    assert f"at most {MOST_PINS} pins, a file {MOST} sets" in DOC
    assert f"more than {LIMIT // 1024**2} MiB" in DOC
