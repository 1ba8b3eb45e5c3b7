"""The commands that speak to the operator API of a running `up`."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from collector.commands.certs import certificates
from tests.commands.process import Up, environment, pinfall, up
from tests.make import INSTALL, PIN_A, chain, issue, neutral, window


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

        assert "at most" not in pinfall("key", "list", *data).stdout
        limits = (
            "--quota",
            "2.5",
            "--origin",
            "https://a.example",
            "--origin",
            "HTTPS://b.example:443",
        )
        assert pinfall("key", "set", key, *limits, *data).returncode == 0
        listed = pinfall("key", "list", *data).stdout
        assert (
            "at most 2.5 items/s, pages of https://a.example, pages of https://b.example" in listed
        )
        assert pinfall("key", "set", key, "--no-quota", "--no-origins", *data).returncode == 0
        assert "pages of" not in pinfall("key", "list", *data).stdout
        for wrong, words in (
            ((), "say --quota N or --no-quota"),
            (("--quota", "0"), "quota: should be items a second"),
            (("--quota", "nan"), "quota: should be items a second"),
            (("--origin", "https://a.example/x"), "'https://a.example/x': should be scheme://host"),
        ):
            told = pinfall("key", "set", key, *wrong, *data)
            assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
            assert words in told.stderr
        limited = pinfall(
            "key",
            "add",
            "--app",
            "web",
            "--quota",
            "50",
            "--origin",
            "http://localhost:3000",
            *data,
        )
        assert limited.returncode == 0
        assert (
            "at most 50 items/s, pages of http://localhost:3000"
            in pinfall("key", "list", *data).stdout
        )

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


def test_keys_of_our_own(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    leaf, intermediate, root = chain()
    evil = issue("\x1b[31m\u202egreen")
    whole = tmp_path / "whole.pem"
    whole.write_text(f"# bag\n{leaf.key_pem.decode()}{leaf.pem}{intermediate.pem}{root.pem}")
    (tmp_path / "evil.pem").write_text(evil.pem.replace("\n", "\r\n"))
    with up(tmp_path / "data") as running:
        assert pinfall("certs", "list", *data).stdout == "no key yet\n"
        told = pinfall("certs", "add", whole, f"sha256/{PIN_A}", "--note", "live", *data)
        assert told.stdout.splitlines() == [
            f"sha256/{leaf.pin}  O=Pinfall Test,CN=api.example.com", f"sha256/{PIN_A}",
        ]  # fmt: skip
        assert told.stderr.count("left out, an authority") == 2
        assert "known already" in pinfall("certs", "add", whole, *data).stdout
        made = pinfall("token", "add", "ci", "--role", "pipeline", *data).stdout.strip()
        as_ci = environment(PINFALL_URL=running.pages, PINFALL_TOKEN=made)
        told = pinfall("certs", "add", tmp_path / "evil.pem", "--project", "default", env=as_ci)
        assert told.returncode == 0
        assert "operator" in pinfall("certs", "remove", f"sha256/{PIN_A}", env=as_ci).stderr
        listed = pinfall("certs", "list", *data).stdout
        for hiding in "\x1b\u202e":
            assert hiding not in told.stdout + listed
        (line,) = [line for line in listed.splitlines() if line.startswith(f"sha256/{evil.pin}")]
        assert line.split()[1] == "default"
        assert "green" in line
        assert "by ci" in line
        assert listed.count("all projects") == 2
        assert listed.count(", live, by this machine") == 1
        assert pinfall("certs", "remove", f"sha256/{PIN_A}", *data).returncode == 0
        (tmp_path / "key.pem").write_bytes(leaf.key_pem)
        for arguments, words in (
            (("remove", f"sha256/{PIN_A}"), "not registered"),
            (("remove", "nonsense"), "no SHA-256 pin"),
            (("add", "sha256/short"), "no SHA-256 pin"),
            (("add", tmp_path / "key.pem"), "key.pem: no certificate in PEM"),
            (("add", tmp_path / "missing.pem"), "missing.pem: No such file"),
            (("add", whole, "--project", "nobody"), "there is no project 'nobody'"),
        ):
            told = pinfall("certs", *arguments, *data)
            assert (told.returncode, len(told.stderr.splitlines())) == (1, 1), arguments
            assert words in told.stderr
        audit = pinfall("audit", *data).stdout
        assert audit.count("cert.added") == 2
        assert audit.count("cert.removed") == 1


def test_a_private_key_stays_in_its_file(tmp_path: Path) -> None:
    leaf, intermediate, _ = chain()
    path = tmp_path / "whole.pem"
    path.write_text(f"{leaf.pem}{leaf.key_pem.decode()}{intermediate.pem}")
    found = certificates(str(path))
    assert [pem + "\n" for pem in found] == [leaf.pem, intermediate.pem]


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
