"""Which addresses may be asked."""

import ipaddress

import pytest

from collector.probing.addresses import chosen, why_not

REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "::",
    "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "4000::1",
    "5f00::1",
]  # fmt: skip
ALLOWED = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255",
    "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e",
    "2001:4860:4860::8888", "2001:200::1", "2003::1", "2620:fe::fe",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert why_not(address)
    assert why_not(address, allow_private=True) is None
    assert why_not(address, named=[address]) is None
    assert why_not(address, named=[ipaddress.ip_address("10.9.9.9")])


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(text: str) -> None:
    assert why_not(ipaddress.ip_address(text)) is None


def test_metadata_is_called_so() -> None:
    for text in ("169.254.169.254", "fd00:ec2::254", "168.63.129.16"):
        assert why_not(ipaddress.ip_address(text)) == "metadata of a cloud"


def test_nothing_that_the_library_calls_special_is_allowed() -> None:
    for network in range(0, 2**32, 2**14):
        address = ipaddress.IPv4Address(network)
        if why_not(address) is None:
            assert address.is_global, address
            assert not address.is_multicast, address


def test_both_families_in_turn_and_the_same_ones_each_time() -> None:
    told = ["2a00::2", "9.0.0.3", "2a00::1", "9.0.0.1", "9.0.0.3", "9.0.0.2"]
    addresses = [ipaddress.ip_address(text) for text in told]
    expected = ["9.0.0.1", "2a00::1", "9.0.0.2", "2a00::2", "9.0.0.3"]
    assert [str(each) for each in chosen(addresses)] == expected
    assert chosen(reversed(addresses)) == chosen(addresses)
