"""What the figures have to reach, and whether they do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound for one figure. must: None where it only informs."""

    name: str
    better: Literal["higher", "lower"]
    must: float | None
    aim: float | None
    unit: str = ""  # "", "ms", "MB" or "x"


DURABLE = Target(name="durable / bare", better="higher", must=0.45, aim=0.70)
PIPELINE = Target(name="pipeline / bare", better="higher", must=0.65, aim=0.80)
NAIVE = Target(name="durable / an INSERT a request", better="higher", must=1.8, aim=3.0)
POSTGRES = Target(name="Postgres CPU a report / naive", better="lower", must=0.25, aim=0.125)
WORKERS = Target(name="2 workers / 1 worker", better="higher", must=None, aim=1.9)
P99 = Target(name="p99 at half of the saturating rate", better="lower", must=50, aim=15, unit="ms")
LOST = Target(name="reports lost", better="lower", must=0, aim=0)
DOUBLED = Target(name="reports counted twice", better="lower", must=0, aim=0)
MEMORY = Target(name="memory of a worker", better="lower", must=250, aim=120, unit="MB")
DRIFT = Target(name="its drift", better="lower", must=10, aim=2, unit="MB")
GROWTH = Target(name="slowest to grow", better="lower", must=1.5, aim=1.1, unit="x")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure beside its bounds. value: None where it could not be measured."""

    target: Target
    value: float | None
    note: str = ""

    def reaches(self, bound: float | None) -> bool | None:
        """None where there is no bound."""
        if bound is None:
            return None
        if self.value is None:
            return False
        return self.value >= bound if self.target.better == "higher" else self.value <= bound

    @property
    def is_met(self) -> bool:
        return self.reaches(self.target.must) is not False

    def word(self) -> str:
        if self.value is None:
            return "not measured" if self.target.must is None else "NOT MET: not measured"
        if not self.is_met:
            return "NOT MET"
        aimed = self.reaches(self.target.aim)
        if self.target.must is None:
            return "no bound" + (", aim met" if aimed else "")
        return "met, aim too" if aimed else "met"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    told = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{told} {unit}".rstrip()


def table(verdicts: Iterable[Verdict]) -> str:
    """As it is printed: a line a figure."""
    lines = [f"{'':<36} {'measured':>10} {'must':>8} {'aim':>8}  "]
    for v in verdicts:
        unit = v.target.unit
        told = [_number(n, unit) for n in (v.value, v.target.must, v.target.aim)]
        note = f" ({v.note})" if v.note else ""
        lines.append(
            f"{v.target.name:<36} {told[0]:>10} {told[1]:>8} {told[2]:>8}  {v.word()}{note}"
        )
    return "\n".join(line.rstrip() for line in lines)
