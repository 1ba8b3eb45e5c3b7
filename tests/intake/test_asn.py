"""Whose network an address lies in."""

from __future__ import annotations

import gzip
import ipaddress
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SettingsError
from collector.intake.asn import Tsv, open_table

LINES = [
    "# what a table looks like\n",
    "203.0.113.0\t203.0.113.255\t64500\tZZ\tEXAMPLE-NET\n",
    "198.51.100.0\t198.51.100.127\tAS64501\tZZ\tOTHER\n",
    "192.0.2.0\t192.0.2.255\t0\tNone\tNot routed\n",
    "2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t64502\tZZ\tSIX\n",
]
WANTED = {
    "203.0.113.0": 64500, "203.0.113.255": 64500, "203.0.114.0": None, "198.51.100.127": 64501,
    "198.51.100.128": None, "192.0.2.1": None, "2001:db8::1": 64502, "2001:db9::": None, "0.0.0.0": None,
    "::": None,
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_of_ranges(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("asn.tsv.gz" if packed else "asn.tsv")
    raw = "".join(LINES).encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    table = open_table(path)
    assert {a: table.number(ipaddress.ip_address(a)) for a in WANTED} == WANTED


@given(st.permutations(LINES))
def test_the_order_of_lines_does_not_matter(lines: list[str]) -> None:
    table = Tsv(lines, "asn.tsv")
    assert {a: table.number(ipaddress.ip_address(a)) for a in WANTED} == WANTED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no operator"),
        ("203.0.113.0\t203.0.113.255\n", "line 1"),
        ("203.0.113.9\t203.0.113.1\t1\n", "line 1"),
        ("203.0.113.9\t2001:db8::\t1\n", "line 1"),
        ("a\tb\tc\n" * 20, "and 12 more"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "asn.tsv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=why) as told:
        open_table(path)
    assert "\n" not in str(told.value)


def test_what_is_neither_is_told(tmp_path: Path) -> None:
    for name, raw in (("a.mmdb", b"nothing"), ("a.tsv", b"\xff\xfe\x00"), ("a.gz", b"not gzip")):
        path = tmp_path / name
        path.write_bytes(raw)
        with pytest.raises(SettingsError, match="PINFALL_ASN_DB"):
            open_table(path)
    with pytest.raises(FileNotFoundError):
        open_table(tmp_path / "absent.mmdb")


def test_an_mmdb(tmp_path: Path) -> None:
    path = tmp_path / "asn.mmdb"
    path.write_bytes(_mmdb("203.0.113.0/24", 64500))
    table = open_table(path)
    assert table.number(ipaddress.ip_address("203.0.113.7")) == 64500
    assert table.number(ipaddress.ip_address("198.51.100.7")) is None
    assert table.number(ipaddress.ip_address("2001:db8::1")) is None  # a database of IPv4 alone


def _mmdb(network: str, number: int) -> bytes:
    """A database of one network, by the format's own specification (MaxMind DB 2.0, IPv4, 24-bit records)."""
    net = ipaddress.ip_network(network)
    depth = net.prefixlen
    bits = [int(net.network_address) >> (31 - n) & 1 for n in range(depth)]
    empty, data = depth, depth + 16
    tree = b""
    for n, bit in enumerate(bits):
        follows = data if n == depth - 1 else n + 1
        pair = (empty, follows) if bit else (follows, empty)
        tree += b"".join(struct.pack(">I", value)[1:] for value in pair)

    def text(value: str) -> bytes:
        return bytes([0x40 | len(value)]) + value.encode()

    def uint(value: int, type_: int = 6, size: int = 4) -> bytes:
        head = bytes([type_ << 5 | size]) if type_ <= 7 else bytes([size, type_ - 7])
        return head + value.to_bytes(size, "big")

    record = b"\xe1" + text("autonomous_system_number") + uint(number)
    meta = {
        "node_count": uint(depth), "record_size": uint(24, 5, 2), "ip_version": uint(4, 5, 2),
        "database_type": text("Test-ASN"), "languages": b"\x00\x04",
        "binary_format_major_version": uint(2, 5, 2), "binary_format_minor_version": uint(0, 5, 2),
        "build_epoch": uint(1_764_000_000, 9, 8), "description": b"\xe0",
    }  # fmt: skip
    told = b"".join(text(name) + value for name, value in meta.items())
    return (
        tree + b"\x00" * 16 + record + b"\xab\xcd\xefMaxMind.com" + bytes([0xE0 | len(meta)]) + told
    )
