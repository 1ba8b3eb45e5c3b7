"""One trial of the detection benchmark, fed to the detector a minute at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.detect.changes import Change, Source
from collector.detect.gates import Facts
from collector.detect.kinds import Severity
from collector.detect.memory import Memory
from collector.detect.spike import Known, State, look
from collector.detect.windows import Minute

_EPOCH = 100 * 168 * 60  # minutes: some start of a week
_ONE = b"one operator network"


class Trial:
    """successes: whether the success counts of the trial may be used, as those of a trusted key."""

    def __init__(self, raw: Mapping[str, Any], *, successes: bool) -> None:
        self.id: str = raw["id"]
        self.end: int = raw["T"]
        chains = bool(raw["chain_info"])
        self.facts = Facts(chains=chains, probed=raw["prober"], registry=raw["registry"])
        self.causes = tuple(
            Change(at=_EPOCH + at, source=Source.PROBED) for at in raw["causes"] if at is not None
        )
        self.gaps = tuple((_EPOCH + begun, _EPOCH + ended) for begun, ended in raw["gaps"])
        self.history: list[int] = [] if raw["cold"] else raw["history"]["S" if chains else "U"]
        self.minutes: dict[int, Minute] = {}
        self.successes = [0] * self.end
        self.reports = [0] * self.end
        self.trusted = successes
        for at, spread, one, unknown, unknown_one, private, reports, connected in raw["counts"]:
            if not chains:
                spread, one, unknown, unknown_one = unknown, unknown_one, 0, 0
            self.minutes[at] = Minute(
                at=_EPOCH + at,
                own=spread + one,
                beside=unknown + unknown_one + private,
                by_operator={_ONE: one} if one else {},
            )
            self.successes[at] = connected
            self.reports[at] = reports


def pages_of(trial: Trial) -> list[list[int | None]]:
    """Pages that would have been sent: [start, end or None]."""
    memory = Memory(trial.history, _EPOCH // 60 - 1, chains=trial.facts.chains, since=_EPOCH)
    state = State(evaluated_to=_EPOCH - 1, restart=_EPOCH)
    pages: list[list[int | None]] = []
    is_open = False
    nothing = Minute(at=0)
    for at in range(trial.end):
        memory.windows.add(trial.minutes.get(at, nothing))
        known = Known(changes=trial.causes, gaps=trial.gaps)
        verdict, state = look(memory, state, trial.facts, _EPOCH + at, known)
        sent = verdict.severity is Severity.PAGE and not verdict.quiet
        if sent and not is_open:
            pages.append([at, None])
            is_open = True
        if is_open and verdict.severity is None:
            pages[-1][1] = at
            is_open = False
    return pages
