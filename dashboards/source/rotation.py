"""Rotation review: a day before and a day after a chosen rotation."""

from __future__ import annotations

from dashboards.source.host import HOST, PROJECT
from dashboards.source.panels import Dashboard, Panel, Query, Variable

_ROTATION = Variable(
    "rotation", "Rotation (Unix seconds)",
    'query_result(pinfall_rotation_timestamp_seconds{host="$host"})',
    several=False, regex=r"/\s([0-9.e+]+)\s[0-9]+$/", sort=4,
)  # fmt: skip
_SELF = '{project="$project",host="$host",class="self"}'
_ONE = '{project="$project",host="$host"}'
# A negative offset looks past the instant of the rotation; "@" fixes that instant.
_BEFORE, _AFTER = "@ $rotation", "@ $rotation offset -{0}"


def _pair(metric: str, hours: str) -> tuple[Query, Query]:
    return (
        Query(f"sum(increase({metric}[{hours}] {_BEFORE}))", "before", instant=True),
        Query(f"sum(increase({metric}[{hours}] {_AFTER.format(hours)}))", "after", instant=True),
    )


ROTATION = Dashboard(
    uid="pinfall-rotation",
    title="Pinfall: rotation review",
    says="What a rotation did: the same hours before and after it.",
    variables=(PROJECT, HOST, _ROTATION),
    links=(
        ("This host's rotations", "${pages}/rotations?project=$project&host=$host"),
        ("This host's page", "${pages}/hosts/$project/$host"),
    ),
    rotations='pinfall_rotation_timestamp_seconds{host="$host"}',
    since="now-2d",
    panels=(
        Panel(
            title="New installs refused, 1 h before and after", kind="stat", width=8, height=6,
            says="Class self: against a chain that is ours. After a good rotation both are alike.",
            queries=_pair(f"pinfall_new_installs_total{_SELF}", "1h"), steps=((None, "blue"),),
        ),
        Panel(
            title="New installs refused, 24 h before and after", kind="stat", width=8, height=6,
            says="Clients that start once a day are in it only after a day.",
            queries=_pair(f"pinfall_new_installs_total{_SELF}", "24h"), steps=((None, "blue"),),
        ),
        Panel(
            title="Pin failures, 24 h before and after", kind="stat", width=8, height=6,
            says="De-duplicated reports of kind pin_mismatch.",
            queries=_pair(f"pinfall_pin_failures_total{_ONE}", "24h"), steps=((None, "blue"),),
        ),
        Panel(
            title="New installs by class", width=24, stacked=True,
            says="The purple marks are rotations of this host.",
            queries=(Query(f"sum by (class) (increase(pinfall_new_installs_total{_ONE}[5m]))", "{{class}}"),),
        ),
        Panel(
            title="Pin failures by platform", unit="reqps", stacked=True,
            says="Which half of the fleet a rotation broke.",
            queries=(Query(f"sum by (platform) (rate(pinfall_pin_failures_total{_ONE}[5m]))", "{{platform}}"),),
        ),
        Panel(
            title="Rejection ratio", unit="percentunit",
            says="Share of connections that failed at the pins, of one hour.",
            queries=(Query(f"pinfall:rejection_ratio{_ONE}", "{{source}}"),),
            empty="No connections are reported.",
        ),
    ),
)  # fmt: skip
