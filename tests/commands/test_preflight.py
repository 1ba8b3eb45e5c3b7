"""`pinfall preflight` and `pinfall adoption`, as a pipeline calls them."""

from __future__ import annotations

import argparse
import base64
import json
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from collector.commands import preflight
from collector.errors import NoAnswerError, PinfallError
from collector.model import Certificate, Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from tests.commands.process import environment, pinfall, up
from tests.make import Issued, chain, issue, name

HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
BACKUP = issue("backup.example")


def read(data: bytes, file: str) -> list[ShippedPinSet]:
    """Pins of a line each: version, and names of keys."""
    keys = {"leaf": LEAF, "intermediate": INTERMEDIATE, "root": ROOT, "backup": BACKUP}
    sets = []
    for line in data.decode().splitlines():
        version, *names = line.split()
        pins = tuple(Hash("sha256", base64.b64decode(keys[n].pin)) for n in names)
        sets.append(
            ShippedPinSet(
                host=HOST, pins=pins, version_from=version, version_to=version, source=file
            )
        )
    if not sets:
        raise PinfallError(f"{file}: no pin set in it")
    return sets


def called(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    preflight.arguments(parser)
    return parser.parse_args([HOST, *map(str, arguments)])


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "new.pem"
    path.write_text(INTERMEDIATE.pem + LEAF.key_pem.decode() + LEAF.pem)
    return path


@pytest.mark.parametrize(("pins", "options", "code"), [
    ("1.0 leaf\n2.0 leaf backup", [], 0), ("1.0 backup\n2.0 leaf", [], 1), ("1.0 intermediate", [], 0),
    ("1.0 backup", ["--max-share", "50%"], 1),  # nobody counted, so no share is small
    ("1.0 backup", ["--allow-unknown"], 1), ("", [], 2), ("1.0 leaf", ["--max-share", "x"], 2),
    ("1.0 leaf", ["--at", "soon"], 2), ("1.0 leaf", ["--at", "2027-01-01T00:00:00Z"], 0),
    ("1.0 leaf", ["--issuer", "missing.pem"], 2), ("1.0 leaf", ["--app", "any"], 0),
])  # fmt: skip
def test_offline(
    pem: Path, pins: str, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pem.with_name("pins.txt")
    file.write_text(pins)
    assert preflight.run(called("--chain", pem, "--pins", file, *options), read) == code
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == (1 if code == 2 else 0)
    if code == 2:
        assert out == ""
        return
    assert "a private key stands in the file" in out
    assert "out of order" in out
    assert preflight.run(called("--chain", pem, "--pins", file, "--json", *options), read) == code
    told = json.loads(capsys.readouterr().out)
    assert told["exit"] == code
    for line in LEAF.key_pem.decode().splitlines()[1:-1]:
        assert line not in out + json.dumps(told)


def test_what_is_printed(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pem.with_name("pins.txt")
    file.write_text("1.0 backup\n2.0 leaf")
    preflight.run(called("--chain", pem, "--pins", file), read)
    out = capsys.readouterr().out
    assert "1 registered pin set refuses this chain (the share is not known)" in out
    assert f"  leaf           sha256/{LEAF.pin}  O=Pinfall Test,CN={HOST}  until 2027-02-17" in out
    assert "  BREAKS       any app 1.0" in out
    assert "  accepts      any app 2.0" in out
    assert f"by sha256/{LEAF.pin} of the leaf" in out
    assert "what to do, in this order:\n  1. Use the backup key" in out


@pytest.mark.parametrize(("data", "words"), [
    (b"", "it is empty"), (b"x", "no certificate and no request"), (b"\0" * 60_000_000, "more than 512 KiB"),
    (LEAF.key_pem, "a private key, and no certificate"), (None, "No such file"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_2(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "chain.pem"
    if data is not None:
        path.write_bytes(data)
    done = pinfall("preflight", HOST, "--chain", path)
    assert done.returncode == 2
    assert (len(done.stderr.splitlines()), words in done.stderr) == (1, True), done.stderr
    assert "chain.pem" in done.stderr


def test_usage_is_2(pem: Path) -> None:
    assert pinfall("preflight", HOST).returncode == 2
    assert pinfall("preflight", "a b", "--chain", pem).returncode == 2
    assert "example" in pinfall("preflight", "--help").stdout


def test_a_server_that_does_not_answer_is_4(pem: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = pinfall("preflight", HOST, "--chain", pem, env=environment(PINFALL_URL=url))
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1)
    assert pinfall("preflight", HOST, "--chain", pem, "--data", tmp_path / "none").returncode == 4


def test_staging(
    monkeypatch: pytest.MonkeyPatch, pem: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def ask(host: str, port: int) -> Sequence[Certificate]:
        asked.append((host, port))
        if port == 444:
            raise NoAnswerError("no answer")
        return [certificate_from_der(i.der) for i in (LEAF, INTERMEDIATE)]

    monkeypatch.setattr(preflight, "ask_staging", ask)
    file = pem.with_name("pins.txt")
    file.write_text("1.0 leaf")
    for staging, code in (
        ("s.example:443", 0),
        ("[::1]:8443", 0),
        ("s.example:444", 4),
        ("s.example", 2),
    ):
        assert preflight.run(called("--staging", staging, "--pins", file), read) == code
    assert asked == [("s.example", 443), ("::1", 8443), ("s.example", 444)]


def request(by: Issued) -> bytes:
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name(HOST))
        .sign(by.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


def test_real_files_of_a_release(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xml = """<network-security-config><domain-config><domain includeSubdomains="true">example.com</domain>
        <pin-set><pin digest="SHA-256">{}</pin><pin digest="SHA-256">{}</pin></pin-set>
        </domain-config></network-security-config>"""
    file = pem.with_name("network_security_config.xml")
    for keys, code in (((LEAF, BACKUP), 0), ((ROOT, BACKUP), 1), ((BACKUP, INTERMEDIATE), 0)):
        file.write_text(xml.format(*[key.pin for key in keys]))
        done = pinfall("preflight", HOST, "--chain", pem, "--pins", file)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
    assert "ANDROID" in done.stdout.upper()
    file.write_text("nothing")
    wrong = pinfall("preflight", HOST, "--chain", pem, "--pins", file)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


def test_with_a_server(tmp_path: Path, pem: Path) -> None:
    data = ("--data", tmp_path / "data")
    csr = tmp_path / "next.csr"
    csr.write_bytes(request(BACKUP))
    with up(tmp_path / "data"):
        done = pinfall("preflight", HOST, "--chain", pem, *data)
        assert (done.returncode, done.stderr) == (3, "")
        assert "no pin set is registered for this host" in done.stdout
        assert "out of order" in done.stdout
        assert pinfall("preflight", HOST, "--chain", pem, "--allow-unknown", *data).returncode == 0
        assert pinfall("preflight", HOST, "--chain", csr, "--issuer", pem, *data).returncode == 3
        refused = pinfall("preflight", HOST, "--chain", pem, "--project", "nobody", *data)
        assert (refused.returncode, refused.stderr) == (
            2,
            "pinfall: there is no project 'nobody'\n",
        )
        table = tmp_path / "versions.csv"
        day = datetime.now(UTC).date() - timedelta(days=1)
        table.write_text(f'Date,App version,Daily active users\n{day},1.0,"1,200"\n{day},2.0,300\n')
        places = ("--app", "com.example.wallet", "--platform", "android")
        done = pinfall("adoption", "import", table, *places, *data)
        assert (done.returncode, done.stdout) == (0, "2 rows imported\n"), done.stderr
        assert "say --app" in pinfall("adoption", "import", table, *data).stderr
        shown = pinfall("adoption", "show", *data).stdout
        assert shown.splitlines() == [
            f"com.example.wallet ANDROID: 1,500 by imported on {day}",
            "  2.0                  20.0 %",
            "  1.0                  80.0 %",
        ]
        unknown = pinfall("preflight", HOST, "--chain", pem, *data)
        assert unknown.returncode == 3
        assert "  UNKNOWN      com.example.wallet ANDROID 1.0, 2.0: now 100.0 %" in unknown.stdout
        told = pinfall("pins", "verdict", HOST, *data).stdout.splitlines()
        assert told[:2] == [
            f"{HOST}: not enough known", "  no pin set is registered that pins now",
        ]  # fmt: skip
        done = pinfall("pins", "verdict", HOST, "--json", *data)
        assert json.loads(done.stdout)["verdict"] == "not_enough_known"
        config = tmp_path / "network_security_config.xml"
        config.write_text(f"""<network-security-config><domain-config><domain>{HOST}</domain><pin-set>
            <pin digest="SHA-256">{LEAF.pin}</pin><pin digest="SHA-256">{BACKUP.pin}</pin></pin-set>
            </domain-config></network-security-config>""")
        both = ("--app", "com.example.wallet", "--from", "1.0", *data)
        assert pinfall("pins", "import", config, *both).returncode == 0
        assert pinfall("preflight", HOST, "--chain", pem, *data).returncode == 0
        assert pinfall("preflight", HOST, "--chain", csr, *data).returncode == 0
        config.write_text(config.read_text().replace(LEAF.pin, ROOT.pin))
        together = ("--pins", config, "--project", "default", *data)
        assert pinfall("preflight", HOST, "--chain", pem, *together).returncode == 1
        ready = pinfall("readiness", HOST, *data)
        assert (ready.returncode, ready.stdout.splitlines()[0]) == (3, f"{HOST}: cannot tell")
        assert (
            json.loads(pinfall("readiness", HOST, "--json", *data).stdout)["verdict"]
            == "cannot_tell"
        )
        assert pinfall("readiness", HOST, "--project", "nobody", *data).returncode == 2
        for text, words in (
            ("a,b\n", "no column is the day"), ("day,app,platform,version,uses\n", "no row in it"),
            ("day,app,platform,version,uses\n2026-01-01,a,IOS,1,x\n", "line 2: uses is no number"),
        ):  # fmt: skip
            table.write_text(text)
            wrong = pinfall("adoption", "import", table, *data)
            assert (wrong.returncode, words in wrong.stderr) == (1, True), wrong.stderr
