"""Collector: does Pinfall itself get, keep and deliver everything?"""

from __future__ import annotations

from dashboards.source.panels import Dashboard, Panel, Query, Variable

RED_FROM_1 = ((None, "green"), (1, "red"))
INSTANCE = Variable("instance", "Instance", "label_values(pinfall_build_info, instance)")
_IN = '{instance=~"$instance"}'


def _latency(quantile: float, name: str) -> Query:
    rate = f"sum by (le) (rate(pinfall_ingest_seconds_bucket{_IN}[5m]))"
    return Query(f"histogram_quantile({quantile}, {rate})", name)


COLLECTOR = Dashboard(
    uid="pinfall-collector",
    title="Pinfall: collector",
    says="Whether reports come in, are kept, and alerts go out.",
    variables=(INSTANCE,),
    links=(("What came in", "${pages}/#items"),),
    since="now-6h",
    panels=(
        Panel(
            title="Reports lost, 5 min", kind="stat", width=6, height=5, steps=RED_FROM_1,
            says="Items that were shed: told to their senders, and gone. Anything above 0 needs a look.",
            queries=(Query('sum(increase(pinfall_reports_total{instance=~"$instance",result="shed"}[5m]))'),),
        ),
        Panel(
            title="In the spool", kind="stat", width=6, height=5, steps=((None, "green"), (1, "orange")),
            says="Items on the disk that wait for Postgres. They are durable; they are not judged yet.",
            queries=(Query(f"sum(pinfall_spool_reports{_IN})"),),
        ),
        Panel(
            title="Background rounds that failed, 15 min", kind="stat", width=6, height=5, steps=RED_FROM_1,
            says="Each failed round is in the log as background.failed, and is tried again.",
            queries=(Query('sum(increase(pinfall_background_ticks_total{instance=~"$instance",result="error"}[15m]))'),),
        ),
        Panel(
            title="Versions", kind="table", width=6, height=5, says="Which version of Pinfall runs where.",
            queries=(Query(f"pinfall_build_info{_IN}", instant=True),),
            columns=(("instance", "Instance", ""), ("version", "Version", "")),
        ),
        Panel(
            title="Items by result", unit="reqps", stacked=True,
            says="received = accepted + duplicate + ignored + rejected + shed + waiting.",
            queries=(
                Query(f"sum by (result) (rate(pinfall_reports_total{_IN}[5m]))", "{{result}}"),
                Query(f"sum(rate(pinfall_reports_received_total{_IN}[5m]))", "received"),
            ),
        ),
        Panel(
            title="Items by dialect", unit="reqps", stacked=True, says="The formats that come in.",
            queries=(Query(f"sum by (dialect) (rate(pinfall_reports_total{_IN}[5m])) > 0", "{{dialect}}"),),
        ),
        Panel(
            title="Turned away, by reason", unit="reqps", stacked=True,
            says="Items and requests that were refused, ignored items, and connections that never became a request.",
            queries=(
                Query(f"sum by (reason) (rate(pinfall_reports_rejected_total{_IN}[5m])) > 0", "rejected {{reason}}"),
                Query(f"sum by (reason) (rate(pinfall_reports_ignored_total{_IN}[5m])) > 0", "ignored {{reason}}"),
                Query(f"sum by (reason) (rate(pinfall_connections_refused_total{_IN}[5m])) > 0", "connection {{reason}}"),
            ),
            empty="Nothing was turned away.",
        ),
        Panel(
            title="From first byte to durable answer", unit="s",
            says="A 200 is sent after the commit, or after the fsync of the spool.",
            queries=(_latency(0.5, "p50"), _latency(0.99, "p99")),
        ),
        Panel(
            title="Waiting", says="Items that came in and are not decided; rows that wait for a flush; what is parsed later.",
            queries=(
                Query(f"sum(pinfall_waiting_reports{_IN})", "waiting"),
                Query(f"sum(pinfall_queue_reports{_IN})", "queue"),
                Query(f"max(pinfall_deferred_reports{_IN})", "deferred"),
            ),
        ),
        Panel(
            title="Spool on the disk", unit="bytes", says="Bytes of the spool's files: it is bounded by PINFALL_SPOOL_BYTES.",
            queries=(Query(f"sum(pinfall_spool_bytes{_IN})", "bytes"),),
        ),
        Panel(
            title="Deliveries by channel", stacked=True,
            says="Alert states that were sent, that are tried again, and that were given up.",
            queries=(Query(f"sum by (channel, result) (increase(pinfall_deliveries_total{_IN}[5m]))", "{{channel}} {{result}}"),),
            empty="No channel is configured.",
        ),
        Panel(
            title="Background rounds", unit="cpm",
            says="Rounds a minute by task. A task that stops is missing here before anything else shows it.",
            queries=(Query(f"sum by (task, result) (rate(pinfall_background_ticks_total{_IN}[5m])) * 60 > 0", "{{task}} {{result}}"),),
        ),
        Panel(
            title="Connections and workers",
            says="Open connections of the public listener; workers that died; items that the spool could not replay.",
            queries=(
                Query(f"sum(increase(pinfall_spool_refused_total{_IN}[1h]))", "put aside in 1 h"),
                Query(f"sum(pinfall_open_connections{_IN})", "open"),
                Query(f"sum(increase(pinfall_worker_restarts_total{_IN}[1h]))", "restarts in 1 h"),
                Query(f"sum(increase(pinfall_worker_unanswered_reports_total{_IN}[1h]))", "unanswered in 1 h"),
            ),
        ),
    ),
)  # fmt: skip
