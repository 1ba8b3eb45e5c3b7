"""What hosts serve: told by our own probes, and by those that others submit."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.probed import DETAIL, HERE, Answer, Asked, ProbeState
from collector.detect.served import ServedChain
from collector.errors import NotFoundError, PinfallError
from collector.model import WORST_CHAIN, Certificate, Hash
from collector.pinfall_toml import HostToml
from collector.probing.addresses import MOST
from collector.probing.rounds import judged
from collector.probing.targets import Target, targets
from collector.probing.tls import MOST_BYTES
from collector.reports.certificates import certificate_from_der, facts, role
from collector.reports.hosts import read_host
from collector.reports.line import utc
from collector.store import hosts, served
from collector.store.connect import Connection
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO

ANSWERS = (MOST + 1) * len(Asked)  # of one probe
_WANTED = {"host": True, "port": False, "vantage": True, "answers": True}
_ANSWER = {"address": True, "asked": True, "state": True, "detail": False, "chain": False}


@dataclass(frozen=True, slots=True)
class Probes:
    """named: hosts of pinfall.toml."""

    pool: asyncpg.Pool
    changes: Changes
    named: tuple[HostToml, ...]

    async def served(self, request: web.Request) -> web.Response:
        """Chains over time, those seen last first, and how asking went last."""
        told = asked.query(request, {"since": asked.time, "limit": asked.limit})
        project, host = request.match_info["project"], _host(request.match_info["host"])
        async with self.pool.acquire() as connection:
            third_party = await self._third_party(connection, project, host)
            limit = told.get("limit", asked.USUAL)
            chains = await served.of_host(connection, host, told.get("since"), limit)
            states = await served.states(connection, host)
        answer = {
            "project": project,
            "host": host,
            "third_party": third_party,
            "chains": [_chain(chain) for chain in chains],
            "states": [_state(state) for state in states],
        }
        return web.json_response(answer)

    async def _third_party(self, connection: Connection, project: str, host: str) -> bool:
        """Raises NotFoundError where the host is none of the project's."""
        for each in self.named:
            if each.name == host and each.project in (None, project):
                return each.third_party
        found = await hosts.is_third_party(connection, project, host)
        if found is None:
            raise NotFoundError(f"'{host}' is not registered in '{project[:80]}'")
        return found

    async def submit(self, request: web.Request) -> web.Response:
        """{"host", "port", "vantage", "answers": [{"address", "asked", "state", "detail", "chain":
        [base64 DER]}]}. What is submitted is somebody's word: a chain counts only where our own roots
        trust it for this host."""
        told = await asked.body(request, _WANTED)
        vantage = asked.name(told, "vantage")
        if vantage == HERE:
            raise PinfallError(f"vantage: '{HERE}' is the collector itself")
        answers = _answers(told["answers"])
        async with self.pool.acquire() as connection:
            target = await self._target(connection, told)
        at = self.changes.clock()
        problems = await judged(target, {a.chain for a in answers if a.chain}, at)
        place = target.host, target.port
        details = {"port": target.port, "vantage": vantage, "answers": len(answers)}
        async with self.changes.by(request[WHO], "probe.submitted", target.host, **details) as made:
            ids = {}
            for chain, problem in sorted(
                problems.items(), key=lambda each: served.chain_id(*place, each[0])
            ):
                if problem is None:
                    ids[chain] = await served.keep(
                        made.connection, *place, chain, problem=None, at=at
                    )
            states = [(answer, ids.get(answer.chain)) for answer in answers]
            await served.keep_states(made.connection, *place, vantage, states, at, resolved=True)
            await served.crowd_out(made.connection, *place)
        answer = {
            "host": target.host,
            "port": target.port,
            "vantage": vantage,
            "states": len(answers),
            "chains": [
                {"leaf": _pin(chain[0]), "kept": problem is None, "problem": problem}
                for chain, problem in problems.items()
            ],
        }
        return web.json_response(answer, status=201)

    async def _target(self, connection: Connection, told: dict[str, Any]) -> Target:
        """Raises NotFoundError where it is no host that we probe ourselves."""
        host, port = _host(told["host"]), told.get("port")
        if port is not None and (not isinstance(port, int) or isinstance(port, bool)):
            raise PinfallError("port: should be a number from 1 to 65535")
        every = targets(self.named, await hosts.to_probe(connection))
        fitting = [t for t in every if t.host == host and port in (None, t.port)]
        if not fitting:
            where = "" if port is None else f" with port {port}"
            raise NotFoundError(f"'{host}' is not registered{where}")
        return next((t for t in fitting if t.port == 443), fitting[0])


