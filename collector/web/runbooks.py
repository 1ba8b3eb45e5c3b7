"""What to do when an alert fires, by its kind: what it means, what to look at, what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from collector.errors import NotFoundError
from collector.web import rendering


@dataclass(frozen=True, slots=True)
class Runbook:
    """Sentences; what stands between backquotes is to be typed."""

    title: str
    means: str
    look: tuple[str, ...]
    do: tuple[str, ...]


RUNBOOKS: dict[str, Runbook] = {
    "pin_failure_spike": Runbook(
        "Clients refuse our own chain",
        "Many more installs than usual fail pinning against a chain that is verifiably ours: the host serves keys that they do not pin.",
        (
            "The host's page: since when, which app versions and platforms, and which rotation it began with.",
            "The served chain now and before, against the pin sets of those versions.",
            "`pinfall probe HOST`: do all addresses serve the same?",
        ),
        (
            "Serve the previous certificate again, as long as it is valid: clients recover without a release.",
            "Or serve a certificate for a backup pin that these versions hold.",
            "Take a canary, an edge or a region that serves the new chain out of rotation.",
            "Only if neither can be done: ship a release with the new pins. Most users take days.",
            "Afterwards: `pinfall preflight HOST --chain new.pem` before the next rotation.",
        ),
    ),
    "own_certificate_expired": Runbook(
        "Our certificate has expired",
        "Installs on several networks refuse a chain of ours because it is over, by the time that their reports came in.",
        ("`pinfall probe HOST`: which address serves the expired one?", "Whether renewal ran, and was deployed everywhere."),
        ("Renew it with the same key, so that pins go on matching.", "Reload the servers that still have the old one."),
    ),
    "wrong_environment": Runbook(
        "A host serves another host's certificate",
        "Clients were shown the leaf of another of our hosts or environments: one region, or one old node.",
        ("Which networks and regions report.", "`pinfall probe HOST`: which address differs?"),
        ("Take the node out of rotation, or give it the right certificate.",),
    ),
    "wrong_pins": Runbook(
        "A release pins keys that were never served",
        "One app version agrees on pins that match nothing that this host ever served.",
        ("The pin set of that version, on the host's page.", "`pinfall pins lint` with the file of that release."),
        ("Halt its roll-out now.", "Ship the right pins: who has this release cannot connect until then."),
    ),
    "misissuance_suspected": Runbook(
        "A certificate that we do not know",
        "Clients on several networks were shown a leaf for our host that is publicly valid, and that no probe, declaration or registration holds.",
        (
            "Whether the owners of the host had it issued: a second CDN, a new region.",
            "Certificate Transparency logs, for its serial number.",
        ),
        (
            "If it is ours: `pinfall certs add`, or declare the rotation.",
            "If it is not: have its authority revoke it, check DNS and CAA records, treat it as an incident.",
        ),
    ),
    "interception_wave": Runbook(
        "Many clients sit behind an inspecting proxy",
        "Installs report chains of private roots or of inspection products, more than usual.",
        ("How many networks: one office, or many homes?", "What the issuers call themselves. A name proves nothing."),
        (
            "One network: nothing to do here; its owner can exempt the host.",
            "Many consumer networks with one new key: ask your security team.",
        ),
    ),
    "untrusted_chain_spike": Runbook(
        "Clients do not trust the chain at all",
        "The chain was refused before any pin was looked at: expired, incomplete, a wrong clock, or a private root.",
        ("`pinfall probe HOST`: is the intermediate sent?", "Which platforms and versions report."),
        ("Serve the whole chain.", "If only one platform fails: its root store lacks the root, so serve a cross-signed path."),
    ),
    "unknown_spike": Runbook(
        "Pin failures whose cause is not known",
        "Reports carry no chain, or one that fits no rule.",
        ("Whether the host was rotated and nobody told: the served chain on its page.", "Which SDK reports."),
        ("`pinfall rotation add HOST --chain new.pem`, if it was: the cause is worked out again.",
         "Let the SDK send chains: see docs/clients.md."),
    ),
    "reporting_silent": Runbook(
        "A host that always had failures has none",
        "There is always some interception. None at all means that reports do not arrive, or that pinning is off.",
        ("Whether the report URL is reachable from outside.", "Whether a pin set has expired: then clients stop pinning.",
         "Whether a release changed the report URL."),
        ("Post a test report: `pinfall send`, from outside.", "Check the newest release on a device with a debugging proxy."),
    ),
    "pin_set_expiring": Runbook(
        "A pin set expires soon",
        "When a registered pin set expires, clients stop pinning without a word.",
        ("Which versions ship it, and how many use them: the host's page.",),
        ("Ship a release with a later date, or with none.",),
    ),
    "certificate_expiring": Runbook(
        "A served certificate expires soon",
        "A probe sees a leaf or an intermediate whose notAfter is near.",
        ("Whether renewal is automatic, and keeps the key.",),
        ("`pinfall preflight HOST --chain new.pem`, then renew.", "Declare it: `pinfall rotation add`."),
    ),
    "backup_pin_missing": Runbook(
        "A live pin set has no backup",
        "Each of its pins is of a certificate that is served now: if that key is lost, every client is locked out.",
        ("`pinfall pins lint`: what else is wrong with it.",),
        ("Make a key offline, pin it in the next release, and prove it: `pinfall pins prove`.",),
    ),
    "rotation_not_seen": Runbook(
        "A declared rotation did not happen",
        "It was due two hours ago, and no probe sees the new chain.",
        ("Whether the deployment ran.", "`pinfall probe HOST`: perhaps some addresses have it."),
        ("Deploy it, or end it: `pinfall rotation end`.",),
    ),
    "collector_losing_reports": Runbook(
        "Pinfall loses reports",
        "Items were shed, or answered 503. Clients do not send them again.",
        ("`/readyz` and the collector dashboard: queue, spool, Postgres, limits.", "The log: store.down, spool.full."),
        ("Is Postgres there, and has its disk room?", "Set PINFALL_SPOOL_DIR, if it is not.",
         "One key over its quota: `pinfall key list`.", "More workers: `pinfall serve --workers N`."),
    ),
    "one_address": Runbook(
        "All reports come from one address",
        "A proxy in front hides the senders: limits hit everybody at once, and no incident spans two networks.",
        ("What stands before the public listener.",),
        ("Set PINFALL_TRUSTED_PROXIES to its network, and let it send X-Forwarded-For.",),
    ),
    "collector_down": Runbook(
        "No Pinfall is scraped",
        "Prometheus finds no collector: reports are lost, and nobody judges hosts.",
        ("Whether the process runs, and its log.", "Whether the scrape is let in: it needs a token of role viewer."),
        ("Start it. With a spool it starts also while Postgres is away.",),
    ),
    "spool_growing": Runbook(
        "Reports wait on the disk",
        "Postgres does not take what comes in. What is in the spool is durable, and not judged yet.",
        ("Is Postgres there? Is its disk full, are its connections used up?",),
        ("Bring Postgres back: the spool is replayed by itself, each report once.",
         "Watch its size: PINFALL_SPOOL_BYTES bounds it, and after that reports are refused."),
    ),
    "watcher_not_ticking": Runbook(
        "No host is judged",
        "The watcher has not finished a round for ten minutes.",
        ("The log: background.failed with task=watch.", "Whether a replica holds the lease: `/readyz`."),
        ("Restart one replica: another takes the lease over within ten seconds.",),
    ),
    "watcher_blind": Runbook(
        "The watcher cannot see its database",
        "Reports go on into the spool; nothing is judged until Postgres is back. Then all missed minutes are.",
        ("Is Postgres there?",),
        ("Bring it back. Until then watch your hosts by other means.",),
    ),
    "host_not_judged": Runbook(
        "Some hosts cannot be judged",
        "The watcher's look at them fails, so a break of theirs pages nobody; the others are judged.",
        ("The log: host.not_judged, with the host and the kind of error.", "What came in for that host lately: its page."),
        ("Report it, with that line of the log. Until then watch these hosts by their own pages.",),
    ),
    "delivery_failing": Runbook(
        "Alerts do not get through",
        "A channel refuses, or does not answer. Each alert is tried again for about three and a half hours.",
        ("`pinfall notify-test CHANNEL`.", "The log: delivery.failed, with the receiver's status."),
        ("Mend its URL or its key in pinfall.toml, and restart.",),
    ),
    "no_reports": Runbook(
        "No report for a day",
        "There were reports a week ago. Apps that stopped reporting look like apps that are well.",
        ("Whether the public listener is reachable from outside.", "Whether its certificate is valid."),
        ("Post a test report from outside: `pinfall send`.",),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Runbooks:
    clock: Callable[[], datetime]

    async def show(self, request: web.Request) -> web.Response:
        """One, or all."""
        name = request.match_info.get("kind")
        if name is not None and name not in RUNBOOKS:
            raise NotFoundError("there is no such runbook")
        told = RUNBOOKS if name is None else {name: RUNBOOKS[name]}
        return rendering.page(
            request, "runbooks.html", self.clock(), runbooks=told, every=name is None
        )
