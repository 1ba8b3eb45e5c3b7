"""What on-call does next, by cause: what a server can do first, then what clients can.

Sources: TrustKit and TrustKit-Android (a pin set is read once, at launch, from the app's own bundle or
dictionary), Android's network-security-config (part of the APK), OkHttp (a CertificatePinner belongs to a
client that the app built).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

_SERVER_SIDE = frozenset({"own_rotation", "issuer_change", "wrong_environment"})
_IOS = "TrustKit on iOS takes new pins only at the next launch, and only if the app builds its dictionary from a configuration that it loads over an unpinned host."
_ANDROID = "TrustKit on Android and network-security-config cannot change pins without a release."
_OKHTTP = (
    "OkHttp takes new pins with a new client: only where the app has a switch that builds one."
)
_CLIENTS = {
    "trustkit-ios": _IOS, "trustkit-android": _ANDROID, "okhttp-message": _OKHTTP, "generic": "",
    "rn-ssl-manager": "react-native-ssl-manager reads ssl_config.json from the bundle: pins change with a release.",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when somebody asks. Times are with a zone.

    previous_until: notAfter of the certificate that was served before. backups: (pin, share of the
    installs that report whose pins hold it); proven: those whose key somebody has shown to have.
    dialects: those of the reports. products: what an interceptor calls itself. third_party: the host is
    somebody else's, so that nobody who reads this can serve another certificate.
    """

    host: str
    label: str
    previous_until: datetime | None = None
    backups: tuple[tuple[str, float], ...] = ()
    proven: frozenset[str] = frozenset()
    dialects: Collection[str] = ()
    version: str | None = None
    products: tuple[str, ...] = ()
    many_networks: bool = False
    may_mute: bool = False
    third_party: bool = False


def next_steps(now: datetime, told: Situation) -> tuple[str, ...]:
    """In the order to try them. Never empty; each a sentence or two, without a full report's text."""
    if told.third_party and told.label in _OWNERS:
        return _OWNERS[told.label](now, told)
    if told.label in _SERVER_SIDE:
        return (*_restore(now, told), *_release(told))
    standing = _STANDING.get(told.label)
    return standing if standing is not None else _OTHERS.get(told.label, _unknown)(told)


def _restore(now: datetime, told: Situation) -> list[str]:
    steps = []
    if told.previous_until is not None and told.previous_until > now:
        until = told.previous_until.strftime("%Y-%m-%d %H:%M UTC")
        steps.append(
            f"Serve the previous certificate again: it is valid until {until}, and those that fail now pinned it."
        )
    for pin, share in sorted(told.backups, key=lambda backup: -backup[1])[:2]:
        proof = "its key is proven to be ours" if pin in told.proven else "find its key first"
        steps.append(
            f"Or serve a certificate for the backup pin {pin}, which {_share(share)} of those that report hold: {proof}."
        )
    if told.label == "issuer_change":
        steps.append(
            "The leaf's issuer is new: have the certificate issued by the previous authority again, or serve the old intermediate where it signed the same key."
        )
    if told.label == "wrong_environment":
        steps.append(
            f"A node or a region serves {told.host} with another host's certificate: take it out of rotation, or give it the right one."
        )
    if not steps:
        steps.append(
            "No certificate that these clients pin can be served: neither is the previous one valid, nor is a backup pin known. Only a release helps; say so early."
        )
    steps.append(f"Check what is served now: pinfall probe {told.host}")
    return steps


def _release(told: Situation) -> list[str]:
    known = [_CLIENTS[d] for d in sorted(set(told.dialects)) if _CLIENTS.get(d)]
    last = f"Before the next rotation: pinfall preflight {told.host} --chain new.pem, with the coming chain."
    return [*known, last]


def _path(told: Situation) -> tuple[str, ...]:
    return (
        "We serve the same chain as before: do not rotate. Clients build another path to another root.",
        "Serve the whole chain, with the cross-signed intermediate where there is one, so that the pinned certificate is in every path.",
        "Pin the leaf's key or an intermediate that is in all paths, in the next release.",
        *_release(told),
    )


def _pins(told: Situation) -> tuple[str, ...]:
    which = f"Release {told.version}" if told.version else "One release"
    return (
        f"{which} pins keys that {told.host} never served: halt its roll-out now.",
        "Compare its pins with what is served: pinfall pins lint, and the host's page.",
        "Ship the right pins; those who have this release cannot connect until they update.",
    )


def _expired(told: Situation) -> tuple[str, ...]:
    return (
        f"The certificate of {told.host} has expired, or a client's clock is wrong: pinfall probe {told.host}",
        "If it has: renew it with the same key, so that pins go on matching.",
        "If it has not: those devices have a wrong clock, and nothing is to be done here.",
    )


