"""One question to one address: TLS up to where the server has shown its chain, then goodbye."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collector.detect.probed import DETAIL, Answer, Asked, ProbeState
from collector.model import WORST_CHAIN, Certificate
from collector.probing.addresses import IPAddress
from collector.reports.certificates import certificate_from_der

SECONDS = 10.0  # of one question, whatever the server does meanwhile
MOST_BYTES = 64 * 1024  # of a chain
_MOST_READ = 3 * MOST_BYTES  # bytes of a handshake: two chains' worth of what else it may hold
_READ = 16 * 1024
_ALERT = re.compile(r"(?:TLSV1|TLSV13|SSLV3)_(?:ALERT_)?(\w+)")
# OpenSSL's words for bytes that are no TLS. A server of TLS may err so too, but then is none.
_NOT_TLS = frozenset({
    "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG",
    "BAD_RECORD_TYPE", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE", "UNKNOWN_PROTOCOL",
})  # fmt: skip
_NOT_SPOKEN = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"})
NO_CONNECTION = "no connection in time"
_Question = tuple[str, Asked]  # who is asked, and for what
_KEYS = {Asked.RSA: "aRSA", Asked.ECDSA: "aECDSA"}


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What we show where a server asks who we are: PEM files, read anew each time."""

    certificate: Path
    key: Path


def context_for(asked: Asked, client: ClientCertificate | None = None) -> ssl.SSLContext:
    """Nothing is verified in the handshake, and keys that nobody should use are taken: what is served
    is what we came for, and nothing is sent. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    version = ssl.TLSVersion.TLSv1_3 if asked is Asked.TLS13 else ssl.TLSVersion.TLSv1_2
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(f"{_KEYS.get(asked, 'ALL')}:@SECLEVEL=0")
    if client is not None:
        # No password: OpenSSL would ask the terminal for one.
        context.load_cert_chain(client.certificate, client.key, password=lambda: "")
    return context


def served_ders(tls: ssl.SSLObject) -> list[bytes]:
    """What the server sent, in its order, verified or not; also of a handshake that failed after it."""
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:  # from Python 3.13 on
        return list(public())
    raw = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001 (3.10 to 3.12)
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in raw or ()]


async def ask(
    address: IPAddress,
    port: int,
    name: str,
    asked: Asked,
    *,
    client: ClientCertificate | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """Ask this very address; ``name`` is what it is told that we want (SNI; none for an address).

    Never raises for what a server or a network does: that is the answer.
    """
    place = str(address)
    try:
        context = context_for(asked, client)
    except OSError as error:
        told = getattr(error, "reason", None) or error.strerror or "it cannot be read"
        return Answer(place, asked, ProbeState.NO_CLIENT_CERTIFICATE, str(told)[:DETAIL])
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    is_connected = False
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(connection, (place, port))
                is_connected = True
                return await _handshake(connection, context, name, (place, asked))
    except TimeoutError:
        told = "no chain in time" if is_connected else NO_CONNECTION
        return Answer(place, asked, ProbeState.TIMEOUT, told)
    except ConnectionRefusedError:
        return Answer(place, asked, ProbeState.REFUSED)
    except OSError as error:
        has_hung_up = is_connected or isinstance(error, ConnectionResetError)
        state = ProbeState.CLOSED if has_hung_up else ProbeState.UNREACHABLE
        return Answer(place, asked, state, error.strerror or type(error).__name__)


async def _handshake(
    connection: socket.socket, context: ssl.SSLContext, name: str, to: _Question
) -> Answer:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=_sni(name))
    loop = asyncio.get_running_loop()
    read = flights = 0
    failure: ssl.SSLError | None = None
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            failure = error
            break
        try:
            flights += outgoing.pending > 0
            await loop.sock_sendall(connection, outgoing.read())
            data = await loop.sock_recv(connection, _READ)
        except ConnectionError:  # also after the chain: what came with it is looked at
            data = b""
        read += len(data)
        if read > _MOST_READ:
            return Answer(*to, ProbeState.TOO_LARGE, f"over {_MOST_READ} bytes")
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()
    if failure is None:
        with suppress(ConnectionError):
            await loop.sock_sendall(connection, outgoing.read())
        return _served(to, served_ders(tls))
    # A server that wants to know who we are says no after it has shown who it is. Then we have sent a
    # second flight, which we do only to who proved to hold the key.
    if to[1] in _KEYS and flights > 1 and (_alert(failure) or _is_end(failure)):
        return _served(to, served_ders(tls), f"then: {_reason(failure)}")
    return _failed(to, failure)


def _sni(name: str) -> str | None:
    """An address is no server name (RFC 6066 section 3)."""
    return None if ":" in name or name.rpartition(".")[2].isdigit() else name


def _served(to: _Question, ders: list[bytes], then: str = "") -> Answer:
    size = sum(map(len, ders))
    if not ders:
        return Answer(*to, ProbeState.CLOSED, then[:DETAIL])
    if len(ders) > WORST_CHAIN or size > MOST_BYTES:
        return Answer(*to, ProbeState.TOO_LARGE, f"{len(ders)} certificates, {size} bytes")
    chain: list[Certificate] = []
    for place, der in enumerate(ders):
        try:
            chain.append(certificate_from_der(der))
        except ValueError:
            return Answer(*to, ProbeState.UNREADABLE, f"certificate {place} of {len(ders)}")
    return Answer(*to, ProbeState.SERVED, then[:DETAIL], tuple(chain))


def _failed(to: _Question, failure: ssl.SSLError) -> Answer:
    reason, alert = (failure.reason or "").upper(), _alert(failure)
    if reason in _NOT_SPOKEN:
        state = ProbeState.NOT_SPOKEN
    elif to[1] in _KEYS and alert in ("HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY"):
        state = ProbeState.NOT_OFFERED
    elif alert:
        state = ProbeState.ALERT
    elif _is_end(failure):
        return Answer(*to, ProbeState.CLOSED)
    elif reason == "EXCESSIVE_MESSAGE_SIZE":
        state = ProbeState.TOO_LARGE
    elif reason in _NOT_TLS:
        state = ProbeState.NOT_TLS
    else:
        state = ProbeState.UNREADABLE
    return Answer(*to, state, _reason(failure)[:DETAIL])


def _alert(failure: ssl.SSLError) -> str | None:
    """Which one the server sent."""
    told = _ALERT.fullmatch(failure.reason or "")
    return told[1] if told else None


def _is_end(failure: ssl.SSLError) -> bool:
    """The server hung up."""
    ends = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return isinstance(failure, ends) or "EOF" in (failure.reason or "")


def _reason(failure: ssl.SSLError) -> str:
    """Of an alert which; else OpenSSL's word."""
    alert = _alert(failure)
    told = f"alert {alert}" if alert else failure.reason or type(failure).__name__
    return told.replace("_", " ").lower()
