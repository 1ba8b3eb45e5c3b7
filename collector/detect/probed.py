"""What became of asking a host for its chain: nouns that the prober, its store and the API share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collector.model import Certificate

HERE = "here"  # the vantage of the collector itself
DETAIL = 300  # characters kept of why


class Asked(StrEnum):
    """What was asked for. A server with two keys shows each to who can read no other: TLS 1.2 names
    the key's type in its cipher suites, and in TLS 1.3 the server chooses."""

    TLS13 = "tls1.3"
    RSA = "tls1.2 rsa"
    ECDSA = "tls1.2 ecdsa"
    HOST = ""  # nothing: it is about the host, or about an address, as a whole


KINDS = (Asked.TLS13, Asked.RSA, Asked.ECDSA)


class ProbeState(StrEnum):
    """How asking ended. Names are a public contract."""

    SERVED = "served"  # a chain came
    NOT_OFFERED = "not_offered"  # the server has no chain for such a key
    NOT_SPOKEN = "not_spoken"  # this version of TLS is not spoken
    ONLY_TLS13 = "only_tls13"  # so a second chain, if there is one, cannot be asked for
    TIMEOUT = "timeout"
    REFUSED = "refused"  # the connection
    UNREACHABLE = "unreachable"
    CLOSED = "closed"  # the server hung up before it showed a chain
    ALERT = "alert"  # it refused by a TLS alert; detail: which
    NOT_TLS = "not_tls"
    TOO_LARGE = "too_large"  # a chain of more certificates, or bytes, than are read
    UNREADABLE = "unreadable"  # what came is no certificate, or a handshake that went wrong
    NO_CLIENT_CERTIFICATE = "no_client_certificate"  # the one that pinfall.toml names is of no use
    NOT_ALLOWED = "not_allowed"  # an address that is not asked unless pinfall.toml says so
    DNS_FAILED = "dns_failed"
    TOO_MANY_ADDRESSES = "too_many_addresses"  # the first ones were asked
    HALF_ROLLED = "half_rolled"  # addresses show different chains


@dataclass(frozen=True, slots=True)
class Answer:
    """What one address said to one question.

    ``address`` "": of the host as a whole. ``chain``: leaf first, as sent; empty unless SERVED.
    ``detail`` is for people, at most DETAIL characters, and may hold text of the server.
    """

    address: str
    asked: Asked
    state: ProbeState
    detail: str = ""
    chain: tuple[Certificate, ...] = ()
