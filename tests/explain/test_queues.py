"""What a queue waits for, and for how long."""

from __future__ import annotations

import json

import pytest

from queue_core import protocol
from queue_core.errors import UnknownQueue
from queue_core.explain import Cause, Explanation, explain, explain_queue
from queue_core.inspector import Inspector
from queue_core.schedules import Schedules
from tests.explain.harness import MINUTE, Yard


def told(found: tuple[Explanation, ...]) -> list[str]:
    return [explanation.cause.value for explanation in found]


def test_a_queue_says_what_it_waits_for_worst_first(yard: Yard, inspector: Inspector) -> None:
    yard.seed("held")
    yard.seed("dead")
    yard.seed("retrying")
    yard.seed("scheduled")
    yard.lease()
    yard.enqueue()
    yard.later(16 * MINUTE)
    assert told(explain_queue(inspector, "email")) == ["no_worker", "dead", "due_later", "running"]
    yard.put_worker(busy=4)
    found = explain_queue(inspector, "email")
    assert told(found) == ["name_unknown", "dead", "all_busy", "due_later", "running"]
    assert [explanation.sentence for explanation in found] == [
        "No worker of email knows resize (1 worker, version 1.8.4). It runs once one does. 1 held.",
        "1 dead letter waits for somebody to retry or purge; 1 of ValueError: no answer.",
        "1 ready, the oldest for 16 min 00 s; 4 of 4 slots busy; nothing has ended in the last minutes.",
        "1 scheduled and 1 retrying, the next is due now.",
        "1 running.",
    ]
    yard.pause_name()
    yard.pause()
    assert told(explain_queue(inspector, "email"))[:3] == [
        "queue_paused",
        "name_unknown",
        "name_paused",
    ]


def work(yard: Yard, count: int, minutes: int) -> None:
    """So many tasks a minute come and are done."""
    for _ in range(minutes):
        yard.enqueue_many(count)
        claimed = yard.claim(count)
        yard.run(protocol.complete(yard.queue, [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]))
        yard.later(MINUTE)


def test_what_waits_says_about_when_it_is_its_turn(yard: Yard, inspector: Inspector) -> None:
    work(yard, 120, minutes=10)
    yard.put_worker(busy=4)
    yard.enqueue_many(60)
    found = explain(inspector, yard.enqueue())
    assert found.sentence.startswith("It waits for its turn: about 60 ahead of it, 4 of 4 slots busy, about 3")
    assert found.sentence.endswith(" s to go at the present rate.")
    assert found.facts["starts_in_seconds"] == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(60, "; it clears in about "), (700, "; more come than end, so it grows.")],
)
def test_a_queue_says_when_it_clears(more: int, sentence: str, yard: Yard, inspector: Inspector) -> None:
    yard.enqueue_many(300)
    yard.later(20 * MINUTE)
    for _ in range(10):
        claimed = yard.claim(20)
        yard.run(protocol.complete(yard.queue, [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]))
        yard.later(MINUTE)
    yard.enqueue_many(more)
    yard.put_worker(busy=4)
    (found,) = explain_queue(inspector, "email")
    assert found.cause is Cause.ALL_BUSY
    assert sentence in found.sentence


def test_a_queue_that_takes_no_more_says_so(yard: Yard, inspector: Inspector) -> None:
    yard.put_worker(busy=4)
    yard.run(protocol.limit(yard.queue, {"max_length": 2}, "bo"))
    yard.seed("dead")
    yard.enqueue()
    assert told(explain_queue(inspector, "email")) == ["dead", "all_busy"]
    yard.enqueue()
    found = explain_queue(inspector, "email")
    assert told(found) == ["dead", "queue_full", "all_busy"]
    assert found[1].sentence == "email is full: it takes at most 2 tasks, so enqueueing is refused."


def test_a_queue_that_waits_for_nothing_says_so(yard: Yard, inspector: Inspector) -> None:
    yard.put_worker()
    held = yard.lease()
    yard.run(protocol.complete(yard.queue, [held]))
    assert told(explain_queue(inspector, "email")) == ["nothing_waits"]
    with pytest.raises(UnknownQueue):
        explain_queue(inspector, "absent")


def test_a_queue_says_which_schedules_nobody_enqueues(yard: Yard, inspector: Inspector) -> None:
    yard.run(protocol.cancel(yard.queue, [yard.enqueue()], {"by": "ada"}))
    schedules = Schedules(client=yard.client)
    for name, queue in (("hourly", "email"), ("often", "email"), ("elsewhere", "images")):
        every = 60 if name == "often" else 3_600
        schedules.add(name, "send", queue=queue, every=every, by="ada", action_id=name)
    assert told(explain_queue(inspector, "email")) == ["nothing_waits"]
    yard.later(5 * 3_600_000)
    found = explain_queue(inspector, "email")
    assert told(found) == ["schedule_overdue"]
    assert found[0].sentence.startswith("Schedule often (and 1 other schedule) should have come 4 h 59 min ago, and no")
    assert (found[0].remedy_command, found[0].tone) == ("taskyard worker module:yard", "bad")
    yard.put_worker()
    found = explain_queue(inspector, "email")
    assert found[0].remedy_command.startswith("taskyard schedules show ")
    assert "and email took no task" in found[0].sentence
    json.dumps(found[0].facts)
