"""Pins against keys: how many there are, whose they are, and what is left when one of them changes."""

from __future__ import annotations

from collections.abc import Iterator

from collector.pins.findings import Code, Finding, Severity
from collector.pins.issuers import Issuer, Volatility
from collector.pins.known import Known, Placed, now, of_set, placed, whole
from collector.pins.model import ShippedPinSet, matches
from collector.pins.placeholders import placeholder
from collector.reports.certificates import facts

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def count(one: ShippedPinSet, minimum: int) -> Iterator[Finding]:
    """What the pins alone say."""
    made_up = tuple(pin for pin in one.pins if placeholder(pin))
    real = len(one.pins) - len(made_up)
    if made_up:
        yield Finding(
            Code.PLACEHOLDER_PIN, _ERROR, one,
            f"{len(made_up)} of {len(one.pins)} pins is the hash of no key: it will never match",
            "Make a backup key, and pin that in its place.", made_up,
        )  # fmt: skip
    if real == 1:
        yield Finding(
            Code.SINGLE_PIN, _ERROR, one,
            "There is one pin: when its key changes, every client of these releases is locked out",
            "Pin a second key that is not served yet, and keep it offline.",
        )  # fmt: skip
    elif real < minimum:
        yield Finding(
            Code.BELOW_MINIMUM, _WARNING, one,
            f"There are {real} pins, and {minimum} are wanted",
            "Pin another backup key.",
        )  # fmt: skip
    sha1 = tuple(pin for pin in one.pins if pin.kind == "sha1")
    if sha1:
        yield Finding(
            Code.SHA1_PIN, _WARNING, one,
            "SHA-1 pins: OkHttp alone still takes them, and collisions of SHA-1 are affordable",
            "Write the same keys as sha256/….", sha1,
        )  # fmt: skip


def keys(one: ShippedPinSet, known: Known) -> Iterator[Finding]:
    """What the pins say beside chains and authorities that are known."""
    pins = [told for told in placed(one, known) if not placeholder(told.pin)]
    chains = of_set(one, known)
    if chains:
        yield from _served(one, known)
    if len(pins) > 1:
        yield from _backups(one, pins, known, is_served=bool(chains))
    yield from _leafs(one, pins, known)
    yield from _issuers(one, pins)


def _served(one: ShippedPinSet, known: Known) -> Iterator[Finding]:
    chains = of_set(one, known)
    paths = {id(served): whole(served.chain, known) for served in chains}
    fits = [served for served in chains if matches(one.pins, paths[id(served)])]
    # A pin may be of a root that servers leave out and nobody told of.
    is_sure = all(facts(path[-1].der).self_signed for path in paths.values())
    severity = _ERROR if is_sure else _WARNING
    doubt = "" if is_sure else " (unless it is of a root that is not known here)"
    if not fits:
        first = min(served.last_seen for served in chains)
        yield Finding(
            Code.NEVER_SERVED, severity, one,
            f"No pin is in any of {len(chains)} chains that were served since {first:%Y-%m-%d}{doubt}",
            "Compare the pins with 'pinfall probe', and do not release them before one matches.",
        )  # fmt: skip
        return
    fitting = {id(served) for served in fits}
    refused = [served for served in now(chains) if id(served) not in fitting]
    if refused:
        hosts = sorted({served.host for served in refused})
        yield Finding(
            Code.NOT_SERVED_NOW, severity, one,
            f"A chain that {', '.join(hosts[:3])} serves now has none of the pins, others had{doubt}",
            "Serve a chain with one of these keys again, or ship pins for the new one.",
        )  # fmt: skip


def _backups(
    one: ShippedPinSet, pins: list[Placed], known: Known, *, is_served: bool
) -> Iterator[Finding]:
    backups = [told for told in pins if not told.now]
    if is_served and any(told.now for told in pins) and not backups:
        yield Finding(
            Code.NO_BACKUP, _ERROR, one,
            "Every pin is in the chain that is served now: a change of key and authority leaves none",
            "Pin a key that is not in this chain: one of your own, kept offline, or another authority's root.",
        )  # fmt: skip
    elif is_served:
        yield from _independent(one, pins, backups)
    own = [told for told in backups if told.role in (None, "leaf")]
    if known.proven is None or not own or any(told.pin in known.proven for told in own):
        return
    if is_served or len(own) > 1:  # of one that nobody saw served it may be the live one
        yield Finding(
            Code.BACKUP_UNPROVEN, _WARNING, one,
            "Nobody has shown that the key of a backup pin exists: if it is lost, there is no backup",
            "Run 'pinfall pins prove' with a certificate request that the backup key signed.",
            tuple(told.pin for told in own),
        )  # fmt: skip


def _independent(
    one: ShippedPinSet, pins: list[Placed], backups: list[Placed]
) -> Iterator[Finding]:
    """Whether a backup outlives the authority that issues now. A key of one's own does."""
    live = {issuer.family for told in pins if told.now and (issuer := told.issuer)}
    families = [told.issuer.family if told.issuer else None for told in backups]
    if backups and live and all(family in live for family in families):
        yield Finding(
            Code.BACKUP_SAME_CA, _WARNING, one,
            f"All backup pins are keys of {', '.join(sorted(live))}, which also issues what is served now",
            "Pin another authority's root, or a key of your own that any authority can certify.",
            tuple(told.pin for told in backups),
        )  # fmt: skip


def _leafs(one: ShippedPinSet, pins: list[Placed], known: Known) -> Iterator[Finding]:
    leafs = tuple(told.pin for told in pins if told.role == "leaf")
    if not leafs or any(told.role in ("intermediate", "root") for told in pins):
        return
    proven = known.proven or frozenset()
    kept = any(told.pin in proven for told in pins if not told.now)
    yield Finding(
        Code.LEAF_ONLY, _INFO if kept else _WARNING, one,
        "Only leaf keys are pinned: a renewal that makes a new key breaks every client",
        "Make renewals keep the key, and have a proven backup key; ACME clients make a new one by default.",
        leafs,
    )  # fmt: skip


def _issuers(one: ShippedPinSet, pins: list[Placed]) -> Iterator[Finding]:
    """Intermediates whose issuers change them. Where a leaf or a root of the same chain is pinned too, a
    change of the intermediate alone breaks nothing."""
    held = any(told.now and told.role in ("leaf", "root") for told in pins)
    volatile: dict[str, tuple[Issuer, list[Placed]]] = {}
    for told in pins:
        issuer = told.issuer
        if issuer and told.role == "intermediate" and issuer.intermediate != Volatility.LOW:
            volatile.setdefault(issuer.family, (issuer, []))[1].append(told)
    for issuer, places in volatile.values():
        worst = (
            issuer.intermediate == Volatility.HIGH and not held and any(told.now for told in places)
        )
        yield Finding(
            Code.VOLATILE_ISSUER, _ERROR if worst else _WARNING, one,
            f"An intermediate of {issuer.family} is pinned: {issuer.why}",
            f"Pin roots of every authority that may issue for you, or your own keys. See {issuer.source}",
            tuple(told.pin for told in places),
        )  # fmt: skip
