"""Rules for chains whose leaf is not ours, and for reports that say nothing of a server."""

from __future__ import annotations

from datetime import timedelta

from collector.detect.cases import Case, Looked, satisfies
from collector.detect.classes import Look
from collector.detect.judgement import Cause, Confidence, Evidence, Judgement, evidence
from collector.detect.paths import Anchor
from collector.model import Kind
from collector.reports.certificates import facts

_WELL = timedelta(days=7)  # of probes that succeed, until what they do not show is suspect
_NETWORKS = 3
_CONSUMERS = 10  # networks, on which one key is more than one company's


def test_traffic(case: Case) -> Judgement | None:
    if any(not one.seen.test and one.seen.environment != "debug" for one in case.sightings):
        return None
    by_mark = any(one.seen.test for one in case.sightings)
    told = "marks of a test suite" if by_mark else "an ingest key of environment debug"
    return Judgement(Cause.TEST_TRAFFIC, Confidence.HIGH, evidence(told_by=told), "test_traffic")


def browser_sent(case: Case) -> Judgement | None:
    if not all(one.seen.browser for one in case.sightings):
        return None
    told = "sent by a web page: headers Origin or Sec-Fetch"
    return Judgement(Cause.BROWSER_SENT, Confidence.HIGH, evidence(told_by=told), "browser_sent")


def contradiction(one: Looked, kind: Kind) -> str | None:
    """Why a report cannot be true, or None."""
    look = one.look
    if look is None:
        return None
    if look.broken:
        return "its issuer is there by name, and did not sign it"
    if look.reported.hashes and look.reported.hashes[0] is None:
        return "its leaf cannot be read"
    if kind is not Kind.PIN_MISMATCH or not one.seen.validated:
        return None
    places = satisfies(look, one.seen.pins)
    # Android reports what was served in place of what it built: only the leaf is in both for sure.
    built = one.seen.platform != "ANDROID" or (look.path and facts(look.path[-1].der).self_signed)
    if places and (built or not look.reported.certificates or 0 in places):
        return "its pins match its own validated chain"
    return None


def forged_or_broken(case: Case) -> Judgement | None:
    """Stands only where no report of the case is free of contradictions: whoever sends broken ones
    beside true ones does not change what is said of these."""
    told = [contradiction(one, case.kind) for one in case.sightings]
    if not all(told):
        return None
    why = sorted({reason for reason in told if reason})
    return Judgement(
        Cause.FORGED_OR_BROKEN,
        Confidence.HIGH,
        evidence(contradiction="; ".join(why), installs=case.reach.installs),
        "forged_or_broken",
    )


def stale_leaf(case: Case) -> Judgement | None:
    """A leaf that this host, or another of ours, served longer ago than counts as ours."""
    known = next((one.known for one in case.sightings if one.known is not None), None)
    if known is None:
        return None
    return Judgement(
        Cause.WRONG_ENVIRONMENT,
        Confidence.LOW,
        evidence(leaf="one that was ours", host=known.host, last_seen=known.last_seen,
                 installs=case.reach.installs, networks=case.reach.networks),
        "stale_leaf",
    )  # fmt: skip


def own_authority(case: Case) -> Judgement | None:
    """An authority that we set up ourselves issued it: no interception, whatever the leaf."""
    look = _first(case, Anchor.OWN)
    if look is None:
        return None
    fits = bool(look.path) and _is_for(look, case.host)
    said = evidence(
        authority="one that we serve, or registered",
        leaf="not seen by a probe",
        installs=case.reach.installs,
    )
    if look.path and not fits:
        return Judgement(Cause.WRONG_ENVIRONMENT, Confidence.MEDIUM, said, "own_authority")
    return Judgement(Cause.UNKNOWN, Confidence.LOW, said, "new_public_key")


def interception(case: Case) -> Judgement | None:
    """A root that is not public, or issuers that call themselves a product that inspects TLS."""
    some = case.of(lambda one: one.look is not None and
                   (one.look.anchor is Anchor.PRIVATE or one.look.product is not None))  # fmt: skip
    if case.kind is Kind.USER_ANCHOR and not some.sightings:
        told = evidence(
            told_by="the client: its root was installed by the user", installs=case.reach.installs
        )
        return Judgement(Cause.INTERCEPTION, Confidence.MEDIUM, told, "user_anchor")
    if not some.sightings or 2 * some.reach.installs < case.reach.installs:
        return None
    products = sorted({(p.name, p.kind) for look in some.looks if (p := look.product) is not None})
    calls = ", ".join(f"{name} ({kind})" for name, kind in products[:3])
    reach, keys = some.reach, {_top(look) for look in some.looks}
    spread = len(keys) == 1 and reach.networks >= _CONSUMERS
    return Judgement(
        Cause.INTERCEPTION,
        Confidence.HIGH if products and not spread else Confidence.MEDIUM,
        (
            *evidence(calls_itself=calls, root=_root_name(some), root_is="not public",
                      chains=len(some.looks), keys=len(keys), installs=reach.installs, networks=reach.networks),
            *_advice(spread, bool(products)),
        ),
        "product" if products else "private_root",
    )  # fmt: skip


