"""The page of the workers: what each says of itself."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from dashboard import live
from dashboard.pagination import Order
from dashboard.worker_table import COLUMNS, WorkerFilter, left_alone, workers_page
from queue_core import keys
from queue_core.snapshot import WorkerSnapshot
from tests.console import Tasks, Visitor, field, text_of
from tests.engine import Engine
from tests.workers import put_worker

Put = Callable[..., None]

PROCESS = {"pid": 8, "state": "running", "busy": 1, "completed": 2, "failed": 0, "memory_bytes": 1, "started_at": 1}
TOLD = {"verb": "quiet", "by": "ada", "reason": "<deploy>", "at": 1, "started_at": 1, "action_id": "a1"}


@pytest.fixture(autouse=True)
def every_page_looks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """By the server's own clock."""
    made = Engine(redis_url, namespace)
    made.now = time.time_ns() // 1_000_000
    yield made
    made.client.close()


@pytest.fixture
def put(engine: Engine) -> Put:
    """A worker that was heard `silent_ms` ago, each time by another heartbeat."""
    beats = count()

    def put(worker_id: str, silent_ms: int = 0, **facts: Any) -> None:
        put_worker(engine, worker_id, engine.now - silent_ms + next(beats), **facts)

    return put


@pytest.fixture
def page(put: Put, visitor: Visitor) -> str:
    put("web-1:7", processes=[PROCESS, PROCESS], state="quiet", command=TOLD, complaint="<b>")
    put("web-2:7", processes=[PROCESS], command={**TOLD, "verb": "resume"})
    return visitor.text("/workers")


def worker(worker_id: str, **facts: Any) -> WorkerSnapshot:
    given = {"queues": {"email": 1}, "state": "running", "version": "1.9.0", "heartbeat_at": 1_000_000, **facts}
    return WorkerSnapshot(id=worker_id, host="here", pid=7, concurrency=4, started_at=1, **given)


def running(task_id: str, queue: str = "billing") -> dict[str, Any]:
    return {"queue": queue, "task_id": task_id, "task_name": "charge", "started_at": 1_763_770_000_000}


def told(engine: Engine, worker_id: str) -> dict[str, Any] | None:
    data = engine.redis.get(keys.command(engine.client.namespace, worker_id))
    return json.loads(data) if data else None


def form_of(page: str, **given: str) -> dict[str, str]:
    return {name: field(page, name) for name in ("csrf_token", "action_id", "choice")} | given


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


# Which they are.


def test_workers_are_filtered_by_name_queue_version_or_state_and_paged() -> None:
    found = [worker(f"n{i:03}", version=f"1.{i % 2}", queues={"Mail" if i < 3 else "other": 1}) for i in range(120)]
    found.append(worker("zz", state="quiet", queues={"images": 1}))

    def ids(**chosen: Any) -> list[str]:
        page = workers_page(found, 1_000_000, Order("name", False), WorkerFilter(**chosen))
        return [row.worker.id for row in page.matching]

    assert ids(text="mail") == ["n000", "n001", "n002"]
    assert ids(text="QUIET") == ["zz"]
    assert len(ids(version="1.1")) == 60
    assert ids(version="1.1", text="n00") == ["n001", "n003", "n005", "n007", "n009"]
    assert ids(ids=frozenset({"n007", "gone"})) == ["n007"]
    assert workers_page(found, 1_000_000, Order("name", False), number=3).part.first_shown == 51


@pytest.mark.parametrize("column", COLUMNS)
def test_workers_are_sorted_by_any_column(column: str) -> None:
    facts = {"busy": 1, "completed": 1, "failed": 1, "memory_bytes": 1}
    less = worker("a", state="quiet", version="1", queues={"a": 1}, heartbeat_at=1_000_001)
    more = worker("b", version="2", queues={"b": 1}, **facts)
    up = [row.worker.id for row in workers_page([less, more], 1_000_000, Order(column, False)).matching]
    down = [row.worker.id for row in workers_page([less, more], 1_000_000, Order(column, True)).matching]
    assert up == ["a", "b"]
    assert down == (["b", "a"] if column not in ("trouble", "started") else ["a", "b"])


