import json
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.fingerprint import Grade, chain_id, issuer_path, network_of, operator_network_of
from collector.intake.prepare import canonical
from tests.make import (
    INSTALL,
    NOON,
    PIN_A,
    PIN_B,
    authority,
    chain,
    ios_pem,
    issue,
    neutral,
    okhttp_text,
    read,
    row,
    trustkit_android,
    trustkit_ios,
    wrapped,
)


@given(
    st.randoms(use_true_random=False),
    st.sampled_from([64, 76, 500]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_order_and_wrapping_say_nothing(chance: random.Random, columns: int, newline: str) -> None:
    report = trustkit_ios(
        validated_certificate_chain=[wrapped(c.der, columns, newline) for c in chain()]
    )
    chance.shuffle(report["known-pins"])
    keys = list(report)
    chance.shuffle(keys)
    report["app-vendor-id"] = chance.choice([INSTALL, INSTALL.upper()])
    again = row(json.dumps({key: report[key] for key in keys}).encode())
    assert again.delivery == row(trustkit_ios()).delivery


@pytest.mark.parametrize(
    "changes",
    [
        {"hostname": "other.example.com"},
        {"date_time": "2026-11-20T11:59:31Z"},
        {"app_vendor_id": "00000000-0000-0000-0000-000000000001"},
        {"app_version": "8.24.2"},
        {"app_bundle_id": "com.example.other"},
        {"app_platform": "MACOS"},
        {"enforce_pinning": False},
        {"validation_result": 2},
        {"noted_hostname": "api.example.com"},
        {"known_pins": [f'pin-sha256="{PIN_A}"']},
        {"validated_certificate_chain": [ios_pem(chain()[0].der)]},
    ],
    ids=lambda changes: " ".join(f"{k}={v}"[:40] for k, v in changes.items()),
)
def test_what_makes_another_report(changes: dict[str, object]) -> None:
    assert row(trustkit_ios(**changes)).delivery.key != row(trustkit_ios()).delivery.key


def test_grades() -> None:
    assert row(trustkit_ios()).delivery.grade is Grade.STRONG
    assert row(trustkit_ios(app_vendor_id=...)).delivery.grade is Grade.WEAK
    assert row(trustkit_ios(app_vendor_id="unit-tests")).delivery.grade is Grade.WEAK
    assert row(trustkit_ios(date_time=...)).delivery.grade is Grade.WEAK
    assert row(neutral(event_id="e")).delivery.grade is Grade.STRONG
    assert row(okhttp_text()).delivery.grade is Grade.WEAK


def test_a_strong_key_does_not_depend_on_the_sender_or_the_day() -> None:
    one = row(trustkit_ios(), address="198.51.100.7", agent="a")
    other = row(
        trustkit_ios(), address="2001:db8::1", agent="b", received_at=NOON + timedelta(days=7)
    )
    assert one.delivery == other.delivery


def test_a_weak_key_is_the_senders() -> None:
    keys = {
        row(okhttp_text(), address=address, agent=agent).delivery.key
        for address in ("198.51.100.7", "198.51.100.8", "2001:db8::1")
        for agent in ("okhttp/4.12.0", None)
    }
    assert len(keys) == 6


def test_nobody_uses_up_the_event_id_of_another() -> None:
    keys = {row(neutral(event_id="1", install_id=i)).delivery.key for i in ("a", "b", None)}
    keys.add(row(neutral(event_id="1", install_id="a", app={"id": "other"})).delivery.key)
    assert len(keys) == 4


def test_an_event_id_wins_over_what_else_changed() -> None:
    one, other = (
        neutral(event_id="1", install_id="a", observed_at=t) for t in ("2026-11-20T11:00:00Z", None)
    )
    assert row(one).delivery == row(other).delivery


def test_the_issuer_path_leaves_out_leaf_and_root() -> None:
    root, intermediate = authority()
    other_leaf = issue("api.example.com", intermediate)
    whole = read(trustkit_ios())
    without_root = read(
        trustkit_ios(
            validated_certificate_chain=[ios_pem(c.der) for c in (other_leaf, intermediate)]
        )
    )
    assert issuer_path(whole) == issuer_path(without_root)
    assert len(issuer_path(whole)) == 1
    only_root = read(
        trustkit_ios(validated_certificate_chain=[ios_pem(c.der) for c in (issue("x", root), root)])
    )
    assert issuer_path(only_root) == ()


def test_a_certificate_that_did_not_sign_the_one_below_enters_no_path() -> None:
    """An attacker's leaf with our genuine intermediate behind it does not join our signature."""
    _, intermediate = authority()
    forged = issue("api.example.com", issue("Pinfall Test Intermediate", ca=True))
    violation = read(
        trustkit_ios(validated_certificate_chain=[ios_pem(c.der) for c in (forged, intermediate)])
    )
    assert issuer_path(violation) == ()
    assert (
        row(trustkit_ios()).signature
        != row(
            trustkit_ios(
                validated_certificate_chain=[ios_pem(c.der) for c in (forged, intermediate)]
            )
        ).signature
    )


def test_one_fault_in_three_dialects_is_one_signature() -> None:
    rows = [row(trustkit_ios()), row(trustkit_android()), row(okhttp_text())]
    assert len({r.signature for r in rows}) == 1
    assert len({r.violation.leaf for r in rows}) == 1


def test_the_signature_is_the_projects_hosts_and_kinds() -> None:
    base = row(trustkit_ios()).signature
    assert row(trustkit_ios(hostname="b.example.com")).signature != base
    assert row(trustkit_ios(validation_result=2)).signature != base
    assert (
        row(trustkit_ios(known_pins=[f'pin-sha256="{PIN_B}"'], app_version="1")).signature == base
    )


def test_installs_are_compared_inside_one_platform() -> None:
    ios, android = row(trustkit_ios()), row(trustkit_ios(app_platform="ANDROID"))
    assert ios.install is not None
    assert ios.install != android.install
    assert row(trustkit_ios(app_vendor_id=INSTALL)).install == ios.install
    assert row(trustkit_ios(app_vendor_id="unit-tests")).install is None


def test_networks() -> None:
    assert network_of(canonical("198.51.100.7")) == network_of(canonical("198.51.100.200"))
    assert network_of(canonical("::ffff:198.51.100.7")) == network_of(canonical("198.51.100.7"))
    assert network_of(canonical("2001:db8:1:2::3")) == network_of(canonical("2001:db8:1:ffff::9"))
    assert network_of(canonical("2001:db8:2::3")) != network_of(canonical("2001:db8:1::3"))
    assert operator_network_of(canonical("2001:db8:2::3")) == operator_network_of(
        canonical("2001:db8:1::3")
    )
    assert (
        row(okhttp_text(), address="198.51.100.7").network
        == row(okhttp_text(), address="198.51.100.9").network
    )


def test_a_chain_with_an_unreadable_place_has_its_own_address() -> None:
    broken = read(trustkit_ios(validated_certificate_chain=["nonsense", ios_pem(chain()[1].der)]))
    other = read(
        trustkit_ios(validated_certificate_chain=["other nonsense", ios_pem(chain()[1].der)])
    )
    assert chain_id(broken.validated_chain) != chain_id(other.validated_chain)
