"""A queue whose workers describe themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from queue_core.inspector import Inspector
from tests.explain.harness import Yard


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Yard]:
    yard = Yard(redis_url, namespace)
    yard.client.register("email")
    yield yard
    yard.close()


@pytest.fixture
def inspector(yard: Yard) -> Inspector:
    return Inspector(client=yard.client)
