"""The verdicts of a body as its sender is told: a status, and what became of each item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from collector.errors import Reason, ReportError
from collector.intake.taking import Verdict
from collector.reports.body import Item
from collector.web.problems import STATUS

_NOTES = 20
_REFUSED = {
    Reason.UNSTORABLE: "Postgres refused this report.",
    Reason.UNKNOWN_KEY: "The project of this key was deleted.",
    Reason.OVER_LIMIT: "More than this source may send.",
}


def summed(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Counts, and notes on what was not accepted."""
    counts = Counter(result for result, _ in verdicts)
    notes = [
        {"index": index, "result": result, "reason": reason.value}
        for index, (result, reason) in enumerate(verdicts)
        if reason
    ]
    return {
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "ignored": counts["ignored"],
        "rejected": counts["rejected"],
        "shed": counts["shed"],
        "spooled": counts["spooled"],
        "notes": notes[:_NOTES],
    }


def refused(items: Sequence[Item], verdicts: Sequence[Verdict]) -> tuple[int, ReportError] | None:
    """(status, error) where nothing of the body was taken; None where something was."""
    results = {result for result, _ in verdicts}
    if results & {"accepted", "duplicate", "ignored", "spooled"}:
        return None
    if "shed" in results:
        if any(reason is Reason.NOT_DURABLE for _, reason in verdicts):
            return 503, ReportError(Reason.NOT_DURABLE, "Nothing could be made durable now.")
        return None  # over a limit: said with 200, as long as there is any sense in saying more
    reason = verdicts[0][1]
    assert isinstance(reason, Reason)
    first = items[0] if items else None
    detail = first.detail if isinstance(first, ReportError) else _REFUSED[reason]
    status = 422 if len(items) > 1 else STATUS[reason]
    return status, ReportError(reason, detail)
