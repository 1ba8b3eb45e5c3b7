"""What a lint finds, each finding with a set that has it and one that has not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from collector.detect.served import ServedChain
from collector.model import Hash
from collector.pins.findings import Code, Severity
from collector.pins.issuers import ISSUERS, Volatility, issuer_of
from collector.pins.known import Known
from collector.pins.lint import lint
from collector.pins.model import ShippedPinSet
from tests.make import NOON
from tests.pins.chains import make, path
from tests.pins.samples import PINS, pin

LE, DIGICERT, PRIVATE = path("Let's Encrypt"), path("DigiCert Inc"), path("Example Private")
HOST = "api.example.com"
LE_KNOWN = Known(served=[LE.served()], authorities=[LE.root.certificate, DIGICERT.root.certificate])
DAY = timedelta(days=1)


def ship(*pins: Hash, **said: object) -> ShippedPinSet:
    return replace(ShippedPinSet(host=HOST, pins=tuple(sorted(pins))), **said)  # type: ignore[arg-type]


def found(
    *sets: ShippedPinSet, known: Known | None = None, minimum: int = 2
) -> dict[Code, Severity]:
    findings = lint(sets, NOON, known or Known(), minimum)
    for finding in findings:
        assert finding.reason
        assert finding.advice
        assert len((finding.reason + finding.advice).splitlines()) == 1
    return {finding.code: finding.severity for finding in findings}


E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741


def test_nothing_is_guessed() -> None:
    assert found(ship(*PINS)) == {}


def test_how_many_pins() -> None:
    assert found(ship(pin("one"))) == {Code.SINGLE_PIN: E}
    assert found(ship(*PINS), minimum=3) == {Code.BELOW_MINIMUM: W}
    assert found(ship(*PINS, pin("three")), minimum=3) == {}
    zeros = Hash("sha256", bytes(32))
    assert found(ship(pin("one"), zeros)) == {Code.PLACEHOLDER_PIN: E, Code.SINGLE_PIN: E}
    assert found(ship()) == {}  # taken out of the pins of the domain above


def test_sha1() -> None:
    assert found(ship(LE.leaf.sha1, LE.root.pin)) == {Code.SHA1_PIN: W}


@pytest.mark.parametrize(("days", "code", "severity"), [
    (-1, Code.EXPIRED, E), (0, Code.EXPIRED, E), (1, Code.EXPIRES_SOON, E), (7, Code.EXPIRES_SOON, E),
    (8, Code.EXPIRES_SOON, W), (30, Code.EXPIRES_SOON, W), (31, Code.EXPIRY_DISABLES, I),
])  # fmt: skip
def test_when_a_set_expires(days: int, code: Code, severity: Severity) -> None:
    assert found(ship(*PINS, expires=NOON + days * DAY)) == {code: severity}


def test_pins_that_match_nothing_that_was_ever_served() -> None:
    known = LE_KNOWN
    assert found(ship(*PINS), known=known) == {Code.NEVER_SERVED: E}
    assert Code.NEVER_SERVED not in found(ship(LE.leaf.pin, *PINS), known=known)
    assert found(ship(*PINS, host="other.example.com"), known=known) == {}


def test_a_root_that_servers_leave_out_is_known_by_its_name() -> None:
    without = found(ship(LE.root.pin, *PINS), known=Known(served=[LE.served()]))
    assert without == {Code.NEVER_SERVED: W}  # nobody told whose key it is
    assert found(ship(LE.root.pin, *PINS), known=LE_KNOWN) == {}


def test_pins_of_what_was_served_before() -> None:
    known = replace(LE_KNOWN, served=[LE.served(at=NOON - DAY), DIGICERT.served()])
    assert found(ship(LE.leaf.pin, *PINS), known=known)[Code.NOT_SERVED_NOW] is E
    unsure = replace(known, authorities=())
    assert found(ship(LE.leaf.pin, *PINS), known=unsure)[Code.NOT_SERVED_NOW] is W
    beside = replace(LE_KNOWN, served=[LE.served(), DIGICERT.served()])
    assert found(ship(LE.leaf.pin, *PINS), known=beside)[Code.NOT_SERVED_NOW] is E
    both = found(ship(LE.leaf.pin, DIGICERT.leaf.pin), known=beside)
    assert Code.NOT_SERVED_NOW not in both
    gone = Known(served=[LE.served(at=NOON - DAY), DIGICERT.served()])
    assert Code.NOT_SERVED_NOW not in found(ship(DIGICERT.leaf.pin, *PINS), known=gone)


def test_every_pin_is_in_the_chain_that_is_served() -> None:
    told = found(ship(LE.leaf.pin, LE.root.pin), known=LE_KNOWN)
    assert told[Code.NO_BACKUP] is E
    assert Code.NO_BACKUP not in found(ship(LE.leaf.pin, DIGICERT.root.pin), known=LE_KNOWN)


def test_backups_of_the_authority_that_issues_already() -> None:
    other = make("ISRG Root X9", "Internet Security Research Group")
    known = replace(LE_KNOWN, authorities=[*LE_KNOWN.authorities, other.certificate])
    assert found(ship(LE.root.pin, other.pin), known=known) == {Code.BACKUP_SAME_CA: W}
    assert found(ship(LE.root.pin, other.pin, DIGICERT.root.pin), known=known) == {}
    assert found(ship(LE.root.pin, other.pin, pin("own")), known=known) == {}


def test_a_backup_key_that_nobody_proved() -> None:
    one = ship(LE.root.pin, pin("own"))
    for proven, told in (
        (None, {}),
        (frozenset(), {Code.BACKUP_UNPROVEN: W}),
        (frozenset({pin("own")}), {}),
    ):
        assert found(one, known=replace(LE_KNOWN, proven=proven)) == told
    roots = ship(LE.root.pin, DIGICERT.root.pin)
    assert found(roots, known=replace(LE_KNOWN, proven=frozenset())) == {}
    assert found(ship(*PINS), known=Known(proven=frozenset())) == {Code.BACKUP_UNPROVEN: W}
    assert found(ship(*PINS), known=Known(proven=frozenset({PINS[0]}))) == {}


def test_leafs_alone() -> None:
    one = ship(LE.leaf.pin, pin("own"))
    assert found(one, known=LE_KNOWN) == {Code.LEAF_ONLY: W}
    proven = replace(LE_KNOWN, proven=frozenset({pin("own")}))
    assert found(one, known=proven) == {Code.LEAF_ONLY: I}
    assert Code.LEAF_ONLY not in found(ship(LE.leaf.pin, DIGICERT.root.pin), known=LE_KNOWN)


def test_intermediates_that_their_issuer_changes() -> None:
    assert found(ship(LE.intermediate.pin, DIGICERT.root.pin), known=LE_KNOWN) == {
        Code.VOLATILE_ISSUER: E
    }
    assert found(ship(LE.intermediate.pin, LE.leaf.pin, pin("own")), known=LE_KNOWN) == {
        Code.VOLATILE_ISSUER: W
    }
    digicert = Known(served=[DIGICERT.served()], authorities=[DIGICERT.root.certificate])
    assert found(ship(DIGICERT.intermediate.pin, pin("own")), known=digicert) == {
        Code.VOLATILE_ISSUER: W
    }
    private = Known(served=[PRIVATE.served()], authorities=[PRIVATE.root.certificate])
    assert found(ship(PRIVATE.intermediate.pin, pin("own")), known=private) == {}


def test_where_reports_go() -> None:
    one = ship(*PINS, report_uris=("https://reports.example.com/r/k",))
    assert found(one) == {}
    above = ship(*PINS, host="example.com", include_subdomains=True)
    assert found(one, above) == {Code.REPORT_URI_PINNED: E}
    assert found(one, replace(above, app="com.example.other")) == {}
    assert found(ship(*PINS, default_report_uri=True)) == {Code.DEFAULT_REPORT_URI: W}


def test_reports_behind_the_same_authority() -> None:
    one = ship(LE.root.pin, DIGICERT.root.pin, report_uris=("https://reports.example.net/r/k",))
    same = replace(LE_KNOWN, served=[LE.served(), LE.served("reports.example.net")])
    assert found(one, known=same) == {Code.REPORT_URI_SAME_CA: I}
    other = replace(LE_KNOWN, served=[LE.served(), DIGICERT.served("reports.example.net")])
    assert found(one, known=other) == {}


def test_sets_that_contradict() -> None:
    one, other = ship(*PINS), ship(pin("one"), pin("three"))
    assert found(one, other) == {Code.CONTRADICTING: E}
    assert found(replace(one, version_to="8.9"), replace(other, version_from="8.10")) == {}
    assert found(replace(one, version_to="8.10"), replace(other, version_from="8.10")) == {
        Code.CONTRADICTING: E
    }
    for field, a, b in (
        ("app", "a", "b"),
        ("platform", "IOS", "ANDROID"),
        ("host", "a.example", "b.example"),
    ):
        assert found(replace(one, **{field: a}), replace(other, **{field: b})) == {}  # type: ignore[arg-type]
    assert found(replace(one, app="a"), other) == {Code.CONTRADICTING: E}
    assert found(replace(one, enforced=True), replace(one, enforced=False)) == {
        Code.CONTRADICTING: E
    }
    assert found(replace(one, app="a"), one) == {Code.DUPLICATE: I}


def test_two_formats_that_no_chain_satisfies() -> None:
    android = ship(*PINS, format="network-security-config")
    assert found(android, ship(pin("three"), pin("four"), format="okhttp")) == {
        Code.CONTRADICTING: E
    }
    assert found(android, ship(pin("one"), pin("four"), format="okhttp")) == {}


def test_the_worst_comes_first() -> None:
    sets = [ship(*PINS, expires=NOON + 60 * DAY), ship(pin("one"), host="z.example.com")]
    assert [finding.severity for finding in lint(sets, NOON)] == [E, I]


def test_chains_that_probes_saw_are_taken_as_they_are() -> None:
    seen = LE.served()
    probed = ServedChain(
        host=seen.host, port=443, chain=seen.chain, trusted=True, problem=None, key_type=None,
        first_seen=NOON - DAY, last_seen=NOON,
    )  # fmt: skip
    assert found(ship(*PINS), known=Known(served=[probed])) == {Code.NEVER_SERVED: W}


@pytest.mark.parametrize(("common", "organisation", "family"), [
    ("E7", "Let's Encrypt", "Let's Encrypt"), ("WE1", "Google Trust Services", "Google Trust Services"),
    ("Amazon RSA 2048 M04", "Amazon", "Amazon"), ("Cloudflare Inc ECC CA-3", "Cloudflare, Inc.", "Cloudflare"),
    ("Cloudflare TLS Issuing ECC CA 1", "SSL Corporation", "Cloudflare"), ("x", "SSL Corporation", "SSL.com"),
    ("Microsoft Azure RSA TLS Issuing CA 07", "Microsoft Corporation", "Microsoft Azure"),
    ("GlobalSign Atlas R3 DV TLS CA 2025 Q1", "GlobalSign nv-sa", "GlobalSign"),
    ("ZeroSSL ECC Domain Secure Site CA", "ZeroSSL", "Sectigo"), ("Example CA", "Example", None),
    ("Certainly Intermediate R1", "Certainly", "Fastly Certainly"),
    ("Apple Public Server RSA CA 12 - G1", "Apple Inc.", "Apple"),
    ("DigiCert, with commas", "DigiCert Inc", "DigiCert"),
])  # fmt: skip
def test_issuers_by_their_names(common: str, organisation: str, family: str | None) -> None:
    issuer = issuer_of(make(common, organisation).certificate)
    assert (issuer.family if issuer else None) == family


def test_the_table_of_issuers_has_sources() -> None:
    assert len({issuer.family for issuer in ISSUERS}) == len(ISSUERS)
    for issuer in ISSUERS:
        assert issuer.source.startswith("https://")
        assert issuer.why
        assert issuer.intermediate in Volatility
