"""Files of each format, as their SDKs read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.pins.readers import read, read_file
from collector.pins.readers.own import as_entry
from tests.pins.samples import (
    JAVA,
    KOTLIN,
    ONE,
    PINS,
    SAMPLES,
    THREE,
    TWO,
    android,
    builder,
    identities,
    ns_pinned,
    own,
    own_set,
    pin,
    pin_set,
    plist,
    ssl_config,
    trustkit,
    trustkit_policy,
)

MARCH = datetime(2027, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("binary", [False, True])
def test_trustkit_of_an_info_plist(binary: bool) -> None:
    release = {"CFBundleIdentifier": "com.example.wallet", "CFBundleShortVersionString": "8.24.1"}
    told = trustkit({"Example.com": trustkit_policy()}, **release)
    assert read(plist(told, binary=binary), "Info.plist") == [
        ShippedPinSet(
            host="example.com",
            pins=PINS,
            include_subdomains=True,
            app="com.example.wallet",
            platform="IOS",
            version_from="8.24.1",
            version_to="8.24.1",
            enforced=True,
            expires=MARCH,
            report_uris=("https://reports.example.net/r/k",),
            format="trustkit-ios",
            source="Info.plist",
        )
    ]


def test_trustkit_by_its_defaults() -> None:
    """Enforced, without subdomains, and reported to the SDK's makers too."""
    policy = {"TSKPublicKeyHashes": [ONE, TWO]}
    (one,) = read(json.dumps({"kTSKPinnedDomains": {"example.com": policy}}).encode(), "pins.json")
    assert (one.enforced, one.include_subdomains, one.default_report_uri) == (True, False, True)
    assert (one.app, one.version_from, one.expires, one.report_uris) == (None, None, None, ())


def test_variables_of_the_build_are_no_release() -> None:
    told = trustkit(
        {"example.com": trustkit_policy()},
        CFBundleIdentifier="$(PRODUCT_BUNDLE_IDENTIFIER)",
        CFBundleShortVersionString="$(MARKETING_VERSION)",
        DTPlatformName="macosx",
    )
    (one,) = read(plist(told), "Info.plist")
    assert (one.app, one.version_from, one.platform) == (None, None, "MACOS")


def test_trustkit_takes_a_subdomain_out() -> None:
    excluded = {"TSKExcludeSubdomainFromParentPolicy": True}
    told = trustkit({"example.com": trustkit_policy(), "open.example.com": excluded})
    assert [(one.host, len(one.pins)) for one in read(plist(told), "p")] == [
        ("example.com", 2),
        ("open.example.com", 0),
    ]


def test_what_trustkit_does_not_know_is_told() -> None:
    policy = trustkit_policy(TSKEnforcePining=False, TSKPublicKeyHashes=[ONE, TWO, ONE])
    told = trustkit({"example.com": policy, "none.example.com": {}})
    found = read_file(plist(told), "Info.plist")
    assert [one.host for one in found.sets] == ["example.com"]
    assert found.sets[0].enforced
    assert found.warnings == (
        "example.com: 'TSKEnforcePining' is no key of TrustKit, and was left out",
        f"example.com: sha256/{ONE} is listed twice",
        "none.example.com: has no pin, and was left out",
    )


def test_switches_as_texts() -> None:
    policy = trustkit_policy(TSKEnforcePinning="NO", TSKIncludeSubdomains=1)
    (one,) = read(plist(trustkit({"example.com": policy})), "p")
    assert (one.enforced, one.include_subdomains) == (False, True)


def test_pins_that_ios_checks_itself() -> None:
    domain = {
        "NSIncludesSubdomains": True,
        "NSPinnedLeafIdentities": identities(ONE),
        "NSPinnedCAIdentities": identities(TWO),
    }
    found = read_file(plist(ns_pinned({"example.com": domain})), "Info.plist")
    (one,) = found.sets
    assert (one.format, one.pins, one.include_subdomains, one.enforced, one.platform) == (
        "ns-pinned-domains", PINS, True, True, "IOS",
    )  # fmt: skip
    assert "without their places" in found.warnings[0]


def test_one_plist_may_hold_both() -> None:
    told = {
        **trustkit({"a.example.com": trustkit_policy()}),
        **ns_pinned({"b.example.com": {"NSPinnedLeafIdentities": identities(ONE, TWO)}}),
    }
    assert {(one.format, one.host) for one in read(plist(told), "Info.plist")} == {
        ("trustkit-ios", "a.example.com"),
        ("ns-pinned-domains", "b.example.com"),
    }


