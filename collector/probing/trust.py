"""Is a chain one that clients would take for this host, and if not, why not?"""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from collector.model import Certificate
from collector.probing.roots import Roots
from collector.reports.certificates import certificate_from_der, facts, signed_by
from collector.reports.line import utc

_DEEPEST = 6  # intermediates of a path
_LARGEST_KEY = 8192  # bits of RSA
_PROBLEM = 300  # characters
_AGNOSTIC = verification.Criticality.AGNOSTIC


class Problem(StrEnum):
    """What is wrong with a chain, for programs. Names are a public contract."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NAME = "wrong_name"
    MISSING_INTERMEDIATE = "missing_intermediate"
    UNKNOWN_ROOT = "unknown_root"
    SELF_SIGNED = "self_signed"
    UNREADABLE = "unreadable"
    AGAINST_THE_RULES = "against_the_rules"  # a weak key, an extension that is missing, ...


@dataclass(frozen=True, slots=True)
class Trust:
    """``path``: from the leaf to the root that is trusted, where there is one. ``told``: why there is
    none, one line; it holds text of the chain."""

    path: tuple[Certificate, ...] = ()
    problem: Problem | None = None
    told: str | None = None

    @property
    def trusted(self) -> bool:
        return self.problem is None


def check(chain: Sequence[Certificate], host: str, at: datetime, roots: Roots) -> Trust:
    """By cryptography's path verifier. chain: leaf first, then whatever was sent, in any order.

    Costs a millisecond, more where a server does its worst: not for an event loop. The verifier bounds
    its search by itself.
    Raises ValueError for an empty chain.
    """
    if not chain:
        raise ValueError("no certificate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        leaf = _load(chain[0])
        if leaf is None:
            return Trust((), Problem.UNREADABLE, "the leaf cannot be read")
        sent = [read for each in chain[1:] if (read := _load(each)) is not None]
        try:
            found = _verifier(host, at, roots).verify(leaf, sent)
        except (verification.VerificationError, ValueError) as error:
            return _why(chain, host, at, roots, error)
    path = tuple(certificate_from_der(each.public_bytes(Encoding.DER)) for each in found)
    return Trust(path)


def _load(certificate: Certificate) -> x509.Certificate | None:
    try:
        loaded = x509.load_der_x509_certificate(certificate.der)
        key = loaded.public_key()
    except Exception:  # noqa: BLE001 (a parser of somebody else's on a stranger's bytes)
        return None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size > _LARGEST_KEY:
        return None  # made to cost milliseconds; no authority has such a key
    return loaded


def _verifier(host: str, at: datetime, roots: Roots) -> verification.ServerVerifier:
    builder = verification.PolicyBuilder().store(roots.store).time(at).max_chain_depth(_DEEPEST)
    if not roots.is_public:
        builder = builder.extension_policies(ca_policy=_OWN_CA, ee_policy=_OWN_LEAF)
    return builder.build_server_verifier(_subject(host))


def _subject(host: str) -> verification.Subject:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _may_sign(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer whose key may not sign certificates")


def _may_serve(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    usage: x509.ExtendedKeyUsage | None,
) -> None:
    good = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usage is not None and not any(each in usage for each in good):
        raise ValueError("a certificate that is not for servers")


_EASY = verification.ExtensionPolicy.permit_all()
_OWN_CA = _EASY.require_present(x509.BasicConstraints, _AGNOSTIC, None).may_be_present(
    x509.KeyUsage, _AGNOSTIC, _may_sign
)
_OWN_LEAF = _EASY.require_present(x509.SubjectAlternativeName, _AGNOSTIC, None).may_be_present(
    x509.ExtendedKeyUsage, _AGNOSTIC, _may_serve
)


def _why(
    chain: Sequence[Certificate], host: str, at: datetime, roots: Roots, error: Exception
) -> Trust:
    """The verifier says that there is no path; a person wants to know what to mend."""
    untimely = _untimely(chain[0], at, "the leaf")
    if untimely is not None:
        return untimely
    if not names(chain[0], host):
        told = ", ".join(facts(chain[0].der).sans[:5]) or "nothing"
        return _no(Problem.WRONG_NAME, f"the leaf is for {told}")
    last = _follow(chain)
    for certificate in last[1:]:
        untimely = _untimely(certificate, at, f"'{facts(certificate.der).subject}'")
        if untimely is not None:
            return untimely
    end = facts(last[-1].der)
    if end.self_signed and not _holds(roots, last[-1]):
        if len(last) == 1:
            return _no(Problem.SELF_SIGNED, "the leaf is signed by its own key, and is no root")
        return _no(Problem.UNKNOWN_ROOT, f"'{end.subject}' is none of the roots")
    if not end.self_signed and not _is_issued(roots, last[-1]):
        if len(last) > 1:
            told = f"'{end.subject}' is signed by '{end.issuer}', which is none of the roots"
            return _no(Problem.UNKNOWN_ROOT, f"{told} and was not sent")
        told = f"nothing was sent that signed the leaf: '{end.issuer}' is missing"
        return _no(Problem.MISSING_INTERMEDIATE, told)
    words = str(error).partition(" (encountered")[0].removeprefix("validation failed: ")
    return _no(Problem.AGAINST_THE_RULES, words)


def _no(problem: Problem, told: str) -> Trust:
    return Trust((), problem, told[:_PROBLEM])


def _untimely(certificate: Certificate, at: datetime, what: str) -> Trust | None:
    known = facts(certificate.der)
    if known.not_after is not None and known.not_after < at:
        return _no(Problem.EXPIRED, f"{what} expired at {utc(known.not_after)}")
    if known.not_before is not None and known.not_before > at:
        return _no(Problem.NOT_YET_VALID, f"{what} is not valid before {utc(known.not_before)}")
    return None


def names(certificate: Certificate, host: str) -> bool:
    """Whether a certificate is for a host; ``*`` stands for one label, the first."""
    wild = "*." + host.partition(".")[2]
    told = {san.lower().rstrip(".") for san in facts(certificate.der).sans}
    return host in told or ("." in host and wild in told)


def _follow(chain: Sequence[Certificate]) -> list[Certificate]:
    """From the leaf upwards, as far as what was sent goes; each by who signed the one before."""
    path = [chain[0]]
    left = [certificate for certificate in chain[1:] if certificate != chain[0]]
    while not facts(path[-1].der).self_signed:
        issuer = next((each for each in left if signed_by(path[-1], each)), None)
        if issuer is None:
            break
        left.remove(issuer)
        path.append(issuer)
    return path


def _holds(roots: Roots, certificate: Certificate) -> bool:
    read = _load(certificate)
    return read is not None and read.subject in roots.subjects


def _is_issued(roots: Roots, certificate: Certificate) -> bool:
    read = _load(certificate)
    return read is not None and read.issuer in roots.subjects
