"""The queue that these tests work on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Engine


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """An empty queue. What a test leaves behind must balance, unless it says otherwise with `damaged`."""
    engine = Engine(redis_url, namespace)
    yield engine
    engine.close()
