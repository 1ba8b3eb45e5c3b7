"""A worker as its supervisor sees it: how it is started, and what it said last."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field

from collector.settings import Address
from collector.workers.link import Snapshot, framed

_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0)  # before a start, by short lives in a row
_MAIN = (
    "import sys; sys.path[:] = sys.argv[4:]; "
    "from collector.commands.worker import main; sys.exit(main(sys.argv[1:4]))"
)


def command(link: int, number: int, address: Address) -> list[str]:
    """A Python like this one, whatever started it: it imports from the same places, and heeds
    PYTHON* variables only if this one does. link: the descriptor that it inherits."""
    flags = ["-P", "-E"] if sys.flags.ignore_environment else ["-P"]
    return [sys.executable, *flags, "-c", _MAIN, str(link), str(number), str(address), *sys.path]


def pause(short_lives: int) -> float:
    """Seconds before the next start."""
    return _PAUSES[min(max(short_lives - 1, 0), len(_PAUSES) - 1)]


@dataclass(slots=True)
class Worker:
    """One of the workers, through all its lives."""

    number: int
    first: asyncio.Future[None]  # of the first life: done when it listens
    process: subprocess.Popen[bytes] | None = None
    writer: asyncio.StreamWriter | None = None
    newest: Snapshot | None = None
    heard_at: float = 0.0
    waiting: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # and is not started again

    def ask(self, question: int) -> asyncio.Future[None] | None:
        """Done when the answer is there, or will not come; None where nobody can be asked."""
        writer = self.writer
        if self.newest is None or writer is None or writer.transport.get_write_buffer_size():
            return None
        writer.write(framed(question))
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append((question, answer))
        return answer

    def answered(self, newest: float) -> None:
        for question, answer in self.waiting:
            if question <= newest and not answer.done():
                answer.set_result(None)
        self.waiting = [(q, answer) for q, answer in self.waiting if not answer.done()]
