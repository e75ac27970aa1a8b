"""What people did, in one list; one piece of bulk work, how far it is, and how it is steered."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from flask import Flask
from redis import Redis

from dashboard.audit_rows import target_page
from dashboard.parts import Parts
from dashboard.speeds import MOST, Speeds
from dashboard.wording import ACTS, outcome
from queue_core import Discard
from queue_core.operations import Operations as Engine
from queue_core.previews import VERBS
from queue_core.snapshot import AuditEntry, Bound, Operation, State
from tests.console import Tasks, Visitor, text_of

ACT = {"by": "ada", "action_id": "form"}


@pytest.fixture
def operations(tasks: Tasks) -> Engine:
    return tasks.yard.operations


def main(page: str) -> str:
    return text_of(page.partition("<main")[2].partition('<div id="toasts"')[0])


def rows(page: str) -> list[str]:
    return [text_of(row) for row in re.findall(r'<tr id="entry-.*?</tr>', page, re.S)]


def started(operations: Engine, verb: str = "requeue", **options: object) -> Operation:
    bound = operations.preview("billing", verb).bound
    return operations.start(bound, **{**ACT, "reason": "it is back", **options})  # type: ignore[arg-type]


# The list.


def test_operations_and_audit_entries_stand_in_one_list(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    ids = tasks.die(count=5)
    tasks.control.trash("billing", ids[:2], by="bo", action_id="t", reason="twice")
    tasks.control.trash("billing", ids[2:3], by="bo", action_id="u")
    tasks.control.pause("billing", by="bo", action_id="p", reason="partner maintenance")
    started(operations)
    operations.tend()
    shown = rows(visitor.text("/activity"))
    assert [re.sub(r"^(now|\d+\ss ago) ", "", row) for row in shown] == [
        "Retry 2 dead letters “it is back” billing ada Done 2 still under way",
        "Pause the queue “partner maintenance” billing bo –",
        f"Purge task …{ids[2][-8:]} billing bo –",
        "Purge 2 tasks “twice” billing bo –",
    ]


def test_what_is_under_way_stands_first_wherever_it_is_in_the_list(
    visitor: Visitor, tasks: Tasks, operations: Engine
) -> None:
    tasks.die(count=3)
    operation = started(operations)
    for number in range(60):
        tasks.control.pause("billing", by="bo", action_id=f"p{number}")
    page = visitor.text("/activity")
    assert f'id="operation-{operation.id}"' in page
    assert len(rows(page)) == 50
    assert "Retry 3 dead letters" not in " ".join(rows(page))
    assert "0 of 3 · nothing yet" in main(page)
    older = re.findall(r'href="([^"]*)" rel="next"', page)
    second = visitor.text(older[0])
    assert len(rows(second)) == 11
    assert f'id="operation-{operation.id}"' not in second
    assert "Retry 3 dead letters" in rows(second)[-1]


def test_where_the_audit_is_damaged_operations_are_listed_and_nothing_is_done(
    visitor: Visitor, tasks: Tasks, operations: Engine, redis_client: Redis
) -> None:
    tasks.die(count=3)
    started(operations)
    operations.tend()
    tasks.die(count=2)
    started(operations, action_id="second")
    redis_client.delete("test:audit")
    redis_client.set("test:audit", "x")
    page = visitor.text("/activity")
    assert "What was done cannot be read : what is stored is damaged: test:audit has a type" in main(page)
    assert "operations are listed here all the same" in main(page)
    assert "Under way 1" in main(page)
    assert [row.partition("billing")[0] for row in rows(page)] == ["now Retry 3 dead letters “it is back” "]
    assert "cannot be read" in text_of(visitor.fragment("/activity").text)
    for path in ("/queues/billing/pause", f"/queues/billing/tasks/{tasks.enqueue()[0]}/cancel"):
        refused = visitor.post(path, reason="why")
        assert refused.status_code == 502
        assert "Nothing was done, because it cannot be written down: test:audit" in text_of(refused.text)
    assert tasks.inspector.queue("billing").pause is None


def test_an_operation_that_is_damaged_is_said_and_not_told_as_none(
    visitor: Visitor, tasks: Tasks, operations: Engine, redis_client: Redis
) -> None:
    tasks.die(count=3)
    name = started(operations).id
    redis_client.delete(f"test:{{billing}}:operation:{name}")
    redis_client.set(f"test:{{billing}}:operation:{name}", "x")
    answer = visitor.get(f"/activity/{name}?queue=billing")
    assert answer.status_code == 502
    assert f"operation:{name} has a type that Taskyard did not give it" in text_of(answer.text)
    assert len(rows(visitor.text("/activity"))) == 1


def test_new_entries_wait_behind_a_pill(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    tasks.control.pause("billing", by="bo", action_id="p")
    known = re.findall(r'name="known" value="([^"]*)"', visitor.text("/activity"))[0]
    unchanged = visitor.fragment(f"/activity?known={known}").text
    assert "new entr" not in unchanged
    for number in range(3):
        tasks.control.resume("billing", by="bo", action_id=f"r{number}")
    refreshed = visitor.fragment(f"/activity?known={known}").text
    assert "3 new entries · show" in refreshed
    assert len(rows(refreshed)) == 1
    assert f'value="{known}"' in refreshed
    assert len(rows(visitor.text("/activity"))) == 4


def test_an_empty_list_says_what_will_stand_there(visitor: Visitor) -> None:
    assert "Nobody has done anything yet" in visitor.text("/activity")


@pytest.mark.parametrize("path", ["/activity?cursor=nonsense", "/activity?cursor=1-1&known=x"])
def test_a_cursor_that_cannot_be_is_no_error_of_ours(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status_code in (200, 400)


def test_hostile_entries_are_text(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    tasks.control.pause("billing", by="<b>bo</b>", action_id="p", reason="<script>alert(1)</script>\u202e")
    page = visitor.text("/activity")
    assert "<script>alert" not in page
    assert "<b>bo" not in page
    assert "\u202e" not in page


def test_every_verb_of_operations_has_a_word() -> None:
    assert {*VERBS, "recall"} <= set(ACTS)


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ("queue=billing", ["Pause", "Purge"]),
        ("by=BO", ["Resume", "Pause"]),
        ("what=Pause", ["Pause", "Pause"]),
        ("what=Pause&queue=email", ["Pause"]),
        ("by=bo&what=Purge", []),
        ("queue=nowhere", []),
    ],
)
def test_entries_are_chosen_by_queue_person_and_what_was_done(
    visitor: Visitor, tasks: Tasks, query: str, verbs: list[str]
) -> None:
    tasks.enqueue("email", name="send")
    ids = tasks.die()
    tasks.control.trash("billing", ids, by="ada", action_id="t")
    tasks.control.pause("billing", by="ada", action_id="p")
    tasks.control.pause("email", by="bo", action_id="q")
    tasks.control.resume("email", by="bo", action_id="r")
    page = visitor.text(f"/activity?{query}")
    assert [re.sub(r"^(now|\d+\ss ago) (\w+) .*", r"\2", row) for row in rows(page)] == verbs
    assert ("Nothing that was done matches" in main(page)) is (not verbs)
    assert ('value="BO" placeholder="Who"' in page) is ("BO" in query)


def test_a_page_of_chosen_entries_goes_on_where_its_look_ended(
    visitor: Visitor, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.enqueue()
    tasks.control.pause("billing", by="ada", action_id="first")
    for number in range(8):
        tasks.control.resume("billing", by="bo", action_id=f"r{number}")
    monkeypatch.setattr("dashboard.views.activity.MAX_ROWS", 3)
    monkeypatch.setattr("dashboard.views.activity.LOOK_AT_MOST", 6)
    page = visitor.text("/activity?by=ada")
    assert rows(page) == []
    (older,) = re.findall(r'href="([^"]*)" rel="next">Look before', page)
    assert ["Pause the queue" in row for row in rows(visitor.text(unescape(older)))] == [True]
    monkeypatch.setattr("dashboard.views.activity.PAGE_SIZE", 5)
    page = visitor.text("/activity?by=bo")
    assert len(rows(page)) == 5
    (older,) = re.findall(r'href="([^"]*)" rel="next">Older', page)
    assert len(rows(visitor.text(unescape(older)))) == 3
    known = re.findall(r'name="known" value="([^"]*)"', page)[0]
    tasks.control.pause("billing", by="ada", action_id="unseen")
    tasks.control.resume("billing", by="bo", action_id="seen")
    refreshed = visitor.fragment(f"/activity?by=bo&known={known}").text
    assert "1 new entry · show" in refreshed


@pytest.mark.parametrize(
    ("target", "queue", "verb", "href"),
    [
        ("task order-5", "billing", "trash", "/queues/billing/tasks/order-5"),
        ("task order-5: priority 0 → 5", "billing", "edit", "/queues/billing/tasks/order-5"),
        ("task order-5 to email", "billing", "move", "/queues/billing/tasks/order-5"),
        ("dead letters of fault 0a1b until 1763770000000", "billing", "requeue", "/queues/billing/faults/0a1b"),
        ("fault 0a1b", "billing", "mute", "/queues/billing/faults/0a1b"),
        ("schedule night.ly: every day at 03:00, UTC", "billing", "pause_schedule", "/schedules/night.ly"),
        ("schedule nightly", "billing", "run_schedule", "/schedules/nightly"),
        ("schedule nightly", "billing", "remove_schedule", ""),
        ("worker web-3:41", "", "stop", "/workers/web-3:41"),
        ("3 workers, web-3:41 the first", "", "stop", ""),
        ("operation 0123456789ab", "billing", "pause_operation", "/activity/0123456789ab?queue=billing"),
        ("the queue", "billing", "pause", "/queues/billing"),
        ("lane name:charge", "billing", "close_lane", "/queues/billing"),
        ("all ready tasks", "billing", "trash", "/queues/billing"),
        ("the queue", "billing", "delete_queue", ""),
        ("/system", "", "refuse", ""),
    ],
)
def test_an_entry_leads_to_what_it_was_done_to(app: Flask, target: str, queue: str, verb: str, href: str) -> None:
    with app.test_request_context():
        assert target_page(AuditEntry("1-0", 1, "ada", verb, queue, target, 1, "", "form")) == href


# One operation.


def test_the_page_of_an_operation_tells_how_far_it_is(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=4)
    operation = started(operations)
    shown = main(visitor.text(f"/activity/{operation.id}?queue=billing"))
    assert "Running Retry 4 dead letters" in shown
    assert "By ada" in shown
    assert "“it is back”" in shown
    assert "Handled 0 of 4" in shown
    operations.tend()
    with tasks.yard.queue("billing").claim(limit=3) as leases:
        leases[0].complete()
        leases[1].complete()
        leases[2].fail(ConnectionError("payments.internal refused the connection"))
    shown = main(visitor.text(f"/activity/{operation.id}"))
    assert "Done Retry 4 dead letters" in shown
    assert "Completed 2 Failed again 1 Still under way 1 Skipped 0" in shown
    assert "2 completed, 1 failed again, 1 still under way." in shown
    assert 'data-state="warn"' in visitor.text("/activity")  # done, and not well


def test_what_was_skipped_is_listed_with_its_reason(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    ids = tasks.die(count=3)
    bound = operations.preview("billing", "requeue").bound
    tasks.control.requeue("billing", [(ids[0], tasks.died_at(ids[0]))], by="bo", action_id="quick")
    operation = operations.start(bound, **ACT)  # type: ignore[arg-type]
    operations.tend()
    shown = main(visitor.text(f"/activity/{operation.id}"))
    assert "2 still under way, 1 skipped." in shown
    assert "gone before it was their turn" in shown


def test_an_operation_is_paused_resumed_and_cancelled(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=3)
    operation = started(operations)
    path = f"/activity/{operation.id}"
    for verb, progress in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        response = visitor.post(f"{path}/{verb}?queue=billing", reason="too fast")
        assert (response.status_code, response.location) == (303, f"{path}?queue=billing")
        assert tasks.inspector.operation(operation.id).progress == progress
    shown = main(visitor.text(path))
    assert "Cancelled by console: too fast. 3 dead letters were not touched." in shown
    assert [entry.verb for entry in tasks.inspector.audit().rows][:3] == [
        "cancel_operation",
        "resume_operation",
        "pause_operation",
    ]
    operations.tend()
    assert tasks.inspector.queue("billing").counts.dead == 3
    visitor.said()
    visitor.post(f"{path}/pause")
    assert "It has ended already" in visitor.said()


def test_cancelling_asks_first_and_says_what_stays(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=3)
    operation = started(operations, canary=1)
    operations.tend()
    shown = main(visitor.text(f"/activity/{operation.id}/cancel"))
    assert "Stop the retry Keep it running" in shown
    assert "2 dead letters not handled yet stay where they are" in shown
    assert "What was retried, 1 by now, stays so" in shown
    assert tasks.inspector.operation(operation.id).progress == "waiting"


def test_one_of_the_first_that_fails_again_is_said(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=5)
    operation = started(operations, canary=2)
    operations.tend()
    path = f"/activity/{operation.id}"
    assert "Waiting for the first 2 : 0 completed, 0 failed again, 2 still under way" in main(visitor.text(path))
    with tasks.yard.queue("billing").claim(limit=2) as leases:
        for lease in leases:
            lease.fail(ConnectionError("payments.internal refused the connection"))
    operations.tend()
    shown = main(visitor.text(path))
    assert "Paused : 2 of the first 2 failed again. The rest was not touched" in shown
    assert "Try 2 more Retry the other 3 anyway Cancel…" in shown
    visitor.post(f"{path}/resume")
    assert "Try 2 more" not in main(visitor.text(path))
    operations.tend()
    assert tasks.inspector.operation(operation.id).done == 5


def fail_first(tasks: Tasks, operations: Engine) -> None:
    """The first of what goes first fail again, which is met."""
    operations.tend()
    with tasks.yard.queue("billing").claim(limit=9) as leases:
        for lease in leases:
            lease.fail(ConnectionError("payments.internal refused the connection"))
    operations.tend()


@pytest.mark.parametrize("of_one_fault", [True, False])
def test_a_few_more_of_the_rest_are_tried_and_none_that_failed_again(
    visitor: Visitor, tasks: Tasks, operations: Engine, of_one_fault: bool
) -> None:
    tasks.die(count=5)
    bound = operations.preview("billing", "requeue", faults=[tasks.fingerprint()] if of_one_fault else ()).bound
    held = operations.start(bound, by="ada", action_id="f", reason="is it back?", canary=2, drip=1_000)
    assert visitor.post(f"/activity/{held.id}/try-more").location == f"/activity/{held.id}?queue=billing"
    assert "nothing was changed" in visitor.said()
    fail_first(tasks, operations)
    address = visitor.post(f"/activity/{held.id}/try-more").location
    ended, more = (tasks.inspector.operation(name) for name in (held.id, address[10:22]))
    assert (ended.progress, ended.done) == ("cancelled", 2)
    assert (more.bound.count, more.canary, more.drip, more.reason) == (3, 2, 1_000, "is it back?")
    assert visitor.post(f"/activity/{held.id}/try-more").location == address  # once, whoever presses
    fail_first(tasks, operations)
    again = visitor.post(f"/activity/{more.id}/try-more").location
    assert "Pace 1 first" in main(visitor.text(again))
    operations.tend()
    assert tasks.inspector.operation(again[10:22]).done == 1
    counts = tasks.inspector.queue("billing").counts
    assert (counts.dead, counts.ready) == (4, 1)
    assert [entry.verb for entry in tasks.inspector.audit().rows][:2] == ["requeue", "cancel_operation"]


def test_one_of_the_first_that_ends_without_completing_is_said(
    visitor: Visitor, tasks: Tasks, operations: Engine
) -> None:
    tasks.die(count=5)
    operation = started(operations, canary=2)
    operations.tend()
    with tasks.yard.queue("billing").claim(limit=2) as leases:
        leases[0].fail(Discard("the order is void"))
        leases[1].fail(ConnectionError("payments.internal refused the connection"))
    operations.tend()
    shown = main(visitor.text(f"/activity/{operation.id}"))
    assert "Paused : 1 of the first 2 failed again, 1 ended without completing (discarded, cancelled, expired" in shown
    assert tasks.inspector.operation(operation.id).done == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Pace all at once"),
        ({"drip": 0.5}, "Pace 30 a minute at most"),
        ({"drip": 1, "canary": 2}, "Pace 2 first, the rest when all of those have completed; 60 a minute at most"),
    ],
)
def test_the_page_of_an_operation_tells_its_pace(
    visitor: Visitor, tasks: Tasks, operations: Engine, options: dict[str, object], said: str
) -> None:
    tasks.die(count=3)
    operation = started(operations, **options)  # type: ignore[arg-type]
    assert said in main(visitor.text(f"/activity/{operation.id}"))


def test_who_was_quicker_is_told(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=3)
    bound = operations.preview("billing", "trash").bound
    other = tasks.die("email")
    quicker = operations.start(operations.preview("billing", "trash").bound, by="olaf", action_id="quick")
    operations.start(operations.preview("email", "trash").bound, by="bo", action_id="elsewhere")
    operations.tend()
    operation = operations.start(bound, by="ada", action_id="slow")
    operations.tend()
    shown = main(visitor.text(f"/activity/{operation.id}"))
    assert "Handled 3 of 3" in shown
    assert "3 skipped: olaf purged 3 meanwhile." in shown
    assert "meanwhile" not in main(visitor.text(f"/activity/{quicker.id}"))
    assert tasks.state(other[0], "email") is State.TRASHED


@pytest.mark.parametrize("path", ["/activity/0123456789ab", "/activity/x", "/activity/0123456789ab?queue=b{d"])
def test_an_operation_that_is_not_there_is_said(visitor: Visitor, tasks: Tasks, path: str) -> None:
    tasks.enqueue()
    assert visitor.get(path).status_code in (400, 404)


def test_a_purge_is_undone_as_an_operation_and_only_once(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    ids = tasks.die(count=3)
    tasks.control.trash("billing", ids[2:], by="bo", action_id="t")
    operation = started(operations, "trash")
    path = f"/activity/{operation.id}"
    assert "Undo" not in visitor.text(path)
    operations.tend()
    page = visitor.text(path)
    assert "Undo: restore 2" in page
    assert "All of it can be restored until" in page
    undone = visitor.post(f"{path}/undo").location
    assert undone == visitor.post(f"{path}/undo").location
    operations.tend()
    assert [tasks.state(task_id) for task_id in ids] == [State.DEAD, State.DEAD, State.TRASHED]
    shown = main(visitor.text(undone))
    assert "Done Restore 2 tasks in the trash" in shown
    assert f"Undoes {operation.id}" in shown
    page = visitor.text(path)
    assert "Undo: restore" not in page
    assert "Undone by console: 2 restored." in main(page)


def test_what_was_restored_before_an_undo_is_said_so(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    ids = tasks.die(count=3)
    operation = started(operations, "trash")
    operations.tend()
    tasks.control.restore("billing", ids[:1], by="bo", action_id="quick")
    undone = visitor.post(f"/activity/{operation.id}/undo").location
    operations.tend()
    shown = main(visitor.text(undone))
    assert "2 restored, 1 skipped." in shown
    assert "1 restored or deleted already" in shown


def test_what_is_no_purge_cannot_be_undone(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=3)
    operation = started(operations)
    operations.tend()
    visitor.post(f"/activity/{operation.id}/undo")
    assert "There is nothing that could be undone" in visitor.said()


def test_what_has_not_started_is_pulled_back_after_a_preview_and_only_once(
    visitor: Visitor, tasks: Tasks, operations: Engine
) -> None:
    ids = tasks.die(count=7)
    operation = started(operations)
    operations.tend()
    path = f"/activity/{operation.id}"
    with tasks.yard.queue("billing").claim(limit=3) as leases:
        leases[0].complete()
        leases[1].fail("no answer")  # and the third runs
        assert "Pull back 4 not yet started…" in main(visitor.text(path))
        form = main(visitor.text(f"{path}/recall"))
        begun = visitor.post(f"{path}/recall", reason="too early").location
        assert begun == visitor.post(f"{path}/recall").location
        assert "not yet started…" not in visitor.text(path)
        operations.tend()
        shown, listed = main(visitor.text(begun)), rows(visitor.text("/activity"))
    assert "They become dead letters again, as they were" in form
    assert "3 had started: 1 completed, 1 failed again, 1 still under way." in form
    assert "it ends first" not in form
    assert [tasks.state(task_id) for task_id in ids[3:]] == [State.DEAD] * 4
    assert "Done Pull back 4 retried tasks By console" in shown
    assert f"Undoes {operation.id}" in shown
    assert "4 pulled back. 3 had started: 1 completed, 1 failed again, 1 still under way." in shown
    assert "Pulled back by console: 4 pulled back." in main(visitor.text(path))
    became = "1 completed, 1 failed again, 4 pulled back, 1 still under way"
    assert [re.sub(r"^(now|\d+\ss ago) ", "", row) for row in listed] == [
        "Pull back 4 retried tasks “too early” billing console Done 4 pulled back",
        f"Retry 7 dead letters “it is back” billing ada Done {became}",
    ]
    assert "pulled back by console too early" in main(visitor.text(f"/queues/billing/tasks/{ids[6]}"))


def test_a_retry_that_goes_on_ends_by_being_pulled_back(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    ids = tasks.die(count=3)
    operation = started(operations, canary=1)
    operations.tend()
    path = f"/activity/{operation.id}"
    form = main(visitor.text(f"{path}/recall"))
    assert "it ends first. 2 dead letters not handled yet stay dead;" in form
    assert "None had started." in form
    visitor.post(f"{path}/recall", reason="not yet")
    operations.tend()
    assert {tasks.state(task_id) for task_id in ids} == {State.DEAD}
    assert "Cancelled by console, who pulled it back." in main(visitor.text(path))


def test_where_nothing_can_be_pulled_back_it_is_said(visitor: Visitor, tasks: Tasks, operations: Engine) -> None:
    tasks.die(count=1)
    operation = started(operations, "trash")
    operations.tend()
    path = f"/activity/{operation.id}/recall"
    assert "Only a retry is pulled back." in main(visitor.text(path))
    visitor.post(path)
    assert "There is nothing that could be pulled back" in visitor.said()


# How fast.


def operation_at(looked_at: int, progress: str = "running", name: str = "a" * 12) -> Operation:
    return Operation(
        id=name,
        bound=Bound("billing", "requeue", State.DEAD, 0, 1_000),
        by="ada",
        reason="",
        action_id="form",
        began_at=0,
        progress=progress,
        looked_at=looked_at,
    )


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    speeds = Speeds()
    assert speeds.see(operation_at(100), 10_000) == 10.0  # since it began: nothing else is known
    assert speeds.see(operation_at(300), 20_000) == 20.0
    assert speeds.see(operation_at(330), 50_000) == 1.0
    assert speeds.see(operation_at(330), 80_000) == 0.0


def test_what_does_not_go_on_has_no_rate() -> None:
    speeds = Speeds()
    assert speeds.see(operation_at(0), 500) is None
    for progress in ("waiting", "paused", "ended", "cancelled"):
        assert speeds.see(operation_at(300, progress), 20_000) is None


def test_a_pause_is_no_part_of_the_rate_nor_is_the_wait_for_the_first() -> None:
    speeds = Speeds()
    assert speeds.see(operation_at(5, "paused"), 200_000) is None
    assert speeds.see(operation_at(5), 210_000) is None  # since it began it would be 1 in 42 s
    assert speeds.see(operation_at(25), 210_500) is None
    assert speeds.see(operation_at(105), 212_000) == 50.0
    with_first = replace(operation_at(5), id="b" * 12, canary=5)
    assert speeds.see(with_first, 200_000) is None
    assert speeds.see(replace(with_first, looked_at=105), 202_000) == 50.0


def test_rates_of_some_operations_are_remembered() -> None:
    speeds = Speeds()
    for number in range(2 * MOST):
        speeds.see(operation_at(1, name=f"{number:012x}"), 10_000)
    assert len(speeds._seen) == MOST


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "nothing yet"),
        ({"progress": "ended"}, "nothing done"),
        (
            {"done": 1_204, "completed": 1_180, "failed": 24, "skipped": {"gone": 3}},
            "1,180 completed, 24 failed again, 3 skipped",
        ),
        ({"done": 5, "completed": 2, "left": 1}, "2 completed, 1 ended otherwise, 2 still under way"),
        ({"done": 9, "recalled": 8}, "8 pulled back, 1 still under way"),
        ({"done": 5, "bound": Bound("billing", "trash", State.DEAD, 0, 9)}, "5 purged"),
    ],
)
def test_the_outcome_is_one_sentence(changes: dict[str, object], said: str) -> None:
    assert outcome(replace(operation_at(0), **changes)) == said  # type: ignore[arg-type]


# Who runs it.


def test_the_console_runs_what_was_begun_in_it(app: Flask, tasks: Tasks, operations: Engine) -> None:
    found: Parts = app.extensions["taskyard"]
    tasks.die(count=3)
    operation = started(operations)
    seconds = found.tender.tick(found.operations)
    assert seconds <= 2
    assert tasks.inspector.operation(operation.id).done == 3
    found.operations.close()
