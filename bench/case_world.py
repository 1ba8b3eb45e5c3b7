"""The world of the cases: authorities, our chain before and after a turn, and what a case is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.case_parts import DAY, HOST, HOUR, T0, Chain, authority, leaf, made, no_pin, pin, served
from collector.detect.cases import Case, Seen, Surroundings, case_of
from collector.detect.judgement import Cause
from collector.detect.served import ServedChain
from collector.model import Kind


@dataclass(frozen=True)
class Named:
    """``own``: it is our own chain that is reported, so that it may never be called interception."""

    name: str
    want: Cause
    seen: tuple[Seen, ...]
    around: Surroundings
    kind: Kind = Kind.PIN_MISMATCH
    own: bool = True

    def case(self, seen: Sequence[Seen] | None = None) -> Case:
        return case_of(HOST, self.kind, self.seen if seen is None else seen, self.around)


# Authorities: two public ones, of which the first has two intermediates, and an older root that
# certified the first root as well.
ROOT_A, ROOT_B = (
    authority("Public Root A", organisation="CA A"),
    authority("Public Root B", organisation="CA B"),
)
A1, A2 = authority("A1", ROOT_A, "CA A"), authority("A2", ROOT_A, "CA A")
B1 = authority("B1", ROOT_B, "CA B")
OLD_ROOT = authority("Older Root X3", organisation="Older Trust")
CROSS_A = made(
    "", OLD_ROOT, ca=True, key_of=ROOT_A, subject_of=ROOT_A, start=T0 - 800 * DAY, days=2000
)
ROOTS = (ROOT_A, ROOT_B, OLD_ROOT)
BEFORE = leaf("before", A1)
AFTER = leaf("after", A1, start=T0 - HOUR)
AFTER_A2, AFTER_B = leaf("after a2", A2, start=T0 - HOUR), leaf("after b", B1, start=T0 - HOUR)
OLD: Chain = (BEFORE, A1)
NEW: Chain = (AFTER, A1)
TURN = T0 - HOUR / 20  # three minutes before the first report
OLD_PINS = (pin(BEFORE), no_pin("backup"))
O, I, U = Cause.OWN_ROTATION, Cause.INTERCEPTION, Cause.UNKNOWN  # noqa: E741 (a table reads best in columns)
PATH, PINS, ENV = Cause.PATH_BUILDING, Cause.WRONG_PINS, Cause.WRONG_ENVIRONMENT
ISSUER, MIS, FORGED = Cause.ISSUER_CHANGE, Cause.MISISSUANCE_SUSPECTED, Cause.FORGED_OR_BROKEN
CLOCK = Cause.EXPIRED_OR_CLOCK


def changed(new: Chain, old: Chain = OLD) -> tuple[ServedChain, ServedChain]:
    """A probe saw the old chain, and then the new one."""
    return served(old, first=T0 - 30 * DAY, last=TURN - HOUR / 6), served(new, first=TURN)


def named(
    name: str, want: Cause, seen: Sequence[Seen], told: Surroundings, kind: Kind = Kind.PIN_MISMATCH,
    *, own: bool = True,
) -> Named:  # fmt: skip
    return Named(name, want, tuple(seen), told, kind, own)


def proxied(common: str, organisation: str = "", host: str = HOST, number: int = 0) -> Chain:
    root = authority(common, organisation=organisation)
    return leaf(f"proxied {number}", root, host), root
