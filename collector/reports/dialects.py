"""The one list of dialects: which reader takes an item, by its content alone."""

from __future__ import annotations

from collector.errors import Reason, ReportError
from collector.model import Violation
from collector.reports.fields import Hints
from collector.reports.hpkp import is_hpkp, read_hpkp
from collector.reports.natural import read_natural
from collector.reports.neutral import is_neutral, read_neutral
from collector.reports.okhttp import read_okhttp_text
from collector.reports.trustkit import is_trustkit, read_trustkit

_OBJECTS = (
    (is_neutral, read_neutral),
    (is_trustkit, read_trustkit),
    (is_hpkp, read_hpkp),
)


def read_object(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError: no_host, or unrecognised where no dialect fits."""
    for fits, read in _OBJECTS:
        if fits(item):
            return read(item, hints)
    violation = read_natural(item, hints)
    if violation is None:
        raise ReportError(Reason.UNRECOGNISED, "an object of no dialect that is known")
    return violation


def read_text_item(text: str, hints: Hints) -> Violation:
    """Raises ReportError: no_host, or not_json where it is no text of a known exception."""
    violation = read_okhttp_text(text, hints)
    if violation is None:
        raise ReportError(Reason.NOT_JSON, "neither JSON nor the text of a known exception")
    return violation