def test_versions_stand_side_by_side_while_there_are_several(visitor: Visitor, put: Put) -> None:
    put("web-1:7", version="1.9.0")
    assert "Versions" not in visitor.text("/workers")
    put("web-2:7", version="1.8.4")
    put("web-3:7", version="1.9.0")
    put("web-4:7", 3_000_000, version="0.1")
    page = visitor.text(
        "/workers",
    )
    bar = text_of(page.partition('id="worker-bar"')[2].partition("</section>")[0])
    assert "Versions 1.9.0 2 1.8.4 1" in bar  # the lost one's is none that is being deployed
    assert re.findall(r'id="worker-row-([^"]*)"', visitor.text("/workers?version=1.8.4")) == ["web-2:7"]


def test_lost_worker_says_what_became_of_its_tasks(visitor: Visitor, put: Put, tasks: Tasks) -> None:
    first, second, third = tasks.enqueue(count=3)
    tasks.yard.queue("billing")
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            lease.fail(ConnectionError("refused"))
    put("web-7:1", 300_000, running=[running(i) for i in (first, second, third, "gone")])
    assert "Its 4 tasks: 2 ready again, 1 waiting for a retry, 1 ended without a record." in visitor.text("/workers")
    page = visitor.text("/workers/web-7:1")
    assert "2 ready again" in page
    assert "Retrying" in text_of(page.partition(f'id="runs-billing-{first}"')[2])
    assert "/workers/tell/" not in page


# One of them.


def test_page_of_one_says_what_runs_what_it_was_told_and_how_to_stop_it_by_hand(visitor: Visitor, put: Put) -> None:
    put("web-1:7", running=[running("a1")], busy=1, processes=[PROCESS], state="quiet", command=TOLD)
    said = text_of(visitor.text("/workers/web-1:7").partition("<main")[2])
    for words in ("Quiet , told by ada: <deploy>", "charge", "kill -TERM 7", "taskyard workers stop web-1:7", "1 of 4"):
        assert words in said, words
    assert "Resume…" in said


def test_worker_that_is_not_there_is_no_page(visitor: Visitor) -> None:
    answer = visitor.get("/workers/none:1")
    assert answer.status_code == 404
    assert re.search("No worker .*none:1.* is known", answer.text)
    assert visitor.get("/workers/tell/dance").status_code == 404


def test_hostile_worker_breaks_no_page(visitor: Visitor, put: Put, engine: Engine) -> None:
    hostile = "<script>\u202e\x00"
    put(hostile, version=hostile, host=hostile, queues={hostile: 1}, running=[{**running("x"), "task_name": hostile}])
    put("web-2:7", task_names=[hostile], complaint=hostile, command={**TOLD, "reason": hostile})
    for path in ("/workers", "/workers/web-2:7", "/workers/tell/stop", "/workers?q=%3Cscript%3E&version=%00"):
        page = visitor.text(path)
        assert page.count("<script") == 2, path
        assert not re.search("[\u202e\x00]", page), path


# Telling them.


def test_all_of_a_filter_are_told_after_a_preview_that_counts_them(visitor: Visitor, put: Put, engine: Engine) -> None:
    for number in range(3):
        put(f"web-{number}:7", version="1.8.4", busy=2)
    put("web-9:7", version="1.9.0")
    put("web-8:7", 25_000, version="1.8.4")
    address = "/workers/tell/stop?version=1.8.4&next=/workers?version=1.8.4"
    preview = visitor.text(address)
    assert "Stop 3 workers" in preview
    assert "6 tasks run there now" in preview
    assert "web-8:7 (silent for 2" in preview
    assert told(engine, "web-0:7") is None
    put("web-3:7", version="1.8.4")  # came later: it was not shown
    answer = visitor.client.post(address, data=form_of(preview, reason="deploy"))
    assert (answer.status_code, answer.location) == (303, "/workers?version=1.8.4")
    commands = [told(engine, f"web-{number}:7") for number in range(4)]
    assert [command and (command["verb"], command["by"], command["reason"]) for command in commands] == [
        ("stop", "console", "deploy")
    ] * 3 + [None]
    assert told(engine, "web-9:7") is None
    assert "3 workers are told to stop" in visitor.said()