def _misissued(told: Situation) -> tuple[str, ...]:
    return (
        f"A certificate for {told.host} that we do not know is shown to clients. Treat it as an incident of security.",
        "Ask who owns the host whether they had it issued; if so: pinfall certs add, and it becomes a rotation.",
        "If nobody did: look it up in the Certificate Transparency logs, have its authority revoke it, and check DNS and CAA records.",
    )


def _intercepted(told: Situation) -> tuple[str, ...]:
    who = f" It calls itself {', '.join(told.products[:3])}." if told.products else ""
    if told.may_mute and not told.many_networks:
        return (
            f"This is a proxy between clients and us: no action on our side.{who}",
            "Its owner can exempt this host from inspection; until then pinning does what it is for.",
        )
    return (
        f"Somebody stands between these clients and us.{who} A name proves nothing: anybody can put it on a certificate.",
        "Many networks see it: do not mute it. Ask your security team, and look at what these installs have in common.",
    )


def _nothing(_: Situation) -> tuple[str, ...]:
    return ("Nothing to do: this does not count.",)


def _unknown(told: Situation) -> tuple[str, ...]:
    return (
        f"The cause is not known. See what is served: pinfall probe {told.host}",
        "If it was rotated: pinfall rotation add, with the new chain, and the cause is worked out again.",
        "If only clients that send no chain report, ask them for more: docs/clients.md.",
    )


def _ask(now: datetime, told: Situation) -> tuple[str, ...]:
    """Of keys that somebody else changed."""
    still = ""
    if told.previous_until is not None and told.previous_until > now:
        until = told.previous_until.strftime("%Y-%m-%d %H:%M UTC")
        still = (
            f" The one before is valid until {until}: ask for it back until clients have new pins."
        )
    return (
        f"{told.host} is a third party's: ask its owner whether the change of certificate was meant.{still}",
        f"Ship a release whose pins accept what is served now (pinfall probe {told.host}), or that does not pin this host.",
        *_release(told)[:-1],
        f"Ask the owner for the next chain before it is served: pinfall preflight {told.host} --chain new.pem.",
    )


def _ask_path(_: datetime, told: Situation) -> tuple[str, ...]:
    return (
        f"{told.host} is a third party's and serves the same chain as before: clients build another path to another root.",
        "Ask its owner to serve the whole chain, with the cross-signed intermediate where there is one.",
        "Pin the leaf's key or an intermediate that is in all paths, in the next release.",
        *_release(told)[:-1],
    )


def _ask_renewal(_: datetime, told: Situation) -> tuple[str, ...]:
    return (
        f"{told.host} is a third party's: ask its owner when the certificate is renewed, and whether with the same key.",
        f"With the coming chain, before it is served: pinfall preflight {told.host} --chain new.pem.",
    )


def _ask_backup(_: datetime, told: Situation) -> tuple[str, ...]:
    return (
        f"{told.host} is a third party's: ask its owner for the pin of a key that is kept for later.",
        "If there is none, pin the authority's keys beside the leaf's, in the next release.",
    )


# What is true where the host is somebody else's.
_OWNERS = {
    "own_rotation": _ask, "issuer_change": _ask, "wrong_environment": _ask, "path_building": _ask_path,
    "expired_or_clock": _ask_renewal, "certificate_expiring": _ask_renewal,
    "own_certificate_expired": _ask_renewal, "backup_pin_missing": _ask_backup,
}  # fmt: skip
# Alerts that are of no failure, by their kind.
_STANDING = {
    "pin_set_expiring": (
        "Ship a release whose pin set expires later, or never: after it clients stop pinning without a word.",
        "See which versions still have this one: pinfall adoption show, and the page of pins.",
    ),
    "certificate_expiring": (
        "Renew it, with the same key where pins are of the leaf.",
        "Before it is served: pinfall preflight, with the coming chain; then pinfall rotation add.",
    ),
    "backup_pin_missing": (
        "Make a key offline, and pin it in the next release.",
        "Show that it is there: pinfall pins prove, with a request (CSR) for it.",
    ),
    "rotation_not_seen": (
        "Deploy it, or end it: pinfall rotation end.",
        "See what is served: pinfall probe. Perhaps some addresses have it.",
    ),
    "reporting_silent": (
        "Post a test report from outside: pinfall send. Does the report URL answer?",
        "Look at the newest release: does it still report, and still pin?",
    ),
    "collector_losing_reports": (
        "See /readyz and the log: is Postgres there, and has its disk room?",
        "Set PINFALL_SPOOL_DIR, if it is not: reports then wait on the disk.",
    ),
    "one_address": ("Set PINFALL_TRUSTED_PROXIES to the network of the proxy in front.",),
}  # fmt: skip


_OTHERS = {
    "path_building": _path, "wrong_pins": _pins, "expired_or_clock": _expired,
    "misissuance_suspected": _misissued, "interception": _intercepted, "test_traffic": _nothing,
    "browser_sent": _nothing, "forged_or_broken": _nothing, "unknown": _unknown,
}  # fmt: skip


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"
