"""Registered queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.engine import Engine


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    engine.client.register("email")
    yield engine
    engine.close()


@pytest.fixture
def another(engine: Engine, namespace: str) -> Iterator[Callable[[str], Engine]]:
    """Other registered queues, at the same time as the first."""
    made: list[Engine] = []

    def make(name: str) -> Engine:
        made.append(Engine(engine.url, namespace, name))
        made[-1].now = engine.now
        made[-1].client.register(name)
        return made[-1]

    yield make
    for other in made:
        other.close()
