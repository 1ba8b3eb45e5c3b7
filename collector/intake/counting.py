"""What became of a batch, into the metrics: once for all that are alike, since a counter's step costs as
much as a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from collector.errors import Reason
from collector.intake.durable import Batch, Outcome
from collector.intake.known import Known
from collector.metrics import OTHER, Metrics
from collector.model import PRODUCTION, Dialect, Kind, platform_label
from collector.store.rows import Entry, Row


def count(
    metrics: Metrics,
    known: Known,
    batch: Batch,
    outcomes: Sequence[Outcome | None],
    *,
    replayed: bool = False,
) -> None:
    """outcomes: of the batch's rows; None is counted elsewhere. replayed: they wait in the spool, and not in
    this process."""
    results: Counter[tuple[str, Dialect, Outcome]] = Counter()
    failures: Counter[tuple[str, str, Kind, str | None, bool | None]] = Counter()
    for row, outcome in zip(batch.rows, outcomes, strict=True):
        if outcome is None:
            continue
        results[row.project_name, row.dialect, outcome] += 1
        if outcome is Outcome.ACCEPTED and isinstance(row, Row):
            v = row.violation
            if row.environment == PRODUCTION and not v.test:
                label = _label(known, row)
                failures[row.project_name, label, v.kind, v.platform, v.enforced] += 1
    for (project, dialect, outcome), items in results.items():
        if outcome is Outcome.SPOOLED:
            metrics.leave(items)
            continue
        if replayed:
            metrics.leave(-items)
        if outcome in (Outcome.UNSTORABLE, Outcome.UNKNOWN_KEY):
            metrics.result(project, dialect, "rejected", items)
            metrics.rejected.labels(reason=Reason(outcome.value)).inc(items)
        else:
            metrics.result(project, dialect, outcome, items)
    for (project, host, kind, platform, enforced), items in failures.items():
        metrics.violation(project, host, kind, platform_label(platform), enforced, items)
    for s in batch.samples:
        if s.environment == PRODUCTION:
            metrics.connections(
                s.project_name, _label(known, s), s.successes, s.pin_failures, trusted=s.trusted
            )


def _label(known: Known, entry: Entry) -> str:
    """A host is a label only once it is admitted; one that a project names always is."""
    is_label = entry.registered or (entry.project, entry.host) in known.admitted
    return entry.host if is_label else OTHER