def test_same_form_tells_once(visitor: Visitor, put: Put, engine: Engine) -> None:
    put("web-1:7")
    form = form_of(visitor.text("/workers/tell/quiet?id=web-1:7"))
    before = told(engine, "web-1:7")
    for _ in range(2):
        assert visitor.client.post("/workers/tell/quiet?id=web-1:7", data=form).status_code == 303
    first = told(engine, "web-1:7")
    assert before is None
    assert first
    assert visitor.client.post("/workers/tell/quiet?id=web-1:7", data=form).status_code == 303
    again = told(engine, "web-1:7")
    assert again
    assert again["action_id"] == first["action_id"]  # which a worker does once


def test_worker_that_was_started_anew_since_the_preview_is_not_meant(
    visitor: Visitor, put: Put, engine: Engine
) -> None:
    put("web-1:7", started_at=5)
    form = form_of(visitor.text("/workers/tell/stop"))
    put("web-1:7", started_at=6)
    visitor.client.post("/workers/tell/stop", data=form)
    assert told(engine, "web-1:7") is None
    assert "web-1:7 was skipped: started anew since" in visitor.said()


def test_preview_of_another_verb_or_that_nobody_signed_tells_nobody(visitor: Visitor, put: Put, engine: Engine) -> None:
    put("web-1:7")
    form = form_of(visitor.text("/workers/tell/quiet"))
    assert visitor.client.post("/workers/tell/stop", data=form).status_code == 404
    answer = visitor.client.post("/workers/tell/quiet", data={**form, "choice": "x"})
    assert answer.status_code == 409
    assert "look again" in answer.text
    assert told(engine, "web-1:7") is None


def test_preview_says_which_queues_nobody_would_take_any_more(visitor: Visitor, put: Put) -> None:
    put("web-1:7", queues={"email": 1, "images": 1})
    put("web-2:7", queues={"email": 1})
    put("web-3:7", queues={"images": 1}, state="quiet")
    assert "Nobody would be left to take images." in visitor.text("/workers/tell/quiet?id=web-1:7")
    assert "Nobody would be left" not in visitor.text("/workers/tell/quiet?id=web-2:7")
    assert "Nobody would be left" not in visitor.text("/workers/tell/resume?id=web-3:7")
    quiet, dead = worker("a", state="quiet"), worker("b", heartbeat_at=0)
    assert left_alone([worker("c")], [quiet, dead], 1_000_000) == ("email",)


def test_only_quiet_workers_are_resumed_and_only_others_made_quiet(visitor: Visitor, put: Put) -> None:
    put("web-1:7")
    put("web-2:7", state="quiet")
    assert "Resume web-2:7" in visitor.text("/workers/tell/resume")
    assert "Quiet web-1:7" in visitor.text("/workers/tell/quiet")
    assert "Nobody to resume" in visitor.text("/workers/tell/resume?id=web-1:7")


def test_running_task_is_cancelled_from_its_row_after_a_form(visitor: Visitor, put: Put, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        put("web-1:7", running=[running(task_id)], busy=1)
        address = f"/workers/web-1:7/cancel/billing/{task_id}"
        assert f'href="{address}"' in visitor.text("/workers")
        assert "Cancel charge" in visitor.text(address)
        assert visitor.post(address, reason="wrong order").status_code == 303
        assert "is asked to stop" in visitor.said()
        detail = tasks.inspector.task("billing", task_id)
        assert (detail.cancelled_by, detail.cancelled_reason) == ("console", "wrong order")
        for lease in leases:
            lease.complete()
    put("web-1:7")
    assert "does not run here any more" in visitor.text(address)
