"""What can happen to a host and its clients. Each scenario is a row of one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Times and sizes are shares: of the simulated time, of the fleet. leads: to which alerts.

    rotates: when the host's keys change; safe: the share of the fleet whose pins allow the new ones;
    edges: the share of connections that see the new chain; back: when the old one is served again.
    declared: an operator says so before.
    expires: when the served leaf is over. wrong_version: one release pins a key that nobody has.
    behind: the share behind an inspecting proxy, in so many networks, from a time on.
    forged: reports of our real chain that somebody makes up, as a share of the fleet, from so many
    networks, at a time. loops: installs that try again and again. misissued: installs that are shown
    a leaf of another authority, each elsewhere.
    """

    name: str
    says: str
    leads: str
    rotates: float | None = None
    safe: float = 0.0
    edges: float = 1.0
    back: float | None = None
    declared: bool = True
    expires: float | None = None
    wrong_version: bool = False
    behind: float = 0.01
    behind_networks: int = 4
    behind_from: float = 0.0
    forged: float = 0.0
    forged_networks: int = 1
    forged_at: float = 0.3
    loops: int = 0
    misissued: int = 0


SCENARIOS = (
    Scenario(
        name="quiet", says="nothing happens; a few clients sit behind inspecting proxies",
        leads="no alert",
    ),
    Scenario(
        name="bad-rotation", says="the host rotates to a key that most of the fleet does not pin",
        leads="one page", rotates=0.4, safe=0.1,
    ),
    Scenario(
        name="undeclared", says="the same, and nobody told of it",
        leads="tickets of a new public key; one page as soon as a probe sees it", rotates=0.4, safe=0.1, declared=False,
    ),
    Scenario(
        name="canary", says="one edge in twenty serves a key that the fleet does not pin",
        leads="one page", rotates=0.4, edges=0.05,
    ),
    Scenario(
        name="one-version", says="a release ships with a pin that matches nothing",
        leads="a ticket", wrong_version=True,
    ),
    Scenario(
        name="office-proxy", says="an office puts a proxy in front of its phones",
        leads="no alert", behind=0.3, behind_networks=1, behind_from=0.3,
    ),
    Scenario(
        name="wave-at-rotation", says="a good rotation, and a wave of interception at the same time",
        leads="a ticket of the wave, no page", rotates=0.4, safe=1.0, behind=0.3, behind_networks=60, behind_from=0.4,
    ),
    Scenario(
        name="retry-loop", says="a few installs fail and try again without a pause",
        leads="no alert", loops=3,
    ),
    Scenario(
        name="spoof", says="somebody posts reports of our own chain from two networks",
        leads="no alert", forged=0.5, forged_networks=2,
    ),
    Scenario(
        name="decoy", says="a forged spike, and then a real bad rotation",
        leads="one page, of the real one", rotates=0.6, safe=0.1, forged=0.5, forged_networks=2, forged_at=0.2,
    ),
    Scenario(
        name="misissuance", says="a few clients in different places are shown a leaf that is not ours",
        leads="a ticket; a page to security where probes of the host went well for a week", misissued=5,
    ),
    Scenario(
        name="expired", says="the served certificate expires",
        leads="one page", expires=0.4,
    ),
    Scenario(
        name="rollback", says="a bad rotation that is taken back",
        leads="one page, which ends by itself", rotates=0.3, safe=0.1, back=0.6,
    ),
)  # fmt: skip
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
