"""A host's chains: every address, every kind. Resolved once; then addresses are asked, not the name."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace

from collector.detect.probed import DETAIL, KINDS, Answer, Asked, ProbeState
from collector.probing import tls
from collector.probing.addresses import MOST, IPAddress, chosen, why_not
from collector.probing.resolving import Resolve, ResolvingError, system_resolver
from collector.probing.tls import ClientCertificate

AT_ONCE = 32  # handshakes of one process
_NEVER_SAID_TLS = frozenset({
    ProbeState.REFUSED, ProbeState.UNREACHABLE, ProbeState.NO_CLIENT_CERTIFICATE,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """``resolved``: whether the name did, so that addresses which are not among these are gone."""

    answers: tuple[Answer, ...]
    resolved: bool


async def chain_of(
    host: str,
    port: int = 443,
    *,
    resolve: Resolve = system_resolver,
    allow_private: bool = False,
    named: Collection[IPAddress] = (),
    client: ClientCertificate | None = None,
    room: asyncio.Semaphore | None = None,
    seconds: float = tls.SECONDS,
) -> Found:
    """Ask every address of a host (at most MOST) for each kind of chain.

    named: addresses that may be asked whatever they are; allow_private: any may. room: shared by
    whoever asks at the same time. Never raises for what a name, a network or a server does.
    """
    try:
        addresses = chosen(await resolve(host))
    except ResolvingError as error:
        return Found((_of_host(ProbeState.DNS_FAILED, str(error)),), resolved=False)
    if not addresses:
        return Found((_of_host(ProbeState.DNS_FAILED, "no address"),), resolved=False)
    answers: list[Answer] = []
    asking = []
    for address in addresses:
        why = why_not(address, allow_private=allow_private, named=named)
        if why is None:
            asking.append(address)
        elif len(answers) < MOST:
            answers.append(Answer(str(address), Asked.HOST, ProbeState.NOT_ALLOWED, why))
    if len(asking) > MOST:
        told = f"{len(asking)}, of which {MOST} are asked"
        answers.append(_of_host(ProbeState.TOO_MANY_ADDRESSES, told))
    room = room or asyncio.Semaphore(AT_ONCE)
    told_all = await asyncio.gather(
        *(_address(each, port, host, client, room, seconds) for each in asking[:MOST])
    )
    answers += [answer for told in told_all for answer in told]
    return Found((*answers, *half_rolled(answers)), resolved=True)


def _of_host(state: ProbeState, detail: str, asked: Asked = Asked.HOST) -> Answer:
    return Answer("", asked, state, detail[:DETAIL])


async def _address(
    address: IPAddress,
    port: int,
    host: str,
    client: ClientCertificate | None,
    room: asyncio.Semaphore,
    seconds: float,
) -> list[Answer]:
    """One question after the other: a probe is no load."""
    told: list[Answer] = []
    for asked in KINDS:
        async with room:
            answer = await tls.ask(address, port, host, asked, client=client, seconds=seconds)
        told.append(answer)
        if answer.state in _NEVER_SAID_TLS or answer.detail == tls.NO_CONNECTION:
            # What holds for the address holds for each question; none of them is kept as it was.
            return [replace(answer, asked=each) for each in KINDS]
    return only_tls13(told)


def only_tls13(told: list[Answer]) -> list[Answer]:
    """Say it where it is so: TLS 1.3 has no way to ask for the other chain."""
    if told[0].state is not ProbeState.SERVED:
        return told
    return [
        replace(each, state=ProbeState.ONLY_TLS13, detail="a second chain cannot be asked for")
        if each.state is ProbeState.NOT_SPOKEN
        else each
        for each in told
    ]


def half_rolled(answers: Collection[Answer]) -> list[Answer]:
    """For each kind, whether addresses show different chains."""
    found = []
    for asked in KINDS:
        served = [a for a in answers if a.asked is asked and a.state is ProbeState.SERVED]
        by_chain: dict[tuple[bytes, ...], list[str]] = {}
        for answer in served:
            by_chain.setdefault(tuple(c.sha256 for c in answer.chain), []).append(answer.address)
        if len(by_chain) > 1:
            told = "; ".join(", ".join(places) for places in by_chain.values())
            found.append(_of_host(ProbeState.HALF_ROLLED, f"chains differ: {told}", asked))
    return found
