"""The nouns: what a report becomes once it is read. No dict travels further than ``reports``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

ProjectId = NewType("ProjectId", int)

WORST_CHAIN = 12  # certificates kept of one chain; a longer one is cut and flagged
WORST_PINS = 64  # pins kept of one pin set


class Dialect(StrEnum):
    """The format that a report came in."""

    __hash__ = str.__hash__  # an enum's own runs in Python, some ten times a report

    TRUSTKIT_IOS = "trustkit-ios"  # and macOS, tvOS, watchOS
    TRUSTKIT_ANDROID = "trustkit-android"
    OKHTTP_MESSAGE = "okhttp-message"
    RN_SSL_MANAGER = "rn-ssl-manager"  # its Android half, and its event in JavaScript
    SDK_CALLBACK = "sdk-callback"  # what an SDK tells its app, posted as it is
    SENTRY = "sentry-webhook"
    HPKP = "hpkp"
    REPORTING = "reporting-api"  # HPKP inside the envelope of the Reporting API
    NEL = "nel"
    EXPECT_CT = "expect-ct"
    EXPECT_STAPLE = "expect-staple"
    GENERIC = "generic"  # pin-report/1, and JSON that an app made up around an exception
    CONNECTIONS = "connections"  # success counts: the denominator


ENVIRONMENTS = ("production", "staging", "debug")  # of a key; only the first can page
PRODUCTION = ENVIRONMENTS[0]


class Kind(StrEnum):
    """What failed, as far as the client could tell."""

    __hash__ = str.__hash__

    PIN_MISMATCH = "pin_mismatch"
    CHAIN_UNTRUSTED = "chain_untrusted"
    NAME_MISMATCH = "name_mismatch"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    NO_PINS = "no_pins"
    USER_ANCHOR = "user_anchor"
    INVALID_PARAMETERS = "invalid_parameters"
    SPKI_ERROR = "spki_error"
    CT_FAILURE = "ct_failure"
    OCSP_FAILURE = "ocsp_failure"
    TLS_OTHER = "tls_other"
    SUSPECTED = "suspected"
    OK = "ok"
    UNKNOWN = "unknown"


class TimeTrust(StrEnum):
    """How far the client's clock can be believed."""

    CLIENT_UTC = "client_utc"
    CLIENT_LOCAL_LABELLED_UTC = "client_local_labelled_utc"  # TrustKit Android's ``Z``
    SERVER_MINUS_AGE = "server_minus_age"
    IMPLAUSIBLE = "implausible"  # more than 30 days before, or a day after, its receipt
    UNPARSEABLE = "unparseable"


PLATFORMS = ("IOS", "ANDROID", "MACOS", "TVOS", "WATCHOS", "OTHER")  # labels of a metric


def platform_label(platform: str | None) -> str:
    """The metric label of a platform: one of PLATFORMS. macOS was ``OSX`` before TrustKit 1.4."""
    name = "MACOS" if platform == "OSX" else platform
    return name if name in PLATFORMS else "OTHER"


@dataclass(frozen=True, slots=True, order=True)
class Hash:
    """A hash that stands for a key or a certificate; only equal ``kind``s may be compared.

    kind: ``sha256`` and ``sha1`` are of the SubjectPublicKeyInfo (RFC 7469 section 2.4),
        ``cert-sha256`` and ``cert-sha1`` of the whole certificate.
    spelling: the base64 as sent, where it is not the canonical one of ``digest`` (made-up pins
        such as 43 times ``B``); only for showing it again.
    """

    kind: str
    digest: bytes
    spelling: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """``sha256/<base64>``, as OkHttp writes a pin."""
        return f"{self.kind}/{base64.b64encode(self.digest).decode()}"

    @classmethod
    def parse(cls, text: str) -> Hash:
        """Undo ``str``. ValueError for anything that ``str`` did not write."""
        kind, _, encoded = text.partition("/")
        return cls(kind, base64.b64decode(encoded, validate=True))


