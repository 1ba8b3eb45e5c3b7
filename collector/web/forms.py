"""What people write into forms, as the API reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from collector.web.guard import read_form

TOLD = 100_000  # characters of a field that are shown again


async def typed(request: web.Request, names: Iterable[str]) -> dict[str, str]:
    """These fields, "" where one is missing or a file. Raises PinfallError where it is no form."""
    form = await read_form(request)
    return {name: _text(form.get(name)) for name in names}


async def uploaded(request: web.Request, name: str) -> tuple[str, bytes] | None:
    """A file's name and content; None where none was chosen."""
    value = (await read_form(request)).get(name)
    return (value.filename, value.file.read()) if isinstance(value, web.FileField) else None


def _text(value: object) -> str:
    return value.strip().replace("\r\n", "\n") if isinstance(value, str) else ""


def said(fields: Mapping[str, str]) -> dict[str, str]:
    """Only what was filled in: as a request to the API that leaves the rest out."""
    return {name: value for name, value in fields.items() if value}


def in_utc(text: str) -> str:
    """A time of a form, which has no zone, as one of UTC; whatever is no time stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.isoformat()


def length(fields: Mapping[str, str]) -> dict[str, str]:
    """How long something lasts, as the API reads it: of ``until``, a time in UTC, or else of ``length``,
    hours; nothing where neither was said."""
    if fields.get("until"):
        return {"until": in_utc(fields["until"])}
    return {"for": f"{fields['length']}h"} if fields.get("length") else {}


def again(fields: Mapping[str, str]) -> dict[str, str]:
    """What was typed, to be typed no second time after a mistake."""
    return {name: value[:TOLD] for name, value in fields.items()}
