"""E-mail against a real SMTP server."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from collector.alert import Event
from collector.notify import mail
from collector.notify.channel import DeliveryError
from collector.notify.chosen import EmailConfig
from collector.notify.mail import Email
from tests.conftest import Clock
from tests.notify.mailbox import delivering
from tests.notify.making import message
from tests.notify.receiver import SECRET, nobody

TO = ("ada@example.com", "bob@example.com")


def email(port: int, clock: Clock, **chosen: Any) -> Email:
    told = {"host": "127.0.0.1", "sender": "pinfall@example.com", "to": TO, "tls": "none"}
    return Email(EmailConfig(name="mail", port=port, **{**told, **chosen}), clock)


async def failure(way: Email) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await way.send(message())
    assert SECRET not in f"{caught.value} {caught.value!r} {way.config!r}"
    return caught.value


async def test_a_thread_of_text_and_html(clock: Clock) -> None:
    async with delivering() as box:
        way = email(box.port, clock)
        for id_, event in (("7", Event.FIRED), ("7", Event.FIRED), ("8", Event.RESOLVED)):
            await way.send(message(event, id=id_))
    first, repeated, last = box.mails
    assert (
        first["Subject"] == "Page: api.example.com: 42 installs of wallet reject our own new leaf"
    )
    assert (first["From"], first["To"]) == ("Pinfall <pinfall@example.com>", ", ".join(TO))
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Date"].datetime == clock.now
    assert first["Message-ID"] == repeated["Message-ID"] != last["Message-ID"]
    assert first["References"] == last["References"] == last["In-Reply-To"]
    assert first["Message-ID"].endswith("@example.com>")
    text = first.get_body(("plain",)).get_content()
    html = first.get_body(("html",)).get_content()
    for told in (
        "own rotation (93 %)",
        "Serve the old leaf again",
        "https://pinfall.example/alerts/a1",
    ):
        assert told in text
        assert told in html
    assert '<a href="https://wiki.example/pins">Runbook</a>' in html
    assert last["Subject"].startswith("Resolved: ")
    assert "2026-11-20 13:00 UTC" in last.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("answers", "words", "permanent"),
    [
        ({"connect": f"421 {SECRET}"}, "SMTP 421", False),
        ({"connect": f"554 {SECRET}"}, "SMTP 554", False),
        ({"MAIL": f"451 {SECRET}"}, "SMTP 451", False),
        ({"MAIL": f"550 {SECRET}"}, "SMTP 550", True),
        ({"RCPT": f"450 {SECRET}"}, "SMTP 450 recipients", False),
        ({"RCPT": f"550 {SECRET}"}, "SMTP 550 recipients", True),
        ({"DATA": f"554 {SECRET}"}, "SMTP 554", True),
        ({"end of data": f"452 {SECRET}"}, "SMTP 452", False),
        ({"end of data": "nonsense"}, "SMTP -1", False),
    ],
)
async def test_refused(answers: dict[str, str], words: str, permanent: bool, clock: Clock) -> None:
    async with delivering() as box:
        box.answers = answers
        error = await failure(email(box.port, clock))
    assert (str(error), error.permanent) == (words, permanent)


async def test_one_recipient_of_two_is_enough(clock: Clock) -> None:
    async with delivering() as box:
        box.answers = {"RCPT TO:<BOB@EXAMPLE.COM>": "550 no"}
        await email(box.port, clock).send(message())
    assert len(box.mails) == 1


async def test_nobody_there(clock: Clock) -> None:
    assert not (await failure(email(await nobody(), clock))).permanent
    assert not (await failure(email(25, clock, host="mail.invalid"))).permanent


async def test_slow(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "_WITHIN", 0.3)
    async with delivering() as box, asyncio.timeout(30):
        box.answers = {"connect": "silence"}
        error = await failure(email(box.port, clock))
    assert (str(error), error.permanent) == ("TimeoutError", False)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """A server's side of TLS for a name, by an authority that this process trusts."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Test Root", root_key, root_key, "Test Root", is_ca=True)
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))

    def server(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(name, key, root_key, "Test Root", is_ca=False)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM) + plain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "leaf.pem")
        return context

    return server


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    is_ca: bool,
) -> x509.Certificate:
    """With all that a strict client asks for; valid now, since clients read the real clock."""
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **usage
            ),
            critical=True,
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False)
        .sign(by, hashes.SHA256())
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.mark.parametrize("kind", ["tls", "starttls"])
async def test_a_password_goes_through_tls_only(
    kind: str, clock: Clock, tls: Callable[[str], ssl.SSLContext]
) -> None:
    told = {"tls": kind, "host": "localhost", "username": "pinfall", "password": SECRET}
    async with delivering(tls("localhost"), starttls=kind == "starttls") as box:
        await email(box.port, clock, **told).send(message())
    assert box.passwords == [f"\0pinfall\0{SECRET}"]
    assert len(box.mails) == 1
    async with delivering(tls("elsewhere.example"), starttls=kind == "starttls") as box:
        assert not (await failure(email(box.port, clock, **told))).permanent
    async with delivering() as box:  # one without TLS, or somebody who takes it out
        with pytest.raises(DeliveryError):
            async with asyncio.timeout(60):
                await email(box.port, clock, **told).send(message())
    assert (box.passwords, box.mails) == ([], [])


async def test_a_wrong_password_is_for_good(
    clock: Clock, tls: Callable[[str], ssl.SSLContext]
) -> None:
    told = {"tls": "tls", "host": "localhost", "username": "pinfall", "password": SECRET}
    async with delivering(tls("localhost")) as box:
        box.answers = {"AUTH": f"535 {SECRET}"}
        error = await failure(email(box.port, clock, **told))
    assert (str(error), error.permanent) == ("SMTP 535", True)
