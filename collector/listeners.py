"""Sockets, TLS and the server around an application."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog
from aiohttp import web

from collector.background import running
from collector.errors import PinfallError
from collector.settings import Address, Settings

log = structlog.get_logger()

SHUTDOWN = 15.0  # seconds that requests in flight get to finish
_BACKLOG = 1024


def bound(address: Address, *, shared: bool = False) -> socket.socket:
    """A socket that has its port and does not listen yet. ``::`` takes IPv4 too.

    shared: several processes of one user may have the port; each that listens gets its part.
    Raises PinfallError.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.host != "::")
        made.bind((address.host, address.port))
    except OSError as error:
        made.close()
        hint = "; is something else running there?" if error.errno == errno.EADDRINUSE else ""
        number = error.errno or 0  # negative where it is a name that leads nowhere
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        raise PinfallError(f"cannot listen on {address}: {reason}{hint}") from None
    return made


def reserved(address: Address) -> socket.socket:
    """A port for processes that will share it, as a socket that never listens: the port stays taken
    while none of them runs, and no connection waits here for nobody.

    Raises PinfallError also where somebody is there who would share.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise PinfallError("several workers need SO_REUSEPORT, which this system has not")
    with bound(address) as alone:
        port = int(alone.getsockname()[1])
    return bound(replace(address, port=port), shared=True)


async def listen(
    stack: AsyncExitStack,
    runner: web.BaseRunner,
    socket_: socket.socket,
) -> int:
    """Serve for the life of the stack; returns the port."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, socket_, backlog=_BACKLOG).start()
    return int(socket_.getsockname()[1])


async def public_tls(stack: AsyncExitStack, settings: Settings) -> ssl.SSLContext | None:
    """TLS of the public listener, if it has any, read again when the files change."""
    tls = _tls(settings)
    if tls is not None and settings.tls_cert and settings.tls_key:
        reload = _reload_tls(tls, settings.tls_cert, settings.tls_key)
        await stack.enter_async_context(running("tls", reload))
    return tls


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        words = (
            error.strerror
            if not isinstance(error, ssl.SSLError)
            else "not a PEM certificate and the key that fits it"
        )
        raise PinfallError(f"PINFALL_TLS_CERT, PINFALL_TLS_KEY: {words}") from None
    return context


async def _reload_tls(context: ssl.SSLContext, cert: Path, key: Path, seconds: float = 5.0) -> None:
    """New handshakes get the new certificate; one that cannot be read leaves the old in use."""

    def stamps() -> tuple[int, int]:
        return cert.stat().st_mtime_ns, key.stat().st_mtime_ns

    seen = stamps()
    while True:
        await asyncio.sleep(seconds)
        try:
            now = stamps()
            if now == seen:
                continue
            # A throw-away context first: a pair that does not fit must not half replace the old.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            log.error("tls.reload_failed", error=type(error).__name__)
            continue
        seen = now
        log.info("tls.reloaded")
