"""Files with pins in each format, all made here."""

from __future__ import annotations

import base64
import json
import plistlib
from hashlib import sha256
from typing import Any

from collector.model import Hash


def b64(what: str) -> str:
    """A pin of no key in particular, as base64."""
    return base64.b64encode(sha256(what.encode()).digest()).decode()


def pin(what: str) -> Hash:
    return Hash("sha256", sha256(what.encode()).digest())


ONE, TWO, THREE = b64("one"), b64("two"), b64("three")
PINS = tuple(sorted((pin("one"), pin("two"))))


def trustkit_policy(**changes: Any) -> dict[str, Any]:
    policy = {
        "TSKIncludeSubdomains": True,
        "TSKEnforcePinning": True,
        "TSKPublicKeyHashes": [ONE, TWO],
        "TSKExpirationDate": "2027-03-01",
        "TSKReportUris": ["https://reports.example.net/r/k"],
        "TSKDisableDefaultReportUri": True,
    }
    return {key: value for key, value in {**policy, **changes}.items() if value is not None}


def trustkit(domains: dict[str, Any], **info: Any) -> dict[str, Any]:
    told = {"TSKSwizzleNetworkDelegates": False, "TSKPinnedDomains": domains}
    return {**info, "TSKConfiguration": told}


def plist(told: dict[str, Any], *, binary: bool = False) -> bytes:
    return plistlib.dumps(told, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)


def ns_pinned(domains: dict[str, Any]) -> dict[str, Any]:
    return {"NSAppTransportSecurity": {"NSPinnedDomains": domains}}


def identities(*pins: str) -> list[dict[str, str]]:
    return [{"SPKI-SHA256-BASE64": text} for text in pins]


def android(inside: str) -> bytes:
    root = "network-security-config"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>{inside}</{root}>'.encode()


def domains(*names: str, inside: str) -> str:
    told = "".join(f"<domain>{name}</domain>" for name in names)
    return f"<domain-config>{told}{inside}</domain-config>"


def pin_set(*pins: str, expiration: str | None = None) -> str:
    ends = f' expiration="{expiration}"' if expiration else ""
    return (
        f"<pin-set{ends}>"
        + "".join(f'<pin digest="SHA-256">{p}</pin>' for p in pins)
        + "</pin-set>"
    )


def ssl_config(**changes: Any) -> bytes:
    told = {"sha256Keys": {"api.example.com": [f"sha256/{ONE}", f"sha256/{TWO}"]}}
    return json.dumps({**told, **changes}).encode()


def own(*sets: dict[str, Any], **top: Any) -> bytes:
    return json.dumps({"schema": "pinfall.pins/1", **top, "sets": list(sets)}).encode()


def own_set(**changes: Any) -> dict[str, Any]:
    return {"host": "api.example.com", "pins": [f"sha256/{ONE}", f"sha256/{TWO}"], **changes}


def builder(*arguments: str) -> str:
    """Kotlin that adds one host; arguments as they stand there."""
    return f"CertificatePinner.Builder().add({', '.join(arguments)})"


KOTLIN = f"""
package com.example.wallet

import okhttp3.CertificatePinner

/* The old one: CertificatePinner.Builder().add("old.example.com", "sha256/{THREE}") */
object Pins {{
    private const val DOMAIN = "example.com"
    const val HOST: String = "api.$DOMAIN"
    private const val FIRST = "sha256/" +
        "{ONE}"
    val BOTH: Array<String> = arrayOf(FIRST, "sha256/{TWO}")

    fun client(): OkHttpClient = OkHttpClient.Builder()
        .certificatePinner(
            CertificatePinner.Builder()
                .add(HOST, FIRST, "sha256/{TWO}") // both
                .add("**.${{DOMAIN}}", *BOTH)
                .add("*.cdn.example.com", "sha256/{THREE}")
                .build(),
        )
        .build()
}}
""".encode()

JAVA = f"""
class Pins {{
    private static final String HOST = "api.example.com";
    static final String[] BACKUPS = new String[] {{ "sha256/{TWO}" }};
    CertificatePinner pinner() {{
        CertificatePinner.Builder builder = new CertificatePinner.Builder();
        builder.add(HOST, "sha256/{ONE}");
        builder.add(Pins.HOST, BACKUPS);
        List<String> names = new ArrayList<>();
        names.add("not a pin");
        return builder.build();
    }}
}}
""".encode()

SAMPLES: dict[str, bytes] = {
    "trustkit-ios xml": plist(trustkit({"example.com": trustkit_policy()})),
    "trustkit-ios binary": plist(trustkit({"example.com": trustkit_policy()}), binary=True),
    "trustkit-ios json": json.dumps(trustkit({"example.com": trustkit_policy()})).encode(),
    "ns-pinned-domains": plist(
        ns_pinned({"example.com": {"NSPinnedCAIdentities": identities(ONE, TWO)}})
    ),
    "network-security-config": android(
        f"<domain-config><domain>example.com</domain>{pin_set(ONE, TWO)}</domain-config>"
    ),
    "rn-ssl-manager": ssl_config(),
    "pinfall": own(own_set()),
    "okhttp kotlin": KOTLIN,
    "okhttp java": JAVA,
}
