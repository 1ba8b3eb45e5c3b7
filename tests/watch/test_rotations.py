"""Rounds over a real database: served chains, declarations and sightings become one timeline a host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from collector.detect.served import Rotation, RotationState
from collector.intake.keyring import Key
from collector.model import Certificate, ProjectId
from collector.probing.roots import roots_of
from collector.probing.trust import check
from collector.reports.certificates import certificate_from_der
from collector.store import hosts, rotations
from collector.watch.rotations import look_for_rotations
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, android_pem, issue, name, row, trustkit_android

HOST = "api.example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
S = RotationState


class Authority:
    """One that keeps to the rules of public ones."""

    def __init__(self, common: str, by: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = name(common)
        self.by = by
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        self.certificate = self._signed(
            self.subject, self.key.public_key(), NOON - 900 * DAY, 3650,
            [(x509.BasicConstraints(ca=True, path_length=None), True), (usage, True)],
        )  # fmt: skip

    def _signed(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        start: datetime,
        days: int,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        issuer = self if subject != self.subject or self.by is None else self.by
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
        )
        known = [
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False),
        ]
        for extension, critical in [*extensions, *known]:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(issuer.key, hashes.SHA256())

    def leaf(self, start: datetime, host: str = HOST) -> Certificate:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return own(
            self._signed(
                name(None), ec.generate_private_key(ec.SECP256R1()).public_key(), start, 90,
                [(x509.SubjectAlternativeName([x509.DNSName(host)]), True), (usage, False)],
            )
        )  # fmt: skip


def own(certificate: x509.Certificate) -> Certificate:
    return certificate_from_der(certificate.public_bytes(Encoding.DER))


@cache
def authorities() -> tuple[Authority, Authority]:
    root = Authority("Root")
    return root, Authority("Intermediate", root)


def trusts(chain: Sequence[Certificate], host: str, at: datetime) -> bool:
    root = authorities()[0].certificate.public_bytes(Encoding.PEM)
    return check(chain, host, at, roots_of(root, is_public=True)).trusted


async def look(pool: asyncpg.Pool, now: datetime) -> list[Rotation]:
    await look_for_rotations(pool, now, trusts)
    async with pool.acquire() as connection:
        return await rotations.of_host(connection, HOST)


async def serve(
    pool: asyncpg.Pool,
    leaf: Certificate,
    first: datetime,
    last: datetime | None = None,
    host: str = HOST,
) -> None:
    """What a probe saw."""
    await pool.execute(
        "INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)"
        " VALUES ($1, $2, 443, $3, $4, true, $5, $6)"
        " ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen",
        leaf.sha256[:16], host, [leaf.der], leaf.spki_sha256, first, last or first,
    )  # fmt: skip


async def declare(
    pool: asyncpg.Pool,
    key: Key,
    at: datetime,
    *chain: Certificate,
    now: datetime | None = None,
    note: str = "",
) -> Rotation:
    async with pool.acquire() as connection, connection.transaction():
        return await rotations.declare(
            connection, project=key.project, host=HOST, planned_at=at, chain=chain, note=note,
            now=now or at, who="ci",
        )  # fmt: skip


def certificate(common: str = HOST) -> Certificate:
    return certificate_from_der(issue(common).der)


async def test_a_declared_rotation_is_seen_by_a_probe(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    old, new = certificate(), certificate()
    await serve(pool, old, NOON - DAY, NOON)
    made = await declare(pool, key, NOON, new, now=NOON - DAY, note="change 4711")
    (waits,) = await look(pool, NOON + HOUR)
    assert waits == made
    assert waits.state is S.PLANNED
    (missed,) = await look(pool, NOON + 3 * HOUR)
    assert missed.state is S.NOT_SEEN
    await serve(pool, new, NOON + 4 * HOUR)
    (late,) = await look(pool, NOON + 4 * HOUR + MINUTE)
    assert (late.id, late.state, late.at) == (made.id, S.LATE, NOON + 4 * HOUR)
    assert (late.project, late.note, late.declared_by) == (None, "change 4711", "ci")
    assert (late.old_leaves, late.new_leaves) == (
        frozenset({old.spki_sha256}),
        frozenset({new.spki_sha256}),
    )
    assert late.chain == (new,)
    changed = await pool.fetchval("SELECT state_at FROM rotation")
    assert await look(pool, NOON + 5 * HOUR) == [late]
    assert await pool.fetchval("SELECT state_at FROM rotation") == changed


async def test_many_processes_at_once_write_each_event_once(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    await serve(pool, certificate(), NOON - DAY, NOON)
    for minutes in range(6):
        await declare(pool, key, NOON + minutes * MINUTE)
    for leaf in (certificate(), certificate()):
        await serve(pool, leaf, NOON + 5 * MINUTE)
    for hours in (-3, -8):
        await serve(pool, certificate(), NOON + hours * HOUR)
    now = NOON + 10 * MINUTE
    await asyncio.gather(*(look_for_rotations(pool, now, trusts) for _ in range(8)))
    found = await look(pool, now)
    assert [(r.at, len(r.new_leaves), len(r.sources)) for r in found] == [
        (NOON, 2, 2),
        (NOON - 3 * HOUR, 1, 1),
        (NOON - 8 * HOUR, 1, 1),
    ]


async def report(
    pool: asyncpg.Pool,
    clock: Clock,
    key: Key,
    chain: Sequence[bytes],
    *,
    installs: int = 10,
    networks: int = 5,
    at: datetime = NOON,
) -> None:
    pems = [android_pem(der) for der in chain]
    chains = {"served_certificate_chain": pems, "validated_certificate_chain": pems}
    async with flushing(pool, clock) as intake:
        rows = [
            row(
                trustkit_android(app_vendor_id=f"00000000-0000-4000-8000-{n:012}", **chains),
                received_at=at, address=f"198.{18 + n % networks}.100.{n}", key=key,
            )
            for n in range(installs)
        ]  # fmt: skip
        await intake.submit(rows)


async def registered(pool: asyncpg.Pool) -> Key:
    key = await project(pool)
    async with pool.acquire() as connection:
        await hosts.register(connection, key.project, [HOST], NOON)
    return key


async def test_an_observed_rotation_and_the_probe_that_shows_it(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await registered(pool)
    _, intermediate = authorities()
    new = intermediate.leaf(NOON - DAY)
    above = own(intermediate.certificate)
    await report(pool, clock, key, [new.der, above.der])
    (seen,) = await look(pool, NOON + MINUTE)
    assert (seen.observed_at, seen.probed_at, seen.state) == (NOON, None, S.DONE)
    assert seen.new_leaves == frozenset({new.spki_sha256})
    assert await look(pool, NOON + 2 * MINUTE) == [seen]
    await serve(pool, certificate(), NOON - DAY, NOON)
    await serve(pool, new, NOON + 5 * MINUTE)
    (both,) = await look(pool, NOON + 6 * MINUTE)
    assert (both.id, both.observed_at, both.probed_at) == (seen.id, NOON, NOON + 5 * MINUTE)
    assert await look(pool, NOON + 2 * DAY) == [both]


async def test_what_is_not_enough_to_be_observed(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await registered(pool)
    _, intermediate = authorities()
    above = own(intermediate.certificate).der
    good = intermediate.leaf(NOON - DAY).der
    known = intermediate.leaf(NOON - DAY)
    await serve(pool, known, NOON - 9 * DAY)
    cases: list[tuple[Sequence[bytes], int, int]] = [
        ([good, above], 9, 5),
        ([intermediate.leaf(NOON - DAY).der, above], 10, 4),
        ([intermediate.leaf(NOON - 40 * DAY).der, above], 10, 5),
        ([intermediate.leaf(NOON - DAY, "other.example").der, above], 10, 5),
        ([intermediate.leaf(NOON - DAY).der], 10, 5),  # its issuer is not told
        ([certificate().der], 10, 5),
        ([known.der, above], 10, 5),
    ]
    for chain, installs, networks in cases:
        await report(pool, clock, key, chain, installs=installs, networks=networks)
    assert await look(pool, NOON + MINUTE) == []
    await report(pool, clock, key, [good, above], installs=10)
    assert len(await look(pool, NOON + MINUTE)) == 1


async def test_nobody_registered_the_host(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    _, intermediate = authorities()
    chain = [intermediate.leaf(NOON - DAY).der, own(intermediate.certificate).der]
    await report(pool, clock, key, chain)
    assert await look(pool, NOON + MINUTE) == []


async def test_leaves_that_count_as_ours(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    first, second, third = certificate(), certificate(), certificate()
    await declare(pool, key, NOON + DAY, first, now=NOON)
    await declare(pool, key, NOON + DAY, second, now=NOON + HOUR)
    cancelled = await declare(pool, key, NOON + DAY, third, now=NOON)
    await declare(pool, key, NOON + DAY)

    async def ours() -> dict[bytes, datetime]:
        async with pool.acquire() as connection:
            return await rotations.declared_leaves(connection)

    expected = {first.spki_sha256: NOON, second.spki_sha256: NOON + HOUR}
    assert await ours() == {**expected, third.spki_sha256: NOON}
    await serve(pool, certificate(), NOON - DAY, NOON)
    await serve(pool, second, NOON + 2 * HOUR)
    seen = next(r for r in await look(pool, NOON + 3 * HOUR) if r.probed_at)
    for rotation in (cancelled, seen):
        async with pool.acquire() as connection, connection.transaction():
            assert (await rotations.end(connection, rotation.id or 0, NOON + 3 * HOUR))[1]
    assert await ours() == expected


async def test_a_plan_is_moved_by_declaring_it_again(pool: asyncpg.Pool) -> None:
    key, new = await project(pool), certificate()
    made = await declare(pool, key, NOON + DAY, new, now=NOON, note="first")
    again = await declare(pool, key, NOON + 2 * DAY, new, now=NOON + HOUR)
    assert (again.id, again.planned_at, again.declared_at) == (made.id, NOON + 2 * DAY, NOON)
    assert await look(pool, NOON + DAY + 3 * HOUR) == [again]
    assert again.note == "first"


async def test_what_the_metric_tells(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await registered(pool)
    await serve(pool, certificate(), NOON - DAY, NOON)
    await serve(pool, certificate(), NOON - HOUR, NOON)
    await serve(pool, certificate("a"), NOON - DAY, NOON, host="nobody.example")
    await serve(pool, certificate("b"), NOON - HOUR, NOON, host="nobody.example")
    await declare(pool, key, NOON - 10 * HOUR)
    await declare(pool, key, NOON + HOUR, now=NOON)
    told = await look_for_rotations(pool, NOON, trusts)
    assert told == {(HOST, "declared"): NOON - 10 * HOUR, (HOST, "probed"): NOON - HOUR}


async def test_what_is_old_is_forgotten(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    await declare(pool, key, NOON - 401 * DAY)
    await declare(pool, key, NOON - 300 * DAY)
    assert [r.at for r in await look(pool, NOON)] == [NOON - 300 * DAY]


async def test_a_project_that_is_gone_takes_its_declarations_along(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    await declare(pool, key, NOON)
    await pool.execute("DELETE FROM project WHERE id = $1", ProjectId(key.project))
    assert await look(pool, NOON) == []


async def test_rounds_of_months_tell_each_rotation_once(pool: asyncpg.Pool) -> None:
    """A new key every 20 days for half a year; rounds go on, and what is old is neither told again
    nor changed."""
    leaves = [certificate() for _ in range(9)]
    for day in range(0, 180, 5):
        now = NOON + day * DAY
        for number, leaf in enumerate(leaves):
            begins = NOON + number * 20 * DAY
            if begins <= now:
                await serve(pool, leaf, begins, min(now, begins + 20 * DAY))
        await look(pool, now)
    found = await look(pool, NOON + 180 * DAY)
    assert [r.at for r in reversed(found)] == [NOON + n * 20 * DAY for n in range(1, 9)]
    for rotation, before in zip(reversed(found), leaves, strict=False):
        assert rotation.old_leaves == frozenset({before.spki_sha256})
