"""The schema to its newest revision. The revisions lie in ``alembic/`` of a checkout, or in the
package where it was installed from a wheel."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import asyncpg

import collector
from collector.errors import StoreError
from collector.store.connect import STORE_DOWN, no_password


def scripts() -> Path:
    """The directory of ``env.py``. Raises StoreError where it is not shipped."""
    package = Path(collector.__file__).parent
    for place in (package.parent / "alembic", package / "alembic"):
        if (place / "env.py").is_file() and (place / "versions").is_dir():
            return place
    raise StoreError("the migrations are missing from this installation")


def head() -> str:
    """The newest revision: they are numbered."""
    numbers = [path.name[:4] for path in (scripts() / "versions").glob("[0-9]*.py")]
    return max(number for number in numbers if re.fullmatch(r"\d{4}", number))


async def revision(url: str) -> str | None:
    """The database's revision; None where nothing was ever migrated. Raises StoreError."""
    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval("SELECT version_num FROM alembic_version")  # type: ignore[no-any-return]
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()
    except (*STORE_DOWN, ValueError) as error:
        raise StoreError(f"Postgres does not answer: {no_password(error, url)}") from None


def migrate(url: str, to: str = "head") -> tuple[str | None, str]:
    """(revision before, revision after). Safe to race. Runs an event loop: call it outside of one.

    Raises StoreError, also where the database is newer than this version of pinfall.
    """
    before = asyncio.run(revision(url))
    newest = head()
    if to == "head":
        if before == newest:
            return before, newest  # alembic takes half a second to import
        if before is not None and before > newest:
            raise StoreError(
                f"the database is at revision {before}, this pinfall knows {newest}; use a newer one"
            )
    from alembic import command
    from alembic.config import Config

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=10)

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.set_main_option("path_separator", "os")
    config.attributes["connect"] = connect
    up = to == "head" or (to != "base" and (before or "") < to)
    step = command.upgrade if up else command.downgrade
    try:
        step(config, to)
    except STORE_DOWN as error:
        raise StoreError(f"migration failed: {no_password(error, url)}") from None
    except Exception as error:
        if type(error).__module__.startswith("sqlalchemy"):
            raise StoreError(f"migration failed: {no_password(error, url)}") from None
        raise
    return before, asyncio.run(revision(url)) or "base"
