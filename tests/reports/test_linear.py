"""Readers are linear: twice the size takes at most 2.5 times the time.

A ratio of the best of several rounds of processor time, so that the machine's speed and load do
not matter; a reader that is quadratic is at 4.
"""

import gc
import json
import time
from collections.abc import Callable

import pytest

from collector.reports.body import Limits, read_body
from collector.reports.fields import Hints
from tests.make import PIN_A, neutral, okhttp_text

WIDE = Limits(item_bytes=8_000_000, body_bytes=8_000_000)
SIZE = 60_000
HEAD = "Certificate pinning failure!\n  Peer certificate chain:\n"
SHAPES: dict[str, Callable[[int], str]] = {
    "blanks": lambda n: HEAD + " " * n + okhttp_text(),
    "blanks and newlines": lambda n: HEAD + " \n" * (n // 2) + okhttp_text(),
    "repeated markers": lambda n: "Certificate pinning failure! " * (n // 29),
    "repeated pinned markers": lambda n: HEAD + "Pinned certificates for " * (n // 24),
    "peer markers": lambda n: (
        "Certificate pinning failure!" + "Peer certificate chain:\n" * (n // 24)
    ),
    "sha256/ runs": lambda n: HEAD + "sha256/" * (n // 7),
    "pins": lambda n: okhttp_text() + f" sha256/{PIN_A}" * (n // 52),
    "base64": lambda n: HEAD + "A" * n,
    "hostnames": lambda n: "Hostname " * (n // 9),
    "backslashes": lambda n: HEAD + "\\" * n,
    "colons": lambda n: okhttp_text(":" * n),
    "pem markers": lambda n: json.dumps(
        {
            "hostname": "a.example",
            "known-pins": [],
            "served-certificate-chain": "-----BEGIN CERTIFICATE-----" * (n // 27),
        }
    ),
    "e-mail": lambda n: json.dumps(
        neutral(odd={str(i): "a." * 250 + "@" for i in range(n // 510)})
    ),
    "message": lambda n: json.dumps(neutral(error={"message": "a@" * (n // 2)})),
    "urls": lambda n: json.dumps(neutral(error={"message": "http://" * (n // 7)})),
    "addresses": lambda n: json.dumps(neutral(odd=["1:" * 256] * (n // 512))),
    "digits": lambda n: json.dumps(neutral(odd=["1." * 256] * (n // 512))),
    "many keys": lambda n: json.dumps(neutral(**{f"k{i}": i for i in range(n // 12)})),
    "brackets": lambda n: json.dumps(neutral(odd=[[]] * (n // 4))),
    "pin list": lambda n: json.dumps(
        {"hostname": "a.example", "known-pins": ["pin-sha256="] * (n // 16)}
    ),
    "time": lambda n: json.dumps(neutral(observed_at="1" * n)),
    "host": lambda n: json.dumps(neutral(host="a." * (n // 2))),
}


def seconds(raw: bytes) -> float:
    began = time.process_time()
    read_body(raw, Hints(), WIDE)
    return time.process_time() - began


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_size_takes_at_most_two_and_a_half_times_as_long(shape: str) -> None:
    small, large = (SHAPES[shape](size).encode() for size in (SIZE, 2 * SIZE))
    ratio = 0.0
    gc.disable()
    try:
        for _ in range(8):
            best_small = min(seconds(small) for _ in range(7))
            best_large = min(seconds(large) for _ in range(7))
            if best_large < 0.001:  # too fast to measure is fast enough
                return
            ratio = best_large / max(best_small, 0.0002)
            if ratio <= 2.5:
                return
    finally:
        gc.enable()
    pytest.fail(f"{ratio:.1f} times as long")
