"""Host: one host on one time axis."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel, Query, Variable

_ONE = '{project="$project",host="$host"}'
PROJECT = Variable(
    "project", "Project", "label_values(pinfall_new_installs_total, project)", several=False
)
HOST = Variable(
    "host", "Host", 'label_values(pinfall_new_installs_total{project="$project"}, host)', several=False
)  # fmt: skip
_PAGE = (("This host's page", "${pages}/hosts/$project/$host"),)
_DAYS = ((None, "red"), (7, "orange"), (30, "green"))

HOST_BOARD = Dashboard(
    uid="pinfall-host",
    title="Pinfall: host",
    says="One host: who is refused, by what, since which rotation.",
    variables=(PROJECT, HOST),
    links=_PAGE,
    rotations='pinfall_rotation_timestamp_seconds{host="$host"}',
    panels=(
        Panel(
            title="New installs against expected", width=16,
            says="Newly affected installs of 15 minutes, class self, and what is usual at this hour of the week.",
            queries=(
                Query(f"pinfall:new_installs:increase15m{_ONE}", "new installs"),
                Query(f"pinfall:new_installs:expected15m{_ONE}", "expected"),
            ),
        ),
        Panel(
            title="Surprise", width=8, steps=((None, "green"), (7, "red")),
            says="How improbable the last 15 minutes are, as powers of ten. Pinfall pages from 7, by a finer test.",
            queries=(Query(f"pinfall:new_installs:surprise15m{_ONE}", "surprise"),),
        ),
        Panel(
            title="Pin failures by platform and enforcement", unit="reqps", stacked=True,
            says="enforced=false: the app reported and did not block.",
            queries=(Query(f"sum by (platform, enforced) (rate(pinfall_pin_failures_total{_ONE}[5m]))", "{{platform}} enforced={{enforced}}"),),
        ),
        Panel(
            title="New installs by class", stacked=True,
            says="self: our own chain. interception: a private root or an inspection product. unknown: the rest.",
            queries=(Query(f"sum by (class) (increase(pinfall_new_installs_total{_ONE}[5m]))", "{{class}}"),),
        ),
        Panel(
            title="Violations by kind", unit="reqps", stacked=True,
            says="What failed, as far as clients can tell; only pin_mismatch counts towards rates of pin failures.",
            queries=(Query(f"sum by (kind) (rate(pinfall_violations_total{_ONE}[5m]))", "{{kind}}"),),
        ),
        Panel(
            title="Affected installs by cause, 24 h", stacked=True,
            says="Distinct installs of the last 24 hours by cause.",
            queries=(Query(f"sum by (cause) (pinfall_affected_installs{_ONE})", "{{cause}}"),),
        ),
        Panel(
            title="Connections", unit="reqps",
            says="What clients and gateways counted. Public ones are claims, and hold back no page.",
            queries=(Query(f"pinfall:client_connections:rate5m{_ONE}", "{{source}} {{result}}"),),
            empty="No connections are reported.",
        ),
        Panel(
            title="Rejection ratio", unit="percentunit",
            says="Share of connections that failed at the pins, of one hour.",
            queries=(Query(f"pinfall:rejection_ratio{_ONE}", "{{source}}"),),
            empty="No connections are reported.",
        ),
        Panel(
            title="Served certificates: days left", kind="stat", width=8, height=6, unit="d", steps=_DAYS,
            says="Until notAfter of what a probe saw, by role. Negative: it is over.",
            queries=(Query('min by (role) ((pinfall_certificate_not_after_timestamp_seconds{host="$host"} - time()) / 86400)', "{{role}}", instant=True),),
            empty="Not probed.",
        ),
        Panel(
            title="Pin sets: days until the first expires", kind="stat", width=8, height=6, unit="d", steps=_DAYS,
            says="When a pin set expires, clients stop pinning without a word.",
            queries=(Query(f"(pinfall_pin_set_expiry_timestamp_seconds{_ONE} - time()) / 86400", instant=True),),
            links=(("Its pin sets", "${pages}/pins?project=$project&host=$host"),),
            empty="No registered set expires.",
        ),
        Panel(
            title="Last rotations", kind="table", width=8, height=6,
            says="declared by a pipeline, probed by Pinfall, or observed in reports.",
            queries=(Query('max by (host, source) (pinfall_rotation_timestamp_seconds{host="$host"}) * 1000', instant=True),),
            columns=(("source", "Source", ""), ("Value", "When", "dateTimeAsIso")),
            links=(("Its rotations", "${pages}/rotations?project=$project&host=$host"),),
            empty="None is known.",
        ),
    ),
)  # fmt: skip
