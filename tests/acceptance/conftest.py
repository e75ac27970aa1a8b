"""A console with nobody to sign in, and tasks for it to show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.harness import Console
from tests.console import Tasks


@pytest.fixture
def console(redis_url: str, namespace: str) -> Iterator[Console]:
    running = Console(redis_url, namespace)
    yield running
    running.stop()


@pytest.fixture
def tasks(redis_url: str, namespace: str) -> Iterator[Tasks]:
    made = Tasks(redis_url, namespace)
    yield made
    made.close()
