"""An application of the console on a real, empty server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from dashboard import ConsoleSettings, create_app
from dashboard.parts import Parts
from dashboard.users import UsersFile
from queue_core.embedded import EmbeddedServer
from queue_core.operations import Operations
from queue_core.schedules import Schedules
from tests.console import Tasks, Visitor
from tests.engine import Engine
from tests.people import write_users
from tests.places import Places


class CompiledOnce(BytecodeCache):
    """Templates of all applications of these tests, which would each compile their own."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", CompiledOnce())
        yield


@pytest.fixture
def settings(redis_url: str, namespace: str) -> ConsoleSettings:
    return ConsoleSettings(redis_url=redis_url, namespace=namespace, environment="test", environment_colour="green")


@pytest.fixture
def app(settings: ConsoleSettings) -> Flask:
    application = create_app(settings)
    application.testing = True
    return application


@pytest.fixture
def new_visitor(app: Flask) -> Callable[[], Visitor]:
    """Another browser."""
    return lambda: Visitor(app.test_client())


@pytest.fixture
def visitor(new_visitor: Callable[[], Visitor]) -> Visitor:
    return new_visitor()


@pytest.fixture
def tasks(redis_url: str, namespace: str) -> Iterator[Tasks]:
    made = Tasks(redis_url, namespace)
    yield made
    made.close()


@pytest.fixture
def places(tasks: Tasks, engine: Engine) -> Places:
    return Places(tasks, engine)


@pytest.fixture
def schedules(tasks: Tasks, redis_url: str, namespace: str) -> Iterator[Schedules]:
    made = Schedules(redis_url, namespace)
    yield made
    made.close()


@pytest.fixture
def operations(app: Flask) -> Iterator[Operations]:
    """Those of the console; `tend` runs what was begun as far as it goes by itself."""
    found: Parts = app.extensions["taskyard"]
    yield found.operations
    found.operations.close()


# With users.


@pytest.fixture
def file(tmp_path: Path) -> UsersFile:
    return write_users(tmp_path / "users.json")


@pytest.fixture
def closed(redis_url: str, namespace: str, file: UsersFile) -> ConsoleSettings:
    """Of a console to which people sign in and programs have tokens."""
    return ConsoleSettings(
        redis_url=redis_url, namespace=namespace, environment="test", users_file=str(file.path), secret_key="k" * 32
    )


# On a server of the file's own, which may be killed, or damaged and kept.


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as own:
        yield own


@pytest.fixture(scope="module")
def own_tasks(own_server: EmbeddedServer) -> Iterator[Tasks]:
    made = Tasks(own_server.url, "qc")
    yield made
    made.close()
