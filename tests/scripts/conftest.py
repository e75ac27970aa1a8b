"""The queue that these tests work on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Engine


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """An empty queue with a clock that stands still."""
    engine = Engine(redis_url, namespace)
    yield engine
    engine.close()
