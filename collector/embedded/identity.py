"""As whom PostgreSQL runs: it refuses root, and wants its files to be its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import Callable
from dataclasses import dataclass

from collector.embedded import child
from collector.errors import StoreError


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom PostgreSQL's programs run; it refuses to run as root."""

    told: str  # for child.py
    owner: int  # uid that owns the files on disk

    @property
    def kind(self) -> str:
        return self.told.partition(":")[0]

    def describe(self) -> str:
        if self.kind == "namespace":
            return "root, in a user namespace"
        return f"{_user(self.owner)} (uid {self.owner})"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "nobody known"


def namespaces_allowed() -> bool:
    """Whether root may make a user namespace here (containers often may not)."""
    return sys.platform == "linux" and answers_as(
        f"namespace:{_unprivileged().pw_uid}", lambda: True
    )


def answers_as(identity: str, ask: Callable[[], bool]) -> bool:
    """What somebody else would be answered; False if nobody can become them."""
    pid = os.fork()
    if pid == 0:
        try:
            child.become(identity)
            os._exit(0 if ask() else 1)
        except BaseException:  # noqa: BLE001 (a forked child must end here, whatever it was)
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _unprivileged() -> pwd.struct_passwd:
    """A user that exists: PostgreSQL looks its own name up."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise StoreError("running as root needs a user 'nobody' or 'postgres' in /etc/passwd")


def choose_identity(owner: int | None) -> Identity:
    """As whom to run over files of ``owner`` (None: a directory that is still to be made).

    Raises StoreError, with how to convert, where that would differ from how it was made.
    """
    me = os.geteuid()
    if me:
        if owner is None or owner == me:
            try:
                pwd.getpwuid(me)
            except KeyError:
                raise StoreError(
                    f"PostgreSQL needs a name for uid {me}: add a line to /etc/passwd, or set "
                    "PINFALL_DATABASE_URL and use 'pinfall serve'"
                ) from None
            return Identity("self", me)
        raise StoreError(
            f"made by {_user(owner)} (uid {owner}), and this is {_user(me)} (uid {me}); "
            f"run it as {_user(owner)}, or convert it once with: sudo chown -R {_user(me)} DIR"
        )
    other = _unprivileged()
    if owner is None:
        if namespaces_allowed():
            return Identity(f"namespace:{other.pw_uid}", 0)
        return Identity(f"uid:{other.pw_uid}:{other.pw_gid}", other.pw_uid)
    if owner == 0:
        if namespaces_allowed():
            return Identity(f"namespace:{other.pw_uid}", 0)
        raise StoreError(
            "made by root in a user namespace, and none may be made here; convert it once with: "
            f"chown -R {other.pw_name} DIR"
        )
    try:
        group = pwd.getpwuid(owner).pw_gid
    except KeyError:
        raise StoreError(
            f"made by uid {owner}, which has no name here; convert it once with: chown -R root DIR"
        ) from None
    return Identity(f"uid:{owner}:{group}", owner)
