"""Clients of a fleet: what each reports with, and what a report of it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collector.simulate import bodies
from collector.simulate.bodies import Chain, Client, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What an install reports with. share: of the fleet. repeats: it tells of each failure anew. root,
    issuers: whether it shows the root of a chain, and the names of its issuers. untrusted: whether it
    tells of a chain that the system refused, before any pin. late: its reports may be sent much later."""

    make: Callable[[Client, Chain], Message]
    share: float
    repeats: bool = False
    root: bool = True
    issuers: bool = True
    untrusted: bool = False
    late: bool = False


IOS = Dialect(make=bodies.trustkit_ios, share=0.4, untrusted=True, late=True)
ANDROID = Dialect(make=bodies.trustkit_android, share=0.25, root=False, untrusted=True)
OKHTTP = Dialect(make=bodies.okhttp_reporter, share=0.2, repeats=True)
TEXT = Dialect(make=bodies.okhttp_text, share=0.1, repeats=True)
REACT = Dialect(make=bodies.react_native, share=0.05, root=False, issuers=False)
DIALECTS = (IOS, ANDROID, OKHTTP, TEXT, REACT)


@dataclass(frozen=True, slots=True)
class Install:
    number: int
    version: str
    dialect: Dialect
    network: int
    host: int
    safe: bool
    behind: int | None  # which proxy
