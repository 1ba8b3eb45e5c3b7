"""What a collector should find of a fleet: counted here from what was sent, by the written rules alone.

An install is newly affected once in 24 h for each class; of one network three count within that time, the
rest are beyond the caps. The class is what the report itself can show, for it is decided a report:

- self: the leaf is one that our host serves. A forged report claims this, and no one who reads reports
  alone can tell: it is in these counts, and once more apart. What holds it back are caps and gates.
- interception: a chain of somebody in the middle, where the report shows the private root above it, or
  issuers that call themselves a known product.
- unknown: the rest. So is a chain of somebody in the middle in a report that leaves the root out and tells
  hashes only (react-native-ssl-manager), or whose issuers are nobody known (TrustKit on Android 7 and
  newer). That other clients showed a root above the same leaf does not count for it: anybody can put a key
  of ours under a root of his own and report that, which would turn real failures into interception.

A collector tells networks apart by hashes whose key changes with the day, so after midnight UTC a network
is a new one, and so it is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_DAY = 86_400.0  # seconds
_CAP = 3  # installs of one network


@dataclass(frozen=True, slots=True)
class Shown:
    """One report that arrived. at: seconds since 1970; class_: None where no pin failed."""

    at: float
    install: int
    network: int
    class_: str | None
    forged: bool = False


@dataclass(slots=True)
class Affected:
    """Newly affected installs by class: all, those within the caps, and those that somebody made up."""

    all: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    forged: Counter[str] = field(default_factory=Counter)


def affected(reports: Iterable[Shown]) -> Affected:
    """In any order."""
    told = Affected()
    last: dict[tuple[str, int], float] = {}
    networks: dict[tuple[str, int, int], list[float]] = {}
    for one in sorted(reports, key=lambda report: report.at):
        if one.class_ is None:
            continue
        who = one.class_, one.install
        if who in last and one.at - last[who] < _DAY:
            continue
        last[who] = one.at
        told.all[one.class_] += 1
        told.forged[one.class_] += one.forged
        near = networks.setdefault((one.class_, one.network, int(one.at // _DAY)), [])
        if len(near) < _CAP:
            near.append(one.at)
            told.within[one.class_] += 1
    return told
