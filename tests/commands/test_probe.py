"""`pinfall probe`: from a terminal, without a collector, and as a vantage of one."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.commands.process import environment, pinfall, up
from tests.probing import servers
from tests.probing.chains import Made, make

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def chain(place: Path, host: str = "localhost") -> tuple[Made, Made, Path]:
    root = make("Own Root", ca=True, start=YESTERDAY, days=3650)
    leaf = make(host, root, sans=(host,), start=YESTERDAY)
    (place / "roots.pem").write_bytes(root.pem)
    return leaf, root, leaf.write(place / f"{host}.pem")


def test_what_is_served_is_told_with_roles_pins_and_trust(tmp_path: Path) -> None:
    leaf, root, file = chain(tmp_path)
    pin = f"sha256/{_pin(leaf)}"
    with servers.listening(servers.tls(leaf.write(file, root)), "127.0.0.1") as port:
        plain = pinfall("probe", f"127.0.0.1:{port}")
        named = pinfall("probe", f"localhost:{port}", "--roots", tmp_path / "roots.pem")
        told = pinfall("probe", f"localhost:{port}", "--roots", tmp_path / "roots.pem", "--json")
    assert plain.returncode == named.returncode == told.returncode == 0, named.stderr
    assert "NOT trusted, wrong_name: the leaf is for localhost" in plain.stdout
    assert "127.0.0.1 tls1.2 rsa" in named.stdout
    assert "not_offered" in named.stdout
    assert "chain 1: trusted" in named.stdout
    assert f"leaf         {pin}  " in named.stdout
    assert "root         sha256/" in named.stdout
    found = json.loads(told.stdout)
    assert found["chains"][0]["trusted"] is True
    assert [each["role"] for each in found["chains"][0]["certificates"]] == ["leaf", "root"]
    served = [a for a in found["answers"] if a["state"] == "served" and a["address"] == "127.0.0.1"]
    assert [(a["asked"], a["chain"]) for a in served] == [("tls1.3", 0), ("tls1.2 ecdsa", 0)]


def _pin(made: Made) -> str:
    return base64.b64encode(made.noun.spki_sha256).decode()


def test_nothing_served_is_1_and_wrong_usage_is_one_line(tmp_path: Path) -> None:
    with servers.nobody() as port:
        told = pinfall("probe", f"127.0.0.1:{port}")
    assert told.returncode == 1
    assert told.stdout.count("refused") == 3
    (tmp_path / "x.pem").write_text("x")
    for arguments, words in (
        (("a b",), "'a b': not a host name"),
        (("a.invalid", "--submit"), "by --name"),
        (("a.invalid", "--client-key", "k"), "say both, or neither"),
        (("a.invalid", "--roots", tmp_path / "x.pem"), "no certificates in PEM"),
        (("a.invalid", "--roots", tmp_path / "y.pem"), "No such file"),
    ):
        told = pinfall("probe", *arguments)
        assert (told.returncode, len(told.stderr.splitlines())) == (1, 1), told.stderr
        assert words in told.stderr


def test_what_a_server_says_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    evil = make("\u202e\x1b[31mred", sans=("localhost",), start=YESTERDAY)
    with servers.listening(servers.tls(evil.write(tmp_path / "evil.pem"))) as port:
        told = pinfall("probe", f"127.0.0.1:{port}")
    assert "\\u202e\\u001b[31mred" in told.stdout
    assert "\x1b" not in told.stdout


def test_a_vantage_submits(tmp_path: Path) -> None:
    leaf, _, file = chain(tmp_path)
    with servers.listening(servers.tls(file)) as port:
        config = f'[[host]]\nname = "localhost"\nport = {port}\nroots = "file:roots.pem"\n'
        (tmp_path / "pinfall.toml").write_text(config + "probe = true\naddresses = ['192.0.2.1']\n")
        env = environment(PINFALL_CONFIG=str(tmp_path / "pinfall.toml"))
        assert "ok" in pinfall("check", "--data", tmp_path / "none", env=env).stdout
        data = tmp_path / "data"
        with up(data, env=env):
            submit = ("--submit", "--name", "desk", "--data", data)
            told = pinfall("probe", f"localhost:{port}", *submit)
            assert told.returncode == 0, told.stderr
            # The collector's own roots decide, not those of this machine.
            assert "NOT trusted" in told.stdout
            assert f"submitted sha256/{_pin(leaf)}: kept" in told.stdout
            other = pinfall("probe", f"127.0.0.1:{port}", *submit)
            assert (other.returncode, other.stderr) == (
                1, f"pinfall: '127.0.0.1' is not registered with port {port}\n",
            )  # fmt: skip
            as_json = json.loads(pinfall("probe", f"localhost:{port}", *submit, "--json").stdout)
            assert as_json["submitted"]["chains"][0]["kept"] is True
            added = pinfall(
                "host", "add", "a.invalid", "--port", 8443, "--third-party", "--data", data
            )
            assert added.returncode == 0, added.stderr
            assert "port 8443, third party" in pinfall("host", "list", "--data", data).stdout


def test_check_and_start_tell_every_mistake_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pinfall.toml").write_text("[[host]]\nprot = 1\n")
    env = environment(PINFALL_CONFIG=str(tmp_path / "pinfall.toml"))
    for command in (("check", "--data", tmp_path / "none"), ("up", "--data", tmp_path / "data")):
        told = pinfall(*command, env=env)
        assert told.returncode == 1
        assert "host[1].name: is missing" in told.stderr
        assert "host[1].prot: no such field; is it port?" in told.stderr
        assert "Traceback" not in told.stderr
