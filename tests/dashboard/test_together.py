"""What one form does in several queues: previewed as one, an operation in each, shown and steered as one."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import msgspec
import pytest
from flask import Flask

from dashboard.api.operations import StartIn
from dashboard.operation_page import sum_of
from dashboard.selections import FRESH_MS, MOST_SIGNED, Selection
from queue_core.errors import InvalidArgument
from queue_core.operations import Operations
from queue_core.protocol.operations import MAX_UNDER_WAY
from queue_core.snapshot import Bound, Operation, State
from tests.console import Tasks, Visitor, field, text_of

QUEUES = ("billing", "email", "sms")


@pytest.fixture
def letters(tasks: Tasks) -> dict[str, list[str]]:
    """Of two faults; one of them is in two queues."""
    return {
        "billing": tasks.die(count=3),
        "email": tasks.die("email", 2, name="send", error=KeyError("total"))
        + tasks.die("email", 1, name="send", error=ConnectionError("payments.internal refused the connection")),
        "sms": tasks.die("sms", 4, name="text", error=KeyError("total")),
    }


def main(page: str) -> str:
    return text_of(page.partition("<main")[2].partition('<div id="toasts"')[0])


def press(visitor: Visitor, path: str, **given: str) -> str:
    page = visitor.text(path)
    form = {"selection": field(page, "selection"), "action_id": field(page, "action_id"), **given}
    first, second = (visitor.post(path, form) for _ in range(2))
    assert (first.status_code, first.location) == (303, second.location), text_of(first.text)
    return first.location


def states(tasks: Tasks, letters: dict[str, list[str]]) -> dict[str, set[State]]:
    return {queue: {tasks.state(task_id, queue) for task_id in ids} for queue, ids in letters.items()}


def all_of(state: State) -> dict[str, set[State]]:
    return {queue: {state} for queue in QUEUES}


def test_a_preview_of_several_queues_says_how_many_of_each(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]]
) -> None:
    shown = main(visitor.text("/bulk/trash?seen=10"))
    assert "Purge 10 dead letters in 3 queues" in shown
    assert "By queue sms 4 billing 3 email 3" in shown
    assert "By task text 4 charge 3 send 3" in shown
    assert "By error KeyError 6 ConnectionError 4" in shown
    assert re.search(r"Memory about \d+\.\d.KiB, freed when deleted for good", shown)
    assert "The first 5" in shown
    chosen = main(visitor.text("/bulk/requeue?class=KeyError"))
    assert "Retry 6 dead letters in 2 queues" in chosen
    assert "By queue sms 4 email 2" in chosen
    assert "in each queue, the rest when all of those have completed" in chosen
    assert "Retry 2 dead letters" in main(visitor.text("/bulk/requeue?class=KeyError&queue=email"))
    assert "Nothing to retry" in visitor.text("/bulk/requeue?task=nobody")
    assert tasks.inspector.operations() == ()


def test_one_press_begins_an_operation_in_each_queue(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    address = press(visitor, "/bulk/requeue?class=KeyError", reason="the field is back")
    assert len(tasks.inspector.operations()) == 2
    assert "Running Retry 6 dead letters in 2 queues" in main(visitor.text(address))
    activity = main(visitor.text("/activity"))
    assert activity.count("Retry 6 dead letters in 2 queues") == 2  # under way, and in the list
    operations.tend()
    shown = main(visitor.text(address))
    assert "Done Retry 6 dead letters in 2 queues Pull back 6 not yet started… By console" in shown
    assert "6 still under way." in shown
    assert "email 2 2 Done 2 still under way" in shown
    assert "sms 4 4 Done 4 still under way" in shown
    assert states(tasks, letters) == {
        "billing": {State.DEAD}, "email": {State.READY, State.DEAD}, "sms": {State.READY}
    }  # fmt: skip
    entries = tasks.inspector.audit().rows
    assert sorted((entry.queue, entry.verb, entry.count) for entry in entries) == [
        ("email", "requeue", 2),
        ("sms", "requeue", 4),
    ]


def test_all_of_them_are_paused_resumed_and_cancelled_as_one(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    address = press(visitor, "/bulk/requeue")
    for verb, progress in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert visitor.post(f"{address}/{verb}", reason="too fast").location == address
        assert {one.progress for one in tasks.inspector.operations()} == {progress}
    operations.tend()
    assert "Cancelled by console: too fast. 10 dead letters were not touched." in main(visitor.text(address))
    assert states(tasks, letters) == all_of(State.DEAD)
    assert "Let it go on" not in visitor.text(f"{address}/cancel")


def test_a_purge_in_several_queues_is_undone_as_one_and_once(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    address = press(visitor, "/bulk/trash")
    operations.tend()
    assert states(tasks, letters) == all_of(State.TRASHED)
    assert "Undo: restore 10" in visitor.text(address)
    for _ in range(2):
        assert visitor.post(f"{address}/undo").location == address
    operations.tend()
    assert len(tasks.inspector.operations()) == 6
    assert states(tasks, letters) == all_of(State.DEAD)
    assert "Undone by console: 10 restored." in main(visitor.text(address))


def test_a_retry_in_several_queues_is_pulled_back_as_one_and_once(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    address = press(visitor, "/bulk/requeue")
    operations.tend()
    assert "Pull back 10 not yet started" in main(visitor.text(f"{address}/recall"))
    for _ in range(2):
        assert visitor.post(f"{address}/recall").location == address
    operations.tend()
    assert len(tasks.inspector.operations()) == 6
    assert states(tasks, letters) == all_of(State.DEAD)
    shown = main(visitor.text(address))
    assert "Pulled back by console: 10 pulled back." in shown
    assert "not yet started…" not in shown


def test_the_trash_of_all_queues_is_deleted_for_good_by_its_number(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    for queue, ids in letters.items():
        tasks.control.trash(queue, ids, by="bo", action_id="t")
    assert "Restore 10…" in visitor.text("/dead/trash")
    page = visitor.text("/bulk/delete")
    assert "Delete for good 10 tasks in the trash in 3 queues" in page
    selection = field(page, "selection")
    assert visitor.post("/bulk/delete", selection=selection, typed="4").status_code == 422
    assert visitor.post("/bulk/delete", selection=selection, typed="10").status_code == 303
    operations.tend()
    assert sum(tasks.inspector.queue(queue).counts.total for queue in QUEUES) == 0


def test_an_old_preview_of_several_is_shown_again_with_what_differs_in_which(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], app: Flask
) -> None:
    page = visitor.text("/bulk/requeue")
    with app.app_context():
        selection = Selection.read(field(page, "selection"))
        assert selection
        bounds = tuple(replace(one, taken_at=one.taken_at - FRESH_MS - 1_000) for one in selection.bounds)
        signed = replace(selection, bounds=bounds).sign()
    tasks.control.trash("sms", letters["sms"][:1], by="bo", action_id="quick")
    response = visitor.post("/bulk/requeue", selection=signed)
    assert response.status_code == 409
    shown = text_of(response.text)
    assert "It was 10 dead letters, now it is 9." in shown
    assert "sms: it was 4, now it is 3." in shown
    assert "email: it was" not in shown
    assert tasks.inspector.operations() == ()
    assert "1 of the 10 that you saw was purged by bo now and is left out." in text_of(
        visitor.text("/bulk/requeue?seen=10")
    )


def test_a_selection_of_several_is_none_of_one_queue(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]]
) -> None:
    signed = field(visitor.text("/bulk/requeue"), "selection")
    for path in ("/queues/billing/bulk/requeue", "/bulk/trash"):
        assert visitor.post(path, selection=signed).status_code == 409
    assert tasks.inspector.operations() == ()


def bounds_of(queues: int, faults: int) -> tuple[Bound, ...]:
    """Names that cannot be made shorter, as those of faults are."""
    chance = random.Random(1)
    names = [tuple(f"{chance.getrandbits(48):012x}" for _ in range(faults)) for _ in range(queues)]
    return tuple(
        Bound(f"customer-{number:03}", "requeue", State.DEAD, 1_000, 40, named) for number, named in enumerate(names)
    )


def test_what_a_preview_has_signed_can_be_sent(app: Flask, visitor: Visitor, tasks: Tasks) -> None:
    tasks.die()
    with app.test_request_context():
        signed = Selection(bounds_of(300, 250), "ada").sign()
        with pytest.raises(InvalidArgument, match="99,000 faults in 300 queues are too many for one preview"):
            Selection(bounds_of(300, 330), "ada").sign()
    assert 600_000 < len(signed) < MOST_SIGNED
    body = msgspec.json.encode({"selection": signed})
    assert msgspec.json.decode(body, type=StartIn).selection == signed
    answer = visitor.post("/bulk/requeue", selection=signed, pace="all")
    assert answer.status_code == 409
    assert "so nothing was done" in answer.text


def test_a_queue_that_has_too_many_under_way_is_left_out_and_named(
    visitor: Visitor, tasks: Tasks, letters: dict[str, list[str]], operations: Operations
) -> None:
    bound = operations.preview("sms", "requeue").bound
    for number in range(MAX_UNDER_WAY):
        operations.start(bound, by="bo", action_id=f"b{number}")
    page = visitor.text("/bulk/trash")
    address = visitor.post("/bulk/trash", selection=field(page, "selection")).location
    assert "sms is left out" in visitor.said()
    assert "Purge 6 dead letters in 2 queues" in main(visitor.text(address))


@pytest.mark.parametrize("path", ["/activity/together/x", "/activity/together/x/cancel"])
def test_a_form_that_has_begun_nothing_is_not_there(visitor: Visitor, tasks: Tasks, path: str) -> None:
    tasks.enqueue()
    assert visitor.get(path).status_code == 404


def one_of(queue: str, progress: str, **facts: object) -> Operation:
    bound = Bound(queue, "requeue", State.DEAD, 5, 10, ("abc",))
    made = Operation(f"id-{queue}", bound, "ada", "", "form", 1_000, progress)
    return replace(made, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("progress", "whole"),
    [
        (("running", "paused"), "running"),
        (("ended", "paused"), "paused"),
        (("waiting", "cancelled"), "waiting"),
        (("ended", "cancelled"), "ended"),
        (("cancelled", "cancelled"), "cancelled"),
    ],
)
def test_the_sum_goes_on_as_long_as_one_of_them_does(progress: tuple[str, str], whole: str) -> None:
    several = [one_of(f"q{number}", one, ended_at=9_000) for number, one in enumerate(progress)]
    found = sum_of("form", several)
    assert (found.progress, found.bound.count, found.bound.queue, found.id) == (whole, 20, "", "form")
    assert (found.ended_at is None) is (whole not in ("ended", "cancelled"))


def test_the_sum_adds_up_what_was_done_and_skipped() -> None:
    first = one_of("a", "running", looked_at=5, done=4, completed=2, skipped={"gone": 1}, drip=1.0)
    second = one_of("b", "running", looked_at=7, done=5, failed=3, skipped={"gone": 1, "changed": 1}, drip=2.0)
    found = sum_of("form", [first, second])
    assert (found.looked_at, found.done, found.completed, found.failed, found.under_way) == (12, 9, 2, 3, 4)
    assert found.skipped == {"gone": 2, "changed": 1}
    assert found.drip == 3.0
