"""Which public windows of connections count. Whoever has the public key can claim any number of
successes, so they inform, within these caps; windows of trusted keys have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from collector.model import ProjectId
from collector.store.rows import Sample

AN_HOUR = timedelta(hours=1)
OLDEST = timedelta(days=7)  # that a public window may have ended before its receipt
MOST_A_WINDOW = 10_000  # connections; what is claimed beyond is scaled down
MOST_A_NETWORK = 50  # windows of one /24 or /48 an hour, for one host

Stretch = tuple[datetime, datetime]


def scaled(successes: float, pin_failures: float) -> tuple[float, float]:
    """At most MOST_A_WINDOW connections, in the same proportion."""
    claimed = successes + pin_failures
    if claimed <= MOST_A_WINDOW:
        return successes, pin_failures
    return successes * MOST_A_WINDOW / claimed, pin_failures * MOST_A_WINDOW / claimed


def within_caps(
    samples: Sequence[Sample],
    admitted: Collection[tuple[ProjectId, str]],
    known: Mapping[tuple[ProjectId, str, bytes], Sequence[Stretch]],
    networks: Mapping[tuple[ProjectId, str, bytes], int],
) -> list[bool]:
    """For each sample, in order, whether it counts.

    admitted: hosts that are labels: claims about others count for nothing.
    known: counted windows by project, host and install. networks: how many public windows counted
    within the hour, by project, host and network.
    A window that overlaps an earlier one of its install does not count; an instant overlaps none. What
    ended longer ago than OLDEST does not count.
    """
    taken: dict[tuple[ProjectId, str, bytes], list[Stretch]] = {k: [*v] for k, v in known.items()}
    used = Counter(networks)
    verdicts = []
    for sample in samples:
        if sample.trusted:
            verdicts.append(True)
            continue
        install = (sample.project, sample.host, sample.install)
        network = (sample.project, sample.host, sample.network)
        overlaps = sample.starts < sample.ends and any(
            start < sample.ends and sample.starts < end for start, end in taken.get(install, ())
        )
        is_label = sample.registered or (sample.project, sample.host) in admitted
        is_old = sample.ends < sample.received_at - OLDEST
        room = used[network] < MOST_A_NETWORK
        counts = is_label and room and not overlaps and not is_old
        if counts:
            used[network] += 1
            if sample.starts < sample.ends:
                taken.setdefault(install, []).append((sample.starts, sample.ends))
        verdicts.append(counts)
    return verdicts
