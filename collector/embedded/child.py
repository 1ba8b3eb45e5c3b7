"""Runs one PostgreSQL program as somebody it agrees to run as. Standard library only; no imports
of the project: it is started as a file, before the program replaces it.

    python -I -S child.py PARENT_PID IDENTITY PROGRAM ARGUMENT...

IDENTITY: ``self``; ``namespace:UID`` (a user namespace in which root is UID, so that files stay
root's); ``uid:UID:GID`` (drop to them). The program gets SIGINT (PostgreSQL's fast shutdown) when
the parent dies, on Linux.

Exit 97: no user namespace; 98: the parent is gone; 99: no such identity.
"""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NO_NAMESPACE, NO_PARENT, NO_IDENTITY = 97, 98, 99


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 (no imports that cost time)
        file.write(text)


def become(identity: str) -> None:
    """Change who this process is. Raises OSError or ValueError."""
    kind, _, rest = identity.partition(":")
    if kind == "namespace":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{int(rest)} 0 1")
        _write("/proc/self/gid_map", f"{int(rest)} 0 1")
    elif kind == "uid":
        uid, gid = (int(part) for part in rest.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    elif kind != "self":
        raise ValueError(identity)


def main(arguments: list[str]) -> int:
    """Returns only if something stopped it: the exit code that tells what."""
    parent, identity, *program = arguments
    try:
        become(identity)
    except (OSError, ValueError):
        return NO_NAMESPACE if identity.startswith("namespace") else NO_IDENTITY
    if sys.platform == "linux":
        # After the change of identity: the kernel forgets it then.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if int(parent) and os.getppid() != int(parent):
        return NO_PARENT  # it died before the line above
    os.umask(0o077)
    return os.execv(program[0], program)  # noqa: S606 (a list of arguments, no shell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
