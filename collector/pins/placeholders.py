"""Pins that are the hash of no key: made up to satisfy an SDK that asks for two, or a mistake."""

from __future__ import annotations

from hashlib import sha1, sha256

from collector.model import Hash

_FEW = 4  # different bytes; a real hash of 32 bytes has fewer once in 10^50
_OF_NOTHING = frozenset({sha256(b"").digest(), sha1(b"").digest()})  # noqa: S324 (compared, not used)


def placeholder(pin: Hash) -> str | None:
    """Why no key can have this hash; None where one may."""
    if pin.digest in _OF_NOTHING:
        return "is the hash of no bytes at all: the command that made it got no key"
    if len(set(pin.digest)) <= _FEW:
        return "is a placeholder: no key has this hash"
    return None
