"""The commands that speak to the operator API of a running `up`."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.commands.process import Up, environment, pinfall, up
from tests.make import INSTALL, neutral, window


def post(url: str, report: object) -> int:
    try:
        with urllib.request.urlopen(url, data=json.dumps(report).encode(), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def rows(running: Up, path: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(running.pages + path, timeout=30) as answer:
        return json.loads(answer.read())["connections"]  # type: ignore[no-any-return]


def test_a_team_sets_itself_up(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    with up(tmp_path) as running:
        assert pinfall("project", "add", "wallet", *data).returncode == 0
        told = pinfall("project", "set", "wallet", "--host", "*.example.com", *data)
        assert told.stdout == "hosts of 'wallet': *.example.com\n"
        wallet = ("--project", "wallet", *data)
        assert pinfall("host", "add", "api.example.net", *wallet).returncode == 0
        assert "no host name" not in pinfall("host", "add", "api.example.net", *wallet).stderr
        listed = pinfall("host", "list", *data).stdout
        assert "api.example.net" in listed
        assert "registered" in listed
        assert "not a host name" in pinfall("host", "add", "a b", *wallet).stderr
        assert pinfall("host", "remove", "api.example.net", *wallet).returncode == 0
        assert "not registered" in pinfall("host", "remove", "api.example.net", *wallet).stderr

        key = pinfall(
            "key", "add", "--app", "ios", "--environment", "staging", *wallet
        ).stdout.strip()
        assert "(staging)" in pinfall("key", "list", *data).stdout
        url = f"{running.ingest.rpartition('/')[0]}/{key}"
        assert pinfall("key", "disable", key, *data).returncode == 0
        assert post(url, neutral()) == 403
        assert pinfall("key", "enable", key, *data).returncode == 0
        assert post(url, neutral(install_id=INSTALL)) == 200
        assert post(f"{url}/connections", window()) == 200

        made = pinfall("token", "add", "ada", "--role", "viewer", "--days", "1", *data)
        token = made.stdout.strip()
        assert "not shown again" in made.stderr
        assert "ada" in pinfall("token", "list", *data).stdout
        as_ada = environment(PINFALL_URL=running.pages, PINFALL_TOKEN=token)
        assert "wallet" in pinfall("project", "list", env=as_ada).stdout
        refused = pinfall("project", "add", "mine", env=as_ada)
        assert (refused.returncode, refused.stderr) == (
            1,
            "pinfall: This needs the role 'operator'; 'ada' is 'viewer'.\n",
        )
        assert pinfall("token", "revoke", "ada", *data).returncode == 0
        assert "PINFALL_TOKEN" in pinfall("project", "list", env=as_ada).stderr

        told = pinfall("forget", "--install", INSTALL.upper(), *data)
        assert told.stdout == "forgot 1 violations and 0 windows of connections\n"
        assert "--yes" in pinfall("forget", "--project", "wallet", *data).stderr
        assert "--install ID, or" in pinfall("forget", *data).stderr
        assert pinfall("forget", "--project", "wallet", "--yes", *data).returncode == 0
        assert "wallet" not in pinfall("project", "list", *data).stdout

        audit = pinfall("audit", *data).stdout
        assert audit.splitlines()[0].split()[-2:] == ["project.forgotten", "wallet"]
        assert "this machine" in audit
        for secret in (token, key, INSTALL):
            assert secret not in audit


def _csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_connections_come_from_csv(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    hours = _csv(
        tmp_path / "hours.csv",
        "host,window_start,window_end,successes,pin_failures",
        *(f"api.example.com,2026-11-20T{h:02}:00:00Z,2026-11-20T{h:02}:59:59Z,1000,{h}" for h in range(24)),
    )  # fmt: skip
    requests = _csv(
        tmp_path / "requests.csv",
        "date;x-host-header;status",
        *(f"2026-11-21 10:{m:02}:30;cdn.example.com;200" for m in range(20) for _ in range(5)),
    )
    with up(tmp_path / "data") as running:
        told = pinfall("connections", "import", hours, *data)
        assert (told.returncode, told.stdout) == (0, "24 accepted, 0 duplicates, 0 rejected\n")
        assert pinfall("connections", "import", hours, *data).stdout.startswith(
            "0 accepted, 24 dup"
        )
        told = pinfall(
            "connections", "import", "-", "--delimiter", ";", "--interval", "10", *data,
            stdin=requests.read_bytes(),
        )  # fmt: skip
        assert told.stdout == "2 accepted, 0 duplicates, 0 rejected\n"
        found = rows(running, "api/v1/connections?host=cdn.example.com")
        assert sum(row["successes"] for row in found) == 100
        found = rows(running, "api/v1/connections?host=api.example.com")
        assert (len(found), sum(row["pin_failures"] for row in found)) == (24, sum(range(24)))
        assert {row["source"] for row in found} == {"trusted"}
        for lines, words in (
            (("a,b", "1,2"), "names the host"),
            (("host,b", "a.example,2"), "tells the time"),
            (("host,time", "a.example,soon"), "line 2: not a time"),
            (
                ("host,time,count", "a.example,2026-11-20T00:00:00Z,-5"),
                "line 2: count is not a number",
            ),
            (("host,time,count", ",2026-11-20T00:00:00Z,5"), "line 2: no host"),
        ):
            told = pinfall("connections", "import", _csv(tmp_path / "bad.csv", *lines), *data)
            assert told.returncode == 1
            assert words in told.stderr
            assert len(told.stderr.splitlines()) == 1
        told = pinfall("connections", "import", hours, "--host-column", "nope", *data)
        assert "no column 'nope'" in told.stderr
        binary = tmp_path / "binary.csv"
        binary.write_bytes(b"host,time\n\xff\xfe\x00\n")
        assert "not CSV in UTF-8" in pinfall("connections", "import", binary, *data).stderr
        missing = pinfall("connections", "import", tmp_path / "missing.csv", *data)
        assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
