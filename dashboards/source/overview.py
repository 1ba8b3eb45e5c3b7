"""Overview: which hosts are in trouble now."""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel, Query, Variable

_IN = '{project=~"$project",host=~"$host"}'
_SELF = '{project=~"$project",host=~"$host",class="self"}'
PROJECT = Variable("project", "Project", "label_values(pinfall_new_installs_total, project)")
HOST = Variable(
    "host", "Host", 'label_values(pinfall_new_installs_total{project=~"$project"}, host)'
)
# From a series to the page of its host.
_LEADS = (
    ("", "This host's page", "${pages}/hosts/${__field.labels.project}/${__field.labels.host}"),
)
RED_FROM_1 = ((None, "green"), (1, "red"))

OVERVIEW = Dashboard(
    uid="pinfall-overview",
    title="Pinfall: overview",
    says="Which hosts are in trouble now, why, and since when. Purple marks are rotations.",
    variables=(PROJECT, HOST),
    links=(("What fires, and which hosts", "${pages}/"),),
    rotations='pinfall_rotation_timestamp_seconds{host=~"$host"}',
    panels=(
        Panel(
            title="Pages firing", kind="stat", width=4, height=5, steps=RED_FROM_1,
            says="Alerts of severity page that are firing. Each has a page of its own with the next step.",
            queries=(Query('sum(pinfall_alert_active{project=~"$project",host=~"$host",severity="page"}) or vector(0)'),),
            links=(("Alerts", "${pages}/alerts"),),
        ),
        Panel(
            title="Tickets open", kind="stat", width=4, height=5, steps=((None, "green"), (1, "orange")),
            says="Alerts of severity ticket: to look at in working hours.",
            queries=(Query('sum(pinfall_alert_active{project=~"$project",host=~"$host",severity="ticket"}) or vector(0)'),),
            links=(("Alerts", "${pages}/alerts"),),
        ),
        Panel(
            title="New installs refused by our own chain, last hour", kind="stat", width=6, height=5,
            steps=((None, "green"), (5, "orange"), (50, "red")),
            says="Installs that failed pinning for the first time in 24 h, against a chain that is verifiably ours.",
            queries=(Query(f"sum(increase(pinfall_new_installs_total{_SELF}[1h])) or vector(0)"),),
        ),
        Panel(
            title="Pin failures a second", kind="stat", width=5, height=5, unit="reqps",
            says="De-duplicated reports of kind pin_mismatch, production only.",
            queries=(Query('sum(pinfall:pin_failures:rate5m{project=~"$project",host=~"$host"}) or vector(0)'),),
        ),
        Panel(
            title="Watcher", kind="stat", width=5, height=5, steps=RED_FROM_1,
            says="0: hosts are judged each minute. 1: the watcher cannot see its database, so nothing is judged.",
            queries=(Query("max(pinfall_watcher_blind)"),), empty="no watcher",
        ),
        Panel(
            title="Hosts, worst first", kind="table", width=24, height=9,
            says=(
                "Newly affected installs of the last 15 minutes against what is usual at this hour, for class"
                " self. Surprise is the approximation of the recording rules: the pager goes by Pinfall's own."
            ),
            queries=(
                Query(f"topk(50, sum by (project, host) (pinfall:new_installs:increase15m{_IN}))", instant=True),
                Query(f"sum by (project, host) (pinfall:new_installs:expected15m{_IN})", instant=True),
                Query(f"sum by (project, host) (pinfall:new_installs:surprise15m{_IN})", instant=True),
                Query(f"sum by (project, host) (pinfall:pin_failures:rate5m{_IN})", instant=True),
                Query('max by (project, host) (pinfall:rejection_ratio{project=~"$project",host=~"$host",source="trusted"})', instant=True),
            ),
            columns=(
                ("project", "Project", ""), ("host", "Host", ""),
                ("Value #A", "New installs, 15 min", "short"), ("Value #B", "Expected", "short"),
                ("Value #C", "Surprise", "short"), ("Value #D", "Pin failures", "reqps"),
                ("Value #E", "Rejection ratio, 1 h", "percentunit"),
            ),
            leads=(
                ("Host", "Its dashboard", "/d/pinfall-host?var-project=${__data.fields.Project}&var-host=${__value.raw}"),
                ("Host", "Its page", "${pages}/hosts/${__data.fields.Project}/${__value.raw}"),
            ),
            empty="No host is admitted yet: send a report first.",
        ),
        Panel(title="Rate and reach", kind="row"),
        Panel(
            title="New installs by host, class self", stacked=True,
            says="Newly affected installs in 5 minutes whose served chain is ours: a break of our own.",
            queries=(Query(f"sum by (project, host) (increase(pinfall_new_installs_total{_SELF}[5m]))", "{{project}} {{host}}"),), leads=_LEADS,
        ),
        Panel(
            title="New installs by class", stacked=True,
            says="self: our own chain. interception: a private root or an inspection product. unknown: the rest.",
            queries=(Query(f"sum by (class) (increase(pinfall_new_installs_total{_IN}[5m]))", "{{class}}"),),
        ),
        Panel(
            title="Pin failures by host", unit="reqps",
            says="The rejection rate: there also where nobody counts connections.",
            queries=(Query(f"pinfall:pin_failures:rate5m{_IN}", "{{project}} {{host}}"),), leads=_LEADS,
        ),
        Panel(
            title="Rejection ratio, where connections are counted", unit="percentunit",
            says="Share of connections that failed at the pins, of one hour, from trusted keys. Absent without connections.",
            queries=(Query('pinfall:rejection_ratio{project=~"$project",host=~"$host",source="trusted"}', "{{project}} {{host}}"),), leads=_LEADS,
            empty="No connections are reported with a trusted key.",
        ),
        Panel(
            title="Affected installs by cause, 24 h", stacked=True,
            says="Distinct installs of the last 24 hours by what the rules, or an operator, say is the cause.",
            queries=(Query(f"sum by (cause) (pinfall_affected_installs{_IN})", "{{cause}}"),),
        ),
        Panel(
            title="Alerts", says="1 while an alert fires.",
            queries=(Query(f"sum by (project, host, alert, severity) (pinfall_alert_active{_IN})", "{{severity}} {{alert}} {{host}}"),), leads=_LEADS,
            links=(("Alerts", "${pages}/alerts"),), empty="No alert.",
        ),
    ),
)  # fmt: skip
