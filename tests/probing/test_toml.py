"""pinfall.toml: what it may say, and every mistake at once."""

from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.pinfall_toml import HostToml, PinfallToml, load
from tests.probing.chains import family

WHOLE = """
[[host]]
name = "API.example.com"
[[host]]
name = "mqtt.example.com"
port = 8883
project = "wallet"
third_party = true
allow_private = true
addresses = ["10.0.0.1", "fd00::1"]
roots = "file:roots.pem"
client_cert = "file:client.pem"
client_key = "file:client.pem"
probe = false
[[network]]
cidr = "198.51.100.0/24"
counts = "each"
[runbooks]
own_rotation = "https://wiki.example.com/rotation"
[[channel]]
kind = "slack"
url = "env:SLACK_URL"
"""


def mistakes(place: Path, text: str) -> list[str]:
    file = place / "pinfall.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    return [line.removeprefix(f"{file}: ") for line in str(caught.value).splitlines()]


def test_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(family().root.pem)
    family().leaf().write(tmp_path / "client.pem")
    (tmp_path / "pinfall.toml").write_text(WHOLE)
    told = load(tmp_path / "pinfall.toml")
    first, second = told.hosts
    assert first == HostToml(name="api.example.com")
    assert (second.port, second.project, second.third_party, second.allow_private) == (
        8883, "wallet", True, True,
    )  # fmt: skip
    assert {str(each) for each in second.addresses} == {"10.0.0.1", "fd00::1"}
    assert (second.roots, second.probe) == (tmp_path / "roots.pem", False)
    assert second.client_cert == second.client_key == tmp_path / "client.pem"
    assert [(str(n.cidr), n.counts) for n in told.networks] == [("198.51.100.0/24", "each")]
    assert told.runbooks == {"own_rotation": "https://wiki.example.com/rotation"}
    assert [channel["kind"] for channel in told.channels] == ["slack"]
    assert load(None) == PinfallToml()


def test_channels_stand_as_they_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "pinfall.toml"
    file.write_text('[[channel]]\nname = "a"\n[heartbeat]\nurl = "env:BEAT"\n')
    told = load(file)
    assert told.channels == ({"name": "a"},)
    assert told.heartbeat == {"url": "env:BEAT"}
    assert told.directory == tmp_path
    file.write_text('channel = 5\nheartbeat = "x"\n')
    with pytest.raises(SettingsError) as mistakes:
        load(file)
    assert len(str(mistakes.value).splitlines()) == 2


def test_every_mistake_at_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    told = mistakes(
        tmp_path,
        """
[[host]]
name = "a b"
port = 70000
[[host]]
prot = 443
third_party = "yes"
[[host]]
name = "a.example:8443"
addresses = ["10.0.0"]
roots = "roots.pem"
client_cert = "file:x"
[[host]]
name = "b.example"
port = true
roots = "file:missing.pem"
[[host]]
name = "c.example"
roots = "file:x"
client_cert = "file:x"
client_key = "file:x"
[[host]]
name = "C.example"
[[network]]
cidr = "10.0.0.1/8"
counts = "all"
[runbooks]
own_rotation = "javascript:x"
[[hosts]]
name = "x"
""",
    )
    assert told == [
        "hosts: no such section; is it host?",
        "host[1].name: 'a b': not a host name",
        "host[1].port: should be a number from 1 to 65535",
        "host[2].name: is missing",
        "host[2].third_party: should be true or false",
        "host[2].prot: no such field; is it port?",
        "host[3].name: 'a.example:8443': should be a name; a port has a field of its own",
        "host[3].addresses: '10.0.0' is no IP address",
        "host[3].client_cert: and client_key: say both, or neither",
        "host[3].roots: should be file:PATH",
        "host[4].port: should be a number from 1 to 65535",
        f"host[4].roots: {tmp_path}/missing.pem: No such file or directory",
        "host[5].client_cert: and client_key: not a PEM certificate and the key that fits it",
        f"host[5].roots: {tmp_path}/x: no certificates in PEM",
        "host[6].name: host[5] is c.example:443 too",
        "network[1].counts: should be each",
        "network[1].cidr: 10.0.0.1/8 has host bits set",
        "runbooks.own_rotation: should be an http(s) URL",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[host]", "not TOML"),
        ("host = 1", "host: should be tables: [[host]]"),
        ("runbooks = 1", "runbooks: should be a table: [runbooks]"),
        ('[[host]]\nname = ["x"]', "host[1].name: should be a text"),
        ('[[host]]\nname = "a.example"\naddresses = "10.0.0.1"', "addresses: should be a list of texts"),
        ('[[host]]\nname = "a.example"\naddresses = [1]', "addresses: should be a list of texts"),
        ("[[network]]\n", "network[1].cidr: is missing"),
        ('[[host]]\nname = ""', "host[1].name: should be a printable text"),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Path, text: str, words: str) -> None:
    assert words in mistakes(tmp_path, text)[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PINFALL_CONFIG: .*none.toml: No such file"):
        load(tmp_path / "none.toml")