def test_androids_own_pins_are_enforced() -> None:
    data = android(f"""
      <base-config cleartextTrafficPermitted="false"/>
      <domain-config>
        <domain includeSubdomains="true">example.com</domain>
        <domain>api.example.net</domain>
        {pin_set(ONE, TWO, expiration="2027-03-01")}
      </domain-config>""")
    found = read_file(data, "network_security_config.xml")
    assert found.warnings == ()
    assert [(one.host, one.include_subdomains, one.pins, one.expires) for one in found.sets] == [
        ("example.com", True, PINS, MARCH),
        ("api.example.net", False, PINS, MARCH),
    ]
    assert {
        (one.enforced, one.default_report_uri, one.format, one.platform) for one in found.sets
    } == {(True, False, "network-security-config", "ANDROID")}


def test_trustkit_android_and_what_nested_configs_take_over() -> None:
    data = android(f"""
      <domain-config>
        <domain includeSubdomains="true">example.com</domain>
        {pin_set(ONE, TWO)}
        <trustkit-config enforcePinning="false" disableDefaultReportUri="true">
          <report-uri>https://reports.example.net/r/k</report-uri>
        </trustkit-config>
        <domain-config>
          <domain>pay.example.com</domain>
          {pin_set(TWO, THREE)}
          <trustkit-config enforcePinning="true"/>
        </domain-config>
        <domain-config><domain>img.example.com</domain></domain-config>
      </domain-config>
      <domain-config>
        <domain>other.example.com</domain>
        {pin_set(ONE, TWO)}
        <trustkit-config/>
      </domain-config>""")
    sets = {one.host: one for one in read(data, "n.xml")}
    assert sets["example.com"].enforced is False
    assert sets["example.com"].report_uris == ("https://reports.example.net/r/k",)
    assert sets["pay.example.com"].enforced is True
    assert sets["pay.example.com"].pins == tuple(sorted((pin("two"), pin("three"))))
    assert sets["pay.example.com"].default_report_uri is False
    assert sets["img.example.com"].pins == PINS
    assert sets["img.example.com"].format == "trustkit-android"
    assert (sets["other.example.com"].enforced, sets["other.example.com"].default_report_uri) == (
        False,
        True,
    )


def test_a_domain_without_pins_counts_only_below_one_with_them() -> None:
    data = android(f"""
      <domain-config><domain includeSubdomains="true">example.com</domain>{pin_set(ONE, TWO)}</domain-config>
      <domain-config><domain>open.example.com</domain></domain-config>
      <domain-config cleartextTrafficPermitted="true"><domain>10.0.2.2</domain></domain-config>""")
    found = read_file(data, "n.xml")
    assert [(one.host, len(one.pins)) for one in found.sets] == [
        ("example.com", 2),
        ("open.example.com", 0),
    ]
    assert found.warnings == ("10.0.2.2: has no pin-set, and was left out",)


def test_what_takes_pins_off_is_told() -> None:
    data = android(f"""
      <domain-config>
        <domain>a.example.com</domain><domain>b.example.com</domain>
        {pin_set(ONE, TWO)}
        <trust-anchors><certificates src="user" overridePins="true"/></trust-anchors>
        <trustkit-config enforcePinning="true"/>
      </domain-config>""")
    assert read_file(data, "n.xml").warnings == (
        "a.example.com: chains to the anchors 'user' are not pinned (overridePins)",
        "a.example.com: TrustKit reads the last domain of a domain-config only",
    )


def test_react_native_ssl_manager() -> None:
    data = ssl_config(
        domains={
            "api.example.com": {
                "enforcePinning": False,
                "expirationDate": "2027-02-28",
                "includeSubdomains": False,
            },
            "typo.example.com": {},
        },
        reportUris=["https://reports.example.net/r/k"],
    )
    found = read_file(data, "ssl_config.json")
    (one,) = found.sets
    assert (one.enforced, one.include_subdomains, one.platform) == (False, False, None)
    assert one.expires == MARCH  # the day that it names counts still
    assert one.report_uris == ("https://reports.example.net/r/k",)
    assert found.warnings == ("'typo.example.com': has options and no pins, and was left out",)
    (plain,) = read(ssl_config(), "ssl_config.json")
    assert (plain.enforced, plain.include_subdomains, plain.expires) == (True, True, None)
    (off,) = read(ssl_config(enforcePinning=False, expiration="2027-02-28"), "ssl_config.json")
    assert (off.enforced, off.expires) == (False, MARCH)


