"""What a channel is, and what becomes of a message that it did not take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

from collector.alert import Message
from collector.errors import PinfallError
from collector.notify.chosen import ChannelConfig

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
MAX_TRIES = 12  # within about five hours
_PASSING = (408, 425, 429)  # of what is the sender's fault: it may be taken later
_MALFORMED = (400, 413, 422)


class DeliveryError(PinfallError):
    """A message was not taken. Its words hold no address and no secret.

    ``permanent``: it never will be, as it is; ``malformed``: for what stands in it; ``retry_after``:
    seconds that the receiver asked for.
    """

    def __init__(
        self,
        words: str,
        *,
        permanent: bool,
        malformed: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(words)
        self.permanent = permanent
        self.malformed = malformed
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to reach people. Knows its receiver's API; decides nothing."""

    @property
    def config(self) -> ChannelConfig: ...

    async def send(self, message: Message) -> None:
        """Try once. Raises DeliveryError if it was not taken. Safe to repeat."""


def retry_at(failure: DeliveryError, tries: int, now: datetime) -> datetime | None:
    """When to send again, or None to give up.

    tries: sends begun so far, this one included; at least 1. Waits FIRST_WAIT, doubling up to
    LONGEST_WAIT, or as long as the receiver asked, cut to LONGEST_WAIT as well.
    """
    if failure.permanent or tries >= MAX_TRIES:
        return None
    wait: timedelta = FIRST_WAIT * 2 ** (tries - 1)
    if failure.retry_after is not None:
        wait = timedelta(seconds=failure.retry_after)
    return now + min(wait, LONGEST_WAIT)


def refused(status: int, retry_after: str | None, now: datetime) -> DeliveryError | None:
    """What an answer means; None: taken. Redirects are not followed, so they are permanent."""
    if 200 <= status < 300:
        return None
    words = f"HTTP {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")
    permanent = status not in _PASSING and status < 500
    return DeliveryError(
        words,
        permanent=permanent,
        malformed=status in _MALFORMED,
        retry_after=_seconds(retry_after, now),
    )


def _seconds(told: str | None, now: datetime) -> float | None:
    """Retry-After: seconds, or a time (RFC 9110, 10.2.3)."""
    told = (told or "").strip()
    if told.isascii() and told.isdigit():
        return float(min(int(told[:9]), LONGEST_WAIT.total_seconds()))
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    wait = (at - now).total_seconds()
    return max(0.0, min(wait, LONGEST_WAIT.total_seconds()))
