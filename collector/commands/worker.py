"""One of the processes of `serve --workers N`; started by it, and no command of its own."""

from __future__ import annotations

import dataclasses
import signal
import socket
from collections.abc import Sequence

import structlog

from collector.app import working
from collector.commands.serve import serving, set_up
from collector.errors import PinfallError
from collector.settings import Address, load_settings
from collector.workers.lifeline import Lifeline
from collector.workers.link import Failed


def main(arguments: Sequence[str]) -> int:
    """arguments: the link's descriptor, the worker's number, where to listen. Why it does not start
    is told to the supervisor, which says it once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor tells us
    descriptor, number, address = arguments
    link = socket.socket(fileno=int(descriptor))
    link.set_inheritable(False)
    lifeline = Lifeline(link)
    try:
        settings = dataclasses.replace(load_settings(), public_address=Address.parse(address))
        set_up(settings)
        structlog.contextvars.bind_contextvars(worker=int(number))
        return serving(
            working(settings, int(number), lifeline), lambda _: None, signals=(signal.SIGTERM,)
        )
    except PinfallError as error:
        lifeline.tell(Failed(str(error)))
        return 1