def test_okhttp_in_kotlin() -> None:
    found = read_file(KOTLIN, "Pins.kt")
    assert found.warnings == ()
    assert [(one.host, one.include_subdomains, one.pins) for one in found.sets] == [
        ("api.example.com", False, PINS),
        ("example.com", True, PINS),
        ("*.cdn.example.com", False, (pin("three"),)),
    ]
    assert {(one.platform, one.enforced, one.format) for one in found.sets} == {
        ("ANDROID", True, "okhttp")
    }


def test_okhttp_in_java_adds_up_the_pins_of_a_host() -> None:
    (one,) = read(JAVA, "Pins.java")
    assert (one.host, one.pins) == ("api.example.com", PINS)


FIRST = f'"sha256/{ONE}"'
A, IT = '"a.example.com"', 'add("a.example.com", it)'


@pytest.mark.parametrize(("source", "words"), [
    (builder("host", FIRST), "line 1: the host is no constant"),
    ('val H = "a.example.com"\nval H = "b.example.com"\n' + builder("H", FIRST), "line 3: the host is no"),
    (builder(A, FIRST, "pin"), "line 1: 'a.example.com': a pin is no constant"),
    (builder(A, FIRST) + f"\n.apply {{ pins.forEach {{ {IT} }} }}", "line 2: 'a.example.com': a pin"),
    (f"val b = CertificatePinner.Builder()\nb.add({A}, pins())", "line 2: 'a.example.com': a pin"),
])  # fmt: skip
def test_okhttp_that_is_worked_out_at_run_time_is_left_out_and_told(
    source: str, words: str
) -> None:
    """A host that lacks a pin would be taken for what clients ship."""
    data = (
        f'{source}\nfun more() = CertificatePinner.Builder().add("z.example.com", "sha256/{TWO}")'
    )
    found = read_file(data.encode(), "Pins.kt")
    assert [one.host for one in found.sets] == ["z.example.com"]
    assert words in found.warnings[0]


def test_okhttp_still_takes_sha1() -> None:
    text = "sha1/" + "A" * 26 + "E="
    found = read_file(
        f'CertificatePinner.Builder().add("a.example.com", "{text}", "sha256/{ONE}")'.encode(),
        "P.kt",
    )
    assert {pin.kind for pin in found.sets[0].pins} == {"sha1", "sha256"}
    assert any("SHA-1" in warning for warning in found.warnings)


def test_pins_of_our_own() -> None:
    data = own(
        own_set(include_subdomains=True, enforced=False, expires="2027-03-01", version_to="9.0"),
        own_set(host="*.cdn.example.com", app="com.example.other", platform="android"),
        own_set(host="open.example.com", pins=[]),
        app="com.example.wallet",
        version_from="8.0",
        starts="2026-11-01T00:00:00Z",
    )
    first, second, third = read(data, "pins.json")
    assert first.expires == MARCH
    assert (first.enforced, first.include_subdomains, first.pins) == (False, True, PINS)
    assert (first.app, first.version_from, first.version_to) == ("com.example.wallet", None, "9.0")
    assert (second.app, second.platform, second.version_from) == (
        "com.example.other",
        "ANDROID",
        "8.0",
    )
    assert second.starts == datetime(2026, 11, 1, tzinfo=UTC)
    assert third.pins == ()


@pytest.mark.parametrize("data", SAMPLES.values(), ids=SAMPLES)
def test_what_is_read_is_written_as_our_own_and_read_the_same(data: bytes) -> None:
    sets = read(data, "f")
    again = read(own(*[as_entry(one) for one in sets]), "f")
    assert [as_entry(one) | {"format": "pinfall"} for one in sets] == [
        as_entry(one) for one in again
    ]


def test_a_placeholder_stays_and_is_told() -> None:
    """Clients ship it, and their reports name it: a set without it would be another one."""
    zeros = "A" * 43 + "="
    found = read_file(
        plist(trustkit({"example.com": trustkit_policy(TSKPublicKeyHashes=[ONE, zeros])})), "p"
    )
    assert Hash("sha256", bytes(32)) in found.sets[0].pins
    assert "placeholder" in found.warnings[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings(encoding: str) -> None:
    text = SAMPLES["network-security-config"].decode().replace(' encoding="utf-8"', "")
    assert read(text.encode(encoding), "n.xml") == read(SAMPLES["network-security-config"], "n.xml")
    text = SAMPLES["trustkit-ios xml"].decode().replace(' encoding="UTF-8"', ' encoding="UTF-16"')
    assert read(text.encode(encoding), "p") == read(SAMPLES["trustkit-ios xml"], "p")
