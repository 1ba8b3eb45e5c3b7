"""Cases with the label that each should get: outages of the public record by the shape of their chains,
inspection, forgeries, and mistakes of releases. Certificates are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from bench.case_parts import (
    DAY,
    HOST,
    HOUR,
    T0,
    Chain,
    around,
    authority,
    bare,
    leaf,
    made,
    no_pin,
    people,
    pin,
    rotation,
    served,
    shipped,
    text,
    whole,
)  # fmt: skip
from collector.detect.cases import Case, Seen, Surroundings, case_of
from collector.detect.classes import Reported
from collector.detect.judgement import Cause
from collector.detect.served import ServedChain
from collector.model import Hash, Kind


@dataclass(frozen=True)
class Named:
    """``own``: it is our own chain that is reported, so that it may never be called interception."""

    name: str
    want: Cause
    seen: tuple[Seen, ...]
    around: Surroundings
    kind: Kind = Kind.PIN_MISMATCH
    own: bool = True

    def case(self, seen: Sequence[Seen] | None = None) -> Case:
        return case_of(HOST, self.kind, self.seen if seen is None else seen, self.around)


# Authorities: two public ones, of which the first has two intermediates, and an older root that
# certified the first root as well.
ROOT_A, ROOT_B = (
    authority("Public Root A", organisation="CA A"),
    authority("Public Root B", organisation="CA B"),
)
A1, A2 = authority("A1", ROOT_A, "CA A"), authority("A2", ROOT_A, "CA A")
B1 = authority("B1", ROOT_B, "CA B")
OLD_ROOT = authority("Older Root X3", organisation="Older Trust")
CROSS_A = made(
    "", OLD_ROOT, ca=True, key_of=ROOT_A, subject_of=ROOT_A, start=T0 - 800 * DAY, days=2000
)
ROOTS = (ROOT_A, ROOT_B, OLD_ROOT)
BEFORE = leaf("before", A1)
AFTER = leaf("after", A1, start=T0 - HOUR)
AFTER_A2, AFTER_B = leaf("after a2", A2, start=T0 - HOUR), leaf("after b", B1, start=T0 - HOUR)
OLD: Chain = (BEFORE, A1)
NEW: Chain = (AFTER, A1)
TURN = T0 - HOUR / 20  # three minutes before the first report
OLD_PINS = (pin(BEFORE), no_pin("backup"))
O, I, U = Cause.OWN_ROTATION, Cause.INTERCEPTION, Cause.UNKNOWN  # noqa: E741 (a table reads best in columns)
PATH, PINS, ENV = Cause.PATH_BUILDING, Cause.WRONG_PINS, Cause.WRONG_ENVIRONMENT
ISSUER, MIS, FORGED = Cause.ISSUER_CHANGE, Cause.MISISSUANCE_SUSPECTED, Cause.FORGED_OR_BROKEN
CLOCK = Cause.EXPIRED_OR_CLOCK


def _changed(new: Chain, old: Chain = OLD) -> tuple[ServedChain, ServedChain]:
    """A probe saw the old chain, and then the new one."""
    return served(old, first=T0 - 30 * DAY, last=TURN - HOUR / 6), served(new, first=TURN)


def _named(
    name: str, want: Cause, seen: Sequence[Seen], told: Surroundings, kind: Kind = Kind.PIN_MISMATCH,
    *, own: bool = True,
) -> Named:  # fmt: skip
    return Named(name, want, tuple(seen), told, kind, own)


# How clients report one and the same chain.
FORMS: dict[str, Callable[[Chain], tuple[Reported, str, bool]]] = {
    "trustkit ios": lambda c: (whole((*c, ROOT_A)), "IOS", True),
    "trustkit android": lambda c: (whole(c), "ANDROID", True),
    "okhttp 3.1 text, sha1": lambda c: (text((*c, ROOT_A), "sha1"), "ANDROID", True),
    "okhttp 4 text": lambda c: (text((*c, ROOT_A)), "ANDROID", True),
    "okhttp 5 text": lambda c: (text((*c, ROOT_A)), "OTHER", True),
    "rn-ssl-manager": lambda c: (bare(c), "ANDROID", False),
    "leaf only": lambda c: (whole(c[:1]), "ANDROID", False),
}


def rotations() -> Iterator[Named]:
    declared = around(_changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS)
    for name, form in FORMS.items():
        chain, platform, validated = form(NEW)
        pins = (pin(BEFORE, "sha1"),) if "sha1" in name else OLD_PINS
        seen = people(40, chain, pins, platform=platform, validated=validated)
        yield _named(f"a declared rotation as {name} tells it", O, seen, declared)
    plain, old_pins = whole((*NEW, ROOT_A)), OLD_PINS
    many = people(40, plain, old_pins)
    yield _named("a rotation that only the prober saw", O, many, around(_changed(NEW), roots=ROOTS))
    yield _named(
        "a rotation of which reports came first", O, people(40, plain, old_pins),
        around((served(OLD, last=T0), served(NEW, first=T0 + HOUR / 3)), roots=ROOTS),
    )  # fmt: skip
    yield _named("a few installs after a rotation", O, people(3, plain, old_pins), declared)
    yield _named(
        "iOS reports days after a rotation", O, people(30, plain, old_pins, after=4 * DAY), declared
    )
    yield _named(
        "a rotation declared, and not probed",
        O,
        many,
        around([], [rotation(BEFORE, AFTER)], roots=ROOTS),
    )
    yield _named(
        "a first probe, after the leaf was renewed",
        O,
        many,
        around([served(NEW, first=T0)], roots=ROOTS),
    )
    left = around((served(OLD, first=T0 - 300 * DAY, last=T0 - 90 * DAY), served(NEW, first=T0 - 89 * DAY)),
                  roots=ROOTS)  # fmt: skip
    yield _named(
        "a release left behind by a rotation of last quarter", O, people(9, plain, old_pins), left
    )
    yield _named("returning clients with last year's pins (HPKP, 2016)", O, many, declared)
    yield _named("renewal with a new key, leaf pinned (Let's Encrypt client, 2020)", O,
                 people(25, whole(NEW), (pin(BEFORE),), platform="ANDROID"),
                 around(_changed(NEW), roots=ROOTS))  # fmt: skip
    yield _named("a mass revocation, certificates replaced in 24 h (2024)", O, people(200, plain, old_pins),
                 declared)  # fmt: skip
    yield _named("a third party's host rotated (pinning demo, 2025)", O, people(22, plain, (pin(BEFORE),)),
                 around(_changed(NEW), roots=ROOTS))  # fmt: skip
    yield _named("a CDN that serves the leaf only (2026)", O,
                 people(25, whole((AFTER,)), (pin(BEFORE),), platform="ANDROID"),
                 around((served((BEFORE,), last=TURN), served((AFTER,), first=TURN)), roots=ROOTS))  # fmt: skip
    versions = people(30, plain, old_pins) + people(
        10, plain, (pin(BEFORE),), version="7.9", first=30
    )
    yield _named("a rotation that several releases fail at", O, versions, declared)
    crossed = whole((AFTER, A1, CROSS_A, OLD_ROOT))
    yield _named("our own chain behind a cross-sign", O, people(30, crossed, old_pins), declared)
    private = authority("Example Internal Root", organisation="Example Ltd")
    old, new = leaf("private before", private), leaf("private after", private, start=T0 - HOUR)
    yield _named("a rotation under a private root of our own", O, people(30, whole((new, private)), (pin(old),)),
                 around((served((old, private), last=TURN, trusted=False),
                         served((new, private), first=TURN, trusted=False)), roots=ROOTS))  # fmt: skip
    yield _named("a registered key under a private root", U, people(5, whole((new, private)), (pin(old),)),
                 around([], registered=[new], roots=ROOTS))  # fmt: skip
    yield _named("our chain, few installs, and nothing changed", U, people(3, whole(OLD), (no_pin("z"),)),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield _named("our chain, beside as many of a proxy", O,
                 people(30, plain, old_pins) + people(20, whole(_proxied("Acme Root")), old_pins, first=30),
                 declared)  # fmt: skip


def issuers() -> Iterator[Named]:
    for name, new, root in (
        ("an edge moved from one CA to another (Expensify, 2026-07)", (AFTER_B, B1), ROOT_B),
        ("a CDN moved us between CAs (Cloudflare, 2024)", (AFTER_B, B1), ROOT_B),
        ("a CA's intermediate was rotated (Let's Encrypt X3 to R3, 2020)", (AFTER_A2, A2), ROOT_A),
        ("renewal from a sister intermediate (E5 for E6, 2024)", (AFTER_A2, A2), ROOT_A),
        ("a CA moved its intermediate before a sale (2016)", (AFTER_A2, A2), ROOT_A),
    ):
        known = around(_changed(new), roots=ROOTS)
        yield _named(name, ISSUER, people(40, whole((*new, root)), (pin(BEFORE), pin(A1))), known)
        yield _named(f"{name}, hashes only", ISSUER,
                     people(40, text((*new, root)), (pin(A1),), platform="ANDROID"), known)  # fmt: skip
    probed = around(
        _changed((AFTER_B, B1)), [rotation(BEFORE, AFTER_B, TURN, declared=False)], roots=ROOTS
    )
    yield _named("a new issuer that the prober wrote down as a rotation", ISSUER,
                 people(40, whole((AFTER_B, B1)), (pin(A1),)), probed)  # fmt: skip
    told = around(_changed((AFTER_B, B1)), [rotation(BEFORE, AFTER_B, TURN)], roots=ROOTS)
    yield _named("a new issuer, declared", O, people(40, whole((AFTER_B, B1)), (pin(A1),)), told)


def paths() -> Iterator[Named]:
    short = around([served((BEFORE, A1, CROSS_A))], roots=ROOTS)
    yield _named("the cross-signed root went away for some (2021)", PATH,
                 people(30, whole((BEFORE, A1, ROOT_A)), (pin(OLD_ROOT),), platform="ANDROID"), short)  # fmt: skip
    yield _named("a browser component shortened paths (2026-01)", PATH,
                 people(30, whole((BEFORE, A1)), (pin(ROOT_A),), platform="MACOS"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield _named("a root pin, and Android's report ends below it", PATH,
                 people(30, whole(OLD), (pin(ROOT_A),), platform="ANDROID"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    by_b = made("", ROOT_B, ca=True, key_of=A1, subject_of=A1, start=T0 - 100 * DAY, days=900)
    yield _named("a client went over another root", PATH, people(30, whole((BEFORE, by_b, ROOT_B)), (pin(ROOT_A),)),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield _named("another path, as a text of hashes tells it", PATH,
                 people(30, text((BEFORE, by_b, ROOT_B)), (pin(ROOT_A),), platform="ANDROID"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield _named("a chain served too short broke one platform (2024)", PATH,
                 people(60, whole(OLD), OLD_PINS, platform="ANDROID", validated=False),
                 around([served(OLD)], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip


def releases() -> Iterator[Named]:
    bad = (no_pin("a key of nobody"), no_pin("another"))
    known = around([served(OLD)], roots=ROOTS)
    chain = whole((*OLD, ROOT_A))
    yield _named("a release with one wrong pin", PINS, people(25, chain, bad, version="9.0"), known)
    yield _named("a release with one wrong pin, hashes only", PINS,
                 people(25, bare(OLD), bad, version="9.0", platform="ANDROID", validated=False), known)  # fmt: skip
    other = leaf("other host", A1, "www.example.com")
    yield _named("a release with the pins of another host", PINS, people(25, chain, (pin(other),), version="9.0"),
                 around([served(OLD), served((other, A1), host="www.example.com")], roots=ROOTS))  # fmt: skip
    yield _named("an imported release ships the wrong pins itself", PINS, people(25, chain, bad, version="9.0"),
                 around([served(OLD)], registry=[shipped(*bad, since="9.0")], roots=ROOTS))  # fmt: skip
    stops = [shipped(pin(BEFORE), until="8.99")]
    imported = around([served(OLD)], registry=stops, roots=ROOTS)
    yield _named(
        "imports stop at version N, N+1 fails",
        PINS,
        people(13, chain, bad, version="9.0"),
        imported,
    )
    yield _named(
        "imports stop at version N, a few of N+1", U, people(5, chain, bad, version="9.0"), imported
    )
    yield _named("many of an imported version agree on other pins", PINS, people(25, chain, bad, version="8.5"),
                 imported)  # fmt: skip
    yield _named(
        "a registered version with forged pins", U, people(8, chain, bad, version="8.5"), imported
    )
    yield _named("a registered version with forged pins, many installs on few networks", U,
                 people(60, chain, bad, version="8.5", networks=4), imported)  # fmt: skip
    yield _named("a wrong release on the day of a rotation", PINS,
                 people(30, whole((*NEW, ROOT_A)), bad, version="9.0"),
                 around(_changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS))  # fmt: skip
    yield _named("nine installs with wrong pins", U, people(9, chain, bad, version="9.0"), known)


def environments() -> Iterator[Named]:
    staging = leaf("staging", A1, "staging.example.com")
    both = around([served(OLD), served((staging, A1), host="staging.example.com")], roots=ROOTS)
    for name, chain in (("whole", whole((staging, A1))), ("hashes only", bare((staging, A1)))):
        yield _named(f"the leaf of staging, {name}", ENV, people(25, chain, OLD_PINS), both)
    yield _named("the leaf of staging, by a wrong name", ENV, people(25, whole((staging, A1)), OLD_PINS), both,
                 Kind.NAME_MISMATCH)  # fmt: skip
    late = around((served(OLD, last=T0 - 3 * DAY), served(NEW, first=T0 - 3 * DAY)),
                  [rotation(BEFORE, AFTER, T0 - 3 * DAY)], roots=ROOTS)  # fmt: skip
    yield _named(
        "one node still has the old leaf", ENV, people(25, whole(OLD), (pin(AFTER),)), late
    )
    unseen = around((served(OLD, last=T0 - 3 * DAY), served(NEW, first=T0 - 3 * DAY)), roots=ROOTS)
    yield _named(
        "one node still has the old leaf, undeclared",
        ENV,
        people(25, whole(OLD), (pin(AFTER),)),
        unseen,
    )
    gone = around((served(OLD, first=T0 - 90 * DAY, last=T0 - 12 * DAY), served(NEW, first=T0 - 12 * DAY)),
                  roots=ROOTS)  # fmt: skip
    yield _named(
        "a node with a leaf of a fortnight ago", ENV, people(5, whole(OLD), (pin(AFTER),)), gone
    )
    private = authority("Example Staging Root", organisation="Example Ltd")
    elsewhere = leaf("private elsewhere", private, "db.example.com")
    ours = served((leaf("private api", private), private), trusted=False)
    yield _named("another name under our own private authority", ENV,
                 people(25, whole((elsewhere, private)), OLD_PINS), around([ours], roots=ROOTS))  # fmt: skip
    again = leaf("private api again", private)
    yield _named("a new leaf under a private authority that we configured", U,
                 people(25, whole((again, private)), OLD_PINS), around([ours], roots=ROOTS))  # fmt: skip
    yield _named("a new leaf under a private authority that we registered", U,
                 people(25, whole((again, private)), OLD_PINS),
                 around([], registered=[private], roots=ROOTS))  # fmt: skip


def clocks() -> Iterator[Named]:
    out = leaf("expired", A1, start=T0 - 90 * DAY, days=89)
    known = around([served((out, A1), first=T0 - 80 * DAY)], roots=ROOTS)
    for kind in (Kind.CHAIN_UNTRUSTED, Kind.EXPIRED):
        yield _named(
            f"our own certificate expired, as {kind}",
            CLOCK,
            people(5, whole((out, A1))),
            known,
            kind,
        )
    yield _named("our own certificate expired, hashes only", CLOCK, people(5, bare((out, A1))), known,
                 Kind.CHAIN_UNTRUSTED)  # fmt: skip
    stale = made("A stale", ROOT_A, organisation="CA A", ca=True, start=T0 - 400 * DAY, days=399)
    below = leaf("below stale", stale)
    yield _named("an intermediate that we serve expired", CLOCK, people(30, whole((below, stale)), platform="IOS"),
                 around([served((below, stale))], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip
    for number in (1, 6):
        yield _named(f"{number} devices whose clock is wrong", CLOCK, people(number, whole(OLD)),
                     around([served(OLD)], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip
    yield _named("a device whose clock is before our leaf", CLOCK, people(1, whole(OLD)),
                 around([served(OLD)], roots=ROOTS), Kind.NOT_YET_VALID)  # fmt: skip


def _proxied(common: str, organisation: str = "", host: str = HOST, number: int = 0) -> Chain:
    root = authority(common, organisation=organisation)
    return leaf(f"proxied {number}", root, host), root


_PRODUCTS = (
    ("Zscaler Root CA", "Zscaler Inc."), ("certadmin@netskope.com", "Netskope Inc."),
    ("FortiGate CA", "Fortinet"), ("Cisco Umbrella Root CA", "Cisco"),
    ("Kaspersky Anti-Virus Personal Root Certificate", "AO Kaspersky Lab"),
    ("ESET SSL Filter CA", "ESET, spol. s r. o."), ("Charles Proxy CA (20 Nov 2026, mac)", "XK72 Ltd"),
    ("mitmproxy", "mitmproxy"), ("PortSwigger CA", "PortSwigger"), ("DO_NOT_TRUST_FiddlerRoot", "DO_NOT_TRUST"),
    ("Superfish, Inc.", "Superfish, Inc."), ("Adguard Personal CA", "AdGuard"),
)  # fmt: skip


def inspection() -> Iterator[Named]:
    known = around([served(OLD)], roots=ROOTS)
    for common, organisation in _PRODUCTS:
        seen = people(4, whole(_proxied(common, organisation)), OLD_PINS, networks=1)
        yield _named(f"inspected by what calls itself {common}", I, seen, known, own=False)
    corporate = _proxied("Acme Corp Root")
    yield _named(
        "a company's own root",
        I,
        people(12, whole(corporate), OLD_PINS, networks=2),
        known,
        own=False,
    )
    many = [whole(_proxied(f"Device CA {n}", number=n)) for n in range(8)]
    yield _named("many roots, one install each", I, people(8, many, OLD_PINS), known, own=False)
    yield _named("a company's root, as a text of hashes", I,
                 people(5, text(corporate), OLD_PINS, networks=1, platform="ANDROID"), known, own=False)  # fmt: skip
    below = authority("Zscaler Intermediate Root CA", authority("Zscaler Root CA", organisation="Zscaler Inc."),
                      "Zscaler Inc.")  # fmt: skip
    open_top = whole((leaf("open", below), below))
    yield _named("a product whose root Android leaves out", I, people(5, open_top, OLD_PINS, platform="ANDROID"),
                 known, own=False)  # fmt: skip
    forger = _proxied("Zscaler Root CA", "Zscaler Inc.", number=7)
    yield _named("a product's name on a forger's root, on many networks", I, people(60, whole(forger), OLD_PINS),
                 known, own=False)  # fmt: skip
    yield _named("genuine certificates appended to a forger's chain", I,
                 people(30, whole((*forger, A1, ROOT_A)), OLD_PINS), known, own=False)  # fmt: skip
    alone = made(HOST, sans=(HOST,))
    yield _named(
        "a leaf that signed itself", I, people(3, whole((alone,)), OLD_PINS), known, own=False
    )
    yield _named("a self-signed leaf with our chain behind it", I, people(3, whole((alone, A1, ROOT_A)), OLD_PINS),
                 known, own=False)  # fmt: skip
    yield _named(
        "an untrusted proxy", I, people(6, whole(corporate)), known, Kind.CHAIN_UNTRUSTED, own=False
    )
    yield _named("a root that the user installed, no chain told", I, people(2, None), known, Kind.USER_ANCHOR,
                 own=False)  # fmt: skip
    yield _named("a captive portal", I, people(9, whole(_proxied("MikroTik", "MikroTik", "login.hotel.example"))),
                 known, Kind.CHAIN_UNTRUSTED, own=False)  # fmt: skip
    during = around(_changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS)
    yield _named("a proxy on the day of a rotation", I, people(12, whole(corporate), OLD_PINS, networks=2), during,
                 own=False)  # fmt: skip


def public_keys() -> Iterator[Named]:
    strange = leaf("strange", B1)
    chain = whole((strange, B1, ROOT_B))
    well = {"well_since": T0 - 30 * DAY, "asked_at": T0 + HOUR}
    probed = around([served(OLD)], roots=ROOTS, **well)  # type: ignore[arg-type]
    yield _named(
        "a public certificate that no probe shows",
        MIS,
        people(6, chain, OLD_PINS),
        probed,
        own=False,
    )
    yield _named("the same as Android tells it", MIS,
                 people(6, whole((strange, B1)), OLD_PINS, platform="ANDROID"), probed, own=False)  # fmt: skip
    yield _named("a strange public certificate, two operators", U, people(4, chain, OLD_PINS, networks=4), probed,
                 own=False)  # fmt: skip
    yield _named("a second CDN that is not probed yet", U, people(30, chain, OLD_PINS),
                 around([served(OLD, first=T0 - DAY)],
                 roots=ROOTS, well_since=T0 - DAY, asked_at=T0 + HOUR))  # fmt: skip
    yield _named(
        "a hidden fourth CA of a CDN", U, people(30, chain, OLD_PINS), around([], roots=ROOTS)
    )
    yield _named("a strange certificate, the prober was not asked since", U, people(6, chain, OLD_PINS),
                 around([served(OLD)],
                 roots=ROOTS, well_since=T0 - 30 * DAY, asked_at=T0 - HOUR), own=False)  # fmt: skip
    yield _named("a public certificate whose key a release pins", U, people(6, chain, OLD_PINS),

                                around([served(OLD)], registry=[shipped(pin(strange))], roots=ROOTS, **well))  # type: ignore[arg-type  # fmt: skip
    ended = leaf("ended", B1, start=T0 - 90 * DAY, days=80)
    yield _named("a public certificate that had expired", U, people(6, whole((ended, B1)), OLD_PINS), probed,
                 own=False)  # fmt: skip
    foreign = leaf("foreign", B1, "login.hotel.example")
    yield _named("a public certificate of another name", U, people(6, whole((foreign, B1))), probed,
                 Kind.NAME_MISMATCH, own=False)  # fmt: skip
    yield _named("a strange key of hashes only", U, people(6, bare((strange, B1)), OLD_PINS, validated=False),
                 probed, own=False)  # fmt: skip
    yield _named("the same once a probe shows it", O, people(40, chain, OLD_PINS),
                 around((served(OLD, last=TURN), served((strange, B1), first=TURN)),
                        [rotation(BEFORE, strange, TURN)], roots=ROOTS))  # fmt: skip


def no_word_of_a_client() -> Iterator[Named]:
    known = around([served(OLD)], roots=ROOTS)
    good = whole((*OLD, ROOT_A))
    yield _named(
        "a test suite's marks", Cause.TEST_TRAFFIC, people(4, good, OLD_PINS, test=True), known
    )
    yield _named("a key of environment debug", Cause.TEST_TRAFFIC,
                 people(4, whole(_proxied("Charles Proxy CA")), OLD_PINS, environment="debug"),
                 known, own=False)  # fmt: skip
    yield _named(
        "sent by a web page", Cause.BROWSER_SENT, people(40, good, OLD_PINS, browser=True), known
    )
    satisfied: tuple[Hash, ...] = (pin(A1), no_pin("backup"))
    yield _named(
        "pins that their own validated chain satisfies", FORGED, people(9, good, satisfied), known
    )
    yield _named("the same in hashes", FORGED, people(9, text((*OLD, ROOT_A)), satisfied), known)
    yield _named("the leaf is pinned, on Android", FORGED, people(9, whole(OLD), (pin(BEFORE),), platform="ANDROID"),
                 known)  # fmt: skip
    fake = made("", authority("A1", organisation="CA A", years=5), sans=(HOST,), subject_of=BEFORE)
    yield _named("our intermediate did not sign this leaf", FORGED, people(9, whole((fake, A1, ROOT_A)), OLD_PINS),
                 known, own=False)  # fmt: skip
    unreadable = Reported((None, pin(A1)), (A1.certificate,))
    yield _named(
        "a leaf that does not parse", FORGED, people(2, unreadable, OLD_PINS), known, own=False
    )
    mixed = people(30, whole((*NEW, ROOT_A)), OLD_PINS) + people(
        60, whole((fake, A1, ROOT_A)), OLD_PINS, first=30
    )
    yield _named("forgeries beside a rotation", O, mixed,
                 around(_changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS))  # fmt: skip
    yield _named("no chain at all", U, people(40, None, OLD_PINS), known, own=False)
    yield _named("no chain at all, after a rotation", U, people(40, None, OLD_PINS),
                 around(_changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS), own=False)  # fmt: skip
    hidden = authority("Hidden Root")
    unseen = authority("Some CA", hidden)
    yield _named("Android leaves out a root that nobody knows", U,
                 people(9, whole((leaf("unseen", unseen), unseen)), OLD_PINS, platform="ANDROID"),
                 known, own=False)  # fmt: skip


@cache
def every_case() -> tuple[Named, ...]:
    groups = (
        rotations, issuers, paths, releases, environments, clocks, inspection, public_keys, no_word_of_a_client,
    )  # fmt: skip
    return tuple(named for group in groups for named in group())
