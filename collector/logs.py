"""Logs: an event, then facts. JSON unless a person watches.

Never in a log line: a report's body, an install id, an address, a whole key, a URL with a secret.
"""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logs(*, json: bool, level: str = "info") -> None:
    """One line an event, on stderr."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if json:
        processors += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True),
        ]
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # Not the one that prints local variables: a token may be among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # A line and its end in one write: several processes may have one stderr.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # aiohttp and asyncio speak through logging: only what is an error, without requests' lines.
    logging.basicConfig(
        level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s", force=True
    )
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
