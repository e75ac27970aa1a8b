"""The page of the workers: what each says of itself."""

from __future__ import annotations

import time

import pytest

from tests.console import Visitor, text_of
from tests.engine import Engine
from tests.workers import put_worker

PROCESS = {"pid": 8, "state": "running", "busy": 1, "completed": 2, "failed": 0, "memory_bytes": 1, "started_at": 1}
TOLD = {"verb": "quiet", "by": "ada", "reason": "<deploy>", "at": 1, "started_at": 1, "action_id": "a1"}


@pytest.fixture
def page(redis_url: str, namespace: str, visitor: Visitor) -> str:
    engine = Engine(redis_url, namespace)
    now_ms = time.time_ns() // 1_000_000
    put_worker(engine, "web-1:7", now_ms, processes=[PROCESS, PROCESS], state="quiet", command=TOLD, complaint="<b>")
    put_worker(engine, "web-2:7", now_ms, processes=[PROCESS], command={**TOLD, "verb": "resume"})
    engine.close()
    return visitor.text("/workers")


def test_worker_of_several_processes_says_how_many_and_why_no_new_one_comes_to_work(page: str) -> None:
    first, second = page.split('id="worker-row-')[1:]
    assert "2 processes" in text_of(first)
    assert "process" not in text_of(second)
    assert 'title="&lt;b&gt;">new code fails</span>' in first
    assert "new code fails" not in second


def test_worker_that_was_told_to_be_quiet_says_by_whom_and_why(page: str) -> None:
    first, second = page.split('id="worker-row-')[1:]
    assert 'title="told by ada: &lt;deploy&gt;">quiet</span>' in first
    assert "told by" not in second
