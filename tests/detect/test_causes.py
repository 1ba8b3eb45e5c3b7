"""Each case of bench/cases.py gets its label; what may never be confused is not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cases import Named, every_case
from collector.detect.causes import Cause, judge
from collector.detect.classes import Class
from collector.detect.dictionary import PRODUCTS, product_of
from collector.detect.severity import TABLE, Severity, row_of

CASES = every_case()


@pytest.mark.parametrize("named", CASES, ids=[named.name for named in CASES])
def test_each_case_gets_its_label(named: Named) -> None:
    judgement = judge(named.case())
    assert judgement.label is named.want, judgement
    assert judgement.evidence
    assert all(len(one.value) <= 200 for one in judgement.evidence)
    if named.own:
        assert judgement.label is not Cause.INTERCEPTION
    else:
        assert judgement.label is not Cause.OWN_ROTATION


def test_there_are_enough_cases_of_every_label() -> None:
    told = Counter(named.want for named in CASES)
    assert len(CASES) >= 80
    assert len({named.name for named in CASES}) == len(CASES)
    assert set(told) == set(Cause)


@settings(max_examples=150)
@given(st.sampled_from(CASES), st.integers(0, 2**32))
def test_the_order_of_reports_does_not_matter(named: Named, seed: int) -> None:
    mixed = list(named.seen)
    random.Random(seed).shuffle(mixed)
    assert judge(named.case(mixed)) == judge(named.case())


@settings(max_examples=100)
@given(st.sampled_from([named for named in CASES if named.own]), st.integers(2, 5))
def test_more_of_the_same_never_turns_ours_into_interception(named: Named, times: int) -> None:
    more = [
        replace(one, install=one.install + b"+%d" % n, network=one.network + b"+%d" % n)
        for n in range(times)
        for one in named.seen
    ]
    for size in (1, len(named.seen), len(more)):
        assert judge(named.case(more[:size])).label is not Cause.INTERCEPTION


def test_one_table_says_how_severe_each_is() -> None:
    assert {row.cause for row in TABLE} == set(Cause)
    found = {}
    for named in CASES:
        row = row_of(judge(named.case()))
        found[named.name] = row.severity
        if row.severity is Severity.PAGE:
            assert row.gate.spike or row.gate.installs
        if named.want is Cause.OWN_ROTATION:
            assert row.severity is Severity.PAGE, named.name
    assert found["our own certificate expired, as chain_untrusted"] is Severity.PAGE
    assert found["6 devices whose clock is wrong"] is Severity.NONE
    assert found["a company's own root"] is Severity.TICKET
    assert found["sent by a web page"] is Severity.NONE
    assert found["a public certificate that no probe shows"] is Severity.PAGE


def test_what_may_be_misissued_is_told_beside_a_rotation() -> None:
    (named,) = (one for one in CASES if one.name.endswith("authority, during a rotation"))
    facts = {one.fact: one.value for one in judge(named.case()).evidence}
    assert facts["beside"] == "a public key that no probe shows, at 6 installs"


def test_a_key_of_a_products_name_on_many_networks_is_not_to_be_muted() -> None:
    (named,) = (one for one in CASES if "forger's root" in one.name)
    facts = {one.fact: one.value for one in judge(named.case()).evidence}
    assert facts["calls_itself"] == "Zscaler (corporate proxy)"
    assert "do not mute" in facts["advice"]


def test_classes_of_cases() -> None:
    for named in CASES:
        classes = {one.class_ for one in named.case().sightings}
        mixed = ("beside", "during", "after days of more")
        if named.want is Cause.OWN_ROTATION and not any(word in named.name for word in mixed):
            assert classes == {Class.SELF}, named.name
        if named.want is Cause.INTERCEPTION:
            assert classes == {Class.INTERCEPTION}, named.name


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("CN=Zscaler Root CA,O=Zscaler Inc.,C=US", "Zscaler"),
        (
            "CN=Charles Proxy CA (1 Jan 2026\\, mac), OU=https://charlesproxy.com/ssl, O=XK72 Ltd",
            "Charles",
        ),
        ('CN="Superfish, Inc.", O="Superfish, Inc."', "Superfish / Komodia"),
        ("CN=Not a Zscaler Root CA", None),
        ("CN=Cloudflare Inc ECC CA-3,O=Cloudflare\\, Inc.,C=US", None),
        ("CN=Symantec Class 3 Secure Server CA - G4,O=Symantec Corporation", None),
        ("O=mitmproxy lovers", None),
        ("", None),
        ("CN=" + "," * 600, None),
    ],
)
def test_products_by_their_names(name: str, product: str | None) -> None:
    found = product_of(name)
    assert (found.name if found else None) == product


def test_the_dictionary_is_whole() -> None:
    assert len({product.name for product in PRODUCTS}) == len(PRODUCTS) >= 50
    for product in PRODUCTS:
        assert product.cn or product.o
        assert product.source.startswith("https://")
        assert all(text.strip("* ") for text in (*product.cn, *product.o))
