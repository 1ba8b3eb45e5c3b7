"""Silenced signatures: whether what is found at a host would be found without them.

All that is reported is judged as ever. Then it is asked whether what the other signatures show would be an
alert by itself: if so it is sent, and speaks of those alone; if not it waits until the silence ends. What
silenced signatures have no part in is none of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from collector.detect.gates import Facts
from collector.detect.spike_state import NOTHING_KNOWN, Known
from collector.store import minutes
from collector.store.connect import Connection
from collector.store.silences import Silence
from collector.watch.knowing import minute
from collector.watch.rules import Found
from collector.watch.watched import SELF, Counts, Watched, grouped

_BEFORE = 360  # minutes before a spike opened, in which it may have begun
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Muting:
    """until: of each place that has some, its silenced signatures. others: there, counts of all others."""

    until: Mapping[Place, Mapping[bytes, datetime]] = field(default_factory=dict)
    others: Mapping[Place, Counts] = field(default_factory=dict)

    def signatures(self, place: Place) -> frozenset[bytes]:
        return frozenset(self.until.get(place, ()))

    def ends(self, place: Place) -> datetime | None:
        """When the first silence there ends."""
        return min(self.until.get(place, {}).values(), default=None)

    def loud(
        self, watched: Watched, counts: Counts, facts: Mapping[str, Facts], known: Known, now: datetime
    ) -> frozenset[str]:  # fmt: skip
        """Streams of a host with silences that are told, since their spike is there without the silenced
        signatures: once it was, it is until it is over, or more are silenced."""
        silenced = tuple(sorted(self.signatures(watched.place)))
        others, kept = self.others.get(watched.place, {}), watched.kept
        found = set()
        for stream, of_stream in facts.items():
            alone = {**counts, stream: others.get(stream, {})}
            what = known if stream == SELF or of_stream.pages else NOTHING_KNOWN
            is_open = kept.spikes[stream].incident is not None
            if (is_open and kept.loud.get(stream) == silenced) or not self._is_part(
                watched, stream, counts, now
            ):
                found.add(stream)
            elif watched.would_open(stream, alone, of_stream, minute(now), what):
                found.add(stream)
                kept.loud[stream] = silenced
            if not is_open:
                kept.loud.pop(stream, None)
        return frozenset(found)

    def _is_part(self, watched: Watched, stream: str, counts: Counts, now: datetime) -> bool:
        """Whether silenced signatures have any part in what is counted since the spike began."""
        incident = watched.kept.spikes[stream].incident
        since = (incident.opened if incident else minute(now)) - _BEFORE
        everything = _sum(counts.get(stream, {}), since)
        return everything > _sum(self.others.get(watched.place, {}).get(stream, {}), since)

    def mute(self, place: Place, found: Sequence[Found], loud: frozenset[str]) -> list[Found]:
        """What was found of streams, some of which are ``loud``."""
        ends, silenced = self.ends(place), self.signatures(place)
        if ends is None:
            return [*found]
        return [
            replace(one, without=silenced) if one.class_ in loud else replace(one, muted_until=ends)
            for one in found
        ]


def _sum(minutes_: Mapping[int, Mapping[bytes, int]], since: int) -> int:
    return sum(sum(some.values()) for at, some in minutes_.items() if at >= since)


async def muting(
    connection: Connection, silences: Sequence[Silence], since: datetime, until: datetime
) -> Muting:
    """Nothing is asked where no signature is silenced."""
    found: dict[Place, dict[bytes, datetime]] = {}
    for one in silences:
        if one.signature is not None and one.project is not None and one.host is not None:
            there = found.setdefault((one.project, one.host), {})
            there[one.signature] = max(one.until, there.get(one.signature, one.until))
    if not found:
        return Muting()
    ids = {id_ for some in found.values() for id_ in some}
    rows = await minutes.without(connection, since, until, ids, list(found))
    return Muting(found, grouped(rows))
