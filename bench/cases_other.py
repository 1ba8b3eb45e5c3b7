"""Cases of chains that are not ours, or not known to be, and of reports that are no client's word."""

from __future__ import annotations

from collections.abc import Iterator

from bench.case_parts import (
    DAY,
    HOST,
    HOUR,
    T0,
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
from bench.case_world import (
    A1,
    AFTER,
    B1,
    BEFORE,
    FORGED,
    MIS,
    NEW,
    OLD,
    OLD_PINS,
    ROOT_A,
    ROOT_B,
    ROOTS,
    TURN,
    I,
    Named,
    O,
    U,
    changed,
    named,
    proxied,
)  # fmt: skip
from collector.detect.classes import Reported
from collector.detect.judgement import Cause
from collector.model import Hash, Kind

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
        seen = people(4, whole(proxied(common, organisation)), OLD_PINS, networks=1)
        yield named(f"inspected by what calls itself {common}", I, seen, known, own=False)
    corporate = proxied("Acme Corp Root")
    yield named(
        "a company's own root",
        I,
        people(12, whole(corporate), OLD_PINS, networks=2),
        known,
        own=False,
    )
    many = [whole(proxied(f"Device CA {n}", number=n)) for n in range(8)]
    yield named("many roots, one install each", I, people(8, many, OLD_PINS), known, own=False)
    yield named("a company's root, as a text of hashes", I,
                 people(5, text(corporate), OLD_PINS, networks=1, platform="ANDROID"), known, own=False)  # fmt: skip
    below = authority("Zscaler Intermediate Root CA", authority("Zscaler Root CA", organisation="Zscaler Inc."),
                      "Zscaler Inc.")  # fmt: skip
    open_top = whole((leaf("open", below), below))
    yield named("a product whose root Android leaves out", I, people(5, open_top, OLD_PINS, platform="ANDROID"),
                 known, own=False)  # fmt: skip
    forger = proxied("Zscaler Root CA", "Zscaler Inc.", number=7)
    yield named("a product's name on a forger's root, on many networks", I, people(60, whole(forger), OLD_PINS),
                 known, own=False)  # fmt: skip
    yield named("genuine certificates appended to a forger's chain", I,
                 people(30, whole((*forger, A1, ROOT_A)), OLD_PINS), known, own=False)  # fmt: skip
    alone = made(HOST, sans=(HOST,))
    yield named(
        "a leaf that signed itself", I, people(3, whole((alone,)), OLD_PINS), known, own=False
    )
    yield named("a self-signed leaf with our chain behind it", I, people(3, whole((alone, A1, ROOT_A)), OLD_PINS),
                 known, own=False)  # fmt: skip
    yield named(
        "an untrusted proxy", I, people(6, whole(corporate)), known, Kind.CHAIN_UNTRUSTED, own=False
    )
    yield named("a root that the user installed, no chain told", I, people(2, None), known, Kind.USER_ANCHOR,
                 own=False)  # fmt: skip
    yield named("a captive portal", I, people(9, whole(proxied("MikroTik", "MikroTik", "login.hotel.example"))),
                 known, Kind.CHAIN_UNTRUSTED, own=False)  # fmt: skip
    during = around(changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS)
    yield named("a proxy on the day of a rotation", I, people(12, whole(corporate), OLD_PINS, networks=2), during,
                 own=False)  # fmt: skip


def public_keys() -> Iterator[Named]:
    strange = leaf("strange", B1)
    chain = whole((strange, B1, ROOT_B))
    well, asked = T0 - 30 * DAY, T0 + HOUR
    probed = around([served(OLD)], roots=ROOTS, well_since=well, asked_at=asked)
    yield named(
        "a public certificate that no probe shows",
        MIS,
        people(6, chain, OLD_PINS),
        probed,
        own=False,
    )
    yield named("the same as Android tells it", MIS,
                 people(6, whole((strange, B1)), OLD_PINS, platform="ANDROID"), probed, own=False)  # fmt: skip
    yield named("a strange public certificate, two operators", U, people(4, chain, OLD_PINS, networks=4), probed,
                 own=False)  # fmt: skip
    yield named("a second CDN that is not probed yet", U, people(30, chain, OLD_PINS),
                 around([served(OLD, first=T0 - DAY)],
                 roots=ROOTS, well_since=T0 - DAY, asked_at=T0 + HOUR))  # fmt: skip
    yield named(
        "a hidden fourth CA of a CDN", U, people(30, chain, OLD_PINS), around([], roots=ROOTS)
    )
    yield named("a strange certificate, the prober was not asked since", U, people(6, chain, OLD_PINS),
                 around([served(OLD)],
                 roots=ROOTS, well_since=T0 - 30 * DAY, asked_at=T0 - HOUR), own=False)  # fmt: skip
    yield named("a public certificate whose key a release pins", U, people(6, chain, OLD_PINS),
                 around([served(OLD)], registry=[shipped(pin(strange))], roots=ROOTS,
                 well_since=well, asked_at=asked))  # fmt: skip
    ended = leaf("ended", B1, start=T0 - 90 * DAY, days=80)
    yield named("a public certificate that had expired", U, people(6, whole((ended, B1)), OLD_PINS), probed,
                 own=False)  # fmt: skip
    foreign = leaf("foreign", B1, "login.hotel.example")
    yield named("a public certificate of another name", U, people(6, whole((foreign, B1))), probed,
                 Kind.NAME_MISMATCH, own=False)  # fmt: skip
    yield named("a strange key of hashes only", U, people(6, bare((strange, B1)), OLD_PINS, validated=False),
                 probed, own=False)  # fmt: skip
    yield named("the same once a probe shows it", O, people(40, chain, OLD_PINS),
                 around((served(OLD, last=TURN), served((strange, B1), first=TURN)),
                        [rotation(BEFORE, strange, TURN)], roots=ROOTS))  # fmt: skip
    sister = leaf("sister", A1)  # of the same authority as ours: its signature is ours as well
    background = people(9, whole((*OLD, ROOT_A)), (no_pin("z"),), first=50)
    yield named("a strange leaf of our own authority, beside a few of ours", MIS,
                 people(6, whole((sister, A1, ROOT_A)), OLD_PINS) + background, probed, own=False)  # fmt: skip
    turned = around(
        changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS, well_since=well, asked_at=asked
    )
    yield named("a strange leaf of our own authority, during a rotation", O,
                 people(6, whole((sister, A1, ROOT_A)), OLD_PINS)
                 + people(60, whole((*NEW, ROOT_A)), OLD_PINS, first=50), turned)  # fmt: skip


def no_word_of_a_client() -> Iterator[Named]:
    known = around([served(OLD)], roots=ROOTS)
    good = whole((*OLD, ROOT_A))
    yield named(
        "a test suite's marks", Cause.TEST_TRAFFIC, people(4, good, OLD_PINS, test=True), known
    )
    yield named("a key of environment debug", Cause.TEST_TRAFFIC,
                 people(4, whole(proxied("Charles Proxy CA")), OLD_PINS, environment="debug"),
                 known, own=False)  # fmt: skip
    yield named(
        "sent by a web page", Cause.BROWSER_SENT, people(40, good, OLD_PINS, browser=True), known
    )
    satisfied: tuple[Hash, ...] = (pin(A1), no_pin("backup"))
    yield named(
        "pins that their own validated chain satisfies", FORGED, people(9, good, satisfied), known
    )
    yield named("the same in hashes", FORGED, people(9, text((*OLD, ROOT_A)), satisfied), known)
    yield named("the leaf is pinned, on Android", FORGED, people(9, whole(OLD), (pin(BEFORE),), platform="ANDROID"),
                 known)  # fmt: skip
    fake = made("", authority("A1", organisation="CA A", years=5), sans=(HOST,), subject_of=BEFORE)
    yield named("our intermediate did not sign this leaf", FORGED, people(9, whole((fake, A1, ROOT_A)), OLD_PINS),
                 known, own=False)  # fmt: skip
    unreadable = Reported((None, pin(A1)), (A1.certificate,))
    yield named(
        "a leaf that does not parse", FORGED, people(2, unreadable, OLD_PINS), known, own=False
    )
    mixed = people(30, whole((*NEW, ROOT_A)), OLD_PINS) + people(
        60, whole((fake, A1, ROOT_A)), OLD_PINS, first=30
    )
    yield named("forgeries beside a rotation", O, mixed,
                 around(changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS))  # fmt: skip
    yield named("no chain at all", U, people(40, None, OLD_PINS), known, own=False)
    yield named("no chain at all, after a rotation", U, people(40, None, OLD_PINS),
                 around(changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS), own=False)  # fmt: skip
    hidden = authority("Hidden Root")
    unseen = authority("Some CA", hidden)
    yield named("Android leaves out a root that nobody knows", U,
                 people(9, whole((leaf("unseen", unseen), unseen)), OLD_PINS, platform="ANDROID"),
                 known, own=False)  # fmt: skip
