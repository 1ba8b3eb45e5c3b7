"""A botched rotation in a running collector, and all else that its pages have something to say of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.incident import HOST, PROJECT, TOML, Incident
from collector.simulate import chains
from tests.conftest import Clock
from tests.pins.samples import own_set
from tests.web.conftest import Site

# Installs behind a proxy that inspects, and those that do not pin the new key.
OFFICE, BROKEN = 3, 20


@dataclass(frozen=True)
class Places:
    """Paths of pages. ``given`` are the form's fields that make the page of preflight an answer."""

    alert: str
    signature: str
    given: dict[str, str]
    host: str = f"/hosts/{PROJECT}/{HOST}"

    @property
    def every(self) -> tuple[str, ...]:
        pins = f"/pins?project={PROJECT}&host={HOST}"
        return (
            "/", self.host, self.signature, "/alerts", self.alert, "/rotations", "/pins", pins, "/preflight",
            "/runbooks", "/setup", "/setup/watch",
        )  # fmt: skip


def config(directory: Path) -> Path:
    """Its hosts are not probed: their names lead nowhere."""
    path = directory / "pinfall.toml"
    path.write_text(TOML)
    return path


async def happen(site: Site, clock: Clock) -> Places:
    incident = Incident(site.collector, site.pool, site.session, clock, site.key)
    await incident.begin()
    clock.now += timedelta(hours=1)
    await incident.intercept(OFFICE)
    await incident.connect(9_000, 3)
    await incident.look()
    clock.now += timedelta(hours=1)
    await incident.rotate()
    clock.now += timedelta(minutes=5)
    await incident.fail(BROKEN)
    await incident.connect(900, 100)
    await incident.look()
    await _tell(site)
    kinds = {row["kind"]: row["id"] for row in await incident.alerts()}
    signature = await site.pool.fetchval(
        "SELECT encode(signature, 'hex') FROM counted_install WHERE class = 'self' LIMIT 1"
    )
    chain = "".join(chains.pem(der, 64, "\n", "\n") for der in incident.new)
    return Places(
        alert=f"/alerts/{kinds['pin_failure_spike']}",
        signature=f"/signatures/{signature}",
        given={"host": HOST, "project": PROJECT, "chain": chain},
    )


async def _tell(site: Site) -> None:
    """What teams tell beside reports."""
    lone = own_set(host=HOST, app="com.example.lone", platform="ios", expires="2026-11-22")
    told: list[tuple[str, dict[str, object]]] = [
        ("pin-sets", {"project": PROJECT, "sets": [lone]}),
        ("rotations", {"host": HOST, "at": "2026-12-03T08:00:00Z"}),
        ("adoption", {"project": PROJECT, "rows": [
            {"day": f"2026-11-{day}", "app": "com.example.wallet", "platform": "ios", "version": version, "uses": uses}
            for day, old in ((17, 4000), (18, 2000), (19, 1000))
            for version, uses in (("1.0", old), ("2.0", 10_000 - old))
        ]}),
        ("silences", {"project": PROJECT, "host": "login.example.com", "until": "2026-11-21T12:00:00Z",
                      "note": "moves house"}),
        ("tokens", {"name": "pipeline", "role": "pipeline"}),
    ]  # fmt: skip
    for path, body in told:
        answer = await site.call("POST", f"/api/v1/{path}", body)
        assert answer.status in (200, 201), answer.json
