"""Which chains are trusted, and what is told where they are not."""

import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from collector.model import Certificate
from collector.probing.roots import Roots, private_roots, public_roots
from collector.probing.trust import Problem, check, names
from tests.make import NOON
from tests.probing.chains import HOST, Made, family, make


def judge(*chain: Made, host: str = HOST, roots: Roots | None = None, days: float = 0) -> object:
    told = check(
        [each.noun for each in chain], host, NOON + timedelta(days=days), roots or family().roots
    )
    assert (told.problem is None) == told.trusted == bool(told.path)
    return told.problem


def test_a_path_is_found_and_told() -> None:
    leaf = family().leaf()
    told = check([leaf.noun, family().intermediate.noun], HOST, NOON, family().roots)
    assert [each.sha256 for each in told.path] == [
        each.noun.sha256 for each in (leaf, family().intermediate, family().root)
    ]
    assert told.told is None


def test_what_is_sent_in_any_order_with_strangers_and_twice() -> None:
    leaf, stranger = family().leaf(), make("stranger.example", sans=("stranger.example",))
    i, r = family().intermediate, family().root
    for sent in ((r, i), (stranger, i), (i, i, r), (leaf, i), (i, stranger, r)):
        assert judge(leaf, *sent) is None


def test_each_problem_has_its_name() -> None:
    leaf, i, r = family().leaf(), family().intermediate, family().root
    assert judge(leaf, i, days=81) is Problem.EXPIRED
    assert judge(leaf, i, days=-11) is Problem.NOT_YET_VALID
    assert judge(leaf, i, host="www.example.com") is Problem.WRONG_NAME
    assert judge(leaf) is Problem.MISSING_INTERMEDIATE
    other = family("Other").roots
    assert judge(leaf, i, roots=other) is Problem.UNKNOWN_ROOT
    assert judge(leaf, i, r, roots=other) is Problem.UNKNOWN_ROOT
    assert judge(make(HOST, sans=(HOST,))) is Problem.SELF_SIGNED
    old = make("Old CA", r, ca=True, days=11)
    assert judge(make(HOST, old, sans=(HOST,)), old, days=2) is Problem.EXPIRED
    bare = make(HOST, i, sans=(HOST,), bare=True)
    assert judge(bare, i) is Problem.AGAINST_THE_RULES
    told = check([leaf.noun], HOST, NOON, family().roots).told
    assert told == "nothing was sent that signed the leaf: 'CN=Test CA 1' is missing"


def test_a_leaf_signs_nothing() -> None:
    """With the rules of public authorities and without."""
    for bare in (True, False):
        leaf = make(HOST, family().intermediate, sans=(HOST,), bare=bare)
        forged = make(HOST, leaf, sans=(HOST,), bare=bare)
        for roots in (family().roots, family().own_roots):
            assert judge(forged, leaf, family().intermediate, roots=roots) is not None


def test_cross_signed() -> None:
    """One intermediate key with certificates of two roots: either root will do."""
    old, new = family("Old"), family("New")
    key = ec.generate_private_key(ec.SECP256R1())
    by_old = make("Shared CA", old.root, ca=True, key=key)
    by_new = make("Shared CA", new.root, ca=True, key=key)
    leaf = make(HOST, by_old, sans=(HOST,))
    for roots in (old.roots, new.roots):
        assert judge(leaf, by_old, by_new, roots=roots) is None
    assert judge(leaf, by_old, roots=new.roots) is Problem.UNKNOWN_ROOT
    # The new root, signed by the old one, as authorities do at first.
    crossed = make("New Root", old.root, ca=True, key=new.root.key)
    assert judge(new.leaf(), new.intermediate, crossed, roots=old.roots) is None


def test_an_authority_of_ones_own_need_not_keep_all_rules() -> None:
    root = make("Own Root", ca=True, bare=True, days=3650)
    leaf = make(HOST, root, sans=(HOST,), bare=True)
    own = private_roots(root.pem)
    assert judge(leaf, roots=own) is None
    assert judge(leaf, root, roots=own, host="x.example.com") is Problem.WRONG_NAME
    assert judge(leaf, root, roots=own, days=100) is Problem.EXPIRED
    self_signed = make(HOST, sans=(HOST,), bare=True)
    assert judge(self_signed, roots=private_roots(self_signed.pem)) is None
    assert judge(leaf, root, roots=public_roots()) is Problem.UNKNOWN_ROOT


@pytest.mark.parametrize(
    ("sans", "host", "fits"),
    [
        (("*.example.com",), "api.example.com", True),
        (("*.example.com",), "a.b.example.com", False),
        (("*.example.com",), "example.com", False),
        (("API.example.com",), "api.example.com", True),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1",), "192.0.2.2", False),
        (("2001:db8::1",), "2001:db8::1", True),
        ((), "api.example.com", False),
    ],
)
def test_names(sans: tuple[str, ...], host: str, fits: bool) -> None:
    leaf = make("CN is no name", family().intermediate, sans=sans)
    assert names(leaf.noun, host) is fits
    assert judge(leaf, family().intermediate, host=host) is (None if fits else Problem.WRONG_NAME)


def test_no_certificates_at_all() -> None:
    with pytest.raises(ValueError, match="no certificate"):
        check([], HOST, NOON, public_roots())
    with pytest.raises(ValueError, match="no certificates in PEM"):
        private_roots(b"x")
    broken = family().leaf().der.replace(b"\x06\x08\x2a\x86\x48\xce", b"\x06\x08\x2a\x86\x48\xff")
    noun = Certificate(broken, b"s" * 32, b"k" * 32, b"k" * 20)
    assert check([noun], HOST, NOON, public_roots()).problem is Problem.UNREADABLE


def test_a_maze_of_intermediates_has_an_end() -> None:
    """Two names that sign each other, six times: there are 6^6 paths, and none leads out."""
    a, b = make("A", ca=True), make("B", ca=True)
    maze = [make("A", b, ca=True, key=a.key) for _ in range(6)]
    maze += [make("B", a, ca=True, key=b.key) for _ in range(5)]
    leaf = make(HOST, a, sans=(HOST,))
    began = time.process_time()
    for roots in (family().roots, family().own_roots):
        assert judge(leaf, *maze, roots=roots) is Problem.UNKNOWN_ROOT
    assert time.process_time() - began < 20
