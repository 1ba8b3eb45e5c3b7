"""Items that were read, made durable: each gets a verdict, and each is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.errors import Reason, ReportError
from collector.intake.day_secrets import DaySecrets
from collector.intake.durable import Outcome
from collector.intake.keyring import Key
from collector.intake.prepare import Sender, prepare_all
from collector.intake.queue import Intake
from collector.metrics import UNKNOWN, Metrics
from collector.model import Dialect, Kind, Skip, Violation, Window
from collector.reports.body import Item
from collector.store.connect import STORE_DOWN
from collector.store.ledger import Account

# What became of an item, and why where it was not accepted.
Verdict = tuple[str, Reason | Skip | None]

ACCEPTED: Verdict = ("accepted", None)
_VERDICTS: dict[Outcome, Verdict] = {
    Outcome.ACCEPTED: ACCEPTED,
    Outcome.DUPLICATE: ("duplicate", None),
    Outcome.UNSTORABLE: ("rejected", Reason.UNSTORABLE),
    Outcome.UNKNOWN_KEY: ("rejected", Reason.UNKNOWN_KEY),
    Outcome.NOT_DURABLE: ("shed", Reason.NOT_DURABLE),
    Outcome.SPOOLED: ("spooled", None),
}
_LOST: Verdict = ("shed", Reason.NOT_DURABLE)


@dataclass(slots=True)
class Taking:
    intake: Intake
    metrics: Metrics
    secrets: DaySecrets

    async def take(
        self, items: Sequence[Item], key: Key, sender: Sender, received_at: datetime
    ) -> list[Verdict]:
        """Verdicts in order. Answers after what is accepted is durable."""
        self.metrics.receive(len(items))
        verdicts: list[Verdict] = [ACCEPTED] * len(items)
        storable: list[tuple[int, Violation | Window]] = []
        for index, item in enumerate(items):
            if isinstance(item, Violation):
                if item.kind is Kind.OK and item.dialect is not Dialect.NEL:
                    # Its sender's failures are no connections, so neither is its success.
                    verdicts[index] = ("ignored", Skip.SUCCESS)
                    self.not_stored(key, "ignored", item.dialect, Skip.SUCCESS)
                else:
                    storable.append((index, item))
            elif isinstance(item, Window):
                storable.append((index, item))
            elif isinstance(item, ReportError):
                verdicts[index] = ("rejected", item.reason)
                self.not_stored(key, "rejected", UNKNOWN, item.reason)
            else:
                verdicts[index] = ("ignored", item.why)
                self.not_stored(key, "ignored", item.dialect, item.why)
        if storable:
            await self._store(storable, verdicts, key, sender, received_at)
        return verdicts

    async def _store(
        self,
        storable: Sequence[tuple[int, Violation | Window]],
        verdicts: list[Verdict],
        key: Key,
        sender: Sender,
        received_at: datetime,
    ) -> None:
        secret = self.secrets.now(received_at)
        if secret is None:
            try:
                secret = await self.secrets.of(received_at)
            except STORE_DOWN:
                for index, item in storable:
                    verdicts[index] = _LOST
                    dialect = Dialect.CONNECTIONS if isinstance(item, Window) else item.dialect
                    self.not_stored(key, "shed", dialect, Reason.NOT_DURABLE)
                return
        entries = prepare_all([item for _, item in storable], key, sender, received_at, secret)
        outcomes = await self.intake.submit(entries)
        for (index, _), outcome in zip(storable, outcomes, strict=True):
            verdicts[index] = _VERDICTS[outcome]

    def not_stored(
        self, key: Key | None, result: str, dialect: str, reason: Reason | Skip, items: int = 1
    ) -> None:
        """Count what does not go through the queue."""
        self.metrics.result(key.project_name if key else UNKNOWN, dialect, result, items)
        if isinstance(reason, Reason):
            self.metrics.rejected.labels(reason=reason).inc(items)
        else:
            self.metrics.ignored.labels(reason=reason).inc(items)
        told = "" if dialect == UNKNOWN else dialect
        project = key.project if key else None
        self.intake.count(Account(project, told, result, reason), items)
        self.intake.count(Account(project, "", "received"), items)
