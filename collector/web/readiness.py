"""Whether pins of a host may be enforced, as the page of pins shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from collector.web.charts import bars

_UNSEEN = 20  # releases that are named
_DAY = timedelta(days=1)


def shown(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the API answers, with a chart of the days if there is anything to see, and lists cut short."""
    days = list(reversed(told["days"]))  # the API has the newest first
    series = {
        cause.replace("_", " "): [day["by_cause"].get(cause, 0) for day in days]
        for cause in told["by_cause"]
    }
    start = datetime.fromisoformat(days[0]["day"]).replace(tzinfo=UTC)
    chart = bars("Reports that enforcing would have blocked", start, _DAY, series)
    unseen = told["unseen"]
    return {
        **told,
        "days": len(days),
        "since": start,
        "chart": chart if series else None,
        "unseen": unseen[:_UNSEEN],
        "more_unseen": max(0, len(unseen) - _UNSEEN),
    }