def _host(text: object) -> str:
    try:
        if isinstance(text, str):
            return read_host(text)[0]
    except ValueError:
        pass
    raise PinfallError("host: should be a host name")


def _answers(told: object) -> list[Answer]:
    """Raises PinfallError."""
    if not isinstance(told, list) or not 1 <= len(told) <= ANSWERS:
        raise PinfallError(f"answers: should be a list of 1 to {ANSWERS}")
    found = {}
    for number, each in enumerate(told):
        answer = _answer(each, f"answers[{number}]")
        found[answer.address, answer.asked] = answer
    return list(found.values())


def _answer(told: object, place: str) -> Answer:
    if not isinstance(told, dict) or not {*told} <= {*_ANSWER}:
        raise PinfallError(f"{place}: should be an object of {', '.join(_ANSWER)}")
    address, detail = told.get("address"), told.get("detail", "")
    try:
        if not isinstance(address, str) or (address and not ipaddress.ip_address(address)):
            raise ValueError
        kind, state = Asked(told.get("asked", "?")), ProbeState(told.get("state", "?"))
    except ValueError:
        words = "should have an address, what was asked, and a state"
        raise PinfallError(f"{place}: {words}") from None
    if not isinstance(detail, str) or len(detail) > DETAIL or "\x00" in detail:
        raise PinfallError(f"{place}.detail: should be a text of at most {DETAIL} characters")
    chain = _certificates(told.get("chain", []), f"{place}.chain")
    if bool(chain) != (state is ProbeState.SERVED):
        raise PinfallError(f"{place}.chain: is there where the state is served, and only there")
    return Answer(str(address), kind, state, detail, chain)


def _certificates(told: object, place: str) -> tuple[Certificate, ...]:
    if not isinstance(told, list) or len(told) > WORST_CHAIN:
        raise PinfallError(f"{place}: should be a list of at most {WORST_CHAIN}")
    found: list[Certificate] = []
    size = 0
    for text in told:
        try:
            der = base64.b64decode(text, validate=True)
            found.append(certificate_from_der(der))
        except (binascii.Error, ValueError, TypeError):
            raise PinfallError(f"{place}: a certificate should be DER in base64") from None
        size += len(der)
    if size > MOST_BYTES:
        raise PinfallError(f"{place}: more than {MOST_BYTES} bytes")
    return tuple(found)


def _pin(certificate: Certificate) -> str:
    return str(Hash("sha256", certificate.spki_sha256))


def _chain(told: ServedChain) -> dict[str, Any]:
    return {
        "id": served.chain_id(told.host, told.port, told.chain).hex(),
        "port": told.port,
        "key_type": told.key_type,
        "trusted": told.trusted,
        "problem": told.problem,
        "first_seen": utc(told.first_seen),
        "last_seen": utc(told.last_seen),
        "chain": [_certificate(place, each) for place, each in enumerate(told.chain)],
    }


def _certificate(place: int, told: Certificate) -> dict[str, Any]:
    known = facts(told.der)
    return {
        "role": role(place, told),
        "pin": _pin(told),
        "sha256": told.sha256.hex(),
        "subject": known.subject,
        "issuer": known.issuer,
        "not_before": utc(known.not_before),
        "not_after": utc(known.not_after),
    }


def _state(told: served.State) -> dict[str, Any]:
    names = ("port", "vantage", "address", "asked", "state", "detail", "chain", "at", "since")
    return asked.plain({name: getattr(told, name) for name in names})
