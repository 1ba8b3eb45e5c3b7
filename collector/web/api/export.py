"""All that a filter finds, as NDJSON or CSV, page by page: no query lasts as long as the download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
from aiohttp import web

_PAGE = 1000
_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for one


def cell(value: object) -> str:
    """A CSV cell that no spreadsheet computes: text that would be a formula begins with a quote."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    told = value if isinstance(value, str) else json.dumps(value)
    return "'" + told if told.lstrip(" ").startswith(_FORMULA) else told


async def stream(
    request: web.Request,
    format_: str,
    name: str,
    after: Any,
    limit: int | None,
    page: Callable[[Any, int], Awaitable[tuple[Sequence[asyncpg.Record], object]]],
    shape: Callable[[asyncpg.Record], dict[str, Any]],
) -> web.StreamResponse:
    """Column names of CSV are those of the first row; nothing found is an empty body."""
    # The first page before the headers: what fails then is still an error and not half a file.
    rows, place = await page(after, min(limit or _PAGE, _PAGE))
    response = web.StreamResponse(
        headers={
            "Content-Type": _TYPES[format_],
            "Content-Disposition": f'attachment; filename="pinfall-{name}.{format_}"',
        }
    )
    await response.prepare(request)
    left = limit
    header = format_ == "csv"
    while rows:
        buffer = io.StringIO()
        for told in map(shape, rows):
            if format_ == "ndjson":
                buffer.write(json.dumps(told) + "\n")
                continue
            writer = csv.writer(buffer)
            if header:
                writer.writerow(told)
                header = False
            writer.writerow([cell(value) for value in told.values()])
        await response.write(buffer.getvalue().encode())
        left = None if left is None else left - len(rows)
        if left == 0 or len(rows) < _PAGE:
            break
        try:
            rows, place = await page(place, min(left or _PAGE, _PAGE))
        except BaseException:
            # Half a file must not look whole: the connection breaks off.
            if request.transport is not None:
                request.transport.abort()
            raise
    await response.write_eof()
    return response
