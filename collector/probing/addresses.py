"""Which addresses may be asked: those of the public internet, and what pinfall.toml names.

A name that an operator registered can still be pointed at this machine, at its cloud's metadata or at
the network behind it, by whoever holds the name. So every answer of the resolver is looked at, and then
that address is connected to, not the name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST = 8  # addresses of a host that are asked

# The first that holds an address says why. IANA's registries of special addresses (RFC 6890), and what
# clouds answer at.
_V4 = (
    ("168.63.129.16/32", "metadata of a cloud"),
    ("169.254.169.254/32", "metadata of a cloud"),
    ("100.100.100.200/32", "metadata of a cloud"),
    ("192.0.0.192/32", "metadata of a cloud"),
    ("0.0.0.0/8", "of this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by a carrier"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "for documentation"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
_V6 = (
    ("fd00:ec2::/32", "metadata of a cloud"),
    ("fd20:ce::/32", "metadata of a cloud"),
    ("::1/128", "loopback"),
    ("::/128", "unspecified"),
    ("::ffff:0:0/96", "an IPv4 address in another form"),
    ("64:ff9b::/96", "an IPv4 address in another form"),  # NAT64, RFC 6052
    ("64:ff9b:1::/48", "an IPv4 address in another form"),
    ("2002::/16", "an IPv4 address in another form"),  # 6to4
    ("2001::/32", "an IPv4 address in another form"),  # Teredo
    ("::/96", "an IPv4 address in another form"),
    ("2001:db8::/32", "for documentation"),
    ("3fff::/20", "for documentation"),
    ("2001::/23", "reserved"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V4 = tuple((ipaddress.IPv4Network(cidr), why) for cidr, why in _V4)
_REFUSED_V6 = tuple((ipaddress.IPv6Network(cidr), why) for cidr, why in _V6)


def why_not(
    address: IPAddress, *, allow_private: bool = False, named: Collection[IPAddress] = ()
) -> str | None:
    """Why an address is not asked, or None if it is.

    allow_private: the operator vouches for whatever the name resolves to. named: addresses that may be
    asked whatever they are.
    """
    if allow_private or address in named:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return next((why for network, why in _REFUSED_V4 if address in network), None)
    if address.scope_id is not None:
        return "of one link only"
    told = next((why for network, why in _REFUSED_V6 if address in network), None)
    return told or (None if address in _GLOBAL_V6 else "reserved")


def chosen(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """Each once, the same order in every round, both families in turn: so that the first MOST are of
    both, and are the same ones."""
    every = {*addresses}
    fours = sorted(a for a in every if isinstance(a, ipaddress.IPv4Address))
    sixes = sorted(a for a in every if isinstance(a, ipaddress.IPv6Address))
    most = max(len(fours), len(sixes))
    return [f[n] for n in range(most) for f in (fours, sixes) if n < len(f)]
