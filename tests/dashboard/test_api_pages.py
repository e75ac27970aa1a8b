"""Lists of the API that are held whole are given out a page at a time, and small."""

from __future__ import annotations

from typing import Any

import pytest

from tests.console import Tasks, Visitor
from tests.engine import Engine
from tests.workers import put_worker


def walk(visitor: Visitor, noun: str, *, limit: int) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    query: dict[str, Any] = {"limit": limit}
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["older"]:
        answer = visitor.client.get(f"/api/v1/{noun}", query_string=query)
        assert answer.status_code == 200, answer.text
        pages.append(answer.get_json())
        query["cursor"] = pages[-1]["older"]
    return pages


@pytest.mark.parametrize(
    ("noun", "field", "found"),
    [
        ("queues", "name", ["audit", "billing", "email", "images", "sync"]),
        ("workers", "id", [f"web-{number}:7" for number in range(5)]),
        ("faults", "error_class", []),
    ],
)
def test_a_list_is_walked_by_the_cursor_of_each_page(
    visitor: Visitor, tasks: Tasks, redis_url: str, namespace: str, noun: str, field: str, found: list[str]
) -> None:
    engine = Engine(redis_url, namespace)
    for number, queue in enumerate(["sync", "billing", "email", "audit", "images"]):
        put_worker(engine, f"web-{number}:7", tasks.inspector.server_ms())
        tasks.enqueue(queue)
    for error in (ConnectionError(), ValueError(), TypeError(), KeyError(), OSError()):
        tasks.die(error=error)
    engine.close()
    found = found or [fault.error_class for fault in tasks.inspector.faults()]
    pages = walk(visitor, noun, limit=2)
    assert [[row[field] for row in page[noun]] for page in pages] == [found[:2], found[2:4], found[4:]]
    assert [page["total"] for page in pages] == [5, 5, 5]
    assert visitor.get(f"/api/v1/{noun}?limit=201").status_code == 400


def test_failures_have_the_faults_seen_last_and_say_how_many_there_are(visitor: Visitor, tasks: Tasks) -> None:
    for error in (ConnectionError(), ValueError(), TypeError()):
        tasks.die(error=error)
    answer = visitor.get("/api/v1/failed?limit=2").get_json()
    assert (answer["fault_count"], len(answer["faults"]), answer["total"], len(answer["letters"])) == (3, 2, 3, 2)
