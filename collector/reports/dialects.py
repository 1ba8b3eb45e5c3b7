"""The one list of dialects: which reader takes an item, by its content alone."""

from __future__ import annotations

from collections.abc import Callable

from collector.errors import Reason, ReportError
from collector.model import Ignored, Violation, Window
from collector.reports.apple import read_apple_text
from collector.reports.connections import is_window, read_window
from collector.reports.expect import is_expect, read_expect
from collector.reports.fields import Hints
from collector.reports.hpkp import is_hpkp, read_hpkp
from collector.reports.natural import read_natural
from collector.reports.neutral import is_neutral, read_neutral
from collector.reports.okhttp import read_okhttp_text
from collector.reports.reporting import is_reporting, read_reporting
from collector.reports.rn_ssl_manager import is_rn_ssl_manager, read_rn_ssl_manager
from collector.reports.sentry import is_sentry, read_sentry
from collector.reports.trustkit import is_trustkit, read_trustkit

Read = Violation | Window | Ignored
_Object = dict[str, object]

# The first that fits reads it; those with a name of their own come before those known by a key.
_OBJECTS: tuple[tuple[Callable[[_Object], bool], Callable[[_Object, Hints], Read]], ...] = (
    (is_neutral, read_neutral),
    (is_expect, read_expect),
    (is_sentry, read_sentry),
    (is_reporting, read_reporting),
    (is_rn_ssl_manager, read_rn_ssl_manager),
    (is_trustkit, read_trustkit),
    (is_hpkp, read_hpkp),
    (is_window, read_window),
)


def read_object(item: dict[str, object], hints: Hints) -> Read:
    """Raises ReportError: no_host, or unrecognised where no dialect fits."""
    for fits, read in _OBJECTS:
        if fits(item):
            return read(item, hints)
    read_item = read_natural(item, hints)
    if read_item is None:
        raise ReportError(Reason.UNRECOGNISED, "an object of no dialect that is known")
    return read_item


def read_text_item(text: str, hints: Hints) -> Violation:
    """Raises ReportError: no_host, or not_json where it is no text of a known exception."""
    violation = read_okhttp_text(text, hints)
    if violation is None and read_apple_text(text) is not None:
        violation = read_natural({"message": text}, hints)
    if violation is None:
        raise ReportError(Reason.NOT_JSON, "neither JSON nor the text of a known exception")
    return violation
