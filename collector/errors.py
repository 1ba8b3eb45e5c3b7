"""Errors and the closed set of reasons they carry.

A reason is one word with four uses: exception, metric label, problem ``type``, log field.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why an item or a request was not accepted. Names are a public contract."""

    NOT_JSON = "not_json"  # neither JSON nor a text that a reader knows
    TOO_DEEP = "too_deep"
    UNKNOWN_KEY = "unknown_key"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    UNRECOGNISED = "unrecognised"  # JSON, but no dialect that is known
    NO_HOST = "no_host"  # a report that names no usable host
    UNSTORABLE = "unstorable"  # Postgres refused this row and no other
    OVER_LIMIT = "over_limit"
    NOT_DURABLE = "not_durable"  # nothing could be made durable now


class PinfallError(Exception):
    """Anything that a person should read as one line, without a traceback."""


class SettingsError(PinfallError):
    """Settings that cannot be used; the message lists every mistake."""


class StoreError(PinfallError):
    """Postgres does not answer, or not as needed."""


class NotFoundError(PinfallError):
    """What was named is not there."""


class ConflictError(PinfallError):
    """There is one of this name already."""


class NoAnswerError(PinfallError):
    """Who was asked does not answer, or not as needed."""


class ReportError(PinfallError):
    """A report, or an item of one, that is refused.

    ``detail`` is for developers of clients: it quotes field names, never values.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