@dataclass(frozen=True, slots=True)
class Certificate:
    """One X.509 certificate, content-addressed.

    ``der`` is exactly the certificate's bytes, without what may trail it.
    ``sha256`` is of ``der``; ``spki_sha256`` and ``spki_sha1`` of its SubjectPublicKeyInfo
    as it stands in the certificate. Names and dates: ``reports.certificates.facts``.
    """

    der: bytes = field(repr=False)
    sha256: bytes
    spki_sha256: bytes
    spki_sha1: bytes


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in a chain: a certificate, or only a hash of it (texts), or nothing readable.

    ``fingerprint`` tells two unreadable entries apart: SHA-256 of what was sent there.
    """

    certificate: Certificate | None = None
    hash: Hash | None = None
    subject: str | None = None
    fingerprint: bytes | None = None

    @property
    def pin(self) -> Hash | None:
        if self.certificate is not None:
            return Hash("sha256", self.certificate.spki_sha256)
        return self.hash

    @property
    def identity(self) -> bytes:
        """What makes this place equal to the same place in another report."""
        if self.certificate is not None:
            return b"c" + self.certificate.sha256
        if self.hash is not None:
            return b"h" + self.hash.kind.encode() + self.hash.digest
        return b"?" + (self.fingerprint or b"")


class Chain(tuple[Slot, ...]):  # noqa: SLOT001 (tuples have no room for slots)
    """Leaf first. ``id`` and ``path`` are kept by whoever works them out (``fingerprint``): a chain
    that many reports share is one object, and costs its hashing and its signatures once."""

    id: bytes | None = None
    path: tuple[bytes, ...] | None = None


class PinSet(tuple[Hash, ...]):  # noqa: SLOT001 (as above)
    """Sorted, each once. ``id``: as for Chain."""

    id: bytes | None = None


NO_CHAIN = Chain()
NO_PINS = PinSet()


# A struct of msgspec: one is made for each report, in a tenth of the time of a frozen dataclass.
class Violation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One client refused, or would have refused, one TLS server.

    ``host`` is a lower-case A-label or a bare IP address, without port or trailing dot; None
    only where ``common_name`` stands in for it. ``noted_host`` is the one the pins were set for.
    ``client_time`` is the device's clock, corrected where it could be; order by the time of
    receipt instead. ``client_time_raw`` is as sent. ``validated_chain`` is the one the client
    built (texts of OkHttp: hashes only), ``served_chain`` the one the server sent.
    ``flags`` names what was repaired or could not be read.
    """

    dialect: Dialect
    host: str | None
    kind: Kind
    common_name: str | None = None
    noted_host: str | None = None
    include_subdomains: bool | None = None
    port: int | None = None
    confirmed: bool = True  # False: the client only suspects that a pin failed
    enforced: bool | None = None
    blocked: bool | None = None
    client_time_raw: str | int | float | None = None
    client_time: datetime | None = None
    time_trust: TimeTrust | None = None
    known_pins: PinSet = NO_PINS
    served_chain: Chain = NO_CHAIN
    validated_chain: Chain = NO_CHAIN
    pins_expire: str | None = None  # as sent: a date, or a time
    app_id: str | None = None
    app_version: str | None = None
    app_build: str | None = None
    platform: str | None = None
    os_version: str | None = None
    device: str | None = None
    sdk: str | None = None
    sdk_version: str | None = None
    install_id: str | None = None
    event_id: str | None = None
    occurrences: int = 1
    sampling_fraction: float | None = None  # 0 < f <= 1: this item stands for 1/f of its kind
    server_ip: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    suspect: str | None = None  # what a field that is empty or odd hints at
    test: bool = False  # a test suite's traffic, by its own marks
    flags: tuple[str, ...] = ()
    extra: Mapping[str, object] = msgspec.field(default_factory=dict)

    @property
    def weight(self) -> float:
        """How many of its kind this one stands for."""
        return 1.0 if self.sampling_fraction is None else 1 / self.sampling_fraction

    @property
    def name(self) -> str:
        """The host, or the common name that stands in for it."""
        return self.host or self.common_name or ""

    @property
    def main_chain(self) -> Chain:
        """The validated chain, else the served one."""
        return self.validated_chain or self.served_chain

    @property
    def leaf(self) -> Hash | None:
        """Leaf identity: the SPKI hash of position 0 of the validated, else the served chain."""
        for chain in (self.validated_chain, self.served_chain):
            if chain and chain[0].pin is not None:
                return chain[0].pin
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Connections of one client, or of a gateway, to one host over a stretch of time.

    ``id`` makes it count once within its project; None: it is known by all that it says.
    ``start`` <= ``end``, by the sender's clock; None: at its receipt. ``pin_failures`` are of the
    same connections, never of reports.
    """

    id: str | None
    host: str
    successes: int
    pin_failures: int = 0
    app_id: str | None = None
    app_version: str | None = None
    platform: str | None = None
    install_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    flags: tuple[str, ...] = ()


class Skip(StrEnum):
    """Why an item that was understood is neither stored nor refused. Labels of a metric."""

    SUCCESS = "success"  # a success outside NEL, where failures are no connections either
    NOT_TLS = "not_tls"  # a network error that says nothing about certificates
    ADDRESS_CHANGED = "address_changed"  # NEL: may hide a failure of TLS behind it
    OTHER_TYPE = "other_type"  # of the Reporting API: csp-violation, deprecation, ...
    NO_EXCEPTION = "no_exception"  # an alert of Sentry without an exception about certificates


@dataclass(frozen=True, slots=True)
class Ignored:
    """An item that is well formed and says nothing of pins or certificates: only counted."""

    dialect: Dialect
    why: Skip
