"""The store is tested on the wheel's PostgreSQL and, where there is one, the system's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.embedded.server import Server
from tests.conftest import started
from tests.tools import needs


@pytest.fixture(scope="session", params=["wheel", "system"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "wheel":
        yield request.getfixturevalue("wheel_server")
    else:
        yield from started(tmp_path_factory.mktemp("system"), needs("postgresql"))


@pytest.fixture(scope="session")
def wheel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from started(tmp_path_factory.mktemp("wheel"))
