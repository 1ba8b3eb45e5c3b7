"""The mix: its shares, and that every report of it is read without a complaint."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from bench.load import Numbers
from bench.mix import ADDRESSES, AGAIN, HOSTS, INSTALLS, Mix
from collector.model import Dialect, Violation, Window
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.simulate.bodies import WHEN, WHO


@pytest.fixture(scope="module")
def mix() -> Mix:
    return Mix()


def _parts(raw: bytes) -> tuple[str, str, bytes]:
    """(sender's address, agent, body)"""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    assert int(fields["Content-Length"]) == len(body)
    return fields["X-Forwarded-For"], fields["User-Agent"], body


def test_shares_duplicates_and_new_chains(mix: Mix) -> None:
    fresh = mix.fresh("/r/key", 70)
    make, again = Numbers(mix).requests(mix.templates("/r/key"), fresh)
    dialects: Counter[str] = Counter()
    requests: Counter[bytes] = Counter()
    addresses, leaves = set(), Counter[bytes]()
    sent, now = 6000, datetime.now(UTC)
    for _ in range(sent):
        raw = bytes(make())
        assert WHO.encode() not in raw
        address, agent, body = _parts(raw)
        (item,) = read_body(body, Hints(now, agent))
        assert isinstance(item, Violation | Window)
        assert isinstance(item, Window) or item.flags == ()
        assert (item.name if isinstance(item, Violation) else item.host) in HOSTS
        if (
            isinstance(item, Violation)
            and item.validated_chain[:1]
            and item.validated_chain[0].certificate
        ):
            leaves[item.validated_chain[0].certificate.sha256] += 1
        dialects[item.dialect if isinstance(item, Violation) else "window"] += 1
        requests[raw] += 1
        addresses.add(address)
    trustkit = dialects[Dialect.TRUSTKIT_IOS] + dialects[Dialect.TRUSTKIT_ANDROID]
    assert trustkit / sent == pytest.approx(0.6, abs=0.01)
    assert dialects[Dialect.TRUSTKIT_IOS] / trustkit == pytest.approx(2 / 3, abs=0.01)
    assert dialects[Dialect.OKHTTP_MESSAGE] / sent == pytest.approx(0.15, abs=0.01)
    assert dialects["window"] > 0
    assert sent - len(requests) == again() == pytest.approx(sent / AGAIN, abs=20)
    assert len(addresses) > 5000
    assert len(leaves) - 2 * len(HOSTS) == pytest.approx(0.01 * sent, abs=5)


def test_no_round_repeats_an_earlier_one(mix: Mix) -> None:
    numbers = Numbers(mix)
    templates, fresh = mix.templates("/r/key"), mix.fresh("/r/key", 5)
    first = {bytes(make()) for make, _ in [numbers.requests(templates, fresh)] for _ in range(400)}
    second = {bytes(make()) for make, _ in [numbers.requests(templates, fresh)] for _ in range(400)}
    assert not first & second


def test_as_many_senders_as_promised(mix: Mix) -> None:
    assert len(set(mix.addresses)) == ADDRESSES
    assert {len(address) for address in mix.addresses} == {15}
    assert len(set(mix.who)) == INSTALLS >= 20_000
    assert {len(mix.who[0]), len(WHO)} == {12}
    assert {len(mix.when[0]), len(WHEN)} == {8}
