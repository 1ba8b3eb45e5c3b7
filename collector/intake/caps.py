"""Which public windows of connections count. Whoever has the public key can claim any number of
successes, so they inform, within these caps; windows of trusted keys have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from collector.model import ProjectId
from collector.store.rows import Sample

AN_HOUR = timedelta(hours=1)
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
    known: Mapping[tuple[ProjectId, str, bytes], Sequence[Stretch]],
    networks: Mapping[tuple[ProjectId, str, bytes], int],
) -> list[bool]:
    """For each sample, in order, whether it counts.

    known: counted windows by project, host and install. networks: how many public windows counted
    within the hour, by project, host and network.
    A window that overlaps an earlier one of its install does not count; an instant overlaps none.
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
        overlaps = any(
            start < sample.ends and sample.starts < end for start, end in taken.get(install, ())
        )
        counts = not overlaps and used[network] < MOST_A_NETWORK
        if counts:
            used[network] += 1
            taken.setdefault(install, []).append((sample.starts, sample.ends))
        verdicts.append(counts)
    return verdicts
