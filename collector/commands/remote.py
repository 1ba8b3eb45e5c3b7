"""Requests to the operator API of a collector."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from typing import Any

from collector.commands import running
from collector.commands.options import data_directory
from collector.errors import NoAnswerError, PinfallError
from collector.web.shown import shown

_WAIT = 30.0  # seconds


def request(
    told: argparse.Namespace, method: str, path: str, body: object = None
) -> dict[str, Any]:
    """Ask the collector at PINFALL_URL, or the `up` of --data. Raises PinfallError in one line: a
    NoAnswerError where nobody answers, or only to say that it cannot."""
    url, token = _where(told)
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    asked = urllib.request.Request(url + path, data=data, headers=headers, method=method)  # noqa: S310 (checked in _where)
    try:
        with urllib.request.urlopen(asked, timeout=_WAIT) as response:  # noqa: S310
            answer = json.loads(response.read())
            if isinstance(answer, dict):
                return answer
    except urllib.error.HTTPError as error:
        kind = NoAnswerError if error.code >= 500 else PinfallError
        raise kind(_why(error)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NoAnswerError(f"no answer from {url}: {reason}") from None
    raise NoAnswerError(f"what answers at {url} is no pinfall")


def _where(told: argparse.Namespace) -> tuple[str, str | None]:
    url = os.environ.get("PINFALL_URL")
    if url:
        if not url.startswith(("http://", "https://")):
            raise PinfallError("PINFALL_URL: should start with http:// or https://")
        return url.rstrip("/"), os.environ.get("PINFALL_TOKEN")
    data = data_directory(told)
    found = running.find(data)
    if found is None:
        raise NoAnswerError(
            f"nothing runs on {data}: start 'pinfall up', or set PINFALL_URL and PINFALL_TOKEN"
        )
    return found.operator_url, found.token


def _why(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.loads(error.read())
        told = str(problem.get("detail") or "")
    except (ValueError, AttributeError):
        told = ""
    if error.code == 404 and not told:
        return "that is not the operator listener of a pinfall: check PINFALL_URL"
    if error.code == 401:
        return f"{told or 'not let in'} (PINFALL_TOKEN)"
    return shown(told) or f"HTTP {error.code}"
