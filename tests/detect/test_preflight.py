"""Who breaks if a chain is served: registries, chains and shares, all offline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from collector.detect.adoption import Use
from collector.detect.advice import Proof, steps
from collector.detect.client_paths import Path, path_of, satisfied
from collector.detect.outcomes import Judgement, Outcome, Part, exit_code
from collector.detect.preflight import judge
from collector.model import Certificate, Hash
from collector.pins.model import LearnedPinSet, ShippedPinSet, matches
from collector.reports.certificates import certificate_from_der
from collector.reports.pem import read_chain_file
from tests.make import NOON, Issued, chain, issue, name

HOST = "api.example.com"
TODAY = NOON.date()
APP = "com.example.wallet"


def cert(issued: Issued) -> Certificate:
    return certificate_from_der(issued.der)


def pin(issued: Issued) -> Hash:
    return Hash("sha256", base64.b64decode(issued.pin))


def made_up(text: str) -> Hash:
    return Hash("sha256", text.encode().ljust(32, b"."))


LEAF, INTERMEDIATE, ROOT = chain(HOST)
OTHER_ROOT = issue("Other Root", ca=True)
NEW_INTERMEDIATE = issue("New Intermediate", ROOT, ca=True)
NEW_LEAF = issue(HOST, NEW_INTERMEDIATE, sans=(HOST,))
BACKUP = issue("backup.example")
NEW = [cert(NEW_LEAF), cert(NEW_INTERMEDIATE)]
OLD = [cert(LEAF), cert(INTERMEDIATE)]
ROOTS = [cert(ROOT), cert(OTHER_ROOT)]


def of(*pins: Hash, **more: Any) -> ShippedPinSet:
    told = {"host": HOST, "app": APP, "platform": "ANDROID", **more}
    return ShippedPinSet(pins=tuple(sorted(pins)), **told)


def between(first: str, last: str | None = None) -> dict[str, str]:
    return {"version_from": first, "version_to": last or first}


def use(
    version: str, uses: float, ago: int = 1, source: str = "connections", platform: str = "ANDROID"
) -> Use:
    return Use(APP, platform, version, TODAY - timedelta(days=ago), source, uses)


def told(
    sets: Sequence[ShippedPinSet],
    uses: Sequence[Use] = (),
    path: Path | None = None,
    at: datetime = NOON,
    **more: Any,
) -> Judgement:
    return judge(
        HOST, path or path_of(NEW, roots=ROOTS), sets, at=at, today=TODAY, uses=uses, **more
    )


def one(judgement: Judgement) -> Part:
    (part,) = judgement.parts
    return part


IN_USE = [use("2.0", 900), use("1.0", 100)]
KEPT = of(pin(NEW_LEAF), made_up("backup"))
LEFT = of(pin(LEAF), pin(BACKUP))

CASES: list[tuple[str, Sequence[ShippedPinSet], Sequence[Use], int, tuple[float | None, ...]]] = [
    ("nothing is registered", [], [], 3, (None, None)),
    ("nothing is registered, and versions are in use", [], IN_USE, 3, (0, 1)),
    ("of another host only", [of(pin(LEAF), host="b.example.com")], IN_USE, 3, (0, 1)),
    ("accepted by the leaf", [KEPT], [], 0, (None, None)),
    ("accepted by the intermediate", [of(pin(NEW_INTERMEDIATE))], IN_USE, 0, (0, 0)),
    ("accepted by a root that is not sent", [of(pin(ROOT))], IN_USE, 0, (0, 0)),
    ("refused", [LEFT], [], 1, (None, None)),
    ("refused by all that are in use", [LEFT], IN_USE, 1, (1, 0)),
    ("refused by the old release", [of(pin(NEW_LEAF), **between("2.0")), of(pin(LEAF), **between("1.0"))],
     IN_USE, 1, (0.1, 0)),
    ("the old release is not covered", [of(pin(NEW_LEAF), **between("2.0"))], IN_USE, 3, (0, 0.1)),
    ("refused, and others are not covered", [of(pin(LEAF), **between("2.0"))], IN_USE, 1, (0.9, 0.1)),
    ("expired", [of(pin(LEAF), expires=NOON)], IN_USE, 0, (0, 0)),
    ("expires in a while", [of(pin(LEAF), expires=NOON + timedelta(seconds=1))], IN_USE, 1, (1, 0)),
    ("in force from tomorrow", [of(pin(LEAF), starts=NOON + timedelta(days=1))], IN_USE, 1, (1, 0)),
    ("reports only", [of(pin(LEAF), enforced=False)], IN_USE, 0, (0, 0)),
    ("a wildcard of the domain", [of(pin(LEAF), host="example.com", include_subdomains=True)], IN_USE, 1, (1, 0)),
    ("the host itself goes before its domain",
     [of(pin(LEAF), host="example.com", include_subdomains=True), KEPT], IN_USE, 0, (0, 0)),
    ("OkHttp takes all patterns together", [
        of(pin(LEAF), format="okhttp"),
        of(pin(NEW_LEAF), host="example.com", include_subdomains=True, format="okhttp"),
    ], IN_USE, 0, (0, 0)),
    ("of two formats both hold", [of(pin(NEW_LEAF), format="okhttp"), of(pin(LEAF), format="trustkit")],
     IN_USE, 1, (1, 0)),
    ("taken out of the domain's pins", [of(pin(LEAF), host="example.com", include_subdomains=True), of()],
     IN_USE, 0, (0, 0)),
    ("of any app and version", [of(pin(LEAF), app=None, platform=None)], IN_USE, 1, (1, 0)),
    ("the app's own goes before that of any",
     [of(pin(LEAF), app=None, platform=None, **between("0", "9")), of(pin(NEW_LEAF))], IN_USE, 1, (0, 0)),
    ("iOS breaks, Android does not", [KEPT, of(pin(LEAF), platform="ios")],
     [use("2.0", 300), use("2.0", 100, platform="IOS")], 1, (0.25, 0)),
    ("of a range", [of(pin(LEAF), **between("1.0", "1.9")), of(pin(NEW_LEAF), **between("1.10", "3"))],
     [use("1.9", 30), use("1.10", 70)], 1, (0.3, 0)),
    ("SHA-1 pins of old clients", [of(Hash("sha1", NEW[0].spki_sha1))], IN_USE, 0, (0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sets", "uses", "code", "shares"), [pytest.param(*c[1:], id=c[0]) for c in CASES]
)
def test_exit_codes_and_shares(
    sets: Sequence[ShippedPinSet], uses: Sequence[Use], code: int, shares: tuple[float | None, ...]
) -> None:
    judgement = told(sets, uses)
    assert exit_code(judgement) == code
    real = (judgement.totals[Outcome.BREAKS][0], judgement.totals[Outcome.UNKNOWN][0])
    assert real == (shares if None in shares else pytest.approx(shares))
    assert exit_code(judgement, allow_unknown=True) == (0 if code == 3 else code)
    if None not in shares:
        sums = [sum(s[n] or 0 for s in judgement.totals.values()) for n in range(1)]
        assert sums == pytest.approx([1])


def test_where_a_pin_is_satisfied() -> None:
    part = one(told([of(pin(ROOT), pin(NEW_INTERMEDIATE), pin(NEW_LEAF))]))
    assert [(h.place.role, h.place.sent, h.condition) for h in part.held] == [
        ("leaf", True, None), ("intermediate", True, None),
        ("root", False, "if the client's path ends at O=Pinfall Test,CN=Pinfall Test Root"),
    ]  # fmt: skip
    only = one(told([of(pin(ROOT))]))
    assert (only.outcome, only.reason) == (
        Outcome.ACCEPTS, "if the client's path ends at O=Pinfall Test,CN=Pinfall Test Root"
    )  # fmt: skip


def cross_signed(by: Issued) -> Issued:
    """The root's key and name, signed by another root."""
    builder = (
        x509.CertificateBuilder().subject_name(ROOT.certificate.subject).issuer_name(by.certificate.subject)
        .public_key(ROOT.key.public_key()).serial_number(7).not_valid_before(NOON - timedelta(days=1))
        .not_valid_after(NOON + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )  # fmt: skip
    return Issued(builder.sign(by.key, hashes.SHA256()), ROOT.key)


def test_behind_a_cross_sign_a_path_may_end_earlier() -> None:
    """As with a root that stores know and an older root above it: pins of the older one depend on the
    client, those of the root's key do not."""
    served = [*NEW, cert(cross_signed(OTHER_ROOT))]
    path = path_of(served, roots=ROOTS)
    assert path.sure == 3
    assert exit_code(told([of(pin(ROOT))], path=path)) == 0
    older = told([of(pin(OTHER_ROOT))], path=path)
    assert exit_code(older) == 3
    assert "some stores end it earlier" not in one(told([of(pin(ROOT))], path=path)).reason
    assert one(older).reason == (
        "only if the client's path ends at O=Pinfall Test,CN=Other Root: some stores end it earlier"
    )
    only_older = path_of(served, roots=[cert(OTHER_ROOT)])  # a store of old
    assert exit_code(told([of(pin(OTHER_ROOT))], path=only_older)) == 0
    sent = path_of([*served, cert(OTHER_ROOT)], roots=ROOTS)
    assert exit_code(told([of(pin(OTHER_ROOT))], path=sent)) == 3


def request(by: Issued) -> bytes:
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name(HOST))
        .sign(by.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(("pins", "issuers", "code"), [
    ([pin(BACKUP)], [], 0), ([pin(LEAF)], [], 3), ([pin(NEW_INTERMEDIATE)], [], 3),
    ([pin(NEW_INTERMEDIATE)], [NEW_INTERMEDIATE], 0), ([pin(ROOT)], [NEW_INTERMEDIATE], 0),
    ([pin(LEAF)], [NEW_INTERMEDIATE], 1), ([pin(OTHER_ROOT)], [NEW_INTERMEDIATE], 1),
])  # fmt: skip
def test_a_request(pins: list[Hash], issuers: list[Issued], code: int) -> None:
    asked = read_chain_file(request(BACKUP)).request
    assert asked
    path = path_of(asked, [cert(issued) for issued in issuers], ROOTS)
    assert exit_code(told([of(*pins)], path=path)) == code


def test_a_private_root_is_told_as_an_issuer() -> None:
    private = issue("Private Root", ca=True)
    leaf = issue(HOST, private, sans=(HOST,))
    assert exit_code(told([of(pin(private))], path=path_of([cert(leaf)], roots=ROOTS))) == 1
    path = path_of([cert(leaf)], [cert(private)], ROOTS)
    assert exit_code(told([of(pin(private))], path=path)) == 0


def test_learned_sets_make_it_neither_0_nor_1() -> None:
    for key in (NEW_LEAF, LEAF):
        learned = [
            LearnedPinSet(
                host=HOST,
                first_seen=NOON,
                last_seen=NOON,
                app=APP,
                platform="ANDROID",
                app_version="1.0",
                pins=(pin(key),),
                installs=25,
                networks=12,
            )
        ]
        for sets, uses in (([], []), ([], IN_USE), ([of(pin(NEW_LEAF), **between("2.0"))], IN_USE)):
            judgement = told(sets, uses, learned=learned)
            assert exit_code(judgement) == 3
            hint = next(part.learned for part in judgement.parts if part.learned)
            says = "accept" if key is NEW_LEAF else "refuse"
            assert hint == (f"1.0 would {says} it, by what 25 installs on 12 networks reported",)
    covered = told([of(pin(NEW_LEAF))], IN_USE, learned=learned)
    assert exit_code(covered) == 0


def test_up_to_a_share() -> None:
    sets = [of(pin(NEW_LEAF), **between("2.0")), of(pin(LEAF), **between("1.0"))]
    judgement = told(sets, [use("2.0", 9990), use("1.0", 10)])
    assert exit_code(judgement, max_share=0.0009) == 1
    assert exit_code(judgement, max_share=0.001) == 0
    # Without a count, or with one of failures only, no share is small.
    assert exit_code(told(sets), max_share=0.5) == 1
    failures = told(sets, [use("2.0", 9990, source="reports"), use("1.0", 10, source="reports")])
    assert exit_code(failures, max_share=0.5) == 1
    # Nobody counted iOS.
    ios = told([*sets, of(pin(LEAF), platform="IOS")], [use("2.0", 9990), use("1.0", 10)])
    assert exit_code(ios, max_share=0.5) == 1
    # Those that are left are not known.
    mixed = told(sets, [use("2.0", 9990), use("1.0", 10), use("3.0", 5)])
    assert exit_code(mixed, max_share=0.01) == 3
    assert exit_code(mixed, max_share=0.01, allow_unknown=True) == 0
    # A release that nobody was seen to use still breaks, unless a share is allowed.
    assert exit_code(told(sets, [use("2.0", 9990)])) == 1
    assert exit_code(told(sets, [use("2.0", 9990)]), max_share=0.001) == 0


def spreading(ratio: float = 0.5, days: int = 7, size: float = 100_000) -> list[Use]:
    rows = []
    for ago in range(days, 0, -1):
        old = ratio ** (days - ago + 1)
        rows += [use("1.0", size * old, ago), use("2.0", size * (1 - old), ago)]
    return rows


def test_shares_go_down_as_the_new_release_spreads() -> None:
    sets = [of(pin(NEW_LEAF), **between("2.0")), of(pin(LEAF), **between("1.0"))]
    judgement = told(sets, spreading())
    now = 0.5**7
    expected = (now, now / 2, now / 4, now / 128)
    assert judgement.totals[Outcome.BREAKS] == pytest.approx(expected, rel=0.05)
    breaking = next(part for part in judgement.parts if part.breaking)
    assert breaking.shares == pytest.approx(expected, rel=0.05)
    assert judgement.safe_in == 0
    assert told(sets, spreading(0.8)).safe_in == 14  # 0.8 ** (7 + 14) is under 1 %


def test_a_rotation_that_is_planned_is_weighed_at_its_time() -> None:
    sets = [of(pin(NEW_LEAF), **between("2.0")), of(pin(LEAF), **between("1.0"))]
    later = told(sets, spreading(0.8), at=NOON + timedelta(days=5))
    assert later.stretched
    assert later.totals[Outcome.BREAKS][0] == pytest.approx(0.8**12, rel=0.05)
    # What was counted too long ago says nothing.
    far = told(sets, spreading(0.8), at=NOON + timedelta(days=30))
    assert far.totals[Outcome.BREAKS] == (None,) * 4
    assert exit_code(far, max_share=1.0) == 1


def test_one_day_is_no_forecast() -> None:
    judgement = told([of(pin(NEW_LEAF), **between("2.0")), of(pin(LEAF), **between("1.0"))], IN_USE)
    assert judgement.totals[Outcome.BREAKS] == (0.1, None, None, None)
    assert judgement.safe_in is None


def test_counts_of_two_kinds_are_not_added_up() -> None:
    uses = [use("1.0", 500), use("1.0", 500, source="imported", platform="IOS")]
    judgement = told([of(pin(LEAF), platform=None)], uses)
    assert judgement.totals[Outcome.BREAKS][0] is None
    assert exit_code(judgement, max_share=1.0) == 1


def test_a_version_that_was_not_told_is_unknown_unless_all_are_covered() -> None:
    assert exit_code(told([of(pin(NEW_LEAF), version_to="9")], [use("", 50)])) == 3
    assert exit_code(told([of(pin(NEW_LEAF))], [use("", 50)])) == 0


def test_what_to_do_in_order() -> None:
    backup, unproven = pin(BACKUP), made_up("nobody's")
    sets = [
        of(pin(NEW_LEAF), **between("2.0")),
        of(pin(LEAF), pin(INTERMEDIATE), backup, **between("1.0")),
        of(pin(INTERMEDIATE), unproven, backup, **between("1.1")),
    ]
    judgement = told(sets, spreading(0.8))
    proven = {backup: Proof("csr", datetime(2026, 5, 1, tzinfo=UTC))}
    found = steps(judgement, served=[[cert(LEAF), cert(INTERMEDIATE)]], proven=proven)
    starts = (
        "Serve a path through the old intermediate O=Pinfall Test,CN=Pinfall Test Intermediate",
        "Keep the present key (O=Pinfall Test,CN=api.example.com): it is in 1 of 2 pin sets that break",
        f"Use the backup key {backup}: it is in all 2 pin sets that break; proven by a csr on 2026-05-01",
        f"Use the backup key {unproven}: it is in 1 of 2 pin sets that break; not proven",
        f"Ship a release that also pins {pin(NEW_LEAF)} (leaf) or {pin(NEW_INTERMEDIATE)} (intermediate) first; at",
        "Or wait: 99% are on versions that accept it about 14 days after T, 2026-12-04",
    )
    assert len(found) == len(starts)
    for step, start in zip(found, starts, strict=True):
        assert step.startswith(start)
    expired = issue("expired", ROOT, ca=True, days=1, start=NOON - timedelta(days=2))
    assert not any(
        "old" in step
        for step in steps(told([of(pin(expired))]), served=[[cert(LEAF), cert(expired)]])
    )
    assert steps(told([KEPT])) == ()
    assert steps(told([]))[0].startswith("Register what the unknown versions pin")


def test_only_one_app() -> None:
    uses = [use("1.0", 50), Use("other", "IOS", "7", date(2026, 11, 19), "connections", 50)]
    assert exit_code(told([KEPT], uses)) == 3
    assert exit_code(told([KEPT], uses, app=APP)) == 0
    assert exit_code(told([KEPT], uses, app="other")) == 3


KEYS = [pin(i) for i in (LEAF, INTERMEDIATE, ROOT, NEW_LEAF, NEW_INTERMEDIATE, OTHER_ROOT)] + [
    made_up("x")
]
PATHS = [
    path_of(NEW, roots=ROOTS), path_of(OLD, roots=ROOTS), path_of(NEW),
    path_of([*NEW, cert(cross_signed(OTHER_ROOT))], roots=ROOTS),
]  # fmt: skip
VERSIONS = ["", "1.0", "1.1", "2.0", "10.0"]
SETS = st.lists(
    st.builds(
        lambda pins, app, platform, ends, enforced, off: of(
            *pins, app=app, platform=platform, version_from=ends[0], version_to=ends[1], enforced=enforced,
            expires=NOON + timedelta(days=off) if off is not None else None,
        ),
        st.sets(st.sampled_from(KEYS), min_size=1, max_size=3), st.sampled_from([None, APP, "other"]),
        st.sampled_from([None, "ANDROID", "IOS"]),
        st.tuples(*[st.sampled_from([None, "1.0", "1.1", "2.0"])] * 2), st.sampled_from([None, True, False]),
        st.sampled_from([None, 0, 1, 3, 30]),
    ),
    max_size=6,
)  # fmt: skip
USES = st.lists(
    st.builds(
        lambda version, uses, ago, platform: use(version, uses, ago, platform=platform),
        st.sampled_from(VERSIONS), st.integers(1, 10_000), st.integers(1, 9), st.sampled_from(["ANDROID", "IOS"]),
    ),
    max_size=12,
)  # fmt: skip


def broken(judgement: Judgement) -> set[tuple[str | None, str | None, str]]:
    return {(p.app, p.platform, v) for p in judgement.parts if p.breaking for v in p.versions}


@given(SETS, USES, st.sampled_from(PATHS), st.integers(0, 5), st.sampled_from(KEYS))
def test_adding_a_pin_never_breaks_a_version(
    sets: list[ShippedPinSet], uses: list[Use], path: Path, number: int, more: Hash
) -> None:
    if not sets:
        return
    before = told(sets, uses, path=path)
    number %= len(sets)
    wider = replace(sets[number], pins=tuple(sorted({*sets[number].pins, more})))
    after = told([*sets[:number], wider, *sets[number + 1 :]], uses, path=path)
    was = {v for *_, v in broken(before)}
    assert {v for *_, v in broken(after)} <= was
    assert sum(p.breaking for p in after.parts) <= sum(p.breaking for p in before.parts)
    share, earlier = after.totals[Outcome.BREAKS][0], before.totals[Outcome.BREAKS][0]
    assert share is None or earlier is None or share <= earlier + 1e-9


@given(SETS, USES, st.sampled_from(PATHS), st.integers(1, 100_000))
def test_more_installs_on_safe_versions_never_raise_the_broken_share(
    sets: list[ShippedPinSet], uses: list[Use], path: Path, more: int
) -> None:
    before = told(sets, uses, path=path)
    unsafe = {v for p in before.parts if p.breaking for v in p.versions}
    days = {(u.platform, u.day) for u in uses}
    grown = [
        Use(u.app, u.platform, u.version, u.day, u.source, u.uses + more)
        if u.version not in unsafe and (u.platform, u.day) in days
        else u
        for u in uses
    ]
    after = told(sets, grown, path=path)
    share, earlier = after.totals[Outcome.BREAKS][0], before.totals[Outcome.BREAKS][0]
    assert share is None or earlier is None or share <= earlier + 1e-9
    for mine, theirs in zip(
        sorted(after.parts, key=repr_of), sorted(before.parts, key=repr_of), strict=True
    ):
        if mine.breaking and mine.shares[0] is not None and theirs.shares[0] is not None:
            assert mine.shares[0] <= theirs.shares[0] + 1e-9


def repr_of(part: Part) -> str:
    return repr((part.app, part.platform, part.pin_set, part.versions))


@given(SETS, USES, st.sampled_from(PATHS))
def test_what_is_told_is_whole(sets: list[ShippedPinSet], uses: list[Use], path: Path) -> None:
    judgement = told(sets, uses, path=path)
    counted = sorted((c.platform, v) for c in judgement.curves for v in c.versions)
    assert sorted(v for p in judgement.parts for v in p.versions) == sorted(v for _, v in counted)
    for n in range(4):
        shares = [s[n] for s in judgement.totals.values()]
        assert all(s is None for s in shares) or sum(s or 0 for s in shares) == pytest.approx(1)
    code = exit_code(judgement)
    assert code == (1 if judgement.breaks else 3 if judgement.unknown else 0)


@given(st.sets(st.sampled_from(KEYS), max_size=4), st.sampled_from([NEW, OLD]))
def test_places_that_are_sent_are_those_of_matches(
    pins: set[Hash], served: list[Certificate]
) -> None:
    found = satisfied(sorted(pins), path_of(served))
    assert {(h.pin, h.place.name) for h in found} == {
        (m.pin, path_of(served).places[m.place].name) for m in matches(sorted(pins), served)
    }
