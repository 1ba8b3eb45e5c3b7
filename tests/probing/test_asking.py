"""What real servers answer: chains, refusals, silence. On loopback, which tests allow by name."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from collector.detect.probed import KINDS, Answer, Asked, ProbeState
from collector.probing.addresses import IPAddress
from collector.probing.asking import Found, chain_of
from collector.probing.resolving import ResolvingError, system_resolver
from collector.probing.tls import ClientCertificate
from tests.probing import servers
from tests.probing.chains import HOST, Made, family, make, rsa_key

T12, T13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
S = ProbeState


async def probe(
    port: int,
    *addresses: str,
    host: str = HOST,
    client: ClientCertificate | None = None,
    seconds: float = 10,
) -> Found:
    async def resolve(name: str) -> Sequence[IPAddress]:
        assert name == host
        return [ipaddress.ip_address(address) for address in addresses or ("127.0.0.1",)]

    return await chain_of(
        host, port, resolve=resolve, allow_private=True, client=client, seconds=seconds
    )


def states(found: Found) -> list[ProbeState]:
    return [answer.state for answer in found.answers]


def ders(answer: Answer) -> list[bytes]:
    return [certificate.der for certificate in answer.chain]


def ecdsa(place: Path, host: str = HOST) -> tuple[Made, Path]:
    leaf = family().leaf(host)
    return leaf, leaf.write(place / f"{host}-ec.pem", family().intermediate)


def rsa(place: Path) -> tuple[Made, Path]:
    leaf = make(HOST, family("R").intermediate, key=rsa_key(), sans=(HOST,))
    return leaf, leaf.write(place / "rsa.pem", family("R").intermediate)


async def test_one_ecdsa_chain(tmp_path: Path) -> None:
    leaf, file = ecdsa(tmp_path)
    with servers.listening(servers.tls(file)) as port:
        found = await probe(port)
    assert states(found) == [S.SERVED, S.NOT_OFFERED, S.SERVED]
    assert [answer.asked for answer in found.answers] == [*KINDS]
    assert ders(found.answers[0]) == ders(found.answers[2]) == [leaf.der, family().intermediate.der]


async def test_one_rsa_chain(tmp_path: Path) -> None:
    leaf, file = rsa(tmp_path)
    with servers.listening(servers.tls(file)) as port:
        found = await probe(port)
    assert states(found) == [S.SERVED, S.SERVED, S.NOT_OFFERED]
    assert ders(found.answers[1])[0] == leaf.der


async def test_both_on_one_port(tmp_path: Path) -> None:
    (ec, ec_file), (r, r_file) = ecdsa(tmp_path), rsa(tmp_path)
    with servers.listening(servers.tls(ec_file, r_file)) as port:
        found = await probe(port)
    assert states(found) == [S.SERVED] * 3
    assert ders(found.answers[1])[0] == r.der
    assert ders(found.answers[2])[0] == ec.der


async def test_tls_13_only_says_that_a_second_chain_cannot_be_asked_for(tmp_path: Path) -> None:
    def tune(context: ssl.SSLContext) -> None:
        context.minimum_version = T13

    files = ecdsa(tmp_path)[1], rsa(tmp_path)[1]
    with servers.listening(servers.tls(*files, tune=tune)) as port:
        found = await probe(port)
    assert states(found) == [S.SERVED, S.ONLY_TLS13, S.ONLY_TLS13]
    assert found.answers[1].detail == "a second chain cannot be asked for"


async def test_tls_12_only(tmp_path: Path) -> None:
    def tune(context: ssl.SSLContext) -> None:
        context.maximum_version = T12

    with servers.listening(servers.tls(ecdsa(tmp_path)[1], tune=tune)) as port:
        assert states(await probe(port)) == [S.NOT_SPOKEN, S.NOT_OFFERED, S.SERVED]


async def test_a_chain_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    """Out of order, with a stranger, with the leaf twice; expired; without its intermediate."""
    stranger = make("stranger.example", sans=("stranger.example",))
    i, root = family().intermediate, family().root
    leaf = family().leaf()
    old = family().leaf(start=datetime(2020, 1, 1), days=10)
    for sent in ([leaf, root, i], [leaf, stranger, i], [leaf, leaf, i], [old, i], [leaf]):
        file = sent[0].write(tmp_path / "sent.pem", *sent[1:])
        with servers.listening(servers.tls(file)) as port:
            (first, *_) = (await probe(port)).answers
        assert ders(first) == [each.der for each in sent]


async def test_the_name_is_told_and_an_address_is_not(tmp_path: Path) -> None:
    asked: list[str | None] = []

    def tune(context: ssl.SSLContext) -> None:
        def heard(_tls: object, name: str | None, _context: object) -> None:
            asked.append(name)

        context.sni_callback = heard

    with servers.listening(servers.tls(ecdsa(tmp_path)[1], tune=tune)) as port:
        await probe(port)
        await probe(port, host="127.0.0.1")
    assert asked == [HOST] * 3 + [None] * 3


async def test_both_families(tmp_path: Path) -> None:
    leaf, file = ecdsa(tmp_path)
    serve = servers.tls(file)
    with servers.on_each({"::1": serve, "127.0.0.1": serve}) as port:
        found = await probe(port, "::1", "127.0.0.1")
    assert [a.address for a in found.answers] == ["127.0.0.1"] * 3 + ["::1"] * 3
    assert ders(found.answers[5])[0] == leaf.der


async def test_addresses_that_show_different_chains(tmp_path: Path) -> None:
    old = servers.tls(ecdsa(tmp_path)[1])
    new = servers.tls(family().leaf().write(tmp_path / "new.pem"))
    with servers.on_each({"127.0.0.1": old, "127.0.0.2": new, "127.0.0.3": old}) as port:
        found = await probe(port, "127.0.0.1", "127.0.0.2", "127.0.0.3")
        alike = await probe(port, "127.0.0.1", "127.0.0.3")
    told = [answer for answer in found.answers if answer.state is S.HALF_ROLLED]
    assert [(a.address, a.asked) for a in told] == [("", Asked.TLS13), ("", Asked.ECDSA)]
    assert told[0].detail == "chains differ: 127.0.0.1, 127.0.0.3; 127.0.0.2"
    assert S.HALF_ROLLED not in states(alike)


async def test_a_chain_that_is_only_repeated_is_not_served(tmp_path: Path) -> None:
    """Anybody can send our certificate; who has its key goes on from there."""
    _, file = ecdsa(tmp_path)
    with servers.listening(servers.tls(file)) as real:

        def repeat(connection: socket.socket) -> None:
            with (
                socket.create_connection(("127.0.0.1", real)) as upstream,
                upstream.makefile("rb") as records,
            ):
                upstream.sendall(connection.recv(65536))
                for _ in range(2):  # ServerHello, Certificate
                    head = records.read(5)
                    connection.sendall(head + records.read(int.from_bytes(head[3:])))
            connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure

        with servers.listening(repeat) as port:
            found = await probe(port)
    assert S.SERVED not in states(found)
    assert states(found)[2] is S.NOT_OFFERED  # as far as one can tell


async def test_mutual_tls(tmp_path: Path) -> None:
    authority = make("Client CA", ca=True)
    own = make("me", authority, bare=True)
    key = own.write(tmp_path / "k.pem")
    certificate = tmp_path / "c.pem"
    certificate.write_bytes(own.pem)
    shown: list[bytes | None] = []
    leaf, file = ecdsa(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem.decode())

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            shown.append(wrapped.getpeercert(binary_form=True))
            wrapped.recv(1)

    with servers.listening(serve) as port:
        without = await probe(port)
        useless = await probe(port, client=ClientCertificate(certificate, tmp_path / "none.key"))
        assert shown == []
        found = await probe(port, client=ClientCertificate(certificate, key))
    # What a server shows before it says no is its chain all the same.
    assert states(without) == states(found) == [S.SERVED, S.NOT_OFFERED, S.SERVED]
    assert without.answers[2].detail == "then: alert handshake failure"
    assert ders(without.answers[2])[0] == leaf.der
    assert states(useless) == [S.NO_CLIENT_CERTIFICATE] * 3
    assert found.answers[2].detail == ""
    assert shown == [own.der, own.der]


async def test_nobody_there() -> None:
    with servers.nobody() as port:
        assert states(await probe(port)) == [S.REFUSED] * 3


async def test_a_server_that_says_nothing() -> None:
    def mute(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with servers.listening(mute) as port:
        began = time.monotonic()
        found = await probe(port, seconds=1)
    assert states(found) == [S.TIMEOUT] * 3
    assert found.answers[0].detail == "no chain in time"
    assert time.monotonic() - began < 60


async def test_a_server_that_trickles(tmp_path: Path) -> None:
    """A byte now and then is no reason to wait: the time is that of the whole question."""

    def slowly(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03")
        while True:
            connection.sendall(b"\x00")
            time.sleep(0.02)

    with servers.listening(slowly) as port:
        assert states(await probe(port, seconds=1)) == [S.TIMEOUT] * 3


async def test_a_server_that_floods() -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(4096)
        # Empty handshake records of no end: warnings and heartbeats, as far as TLS goes.
        while True:
            connection.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\x00\xff\xff" + bytes(0x3FFC))

    with servers.listening(flood) as port:
        found = await probe(port, seconds=30)
    assert {*states(found)} <= {S.TOO_LARGE, S.UNREADABLE, S.NOT_TLS}, found


async def test_chains_beyond_all_measure(tmp_path: Path) -> None:
    leaf = family().leaf()
    many = leaf.write(tmp_path / "many.pem", *[family().intermediate] * 12)
    with servers.listening(servers.tls(many)) as port:
        found = await probe(port)
    assert states(found) == [S.TOO_LARGE, S.NOT_OFFERED, S.TOO_LARGE]
    assert found.answers[0].chain == ()
    assert found.answers[0].detail.startswith("13 certificates, ")
    fat = make("Fat", ca=True, sans=tuple(f"{'x' * 50}{n}.example" for n in range(1100)))
    large = leaf.write(tmp_path / "large.pem", fat)
    with servers.listening(servers.tls(large)) as port:
        assert states(await probe(port))[0] is S.TOO_LARGE


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", S.NOT_TLS),
        (b"SSH-2.0-x\r\n", S.NOT_TLS),
        (b"", S.CLOSED),
        (b"\x15\x03\x03\x00\x02\x02\x50", S.ALERT),  # internal_error
        (b"\x15\x03\x03\x00\x02\x02\x70", S.ALERT),  # unrecognized_name
        (b"\x15\x03\x03\x00\x02\x02\x46", S.NOT_SPOKEN),  # protocol_version
    ],
)
async def test_servers_that_are_none(said: bytes, expected: ProbeState) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(said)

    with servers.listening(serve) as port:
        found = await probe(port)
    assert states(found) == [expected] * 3
    if expected is S.ALERT:
        assert found.answers[0].detail in ("alert internal error", "alert unrecognized name")


async def test_a_reset_is_an_answer() -> None:
    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with servers.listening(serve) as port:
        assert states(await probe(port)) == [S.CLOSED] * 3


async def test_names_that_do_not_resolve() -> None:
    async def resolve(_: str) -> Sequence[IPAddress]:
        raise ResolvingError("no such name")

    async def nothing(_: str) -> Sequence[IPAddress]:
        return []

    found = await chain_of(HOST, resolve=resolve)
    assert (states(found), found.resolved) == ([S.DNS_FAILED], False)
    assert (found.answers[0].address, found.answers[0].detail) == ("", "no such name")
    assert states(await chain_of(HOST, resolve=nothing)) == [S.DNS_FAILED]


async def test_the_system_resolves() -> None:
    assert await system_resolver("192.0.2.1") == [ipaddress.ip_address("192.0.2.1")]
    assert await system_resolver("2001:db8::1") == [ipaddress.ip_address("2001:db8::1")]
    assert ipaddress.ip_address("127.0.0.1") in await system_resolver("localhost")
    with pytest.raises(ResolvingError):
        await system_resolver("no-such-name.invalid")


async def test_at_most_eight_addresses_and_so_many_at_once(tmp_path: Path) -> None:
    file = ecdsa(tmp_path)[1]
    inner = servers.tls(file)
    now, most = [0], [0]

    def serve(connection: socket.socket) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.05)
        now[0] -= 1
        inner(connection)

    async def resolve(_: str) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(f"127.0.0.{n}") for n in range(1, 12)]

    with servers.listening(serve, "0.0.0.0") as port:
        room = asyncio.Semaphore(2)
        found = await chain_of(HOST, port, resolve=resolve, allow_private=True, room=room)
    assert {a.address for a in found.answers} == {"", *(f"127.0.0.{n}" for n in range(1, 9))}
    (told,) = [a for a in found.answers if a.state is S.TOO_MANY_ADDRESSES]
    assert told.detail == "11, of which 8 are asked"
    assert most[0] <= 2


async def test_a_name_is_resolved_once_and_only_what_is_allowed_is_asked(tmp_path: Path) -> None:
    """A resolver that says something else each time leads nowhere else."""
    asked: list[str] = []
    connections: list[object] = []

    async def rebinding(name: str) -> Sequence[IPAddress]:
        asked.append(name)
        return [ipaddress.ip_address("127.0.0.1" if len(asked) > 1 else "10.255.255.1")]

    def serve(connection: socket.socket) -> None:
        connections.append(connection.getpeername())

    with servers.listening(serve) as port:
        found = await chain_of(HOST, port, resolve=rebinding)
        assert (asked, states(found)) == ([HOST], [S.NOT_ALLOWED])
        found = await chain_of(HOST, port, resolve=rebinding)
        assert states(found) == [S.NOT_ALLOWED]
        assert found.answers[0].detail == "loopback"
        assert not connections
        loopback = ipaddress.ip_address("127.0.0.1")
        found = await chain_of(HOST, port, resolve=rebinding, named=[loopback])
        assert states(found) == [S.CLOSED] * 3
        assert len(connections) == 3


def test_on_the_loop_that_serves(tmp_path: Path) -> None:
    """`serve` runs on uvloop, whose sockets are others than asyncio's."""
    uvloop = pytest.importorskip("uvloop")
    leaf, file = ecdsa(tmp_path)

    async def both(port: int) -> tuple[Found, Found]:
        return await probe(port, "127.0.0.1", "::1"), await probe(1)

    with (
        servers.listening(servers.tls(file)) as port,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found, nobody = runner.run(both(port))
    assert states(found) == [S.SERVED, S.NOT_OFFERED, S.SERVED, *[S.REFUSED] * 3]
    assert ders(found.answers[0])[0] == leaf.der
    assert states(nobody) == [S.REFUSED] * 3
