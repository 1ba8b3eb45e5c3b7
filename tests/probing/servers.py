"""Real TLS servers, in threads; and servers that are none."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The port. Each connection is served in a thread of its own, then closed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family)
    ends = threading.Event()
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # ssl.SSLError is one
            connection.settimeout(30)
            serve(connection)

    def run() -> None:
        while not ends.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=one, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    accepting = threading.Thread(target=run, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        ends.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(30)
        for thread in threads:
            thread.join(30)


@contextmanager
def on_each(served: Mapping[str, Serve]) -> Iterator[int]:
    """One port at several addresses."""
    (first, serve), *rest = served.items()
    for _ in range(20):  # until it is free at all of them
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(listening(serve, first))
            try:
                for address, other in rest:
                    stack.enter_context(listening(other, address, port))
            except OSError:
                continue
            yield port
            return
    raise AssertionError("no port is free at all addresses")


@contextmanager
def nobody(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind((address, 0))
        yield int(taken.getsockname()[1])


def tls(*files: Path, tune: Callable[[ssl.SSLContext], None] = lambda _: None) -> Serve:
    """Files: each a key and its chain, as one PEM file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in files:
        context.load_cert_chain(file)
    tune(context)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    return serve
