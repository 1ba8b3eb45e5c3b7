"""Post report files as a client would, and print what the server answered.

To --url, an ingest URL with its key; else to the 'up' of --data. Exit 1 if one was not taken.
"""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path

from collector.commands import running
from collector.commands.options import add_data, data_directory
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall send report.json
  pinfall send *.json --url https://reports.example.net/r/KEY
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="'-': standard input")
    parser.add_argument("--url", help="the ingest URL, with its key")
    parser.add_argument("--user-agent", default="pinfall-send", metavar="UA")
    add_data(parser)


def _url(told: argparse.Namespace) -> str:
    if told.url:
        if not told.url.startswith(("http://", "https://")):
            raise PinfallError("--url: should start with http:// or https://")
        return str(told.url)
    data = data_directory(told)
    found = running.find(data)
    if found is None:
        raise PinfallError(f"nothing runs on {data}: start 'pinfall up', or say --url")
    return found.ingest_url


def _post(url: str, body: bytes, user_agent: str) -> tuple[int, str]:
    headers = {"Content-Type": "application/octet-stream", "User-Agent": user_agent}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (checked in _url)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.status, response.read(65536).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(65536).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise PinfallError(f"no answer: {getattr(error, 'reason', error)}") from None


def run(told: argparse.Namespace) -> int:
    url = _url(told)
    bad = 0
    for name in told.files:
        try:
            body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:  # the others are sent all the same
            print(f"pinfall: {name}: {error.strerror}", file=sys.stderr)
            bad += 1
            continue
        status, answer = _post(url, body, told.user_agent)
        bad += status != 200
        print(f"{name}: {status} {shown(answer.strip(), 2000)}")
        if status == 404:
            print("pinfall: an ingest URL looks like http://HOST:8080/r/KEY", file=sys.stderr)
    return 1 if bad else 0
