"""Chain files in every shape that people have them in."""

import base64
import itertools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import PinfallError
from collector.reports.pem import LARGEST, ChainFile, read_chain_file
from tests.make import Issued, chain, issue, name

HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
WHOLE = [LEAF, INTERMEDIATE, ROOT]


def request(by: Issued = LEAF, host: str = HOST) -> x509.CertificateSigningRequest:
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(host))
    return builder.add_extension(names, critical=False).sign(by.key, hashes.SHA256())


def ders(told: ChainFile) -> list[bytes]:
    return [certificate.der for certificate in told.chain]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_is_put_right_and_told(order: tuple[int, ...]) -> None:
    told = read_chain_file("".join(WHOLE[n].pem for n in order).encode(), HOST)
    assert ders(told) == [issued.der for issued in WHOLE]
    assert any("out of order" in note for note in told.notes) == (order != (0, 1, 2))


@pytest.mark.parametrize("data", [
    pytest.param("".join(i.pem for i in WHOLE).encode(), id="pem"),
    pytest.param("".join(i.pem for i in WHOLE).replace("\n", "\r\n").encode(), id="crlf"),
    pytest.param("".join(i.pem for i in WHOLE).encode("utf-16"), id="utf-16"),
    pytest.param(b"subject=CN = x\n" + "\n\nissuer=y\n".join(i.pem for i in WHOLE).encode(), id="s_client"),
    pytest.param(b"".join(i.der for i in WHOLE), id="der, one after the other"),
    pytest.param(pkcs7.serialize_certificates([i.certificate for i in WHOLE], Encoding.DER), id="pkcs7 der"),
    pytest.param(pkcs7.serialize_certificates([i.certificate for i in WHOLE], Encoding.PEM), id="pkcs7 pem"),
])  # fmt: skip
def test_every_wrapping(data: bytes) -> None:
    assert ders(read_chain_file(data, HOST)) == [issued.der for issued in WHOLE]


def test_one_certificate_alone() -> None:
    for data in (LEAF.der, LEAF.pem.encode(), base64.b64encode(LEAF.der)):
        told = read_chain_file(data, HOST)
        assert ders(told) == [LEAF.der]
        assert told.notes == (
            "only the leaf is in the file: give the whole chain that will be served",
        )


def test_strays_are_told() -> None:
    stray = issue("stray.example")
    told = read_chain_file((stray.pem + "".join(i.pem for i in WHOLE)).encode(), HOST)
    assert ders(told) == [issued.der for issued in WHOLE]
    assert told.notes == ("not on the leaf's path: O=Pinfall Test,CN=stray.example",)


def test_a_private_key_is_told_and_nothing_of_it() -> None:
    data = LEAF.key_pem + "".join(i.pem for i in WHOLE).encode()
    told = read_chain_file(data, HOST)
    assert ders(told) == [issued.der for issued in WHOLE]
    assert told.notes == ("a private key stands in the file: it was not read; keep it elsewhere",)
    secret = LEAF.key_pem.splitlines()[1].decode()
    assert secret not in repr(told)


def test_of_two_leaves_the_one_that_names_the_host() -> None:
    other = issue("other.example", INTERMEDIATE, sans=("other.example",))
    data = (other.pem + LEAF.pem + INTERMEDIATE.pem).encode()
    assert ders(read_chain_file(data, HOST)) == [LEAF.der, INTERMEDIATE.der]
    assert ders(read_chain_file(data, "other.example")) == [other.der, INTERMEDIATE.der]
    assert ders(read_chain_file(data))[0] == other.der


@pytest.mark.parametrize(("san", "host", "names"), [
    ("*.example.com", "api.example.com", True), ("*.example.com", "a.b.example.com", False),
    ("*.EXAMPLE.com", "api.example.com", True), ("example.com", "api.example.com", False),
])  # fmt: skip
def test_a_wildcard_is_one_label(san: str, host: str, names: bool) -> None:
    told = read_chain_file(issue("x", sans=(san,)).pem.encode(), host)
    assert any("does not name" in note for note in told.notes) != names


