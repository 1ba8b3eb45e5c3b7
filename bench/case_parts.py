"""Parts that cases of causes are made of: authorities, leaves, what installs report, what we know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from collector.detect.cases import Pins, Probing, Seen, Surroundings
from collector.detect.classes import Reported
from collector.detect.knowledge import knowledge
from collector.detect.paths import Roots
from collector.detect.served import Rotation, RotationState, ServedChain
from collector.model import Certificate, Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der, facts

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # when the first report comes in
HOST = "api.example.com"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    x509: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate(self) -> Certificate:
        return certificate_from_der(self.x509.public_bytes(Encoding.DER))


def _name(common: str, organisation: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


@cache
def made(
    common: str,
    by: Made | None = None,
    *,
    organisation: str = "",
    ca: bool = False,
    sans: tuple[str, ...] = (),
    start: datetime = T0 - 30 * DAY,
    days: float = 90,
    key_of: Made | None = None,
    subject_of: Made | None = None,
) -> Made:
    """key_of: certify that key anew; subject_of: with that name (a cross-sign has both)."""
    key = key_of.key if key_of else ec.generate_private_key(ec.SECP256R1())
    subject = subject_of.x509.subject if subject_of else _name(common, organisation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.x509.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if sans:
        names = [x509.DNSName(san) for san in sans]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Made(builder.sign(by.key if by else key, hashes.SHA256()), key)


def authority(
    common: str, by: Made | None = None, organisation: str = "", years: float = 10
) -> Made:
    return made(
        common, by, organisation=organisation, ca=True, start=T0 - 900 * DAY, days=365 * years
    )


def leaf(
    name: str, by: Made, host: str = HOST, *, start: datetime = T0 - 30 * DAY, days: float = 90
) -> Made:
    """name: tells leaves of one host apart; it is not in the certificate."""
    return _leaf(name, by, host, start, days)


@cache
def _leaf(_name: str, by: Made, host: str, start: datetime, days: float) -> Made:
    return made.__wrapped__(host, by, sans=(host,), start=start, days=days)


Chain = Sequence[Made]


def pin(of: Made, kind: str = "sha256") -> Hash:
    told = of.certificate
    return Hash(kind, told.spki_sha1 if kind == "sha1" else told.spki_sha256)


def no_pin(name: str) -> Hash:
    """Of a key that nobody has."""
    return Hash("sha256", sha256(name.encode()).digest())


def whole(chain: Chain) -> Reported:
    certificates = tuple(one.certificate for one in chain)
    return Reported(tuple(Hash("sha256", c.spki_sha256) for c in certificates), certificates)


def bare(chain: Chain, kind: str = "sha256") -> Reported:
    """Hashes only."""
    return Reported(tuple(pin(one, kind) for one in chain))


def text(chain: Chain, kind: str = "sha256") -> Reported:
    """As an exception of OkHttp has it: hashes with names, the root last."""
    subjects = tuple(facts(one.certificate.der).subject or "" for one in chain)
    return Reported(tuple(pin(one, kind) for one in chain), (), subjects)


def people(
    number: int,
    chain: Reported | Sequence[Reported] | None,
    pins: Pins = (),
    *,
    networks: int | None = None,
    version: str = "8.24.1",
    platform: str = "IOS",
    validated: bool = True,
    after: timedelta = timedelta(0),
    first: int = 0,
    environment: str = "production",
    test: bool = False,
    browser: bool = False,
) -> list[Seen]:
    """So many installs, a minute apart. networks: theirs in all (one each); two share an operator's.
    A list of chains: the first install shows the first, and so on."""
    told = []
    for number_ in range(first, first + number):
        place = number_ % (networks or number or 1)
        shown = (
            chain if chain is None or isinstance(chain, Reported) else chain[number_ % len(chain)]
        )
        told.append(Seen(
            install=b"install %d" % number_, network=b"network %d" % place,
            operator_network=b"operator %d" % (place // 2 if networks else number_),
            at=T0 + after + timedelta(minutes=number_), chain=shown, pins=tuple(sorted(pins)), app="wallet",
            version=version, platform=platform, validated=validated, environment=environment, test=test,
            browser=browser,
        ))  # fmt: skip
    return told


def served(
    chain: Chain,
    *,
    host: str = HOST,
    first: datetime = T0 - 30 * DAY,
    last: datetime = T0 + HOUR,
    trusted: bool = True,
) -> ServedChain:
    return ServedChain(
        host=host, port=443, chain=tuple(one.certificate for one in chain), trusted=trusted,
        problem=None if trusted else "no path to a root", key_type=None, first_seen=first, last_seen=last,
    )  # fmt: skip


def rotation(
    old: Made | None,
    new: Made | None,
    at: datetime = T0 - timedelta(minutes=3),
    *,
    declared: bool = True,
    host: str = HOST,
) -> Rotation:
    def digests(one: Made | None) -> frozenset[bytes]:
        return frozenset() if one is None else frozenset({one.certificate.spki_sha256})

    return Rotation(
        id=1, project=None, host=host, at=at, state=RotationState.DONE,
        declared_at=at - HOUR if declared else None, probed_at=None if declared else at,
        old_leaves=digests(old), new_leaves=digests(new),
    )  # fmt: skip


def shipped(*pins: Hash, until: str | None = None, since: str | None = None) -> ShippedPinSet:
    return ShippedPinSet(host=HOST, pins=tuple(sorted(pins)), version_from=since, version_to=until)


def around(
    chains: Iterable[ServedChain] = (),
    rotations: Iterable[Rotation] = (),
    *,
    roots: Iterable[Made] = (),
    registered: Iterable[Made] = (),
    registry: Iterable[ShippedPinSet] = (),
    well_since: datetime | None = None,
    asked_at: datetime | None = None,
) -> Surroundings:
    chains, rotations = tuple(chains), tuple(rotations)
    return Surroundings(
        known=knowledge(chains, rotations, [one.certificate.spki_sha256 for one in registered]),
        roots=Roots.of(one.certificate for one in roots),
        served=tuple(c for c in chains if c.host == HOST),
        rotations=rotations,
        registry=tuple(registry),
        probing=Probing(well_since=well_since, asked_at=asked_at),
    )
