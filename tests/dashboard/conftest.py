"""An application of the console on a real, empty server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from tests.console import Tasks, Visitor


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
