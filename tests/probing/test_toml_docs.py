"""What docs/pinfall-toml.md shows is what is read, and all of it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from collector.notify.config import configured
from collector.pinfall_toml import HostToml, load
from tests.probing.chains import family

TEXT = (Path(__file__).parents[2] / "docs" / "pinfall-toml.md").read_text()


def test_its_example_is_read_and_names_every_key(tmp_path: Path) -> None:
    (tmp_path / "private-ca.pem").write_bytes(family().root.pem)
    family().leaf().write(tmp_path / "client.pem")
    (tmp_path / "client.key").write_bytes((tmp_path / "client.pem").read_bytes())
    file = tmp_path / "pinfall.toml"
    file.write_text(TEXT.partition("```toml\n")[2].partition("```")[0])
    told = load(file)
    first, second = told.hosts
    assert (first.name, first.port) == ("api.example.com", 443)
    assert (second.port, second.project, second.third_party) == (8883, "wallet", True)
    assert [str(one.cidr) for one in told.networks] == ["198.51.100.0/24"]
    assert list(told.runbooks) == ["pin_failure_spike"]
    channels, heartbeat = configured(told, {"PAGERDUTY_KEY": "x"})
    assert ([one.name for one in channels], heartbeat) == (["oncall"], None)
    shown = set(re.findall(r"^#? ?(\w+) = ", TEXT, re.MULTILINE))
    assert {field.name for field in fields(HostToml)} <= shown
