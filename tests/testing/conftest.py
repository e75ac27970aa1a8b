"""Yards and a clock to test with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from queue_core import (
    Taskyard,
    testing,
)

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def yard() -> Taskyard:
    """Its server does not answer."""
    return Taskyard(NOWHERE)


@pytest.fixture
def clock() -> testing.Clock:
    return testing.Clock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def queued(redis_url: str, clock: testing.Clock) -> Iterator[Taskyard]:
    """A yard on a server that goes by the clock."""
    yard = Taskyard(redis_url, namespace="test", clock=clock)
    yield yard
    yard.close()
