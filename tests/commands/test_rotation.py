"""`pinfall rotation` against a running collector, as a pipeline and a person use it."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collector.commands.rotation import _line, local, read_time
from collector.errors import PinfallError
from tests.commands.process import environment, pinfall, up
from tests.make import chain


def test_a_pipeline_declares_and_a_person_looks(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    leaf, intermediate, root = chain()
    fullchain = tmp_path / "fullchain.pem"
    fullchain.write_text(leaf.key_pem.decode() + leaf.pem + intermediate.pem + root.pem)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    key_only = tmp_path / "key.pem"
    key_only.write_bytes(leaf.key_pem)
    with up(tmp_path / "data") as running:
        assert pinfall("rotation", "list", *data).stdout == "no rotation yet\n"
        for name in ("wallet", "bank"):
            hosts = ("--host", "both.example.com", "--host", f"{name}.example.com")
            assert pinfall("project", "add", name, *hosts, *data).returncode == 0
        made = pinfall("token", "add", "ci", "--role", "pipeline", *data).stdout.strip()
        as_ci = environment(PINFALL_URL=running.pages, PINFALL_TOKEN=made, TZ="Asia/Kolkata")

        year = datetime.now().year + 1
        told = pinfall(
            "rotation", "add", "wallet.example.com", "--at", f"{year}-01-01T10:00",
            "--chain", fullchain, "--note", "change 4711", env=as_ci,
        )  # fmt: skip
        assert told.stdout.splitlines() == [
            f"declared rotation 1 of wallet.example.com in 'wallet' at {year}-01-01T10:00:00+05:30",
            f"counts as ours from now on: sha256/{leaf.pin}",
        ]
        told = pinfall("rotation", "add", "both.example.com", "--project", "bank", env=as_ci)
        assert told.returncode == 0, told.stderr
        assert "of both.example.com in 'bank' at " in told.stdout

        for wrong, words in (
            (("nobody.example",), "no project has the host 'nobody.example'"),
            (("both.example.com",), "several projects: say which of 'bank', 'wallet'"),
            (("wallet.example.com", "--project", "bank"), "'bank' does not have the host"),
            (("wallet.example.com", "--chain", broken), "number 1 is no certificate in PEM"),
            (("wallet.example.com", "--chain", key_only), "no certificate in PEM"),
            (("wallet.example.com", "--chain", tmp_path / "none.pem"), "No such file"),
            (("wallet.example.com", "--at", "tomorrow"), "'tomorrow' is no time such as"),
            (("wallet.example.com", "--at", "1999-01-01"), "at: should be within"),
            (("a b",), "not a host name"),
        ):
            told = pinfall("rotation", "add", *wrong, env=as_ci)
            assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (1, "", 1)
            assert words in told.stderr

        lines = pinfall("rotation", "list", env=as_ci).stdout.splitlines()
        assert len(lines) == 2
        assert lines[0].split() == [
            "1", f"{year}-01-01T10:00:00+05:30", "wallet.example.com", "wallet", "planned", "declared",
            f"sha256/{leaf.pin}", "change", "4711",
        ]  # fmt: skip
        listed = pinfall("rotation", "list", "--host", "both.example.com", "--json", env=as_ci)
        (row,) = json.loads(listed.stdout)["rotations"]
        assert (row["id"], row["project"], row["declared_by"]) == (2, "bank", "ci")
        assert pinfall("rotation", "end", 2, env=as_ci).stdout == (
            "ended rotation 2 of both.example.com\n"
        )
        assert "  ended  " in pinfall("rotation", "list", "--project", "bank", *data).stdout
        told = pinfall("rotation", "end", 99, env=as_ci)
        assert (told.returncode, told.stderr) == (1, "pinfall: there is no rotation 99\n")
        assert pinfall("rotation", "end", "x", env=as_ci).returncode == 2


def test_help_shows_a_deploy_hook() -> None:
    told = pinfall("rotation", "--help")
    assert told.returncode == 0
    assert '"$RENEWED_LINEAGE/fullchain.pem"' in told.stdout
    assert "deploy hook" in pinfall("rotation", "add", "--help").stdout


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01T10:00", "2026-12-01T10:00:00+01:00"),
        ("2026-07-01 10:00", "2026-07-01T10:00:00+02:00"),
        ("2026-12-01T10:00Z", "2026-12-01T11:00:00+01:00"),
        ("2026-12-01T10:00+05:30", "2026-12-01T05:30:00+01:00"),
        ("2026-12-01", "2026-12-01T00:00:00+01:00"),
    ],
)
def test_a_time_without_a_zone_is_local(in_berlin: None, text: str, at: str) -> None:
    assert read_time(text).isoformat() == at
    assert local(at) == at


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-13-01", "10:00", "0001-01-01T00:00", "\x1b[31m"]
)
def test_no_time(in_berlin: None, text: str) -> None:
    with pytest.raises(PinfallError, match="is no time such as") as raised:
        read_time(text)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            "    12  2026-11-20T13:00:00+01:00  api.example.com  wallet  done  declared+probed  sha256/new  x",
        ),
        (
            {"state": "late", "project": None, "note": ""},
            (
                "    12  2026-11-20T13:00:00+01:00  api.example.com  all projects  done late  declared+probed"
                "  planned 2026-11-20T09:00:00+01:00  sha256/new"
            ),
        ),
        (
            {"state": "other_chain", "declared_leaf": "sha256/told"},
            (
                "    12  2026-11-20T13:00:00+01:00  api.example.com  wallet  done, with another chain"
                "  declared+probed  planned 2026-11-20T09:00:00+01:00  declared sha256/told  sha256/new  x"
            ),
        ),
        (
            {
                "state": "not_seen",
                "new_leaves": [],
                "declared_leaf": "sha256/told",
                "note": "\u202ex",
            },
            (
                "    12  2026-11-20T13:00:00+01:00  api.example.com  wallet  not seen  declared+probed"
                "  planned 2026-11-20T09:00:00+01:00  sha256/told  \\u202ex"
            ),
        ),
    ],
)
def test_a_line_of_the_list(in_berlin: None, changes: dict[str, Any], line: str) -> None:
    row = {
        "id": 12, "project": "wallet", "host": "api.example.com", "at": "2026-11-20T12:00:00Z", "state": "done",
        "sources": ["declared", "probed"], "planned_at": "2026-11-20T08:00:00Z", "new_leaves": ["sha256/new"],
        "declared_leaf": None, "note": "x",
    }  # fmt: skip
    assert _line({**row, **changes}) == line
