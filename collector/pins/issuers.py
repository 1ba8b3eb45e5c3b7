"""Who issues certificates, and how often the keys that they issue with change: for pins of authorities.

Facts as the issuers publish them, each with its source. HIGH: changes by plan or without notice, within
months. MEDIUM: has changed within few years, with notice. LOW: nothing of the kind is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from collector.model import Certificate
from collector.reports.certificates import facts

VERSION = "2026-11"  # raised with each change of the table


class Volatility(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Issuer:
    """``family``: authorities that may stand in for one another count as one. ``organisations`` are the O
    of subject names, ``names`` pieces of their CN, which decide first."""

    family: str
    intermediate: Volatility
    root: Volatility
    why: str
    source: str
    organisations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


_H, _M, _L = Volatility.HIGH, Volatility.MEDIUM, Volatility.LOW

ISSUERS = (
    Issuer(
        "Cloudflare", _H, _M,
        "Cloudflare changes edge certificates, their keys and their authority (Let's Encrypt, Google Trust"
        " Services, SSL.com, Sectigo) without asking",
        "https://developers.cloudflare.com/ssl/reference/certificate-pinning/",
        organisations=("Cloudflare, Inc.",), names=("Cloudflare",),
    ),
    Issuer(
        "Microsoft Azure", _M, _M,
        "Azure renewed its issuing authorities in 2024 and its roots from 2020 to 2022",
        "https://learn.microsoft.com/azure/security/fundamentals/tls-certificate-changes",
        organisations=("Microsoft Corporation",), names=("Microsoft Azure",),
    ),
    Issuer(
        "Let's Encrypt", _H, _M,
        "Let's Encrypt issues from several intermediates in turn, so that nobody pins one",
        "https://letsencrypt.org/2024/03/19/new-intermediate-certificates",
        organisations=("Let's Encrypt", "ISRG", "Internet Security Research Group"),
    ),
    Issuer(
        "Google Trust Services", _H, _M,
        "Google Trust Services changes its authorities, and asks relying parties to take its whole list of roots",
        "https://pki.goog/faq/",
        organisations=("Google Trust Services", "Google Trust Services LLC"),
    ),
    Issuer(
        "Amazon", _H, _M,
        "ACM issues from changing intermediates since 2022, with a new key at each renewal",
        "https://aws.amazon.com/blogs/security/amazon-introduces-dynamic-intermediate-certificate-authorities/",
        organisations=("Amazon", "Starfield Technologies, Inc."),
    ),
    Issuer(
        "Fastly Certainly", _H, _M,
        "Certainly issues to Fastly's customers by ACME, for weeks at a time; Fastly may choose another authority",
        "https://docs.fastly.com/en/guides/setting-up-tls-with-certificates-fastly-manages",
        organisations=("Certainly",),
    ),
    Issuer(
        "GlobalSign", _H, _M,
        "GlobalSign replaces the intermediates of Atlas each quarter, and forbids pinning them",
        "https://support.globalsign.com/atlas/atlas-tls/atlas-tls-ica-rotations-2021",
        organisations=("GlobalSign nv-sa", "GlobalSign"), names=("GlobalSign",),
    ),
    Issuer(
        "DigiCert", _M, _M,
        "DigiCert replaces intermediates on purpose, also so that nobody pins them; its default roots changed in 2023",
        "https://knowledge.digicert.com/alerts/DigiCert-ICA-Update",
        organisations=("DigiCert Inc", "DigiCert, Inc.", "QuoVadis Limited", "GeoTrust Inc.", "Thawte"),
    ),
    Issuer(
        "Sectigo", _M, _M,
        "Sectigo moved all issuance to new intermediates and roots in 2025, and asks to stop pinning",
        "https://www.sectigo.com/knowledge-base/detail/Sectigo-Public-Root-CAs-Migration",
        organisations=("Sectigo Limited", "COMODO CA Limited", "The USERTRUST Network", "ZeroSSL", "ZeroSSL GmbH"),
    ),
    Issuer(
        "SSL.com", _M, _M,
        "its intermediates serve CDNs that change certificates by themselves",
        "https://developers.cloudflare.com/ssl/reference/certificate-authorities/",
        organisations=("SSL Corporation", "SSL Corp"),
    ),
    Issuer(
        "Apple", _M, _M,
        "Apple's public authorities are cross-signed by others (DigiCert, Sectigo), and follow their changes",
        "https://www.apple.com/certificateauthority/public/",
        organisations=("Apple Inc.",),
    ),
)  # fmt: skip


def issuer_of(authority: Certificate) -> Issuer | None:
    """Whose authority this certificate is of; None where it is not in the table, as private ones are."""
    return _named(facts(authority.der).subject or "")


@lru_cache(maxsize=512)
def _named(subject: str) -> Issuer | None:
    try:
        name = x509.Name.from_rfc4514_string(subject)
    except ValueError:
        return None
    common, organisation = (
        str(told[0].value) if (told := name.get_attributes_for_oid(oid)) else ""
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )
    by_name = (one for one in ISSUERS if any(piece in common for piece in one.names))
    by_organisation = (one for one in ISSUERS if organisation in one.organisations)
    return next(by_name, None) or next(by_organisation, None)