def _advice(spread: bool, is_named: bool) -> tuple[Evidence, ...]:
    """One company's proxy is on its own networks; one key on many may be anybody with a well-known name."""
    if not spread:
        return ()
    name = "under a product's name " if is_named else ""
    return evidence(advice=f"one key {name}on many networks: do not mute it, look at who is behind")


def _top(look: Look) -> bytes:
    if look.path:
        return look.path[-1].spki_sha256
    told = [value.digest for value in look.reported.hashes if value is not None]
    return told[-1] if told else b""


def _root_name(case: Case) -> str | None:
    for look in case.looks:
        if look.path:
            return facts(look.path[-1].der).issuer
        if look.reported.subjects:
            return look.reported.subjects[-1]
    return None


def misissuance(case: Case) -> Judgement | None:
    """A valid, public certificate of this host's name that nobody here knows, and that no probe shows."""
    some = case.of(lambda one: one.known is None and _is_valid_for(one, case.host))
    reach, probing = some.reach, case.around.probing
    if not some.sightings:
        return None
    look = next(look for look in some.looks)
    said = evidence(
        issuer=facts(look.path[0].der).issuer, leaf=some.leaves[0], installs=reach.installs,
        networks=reach.networks, operator_networks=reach.operator_networks,
    )  # fmt: skip
    registered = any(satisfies(look, shipped.pins) for shipped in case.around.registry)
    well = probing.well_since is not None and case.onset - probing.well_since >= _WELL
    asked = probing.asked_at is not None and probing.asked_at >= case.onset
    if (
        well
        and asked
        and not registered
        and min(reach.installs, reach.operator_networks) >= _NETWORKS
    ):
        more = evidence(
            probed_well_since=probing.well_since, probe_after_the_report="does not show it"
        )
        return Judgement(
            Cause.MISISSUANCE_SUSPECTED, Confidence.MEDIUM, (*said, *more), "misissuance_suspected"
        )
    why = evidence(
        question="new public key: rotated, or mis-issued?", probes="well for 7 days" if well else "no history",
        registry="its pins match this chain" if registered else None,
    )  # fmt: skip
    return Judgement(Cause.UNKNOWN, Confidence.LOW, (*said, *why), "new_public_key")


def _is_valid_for(one: Looked, host: str) -> bool:
    if one.look is None or one.look.anchor is not Anchor.PUBLIC or not one.look.path:
        return False
    told = facts(one.look.path[0].der)
    if told.not_after is None or told.not_before is None or not _is_for(one.look, host):
        return False
    return told.not_before <= one.seen.at <= told.not_after


def _is_for(look: Look, host: str) -> bool:
    """A wildcard stands for one label (RFC 6125)."""
    parent = "*." + host.partition(".")[2]
    return any(name.lower() in (host, parent) for name in facts(look.path[0].der).sans)


def _first(case: Case, anchor: Anchor) -> Look | None:
    return next((look for look in case.looks if look.anchor is anchor), None)


def unknown(case: Case) -> Judgement | None:
    look = next(iter(case.looks), None)
    return Judgement(
        Cause.UNKNOWN,
        Confidence.LOW,
        evidence(chain=f"ends {_ENDS[look.anchor]}" if look else "not reported",
                 leaf_names=", ".join(facts(look.path[0].der).sans[:3]) if look and look.path else None,
                 installs=case.reach.installs, networks=case.reach.networks),
        "unknown" if look else "no_chain",
    )  # fmt: skip


_ENDS = {
    Anchor.PUBLIC: "at a public root",
    Anchor.OWN: "at an authority of ours",
    Anchor.PRIVATE: "at a root that is not public",
    Anchor.OPEN: "below its root",
}
FIRST = (test_traffic, browser_sent, forged_or_broken)
OTHER = (stale_leaf, own_authority, misissuance, interception, unknown)
