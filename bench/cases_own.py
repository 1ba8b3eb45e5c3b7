"""Cases of our own chain: rotations, changes of issuer, paths, releases, environments, clocks.

Outages of the public record are here by the shape of their chains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.case_parts import (
    DAY,
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
from bench.case_world import (
    A1,
    A2,
    AFTER,
    AFTER_A2,
    AFTER_B,
    B1,
    BEFORE,
    CLOCK,
    CROSS_A,
    ENV,
    ISSUER,
    NEW,
    OLD,
    OLD_PINS,
    OLD_ROOT,
    PATH,
    PINS,
    ROOT_A,
    ROOT_B,
    ROOTS,
    TURN,
    Named,
    O,
    U,
    changed,
    named,
    proxied,
)  # fmt: skip
from collector.detect.classes import Reported
from collector.model import Kind

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
    declared = around(changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS)
    for name, form in FORMS.items():
        chain, platform, validated = form(NEW)
        pins = (pin(BEFORE, "sha1"),) if "sha1" in name else OLD_PINS
        seen = people(40, chain, pins, platform=platform, validated=validated)
        yield named(f"a declared rotation as {name} tells it", O, seen, declared)
    plain, old_pins = whole((*NEW, ROOT_A)), OLD_PINS
    many = people(40, plain, old_pins)
    yield named("a rotation that only the prober saw", O, many, around(changed(NEW), roots=ROOTS))
    yield named(
        "a rotation of which reports came first", O, people(40, plain, old_pins),
        around((served(OLD, last=T0), served(NEW, first=T0 + HOUR / 3)), roots=ROOTS),
    )  # fmt: skip
    yield named("a few installs after a rotation", O, people(3, plain, old_pins), declared)
    yield named(
        "iOS reports days after a rotation", O, people(30, plain, old_pins, after=4 * DAY), declared
    )
    yield named(
        "a rotation declared, and not probed",
        O,
        many,
        around([], [rotation(BEFORE, AFTER)], roots=ROOTS),
    )
    yield named(
        "a first probe, after the leaf was renewed",
        O,
        many,
        around([served(NEW, first=T0)], roots=ROOTS),
    )
    left = around((served(OLD, first=T0 - 300 * DAY, last=T0 - 90 * DAY), served(NEW, first=T0 - 89 * DAY)),
                  roots=ROOTS)  # fmt: skip
    yield named(
        "a release left behind by a rotation of last quarter", O, people(9, plain, old_pins), left
    )
    yield named("returning clients with last year's pins (HPKP, 2016)", O, many, declared)
    yield named("renewal with a new key, leaf pinned (Let's Encrypt client, 2020)", O,
                 people(25, whole(NEW), (pin(BEFORE),), platform="ANDROID"),
                 around(changed(NEW), roots=ROOTS))  # fmt: skip
    yield named("a mass revocation, certificates replaced in 24 h (2024)", O, people(200, plain, old_pins),
                 declared)  # fmt: skip
    yield named("a third party's host rotated (pinning demo, 2025)", O, people(22, plain, (pin(BEFORE),)),
                 around(changed(NEW), roots=ROOTS))  # fmt: skip
    yield named("a CDN that serves the leaf only (2026)", O,
                 people(25, whole((AFTER,)), (pin(BEFORE),), platform="ANDROID"),
                 around((served((BEFORE,), last=TURN), served((AFTER,), first=TURN)), roots=ROOTS))  # fmt: skip
    versions = people(30, plain, old_pins) + people(
        10, plain, (pin(BEFORE),), version="7.9", first=30
    )
    yield named("a rotation that several releases fail at", O, versions, declared)
    crossed = whole((AFTER, A1, CROSS_A, OLD_ROOT))
    yield named("our own chain behind a cross-sign", O, people(30, crossed, old_pins), declared)
    private = authority("Example Internal Root", organisation="Example Ltd")
    old, new = leaf("private before", private), leaf("private after", private, start=T0 - HOUR)
    yield named("a rotation under a private root of our own", O, people(30, whole((new, private)), (pin(old),)),
                 around((served((old, private), last=TURN, trusted=False),
                         served((new, private), first=TURN, trusted=False)), roots=ROOTS))  # fmt: skip
    yield named("a registered key under a private root", U, people(5, whole((new, private)), (pin(old),)),
                 around([], registered=[new], roots=ROOTS))  # fmt: skip
    yield named("our chain, few installs, and nothing changed", U, people(3, whole(OLD), (no_pin("z"),)),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield named("our chain, beside as many of a proxy", O,
                 people(30, plain, old_pins) + people(20, whole(proxied("Acme Root")), old_pins, first=30),
                 declared)  # fmt: skip
    noise = people(
        6, whole((*OLD, ROOT_A)), (no_pin("z"),), after=-3 * DAY, version="5.0", first=90
    )
    yield named("a rotation, after days of a few that failed at the old leaf", O,
                 people(40, plain, old_pins) + noise, declared)  # fmt: skip
    proxies = people(90, whole(proxied("Acme Root")), old_pins, first=40, after=-2 * DAY)
    yield named("a rotation, after days of more that a proxy caught", O, people(40, plain, old_pins) + proxies,
                 declared)  # fmt: skip


def issuers() -> Iterator[Named]:
    for name, new, root in (
        ("an edge moved from one CA to another (Expensify, 2026-07)", (AFTER_B, B1), ROOT_B),
        ("a CDN moved us between CAs (Cloudflare, 2024)", (AFTER_B, B1), ROOT_B),
        ("a CA's intermediate was rotated (Let's Encrypt X3 to R3, 2020)", (AFTER_A2, A2), ROOT_A),
        ("renewal from a sister intermediate (E5 for E6, 2024)", (AFTER_A2, A2), ROOT_A),
        ("a CA moved its intermediate before a sale (2016)", (AFTER_A2, A2), ROOT_A),
    ):
        known = around(changed(new), roots=ROOTS)
        yield named(name, ISSUER, people(40, whole((*new, root)), (pin(BEFORE), pin(A1))), known)
        yield named(f"{name}, hashes only", ISSUER,
                     people(40, text((*new, root)), (pin(A1),), platform="ANDROID"), known)  # fmt: skip
    probed = around(
        changed((AFTER_B, B1)), [rotation(BEFORE, AFTER_B, TURN, declared=False)], roots=ROOTS
    )
    yield named("a new issuer that the prober wrote down as a rotation", ISSUER,
                 people(40, whole((AFTER_B, B1)), (pin(A1),)), probed)  # fmt: skip
    told = around(changed((AFTER_B, B1)), [rotation(BEFORE, AFTER_B, TURN)], roots=ROOTS)
    yield named("a new issuer, declared", O, people(40, whole((AFTER_B, B1)), (pin(A1),)), told)


def paths() -> Iterator[Named]:
    short = around([served((BEFORE, A1, CROSS_A))], roots=ROOTS)
    yield named("the cross-signed root went away for some (2021)", PATH,
                 people(30, whole((BEFORE, A1, ROOT_A)), (pin(OLD_ROOT),), platform="ANDROID"), short)  # fmt: skip
    yield named("a browser component shortened paths (2026-01)", PATH,
                 people(30, whole((BEFORE, A1)), (pin(ROOT_A),), platform="MACOS"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield named("a root pin, and Android's report ends below it", PATH,
                 people(30, whole(OLD), (pin(ROOT_A),), platform="ANDROID"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    by_b = made("", ROOT_B, ca=True, key_of=A1, subject_of=A1, start=T0 - 100 * DAY, days=900)
    yield named("a client went over another root", PATH, people(30, whole((BEFORE, by_b, ROOT_B)), (pin(ROOT_A),)),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield named("another path, as a text of hashes tells it", PATH,
                 people(30, text((BEFORE, by_b, ROOT_B)), (pin(ROOT_A),), platform="ANDROID"),
                 around([served(OLD)], roots=ROOTS))  # fmt: skip
    yield named("a chain served too short broke one platform (2024)", PATH,
                 people(60, whole(OLD), OLD_PINS, platform="ANDROID", validated=False),
                 around([served(OLD)], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip


def releases() -> Iterator[Named]:
    bad = (no_pin("a key of nobody"), no_pin("another"))
    known = around([served(OLD)], roots=ROOTS)
    chain = whole((*OLD, ROOT_A))
    yield named("a release with one wrong pin", PINS, people(25, chain, bad, version="9.0"), known)
    yield named("a release with one wrong pin, hashes only", PINS,
                 people(25, bare(OLD), bad, version="9.0", platform="ANDROID", validated=False), known)  # fmt: skip
    other = leaf("other host", A1, "www.example.com")
    yield named("a release with the pins of another host", PINS, people(25, chain, (pin(other),), version="9.0"),
                 around([served(OLD), served((other, A1), host="www.example.com")], roots=ROOTS))  # fmt: skip
    yield named("an imported release ships the wrong pins itself", PINS, people(25, chain, bad, version="9.0"),
                 around([served(OLD)], registry=[shipped(*bad, since="9.0")], roots=ROOTS))  # fmt: skip
    stops = [shipped(pin(BEFORE), until="8.99")]
    imported = around([served(OLD)], registry=stops, roots=ROOTS)
    yield named(
        "imports stop at version N, N+1 fails",
        PINS,
        people(13, chain, bad, version="9.0"),
        imported,
    )
    yield named(
        "imports stop at version N, a few of N+1", U, people(5, chain, bad, version="9.0"), imported
    )
    yield named("many of an imported version agree on other pins", PINS, people(25, chain, bad, version="8.5"),
                 imported)  # fmt: skip
    yield named(
        "a registered version with forged pins", U, people(8, chain, bad, version="8.5"), imported
    )
    yield named("a registered version with forged pins, many installs on few networks", U,
                 people(60, chain, bad, version="8.5", networks=4), imported)  # fmt: skip
    yield named("a wrong release on the day of a rotation", PINS,
                 people(30, whole((*NEW, ROOT_A)), bad, version="9.0"),
                 around(changed(NEW), [rotation(BEFORE, AFTER, TURN)], roots=ROOTS))  # fmt: skip
    yield named("nine installs with wrong pins", U, people(9, chain, bad, version="9.0"), known)


def environments() -> Iterator[Named]:
    staging = leaf("staging", A1, "staging.example.com")
    both = around([served(OLD), served((staging, A1), host="staging.example.com")], roots=ROOTS)
    for name, chain in (("whole", whole((staging, A1))), ("hashes only", bare((staging, A1)))):
        yield named(f"the leaf of staging, {name}", ENV, people(25, chain, OLD_PINS), both)
    yield named("the leaf of staging, by a wrong name", ENV, people(25, whole((staging, A1)), OLD_PINS), both,
                 Kind.NAME_MISMATCH)  # fmt: skip
    late = around((served(OLD, last=T0 - 3 * DAY), served(NEW, first=T0 - 3 * DAY)),
                  [rotation(BEFORE, AFTER, T0 - 3 * DAY)], roots=ROOTS)  # fmt: skip
    yield named("one node still has the old leaf", ENV, people(25, whole(OLD), (pin(AFTER),)), late)
    unseen = around((served(OLD, last=T0 - 3 * DAY), served(NEW, first=T0 - 3 * DAY)), roots=ROOTS)
    yield named(
        "one node still has the old leaf, undeclared",
        ENV,
        people(25, whole(OLD), (pin(AFTER),)),
        unseen,
    )
    gone = around((served(OLD, first=T0 - 90 * DAY, last=T0 - 12 * DAY), served(NEW, first=T0 - 12 * DAY)),
                  roots=ROOTS)  # fmt: skip
    yield named(
        "a node with a leaf of a fortnight ago", ENV, people(5, whole(OLD), (pin(AFTER),)), gone
    )
    private = authority("Example Staging Root", organisation="Example Ltd")
    elsewhere = leaf("private elsewhere", private, "db.example.com")
    ours = served((leaf("private api", private), private), trusted=False)
    yield named("another name under our own private authority", ENV,
                 people(25, whole((elsewhere, private)), OLD_PINS), around([ours], roots=ROOTS))  # fmt: skip
    again = leaf("private api again", private)
    yield named("a new leaf under a private authority that we configured", U,
                 people(25, whole((again, private)), OLD_PINS), around([ours], roots=ROOTS))  # fmt: skip
    yield named("a new leaf under a private authority that we registered", U,
                 people(25, whole((again, private)), OLD_PINS),
                 around([], registered=[private], roots=ROOTS))  # fmt: skip


def clocks() -> Iterator[Named]:
    out = leaf("expired", A1, start=T0 - 90 * DAY, days=89)
    known = around([served((out, A1), first=T0 - 80 * DAY)], roots=ROOTS)
    for kind in (Kind.CHAIN_UNTRUSTED, Kind.EXPIRED):
        yield named(
            f"our own certificate expired, as {kind}",
            CLOCK,
            people(5, whole((out, A1))),
            known,
            kind,
        )
    yield named("our own certificate expired, hashes only", CLOCK, people(5, bare((out, A1))), known,
                 Kind.CHAIN_UNTRUSTED)  # fmt: skip
    stale = made("A stale", ROOT_A, organisation="CA A", ca=True, start=T0 - 400 * DAY, days=399)
    below = leaf("below stale", stale)
    yield named("an intermediate that we serve expired", CLOCK, people(30, whole((below, stale)), platform="IOS"),
                 around([served((below, stale))], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip
    for number in (1, 6):
        yield named(f"{number} devices whose clock is wrong", CLOCK, people(number, whole(OLD)),
                     around([served(OLD)], roots=ROOTS), Kind.CHAIN_UNTRUSTED)  # fmt: skip
    yield named("a device whose clock is before our leaf", CLOCK, people(1, whole(OLD)),
                 around([served(OLD)], roots=ROOTS), Kind.NOT_YET_VALID)  # fmt: skip