def test_a_cross_signed_root_is_the_longer_way() -> None:
    """As a server sends it: leaf, intermediate, root signed by an older root."""
    old = issue("Old Root", ca=True)
    builder = (
        x509.CertificateBuilder()
        .subject_name(ROOT.certificate.subject).issuer_name(old.certificate.subject)
        .public_key(ROOT.key.public_key()).serial_number(7)
        .not_valid_before(ROOT.certificate.not_valid_before_utc)
        .not_valid_after(ROOT.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )  # fmt: skip
    cross = Issued(builder.sign(old.key, hashes.SHA256()), ROOT.key)
    told = read_chain_file("".join(i.pem for i in (*WHOLE, cross, old)).encode(), HOST)
    assert ders(told) == [i.der for i in (LEAF, INTERMEDIATE, cross, old)]
    assert len(told.others) == 1


@pytest.mark.parametrize("armoured", [True, False])
def test_a_request_is_its_key(armoured: bool) -> None:
    data = request().public_bytes(Encoding.PEM if armoured else Encoding.DER)
    told = read_chain_file(data, HOST)
    assert told.chain == ()
    assert told.request
    assert base64.b64encode(told.request.spki_sha256).decode() == LEAF.pin
    assert (told.request.names, told.request.signed, told.notes) == ((HOST,), True, ())
    assert read_chain_file(data, "b.example").notes == ("the request does not name b.example",)


def test_a_request_that_was_changed_is_told() -> None:
    data = bytearray(request().public_bytes(Encoding.DER))
    data[data.index(b"Pinfall")] = ord("p")
    assert "not signed by its own key" in read_chain_file(bytes(data)).notes[0]


ENCRYPTED = LEAF.key.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
OLD_KEY = LEAF.key.private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")
)
P12 = pkcs12.serialize_key_and_certificates(
    b"x", LEAF.key, LEAF.certificate, None, BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(("data", "told"), [
    pytest.param(b"", "it is empty", id="empty"),
    pytest.param(b" \n\t", "it is empty", id="blank"),
    pytest.param(b"hello", "no certificate and no request (CSR) in it", id="text"),
    pytest.param(b"0" * (LARGEST + 1), "more than 512 KiB: a chain is a few", id="large"),
    pytest.param(ENCRYPTED, "an encrypted private key, and no certificate", id="encrypted key"),
    pytest.param(OLD_KEY, "an encrypted private key, and no certificate", id="encrypted key of old"),
    pytest.param(LEAF.key_pem, "a private key, and no certificate", id="key"),
    pytest.param(P12, "a PKCS#12 file: take the certificates out", id="pkcs12"),
    pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "block 1, CERTIFICATE: it cannot",
                 id="no certificate"),
    pytest.param(LEAF.pem.encode()[:200], "block 1, CERTIFICATE: it cannot", id="cut"),
    pytest.param(b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----", "block 1, PKCS7: it cannot", id="no message"),
    pytest.param(b"-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----", "no certificate and no request",
                 id="parameters"),
])  # fmt: skip
def test_what_holds_no_chain_is_one_line(data: bytes, told: str) -> None:
    with pytest.raises(PinfallError) as error:
        read_chain_file(data, HOST)
    assert str(error.value).startswith(told)
    assert len(str(error.value).splitlines()) == 1
    assert "PRIVATE KEY--" not in str(error.value)


def test_a_bundle_is_no_chain() -> None:
    many = [issue(f"{n}.example") for n in range(65)]
    with pytest.raises(PinfallError, match="more than 64 certificates"):
        read_chain_file("".join(i.pem for i in many).encode())


PARTS = [
    b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"-----BEGIN PKCS7-----", b"-----BEGIN CERTIFICATE REQUEST-----", b"\n", LEAF.der, LEAF.pem.encode(),
    INTERMEDIATE.pem.encode(), request().public_bytes(Encoding.DER), request().public_bytes(Encoding.PEM),
    pkcs7.serialize_certificates([LEAF.certificate], Encoding.DER), ENCRYPTED, P12,
]  # fmt: skip


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(PARTS)), max_size=8),
    st.integers(0, 40),
)
def test_any_bytes_are_a_chain_or_one_line(parts: list[bytes], cut: int) -> None:
    data = b"".join(parts)
    try:
        told = read_chain_file(data[: len(data) - cut], HOST)
    except PinfallError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert bool(told.chain) != bool(told.request)
    assert all("\n" not in note for note in told.notes)
    assert len({c.sha256 for c in (*told.chain, *told.others)}) == len(told.chain) + len(
        told.others
    )
