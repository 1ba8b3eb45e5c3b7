"""What docs/channels.md shows is what is read."""

import re
import tomllib
from pathlib import Path

from collector.notify.config import _READ, read_channels, read_heartbeat

TEXT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()


def test_its_example_is_read(tmp_path: Path) -> None:
    (tmp_path / "smtp-password").write_text("x")
    told = tomllib.loads(TEXT.partition("```toml\n")[2].partition("```")[0])
    environ = {"PAGERDUTY_KEY": "x", "HEARTBEAT_URL": "https://beat.example/x"}
    assert len(read_channels(told["channel"], environ, tmp_path)) == 2
    assert read_heartbeat(told["heartbeat"], environ, tmp_path).url == environ["HEARTBEAT_URL"]


def test_its_table_has_every_key() -> None:
    rows = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert told == {"name", "type", *_READ}
