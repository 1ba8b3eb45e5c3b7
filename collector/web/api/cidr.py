"""A network that somebody wants silenced, as a person writes it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_interface

from collector.errors import PinfallError

WIDEST = {4: 8, 6: 16}  # bits of a prefix: what is wider silences more than one organisation
Network = IPv4Network | IPv6Network


def read_network(value: object, *, wide: bool) -> Network:
    """A CIDR, or one address. wide: also one that holds a large part of the internet. Raises
    PinfallError."""
    if not isinstance(value, str):
        raise PinfallError("network: should be a text")
    try:
        told = ip_interface(value.strip())
    except ValueError:
        raise PinfallError(
            f"network: '{value[:80]}' is no CIDR such as 203.0.113.0/24 or 2001:db8::/48"
        ) from None
    network: Network = told.network
    if "/" in value and told.ip != network.network_address:
        raise PinfallError(f"network: '{value[:80]}' names an address within it; say {network}")
    if told.version == 6 and (told.ip.ipv4_mapped or "%" in value):
        raise PinfallError(f"network: '{value[:80]}' should be written as IPv4, or without a zone")
    least = WIDEST[network.version]
    if network.prefixlen < least and not wide:
        raise PinfallError(
            f"network: {network} is wider than a /{least}, so a break of ours could stay unheard there;"
            " say 'wide' if that is meant"
        )
    return network
