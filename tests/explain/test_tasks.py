"""Why a task waits, runs or ended."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from queue_core import Taskyard, protocol
from queue_core.errors import InvalidArgument
from queue_core.explain import Cause, explain
from queue_core.inspector import Inspector
from queue_core.snapshot import State
from tests.explain import causes
from tests.explain.harness import Yard

CAUSES: list[tuple[Callable[[Yard], str], Cause, str, str]] = [
    (
        causes.in_paused_queue,
        Cause.QUEUE_PAUSED,
        "email was paused by bo 5 h ago, “partner maintenance”.",
        "resume email",
    ),
    (
        causes.with_paused_name,
        Cause.NAME_PAUSED,
        "send was paused by bo just now, “bad release”.",
        "resume email --task send",
    ),
    (causes.held_with_paused_name, Cause.NAME_PAUSED, "send was paused by bo just now", "resume email --task send"),
    (causes.held_with_unknown_and_paused_name, Cause.NAME_PAUSED, "send was paused by bo", "resume email --task send"),
    (causes.without_any_worker, Cause.NO_WORKER, "No worker takes email.", "worker module:yard --queues email"),
    (
        causes.after_the_last_worker,
        Cause.NO_WORKER,
        "No worker takes email. The last one was web-3:880, last heard 16 min ago.",
        "worker module:yard --queues email",
    ),
    (
        causes.with_a_quiet_worker,
        Cause.NO_WORKER,
        "No worker takes email. The last one was web-3:880, which is quiet.",
        "worker module:yard --queues email",
    ),
    (
        causes.of_an_unknown_name,
        Cause.NAME_UNKNOWN,
        (
            "No worker of email knows resize (2 workers, versions 1.8.4, 1.9.0). It runs once one does. "
            "web-9:1 knows it, version 2.0, and does not take email."
        ),
        "worker module:yard --queues email",
    ),
    (
        causes.held_of_an_unknown_name,
        Cause.NAME_UNKNOWN,
        "No worker of email knows resize (1 worker, version 1.8.4).",
        "worker module:yard --queues email",
    ),
    (causes.held_in_a_lane_that_opened, Cause.LANE_OPENED, "It was held back in name:send, which is open again", ""),
    (causes.behind_others, Cause.ALL_BUSY, "It waits for its turn: about 84 ahead of it, 4 of 4 slots busy.", ""),
    (
        causes.in_the_midst_of_a_long_list,
        Cause.ALL_BUSY,
        "It waits for its turn: 601 ready in email, 4 of 4 slots busy.",
        "",
    ),
    (
        causes.in_a_limited_queue,
        Cause.RATE_LIMITED,
        (
            "It waits for its turn: nothing ahead of it. email gives out at most 2 tasks in 1 min 00 s: "
            "the next one is due in 30 s."
        ),
        "limit email --claim-rate TASKS/SECONDS",
    ),
    (causes.in_a_limited_queue_that_has_tokens, Cause.STARTS_NOW, "It should start at once", ""),
    (
        causes.before_all_others,
        Cause.STARTS_NOW,
        "It should start at once: nothing ahead of it, 1 of 4 slots busy.",
        "",
    ),
    (causes.due_later, Cause.DUE_LATER, "It is due in 3 min.", "run-now {id}"),
    (
        causes.due_later_in_a_paused_queue,
        Cause.DUE_LATER,
        "It is due in 3 min, and as things are it does not run then: email was paused by bo just now, “partner",
        "resume email",
    ),
    (causes.due_now, Cause.STARTS_NOW, "It is due now. It should start at once: nothing ahead of it, 0 of 4", ""),
    (
        causes.due_now_without_a_worker,
        Cause.NO_WORKER,
        "It is due now. No worker takes email.",
        "worker module:yard --queues email",
    ),
    (
        causes.due_while_all_slots_are_busy,
        Cause.ALL_BUSY,
        (
            "Its worker died while it ran, for the first time of 3 that are allowed. The next one has been due for "
            "5 min 00 s. It waits for its turn: about 48 ahead of it, 2 of 2 slots busy."
        ),
        "",
    ),
    (
        causes.retrying,
        Cause.RETRY_DUE_LATER,
        "Attempt 1 of 4 failed: ValueError: {no} answer. The next one is due in 4 s.",
        "run-now {id}",
    ),
    (
        causes.retrying_after_a_crash,
        Cause.RETRY_DUE_LATER,
        "Its worker died while it ran, for the first time of 3 that are allowed. The next one is due",
        "run-now {id}",
    ),
    (causes.running_with_progress, Cause.RUNNING, "It has been running for 14 s on w1, 40 % done, “users”.", ""),
    (
        causes.asked_to_stop,
        Cause.ASKED_TO_STOP,
        "It has been running for 14 s on w1. ada asked it to stop, “wrong customer”: it does so when its worker",
        "",
    ),
    (causes.cancelled, Cause.ENDED, "It was cancelled by ada 1 min ago, “wrong customer”.", ""),
    (
        causes.expiring,
        Cause.ALL_BUSY,
        (
            "It waits for its turn: about 1 ahead of it, 4 of 4 slots busy. It expires in 3 min unless its run "
            "has begun by then."
        ),
        "",
    ),
    (causes.expired, Cause.ENDED, "It expired just now: its run had not begun in time.", ""),
    (causes.running, Cause.RUNNING, "It has been running for 14 s on w1.", ""),
    (
        causes.running_on_a_silent_worker,
        Cause.WORKER_SILENT,
        "It has been running for 20 s on w1, which has been silent for 20 s: its lease ends in 10 s",
        "",
    ),
    (
        causes.with_a_lease_that_ran_out,
        Cause.LEASE_EXPIRED,
        "It has been running for 35 s on w1, and its lease ran out 5 s ago: the next worker that looks takes it back",
        "",
    ),
    (
        causes.dead,
        Cause.DEAD,
        (
            "It will not run again by itself: its only attempt failed. The fault: ValueError: no answer "
            "(2 dead letters like it)."
        ),
        "retry {id}",
    ),
    (causes.dead_for_good, Cause.DEAD, "It will not run again by itself: it failed for good", "retry {id}"),
    (
        causes.dead_while_another_has_its_key,
        Cause.DEAD,
        (
            "It will not run again by itself: its only attempt failed. The fault: ValueError: no answer. "
            "Its unique key is held by mine-1, which is ready: a retry leaves it alone until that one has ended."
        ),
        "retry {id}",
    ),
    (
        causes.dead_while_its_key_is_held_for_a_time,
        Cause.DEAD,
        (
            "It will not run again by itself: its only attempt failed. The fault: ValueError: no answer. "
            "Its unique key is held by mine-1 for another 42 s: a retry leaves it alone until then."
        ),
        "retry {id}",
    ),
    (
        causes.trashed_while_another_has_its_key,
        Cause.TRASHED,
        (
            "Purged by ada, “test”. It was ready. It is deleted for good in 24 h, until then it can be restored. "
            "Its unique key is held by mine-1, which is ready: a restore leaves it alone until that one has ended."
        ),
        "restore {id}",
    ),
    (
        causes.trashed,
        Cause.TRASHED,
        "Purged by ada, “test”. It was dead. It is deleted for good in 24 h, until then it can be restored.",
        "restore {id}",
    ),
    (
        causes.moving,
        Cause.MOVING,
        "It is on its way to images, put aside by ada. It was ready. Where its mover has died, the same move goes on",
        "move --to images {id}",
    ),
    (causes.completed_after_a_failure, Cause.ENDED, "It was completed 1 min ago.", ""),
    (causes.blocked, Cause.BLOCKED, "It waits for other tasks to end.", ""),
    (causes.unreadable, Cause.UNREADABLE, "It cannot be read: ", ""),
]


@pytest.mark.parametrize(("make", "cause", "sentence", "command"), CAUSES, ids=[row[0].__name__ for row in CAUSES])
def test_a_task_says_why_it_is_where_it_is(
    make: Callable[[Yard], str], cause: Cause, sentence: str, command: str, yard: Yard, inspector: Inspector
) -> None:
    task_id = make(yard)
    found = explain(inspector, task_id)
    assert found.cause is cause
    assert found.sentence.startswith(sentence), found.sentence
    assert found.remedy_command == (f"taskyard {command.format(id=task_id)}" if command else "")
    assert bool(found.remedy) == bool(command)
    json.dumps(found.facts)


def test_who_is_told_to_hold_a_key_is_who_keeps_a_retry_from_it(yard: Yard, inspector: Inspector) -> None:
    for make in (
        causes.dead_while_another_has_its_key,
        causes.dead_while_its_key_is_held_for_a_time,
        causes.dead_while_its_keys_holder_is_dead_too,
    ):
        yard.redis.flushdb()
        task = inspector.task("email", make(yard))
        held_by = explain(inspector, task.id, "email").facts.get("key_held_by", "")
        acted = yard.run(protocol.requeue(yard.queue, [(task.id, task.at or 0)], {"by": "ada"}))
        assert acted.skipped == ({task.id: f"its unique key is held by {held_by}"} if held_by else {})


def test_an_id_that_nobody_knows_is_explained(yard: Yard, inspector: Inspector) -> None:
    task_id = yard.new_id()
    for found in (explain(inspector, task_id), explain(inspector, task_id, "email") if yard.enqueue() else None):
        assert found
        assert found.cause is Cause.UNKNOWN_TASK
        assert "it was never there, or it ended" in found.sentence
        assert "Its id was made at" in found.sentence
    assert explain(inspector, "mine").sentence.endswith("after its end.")


def test_what_is_no_id_is_refused(inspector: Inspector) -> None:
    with pytest.raises(InvalidArgument):
        explain(inspector, "no/id")


@pytest.mark.parametrize("priorities", [(0, 5, -5, 0, 5, -5), (1, 2, 3), (0, 0, -1)])
def test_as_many_are_ahead_as_a_strict_claim_gives_out_before(
    priorities: tuple[int, ...], yard: Yard, inspector: Inspector
) -> None:
    ids = [yard.enqueue(f"mine-{number}", priority=priority) for number, priority in enumerate(priorities)]
    ahead = {task_id: inspector.ahead("email", task_id) for task_id in ids}
    assert [ahead[task.id] for task in yard.claim(10).tasks] == list(range(len(ids)))


def test_place_in_line_is_known_at_both_ends_of_a_long_list_and_reads_no_more(yard: Yard, inspector: Inspector) -> None:
    ids = yard.enqueue_many(2_000)
    assert [inspector.ahead("email", ids[at]) for at in (0, 255, 256, 1_000, 1_744, 1_999)] == [
        0, 255, None, None, 1_744, 1_999,
    ]  # fmt: skip


def test_every_state_can_be_explained(yard: Yard) -> None:
    from queue_core.explain.tasks import _EXPLAIN

    assert _EXPLAIN.keys() == set(State)
    of_queues = {Cause.NOTHING_WAITS, Cause.QUEUE_FULL, Cause.SCHEDULE_OVERDUE}
    assert {cause for _, cause, _, _ in CAUSES} | {Cause.UNKNOWN_TASK} | of_queues == set(Cause)


def test_a_yard_explains(redis_url: str, namespace: str) -> None:
    yard = Taskyard(redis_url, namespace=namespace)

    @yard.task(queue="email")
    def send() -> None: ...

    handle = send.enqueue()
    assert yard.explain(handle.id).cause is Cause.NO_WORKER
    assert yard.queue("email").explain()[0].cause is Cause.NO_WORKER
    yard.close()
