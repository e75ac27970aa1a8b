"""One task: what can be done to it in every state, what it cost, what is hidden of it and who may see that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app
from dashboard.payload import MOST_SHOWN
from dashboard.redaction import MASK
from queue_core import Taskyard
from queue_core.ids import new_id
from queue_core.snapshot import HistoryEntry, State
from queue_core.timeline import Spent, spent
from tests.console import Tasks, Visitor, text_of
from tests.people import Person

HOSTILE = "<script>alert(1)</script>\u202e\u200b\x00\"'&"


@pytest.fixture
def people(closed: ConsoleSettings) -> Flask:
    application = create_app(closed)
    application.testing = True
    return application


@pytest.fixture
def secret(redis_url: str, namespace: str) -> str:
    """A dead letter with a card number."""
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="billing")
    def pay(order: int, card: str, note: str = "") -> None: ...

    task_id = pay.options(max_retries=0).enqueue(7, card="4111222233334444").id
    with yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            lease.fail(ConnectionError("refused"))
    yard.close()
    return task_id


def test_options_that_are_times_have_their_unit(tasks: Tasks, visitor: Visitor) -> None:
    (task_id,) = tasks.enqueue(delay=600, unique_key="a", unique_for=900)
    shown = text_of(visitor.text(f"/queues/billing/tasks/{task_id}"))
    assert "unique for 15 min 00 s" in " ".join(shown.split())


def test_what_waits_is_cancelled_after_it_was_asked(tasks: Tasks, visitor: Visitor) -> None:
    (task_id,) = tasks.enqueue(delay=600)
    path = f"/queues/billing/tasks/{task_id}"
    page = visitor.text(path)
    assert f"{path}/cancel" in page
    assert "Run now" in page
    assert "There is no way back" in visitor.text(f"{path}/cancel")
    assert tasks.state(task_id) is State.SCHEDULED
    assert visitor.post(f"{path}/cancel", reason="not needed").location == path
    assert tasks.state(task_id) is State.CANCELLED
    assert "not needed" in visitor.text(path)
    assert "It cannot be cancelled" in visitor.text(f"{path}/cancel")


def test_what_runs_is_asked_to_stop_once(tasks: Tasks, visitor: Visitor) -> None:
    (task_id,) = tasks.enqueue()
    path = f"/queues/billing/tasks/{task_id}"
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        assert "/cancel" in visitor.text(path)
        visitor.post(f"{path}/cancel")
        assert "was asked to stop" in visitor.said()
        page = visitor.text(path)
        assert "Asked to stop" in page
        assert "/cancel" not in page
        for lease in leases:
            lease.complete()


def test_no_worker_and_unknown_name_come_with_the_command_that_helps(tasks: Tasks, visitor: Visitor) -> None:
    (task_id,) = tasks.enqueue()
    assert "taskyard worker app:yard --queues billing" in visitor.text(f"/queues/billing/tasks/{task_id}")


def test_page_says_how_long_a_task_waited_and_ran(tasks: Tasks) -> None:
    task = tasks.inspector.task("billing", tasks.retry_later())
    made = task.enqueued_at
    assert made is not None
    failures = tuple(
        HistoryEntry(made + at, "failed", {"attempt": attempt, "seconds": seconds})
        for attempt, (at, seconds) in enumerate(((500, 0.2), (3_000, 0.5)), 1)
    )
    task = replace(task, history=failures, attempts=2)
    assert spent(task, made) == Spent(0.3, 0.7)
    assert spent(replace(task, attempts=3), made) == Spent(0.3, 0.7, is_least=True)
    assert spent(replace(task, history=failures[1:]), made) == Spent(None, 0.5, is_least=True)
    assert spent(replace(task, history=(), attempts=0, state=State.RUNNING, at=made + 100), made + 350) == Spent(
        0.1, 0.25
    )
    assert spent(replace(task, history=(), attempts=0), made) == Spent(None, None)


def test_unknown_task_has_a_page_with_the_time_of_its_id_and_where_else_it_is(tasks: Tasks, visitor: Visitor) -> None:
    tasks.enqueue("email")
    (task_id,) = tasks.enqueue()
    missing = visitor.get(f"/queues/email/tasks/{task_id}")
    assert missing.status_code == 404
    assert "Its id was made at" in missing.text
    assert f'href="/queues/billing/tasks/{task_id}"' in missing.text
    nowhere = visitor.get(f"/queues/email/tasks/{new_id()}")
    assert nowhere.status_code == 404
    assert "in any queue" in nowhere.text
    assert visitor.get(f"/find?q={task_id}").location == f"/queues/billing/tasks/{task_id}"


def test_admin_alone_sees_what_is_hidden_once_and_it_is_audited(people: Flask, secret: str, tasks: Tasks) -> None:
    path = f"/queues/billing/tasks/{secret}"
    for name, status in (("vi", 403), ("otto", 403), ("ada", 200)):
        person = Person(people, name)
        page = person.text(path)
        assert "4111222233334444" not in page
        assert MASK in page
        assert ("Show hidden values" in page) == (name == "ada")
        answer = person.post(f"{path}/unmask")
        assert answer.status_code == status
        assert ("4111222233334444" in answer.text) == (name == "ada")
        assert "no-store" in answer.headers["Cache-Control"]
        assert 'id="poller"' not in answer.text
    unmasked = [entry for entry in tasks.inspector.audit().rows if entry.verb == "unmask"]
    assert [(entry.by, entry.queue, entry.target) for entry in unmasked] == [("ada", "billing", f"task {secret}")]
    assert "4111222233334444" not in Person(people, "ada").text(path)


def test_each_showing_of_the_same_form_is_audited(tasks: Tasks, visitor: Visitor, secret: str) -> None:
    for _ in range(2):
        visitor.post(f"/queues/billing/tasks/{secret}/unmask", action_id="a" * 24)
    assert [entry.verb for entry in tasks.inspector.audit().rows] == ["unmask", "unmask"]


def test_page_of_a_megabyte_is_small_and_operators_download_the_whole(
    people: Flask, redis_url: str, namespace: str
) -> None:
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="billing")
    def load(rows: list[str], card: str) -> None: ...

    task_id = load.enqueue([HOSTILE.replace("\x00", "")] * 20_000, card="4111222233334444").id
    yard.close()
    path = f"/queues/billing/tasks/{task_id}"
    operator = Person(people, "otto")
    page = operator.text(path)
    assert len(page) < 6 * MOST_SHOWN
    assert "Download all of it" in page
    whole = operator.get(f"{path}/payload")
    assert whole.mimetype == "text/plain"
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert len(whole.data) > 700_000
    assert "4111222233334444" not in whole.text
    assert Person(people, "vi").get(f"{path}/payload").status_code == 403
    admin = Person(people, "ada")
    assert "4111222233334444" in admin.post(f"{path}/unmask", {"as": "file"}).text


@pytest.mark.parametrize("state", ["ready", "dead", "retrying", "trashed", "running", "completed"])
def test_hostile_payload_and_error_are_escaped_in_every_state(
    state: str, tasks: Tasks, visitor: Visitor, redis_url: str, namespace: str
) -> None:
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="billing", result_ttl=60)
    def pay(text: str) -> None: ...

    task_id = pay.options(max_retries=0 if state in ("dead", "trashed") else 3).enqueue(HOSTILE).id
    if state != "ready":
        with yard.queue("billing").claim(limit=1) as leases:
            for lease in leases:
                if state == "completed":
                    lease.complete(HOSTILE)
                elif state == "running":
                    check(visitor, task_id, "running")
                else:
                    lease.fail(ConnectionError(HOSTILE))
    if state == "trashed":
        tasks.control.trash("billing", [task_id], by=HOSTILE[:40], action_id="t1", reason=HOSTILE)
    if state != "running":
        check(visitor, task_id, state)
    yard.close()


def check(visitor: Visitor, task_id: str, state: str) -> None:
    page = visitor.text(f"/queues/billing/tasks/{task_id}")
    assert f'data-state="{state}"' in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "\u200b" not in page
