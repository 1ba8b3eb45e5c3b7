import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from collector.cli import _COMMANDS, main
from collector.errors import SettingsError
from collector.settings import load_settings
from tests.commands.process import environment, pinfall
from tests.make import neutral, okhttp_text, trustkit_android, trustkit_ios


@pytest.mark.parametrize("command", [name for name, _, _ in _COMMANDS])
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "examples:" in told
    assert f"pinfall {command}" in told.partition("examples:")[2]


def test_help_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert {line.split()[0] for line in told.splitlines() if re.match(r" {4}[a-z]", line)} == {
        name for name, _, _ in _COMMANDS
    }


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["up", "--nonsense"], ["key"], ["up", "--port", "x"]]
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_parse() -> None:
    raw = json.dumps([trustkit_ios(), neutral()]).encode()
    told = pinfall("parse", "-", stdin=raw)
    assert (told.returncode, told.stderr) == (0, "")
    first, second = (json.loads(line) for line in told.stdout.splitlines())
    assert (first["format"], first["host"], second["format"]) == (
        "trustkit-ios",
        "api.example.com",
        "generic",
    )
    assert first["client_time_utc"] == "2026-11-20T11:59:30Z"
    assert len(first["validated_spki_sha256"]) == 3


def test_parse_with_a_time_of_receipt(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(trustkit_android()))
    agent = "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/X)"
    told = pinfall("parse", file, "--received-at", "2026-11-20T12:00:00Z", "--user-agent", agent)
    line = json.loads(told.stdout)
    assert (line["client_time_utc"], line["os_version"]) == ("2026-11-20T11:59:59Z", "14")
    assert json.loads(pinfall("parse", file).stdout)["client_time_utc"] is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"<html>", b"{}", b"\xff\xfe", b"PKIX path building failed"]
)
def test_parse_refuses_in_one_line(raw: bytes) -> None:
    told = pinfall("parse", stdin=raw)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1)


def test_parse_tells_what_was_read_beside_what_was_not() -> None:
    told = pinfall("parse", stdin=json.dumps([neutral(), 7]).encode())
    assert (told.returncode, told.stdout.count("\n")) == (1, 1)
    assert "item 1" in told.stderr


def test_a_terminal_is_safe_from_reports() -> None:
    text = okhttp_text().replace("CN=Pinfall Test Root", "CN=\x1b[31m\u202e\x07")
    told = pinfall("parse", stdin=text.encode())
    assert told.returncode == 0
    assert told.stdout.isascii()
    assert "\x1b" not in told.stdout


def test_files_that_are_not_there() -> None:
    for command in (["parse", "/nowhere"], ["send", "/nowhere", "--url", "http://127.0.0.1:1/r/x"]):
        told = pinfall(*command)
        assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    both = pinfall("send", "/nowhere", "-", "--url", "http://127.0.0.1:1/r/x")
    assert "/nowhere" in both.stderr
    assert "no answer" in both.stderr
    told = pinfall("send", "-", "--url", "http://127.0.0.1:1/r/x")
    assert "no answer" in told.stderr


def test_output_into_a_closed_pipe() -> None:
    raw = json.dumps([neutral()] * 900)
    code = f"{sys.executable} -m collector parse | head -n 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", code],
        input=raw,
        text=True,
        capture_output=True,
        env=environment(),
        cwd="/",
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_serve_needs_a_database() -> None:
    told = pinfall("serve")
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "PINFALL_DATABASE_URL" in told.stderr
    away = pinfall(
        "serve", env=environment(PINFALL_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x")
    )
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)
    assert "hunter2" not in away.stderr


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PINFALL_PUBLIC_ADRESS": "x"}, "PINFALL_PUBLIC_ADDRESS?"),
        ({"PINFALL_PUBLIC_ADDRESS": "nowhere"}, "host:port"),
        ({"PINFALL_OPERATOR_ADDRESS": "0.0.0.0:8081"}, "PINFALL_OPERATOR_TOKEN"),
        ({"PINFALL_OPERATOR_ADDRESS": "[::]:8081"}, "PINFALL_OPERATOR_TOKEN"),
        ({"PINFALL_OPERATOR_TOKEN": "short"}, "16"),
        ({"PINFALL_TLS_CERT": "/x"}, "set both"),
        ({"PINFALL_TRUSTED_PROXIES": "10.0.0.1/8"}, "networks"),
        ({"PINFALL_DATABASE_URL": "mysql://x"}, "postgresql://"),
        ({"PINFALL_HASH_KEY": "short"}, "16"),
        ({"PINFALL_RETENTION_DAYS": "0"}, "1 to 3650"),
        ({"PINFALL_LOG_LEVEL": "loud"}, "debug"),
        ({"PINFALL_PUBLIC_URL": "reports.example.net"}, "http"),
    ],
)
def test_mistakes_in_settings(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=r".+") as caught:
        load_settings(environ)
    assert words in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    told = pinfall(
        "check", env=environment(PINFALL_LOG_LEVEL="loud", PINFALL_TLS_CERT="/x", PINFALL_WHAT="1")
    )
    assert told.returncode == 1
    assert told.stderr.count("\n") == 3


def test_what_kubernetes_injects_is_no_mistake() -> None:
    load_settings(
        {
            "PINFALL_PORT": "tcp://10.0.0.1:80",
            "PINFALL_PORT_8080_TCP": "x",
            "PINFALL_SERVICE_HOST": "x",
        }
    )
    assert load_settings({"PINFALL_LOG_LEVEL": ""}).log_level == "info"


def test_secrets_are_not_shown() -> None:
    shown = repr(
        load_settings(
            {
                "PINFALL_DATABASE_URL": "postgresql://u:hunter2@h/d",
                "PINFALL_OPERATOR_TOKEN": "t" * 20,
            }
        )
    )
    assert "hunter2" not in shown
    assert "ttt" not in shown


def test_check_reads_the_files(tmp_path: Path) -> None:
    only = pinfall("check", "--data", tmp_path, env=environment(PINFALL_TLS_CERT="/a"))
    assert "set both" in only.stderr
    missing = pinfall(
        "check", "--data", tmp_path, env=environment(PINFALL_TLS_CERT="/a", PINFALL_TLS_KEY="/b")
    )
    assert missing.stderr.count("cannot be read") == 2
    assert os.listdir(tmp_path) == []


def test_alerts_without_links_are_told_of_before_they_fire(tmp_path: Path) -> None:
    file = tmp_path / "pinfall.toml"
    file.write_text('[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "env:HOOK"\n')
    told = {"PINFALL_CONFIG": str(file), "HOOK": "https://hooks.example.com/x"}
    where = ("--data", tmp_path / "none")
    without = pinfall("check", *where, env=environment(**told))
    assert (without.returncode, "PINFALL_PAGES_URL" in without.stdout) == (0, True)
    url = {"PINFALL_PAGES_URL": "https://pinfall.example.com"}
    assert "note" not in pinfall("check", *where, env=environment(**told, **url)).stdout
