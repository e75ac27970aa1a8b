"""Fixtures for pytest: `pytest_plugins = ["queue_core.testing.fixtures"]` in your conftest.py.

`taskyard_server`, `taskyard_url`: a real server of the test run's own. `taskyard_namespace`, `taskyard_clock`: of each
test's own. `taskyard_connect`: puts a yard onto all of them until the test ends.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from queue_core.embedded import EmbeddedServer, find_binaries_on_path, find_binary
from queue_core.errors import ServerUnavailable
from queue_core.testing import Clock, connected
from queue_core.yard import Taskyard


@pytest.fixture(scope="session")
def taskyard_server() -> Iterator[EmbeddedServer]:
    """A server that ends with the test run: the one of `taskyard[demo]`, else an installed Valkey or Redis.

    Where there is none, its tests are skipped, and say why; where CI=true they fail.
    """
    with EmbeddedServer(binary=_binary()) as server:
        yield server


@pytest.fixture(scope="session")
def taskyard_url(taskyard_server: EmbeddedServer) -> str:
    """The server's address."""
    return taskyard_server.url


@pytest.fixture
def taskyard_namespace() -> str:
    """A prefix of keys that no other test has."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def taskyard_clock() -> Clock:
    """A clock that stands still until the test lets time pass."""
    return Clock()


@pytest.fixture
def taskyard_connect(
    taskyard_url: str, taskyard_namespace: str, taskyard_clock: Clock
) -> Iterator[Callable[[Taskyard], Taskyard]]:
    """Call it with your application's yard: until the test ends, its tasks are queued on the test's server, in a
    namespace of the test's own, and by its clock."""
    with ExitStack() as stack:

        def connect(yard: Taskyard) -> Taskyard:
            return stack.enter_context(
                connected(yard, taskyard_url, namespace=taskyard_namespace, clock=taskyard_clock)
            )

        yield connect


def _binary() -> Path:
    try:
        return find_binary()
    except ServerUnavailable as error:
        on_path = find_binaries_on_path()
        if on_path:
            return on_path[0]
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error} In CI no test may be skipped.")
        pytest.skip(str(error))
