"""Middleware around the handlers of a real worker."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from queue_core import Taskyard
from tests.worker import shop
from tests.worker.harness import Worker, traces, wait_until_completed


@pytest.mark.parametrize("name", ["note", "note_in_thread"])
def test_middleware_stands_around_handlers_of_a_worker(
    start_worker: Callable[..., Worker], yard: Taskyard, redis: Redis, check_books: Callable[[], None], name: str
) -> None:
    task = getattr(shop, name)
    worker = start_worker(app="tests.worker.shop_with_middleware:yard")
    yard.enqueue(task.message("ran").with_headers({"sent": "by hand"}))
    wait_until_completed(redis, 1, "fast")
    assert traces(redis) == ["before, sent by hand", "around", "ran", "after NoneType"]
    assert worker.said().count("middleware Traces: after task") == 1
    check_books()
