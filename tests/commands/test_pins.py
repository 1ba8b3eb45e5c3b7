"""pinfall pins: files on a disk, with and without a collector."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from collector.cli import main
from collector.pins.readers import LIMIT
from tests.commands.process import pinfall, up
from tests.make import issue, name
from tests.pins.samples import KOTLIN, ONE, SAMPLES, own, own_set, plist, trustkit, trustkit_policy


def test_lint_of_files_needs_no_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINFALL_URL", "http://127.0.0.1:1")  # nothing answers there
    good, bad, soft = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "soft.json"
    good.write_bytes(own(own_set()))
    bad.write_bytes(own(own_set(host="bad.example.com", pins=[f"sha256/{ONE}"])))
    soft.write_bytes(own(own_set(host="soft.example.com", default_report_uri=True)))
    assert main(["pins", "lint", str(good)]) == 0
    assert capsys.readouterr().out == "nothing found in 1 pin sets\n"
    assert main(["pins", "lint", str(bad), str(good)]) == 1
    told = capsys.readouterr().out
    assert told.startswith("error: bad.example.com (any app): There is one pin")
    assert "[single_pin]" in told
    for options, code in (([], 0), (["--strict"], 1)):
        assert main(["pins", "lint", *options, str(soft)]) == code
    capsys.readouterr()
    assert main(["pins", "lint", "--minimum", "3", "--json", str(good)]) == 0
    (one,) = capsys.readouterr().out.splitlines()
    assert json.loads(one)["code"] == "below_minimum"


@pytest.mark.parametrize("sample", SAMPLES)
def test_lint_of_every_format(
    sample: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(SAMPLES[sample])
    code = main(["pins", "lint", "--json", str(file)])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == any(one["severity"] == "error" for one in told)
    assert {one["source"] for one in told} <= {"file"}


@pytest.mark.parametrize(("data", "words"), [
    (b"", "f.plist: is empty"),
    (b" " * (LIMIT + 1), "f.plist: is larger than 4 MiB"),
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]><network-security-config>&a;</network-security-config>", "entities are refused"),
])  # fmt: skip
def test_bad_files_are_one_line(
    data: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.plist"
    file.write_bytes(data)
    for action in ("lint", "import"):
        assert main(["pins", action, str(file)]) == 1
        told = capsys.readouterr()
        assert (told.out, len(told.err.splitlines())) == ("", 1)
        assert words in told.err


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("lint", "import", "prove"):
        assert main(["pins", action, str(tmp_path / "none.plist")]) == 1
        assert "No such file" in capsys.readouterr().err


def test_versions_that_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pins.json"
    file.write_bytes(own(own_set()))
    for options, words in (
        (["--version", "8", "--from", "7"], "say --version, or --from and --to"),
        (["--from", "9", "--to", "8"], "comes after version_to"),
        (["--starts", "soon"], "starts: should be a time"),
    ):
        assert main(["pins", "import", str(file), *options]) == 1
        assert words in capsys.readouterr().err


def test_a_release_is_imported_checked_and_its_backup_proven(tmp_path: Path) -> None:
    backup = issue("backup.example.com")
    info, source = tmp_path / "Info.plist", tmp_path / "Pins.kt"
    policy = trustkit_policy(TSKPublicKeyHashes=[ONE, backup.pin], TSKDisableDefaultReportUri=None)
    info.write_bytes(
        plist(trustkit({"example.com": policy}, CFBundleIdentifier="com.example.wallet"))
    )
    source.write_bytes(
        KOTLIN + b'val x = CertificatePinner.Builder().add(host(), "sha256/' + ONE.encode() + b'")'
    )
    csr = x509.CertificateSigningRequestBuilder().subject_name(name("backup.example.com"))
    request = tmp_path / "backup.csr"
    pem = csr.sign(backup.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    request.write_bytes(backup.key_pem + pem)  # the key itself stays here
    data = ("--data", tmp_path / "data")
    with up(tmp_path / "data"):
        done = pinfall("pins", "import", info, "--version", "8.24.1", *data)
        assert done.returncode == 0, done.stderr
        line, *registered = done.stdout.splitlines()
        assert line.split("  ")[0] == "example.com and under"
        assert "com.example.wallet IOS 8.24.1" in line
        assert line.endswith("2 pins  new")
        assert registered == [
            "registered example.com in 'default'",
            "registered *.example.com in 'default'",
        ]
        again = pinfall("pins", "import", info, "--version", "8.24.1", *data)
        assert again.stdout.splitlines()[0].endswith("known already, no change")
        assert len(again.stdout.splitlines()) == 1

        done = pinfall("pins", "import", source, "--from", "8.0", "--to", "8.9", "--json", *data)
        told = json.loads(done.stdout)
        assert {one["platform"] for one in told["pin_sets"]} == {"ANDROID"}
        assert "the host is no constant" in told["warnings"][0]

        listed = pinfall("pins", "list", "--host", "www.example.com", *data).stdout
        assert "Info.plist by this machine" in listed or "Info.plist by" in listed
        assert "expires 2027-03-01" in listed
        checked = pinfall("pins", "lint", "www.example.com", *data)
        assert "[backup_unproven]" in checked.stdout
        assert "[default_report_uri]" in checked.stdout
        proven = pinfall("pins", "prove", request, *data)
        assert proven.returncode == 0, proven.stderr
        assert (
            f"sha256/{backup.pin}  O=Pinfall Test,CN=backup.example.com  proven by a csr"
            in proven.stdout
        )
        assert "no change" in pinfall("pins", "prove", request, *data).stdout
        left = pinfall("pins", "lint", "www.example.com", *data).stdout
        assert left.count("[backup_unproven]") < checked.stdout.count("[backup_unproven]")
        assert "1 proven" in pinfall("pins", "list", *data).stdout
        everything = pinfall("pins", "lint", "--project", "default", *data)
        assert everything.returncode == 1  # one pin for *.cdn.example.com
        assert "[single_pin]" in everything.stdout

        rows = json.loads(pinfall("pins", "list", "--json", *data).stdout)["pin_sets"]
        for row in rows:
            assert pinfall("pins", "remove", row["id"], *data).returncode == 0
        assert pinfall("pins", "list", *data).stdout == "no pin set yet\n"
        assert "there is no pin set" in pinfall("pins", "remove", rows[0]["id"], *data).stderr
        audit = pinfall("audit", *data).stdout
        for action in ("pins.imported", "pins.proven", "pins.removed"):
            assert action in audit
