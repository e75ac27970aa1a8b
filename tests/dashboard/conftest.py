"""An application of the console on a real, empty server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from dashboard import ConsoleSettings, create_app
from tests.console import Tasks, Visitor


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
