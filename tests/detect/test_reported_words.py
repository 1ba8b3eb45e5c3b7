"""What reports say is short, and nobody's link or mention."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.detect.reported_words import MOST, UNUSUAL, app, reported, version

HOST = "api.example.com"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://evil.example/x", "https[:]//evil[.]example/x"),
        ("see www.evil.example now", "see www[.]evil[.]example now"),
        ("evil。example", "evil[.]example"),
        ("<!channel> <@U1> @here", "(!channel) ((at)U1) (at)here"),
        ("mailto:a@b.example", "mailto[:]a(at)b[.]example"),
        ("[ok](/x)", "[ok] (/x)"),
        (r"\\evil\share", r"\evil\share"),
        ("a\r\nBcc: x\u202e\x00", "a Bcc: x"),
        ("de.evil.com", "de[.]evil[.]com"),
        ("1.evil.rocks", "1[.]evil[.]rocks"),
        ("com.example.app", "com[.]example[.]app"),
        (f"CN={HOST}/logout", "CN=api[.]example[.]com/logout"),
        ("x" * 65, "x" * 63 + "…"),
    ],
)
def test_is_written_so_that_nothing_comes_of_it(text: str, told: str) -> None:
    assert reported(text, HOST) == told


@pytest.mark.parametrize(
    "text",
    [
        "com.example.wallet", "8.24.1", "1.2.3.debug", "iOS 18.1", "2026-11-20T12:00:00Z", f"CN={HOST}",
        "CN=*.example.com,O=Example", "CN=R3,O=Let's Encrypt,C=US", "Zscaler (proxy)", "Кошелёк",
    ],
)  # fmt: skip
def test_plain_words_stay(text: str) -> None:
    assert reported(text, HOST) == text


def test_names_of_ours_stay_only_where_they_are_ours() -> None:
    assert reported(f"CN={HOST}", "other.example") == "CN=api[.]example[.]com"


@pytest.mark.parametrize("text", ["8.24.1", "4.2.0-rc.1+55", "v3", "2024.Q1", "x" * 32])
def test_versions_that_somebody_would_give(text: str) -> None:
    assert version(text) == text


@pytest.mark.parametrize(
    "text", ["", "x" * 33, "8.1 beta", "8.1\n", "<8>", "8٫1", "www.evil.example", "4.2.io", UNUSUAL]
)
def test_versions_that_nobody_would_give(text: str) -> None:
    assert version(text) == UNUSUAL


def test_ids_of_applications_stay_whole_for_programs() -> None:
    assert app("com.example.app") == "com.example.app"
    assert app("de.evil.com") == "de[.]evil[.]com"
    assert app("evil.app") == "evil[.]app"


PIECES = st.lists(
    st.sampled_from(["com", ".", "evil", "com.example.", "wallet", "…", "@", "://", "](", "x" * 30, "<", "1",
                     "io", "\\", " ", "-", HOST])
).map("".join)  # fmt: skip


@given(st.one_of(st.text(max_size=200), PIECES))
def test_is_bounded_and_says_the_same_when_it_is_told_again(text: str) -> None:
    for told in (reported(text, HOST), version(text), app(text)):
        assert told.isprintable()
        assert len(told) <= MOST
    assert reported(reported(text, HOST), HOST) == reported(text, HOST)
    assert version(version(text)) == version(text)
    assert app(app(text)) == app(text)
