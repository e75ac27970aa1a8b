"""Why a task waits, runs or ended, and what a queue waits for: each cause made as life makes it, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from queue_core import Taskyard, keys, protocol
from queue_core.codec import encode_progress
from queue_core.errors import InvalidArgument, TaskyardError, UnknownQueue
from queue_core.explain import Cause, Explanation, explain, explain_queue
from queue_core.inspector import Inspector
from queue_core.schedules import Schedules
from queue_core.snapshot import State
from tests.engine import LEASE_MS, PLACES, Engine

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Yard(Engine):
    """A queue with workers that describe themselves."""

    def put_worker(self, worker_id: str = "web-3:880", **described: Any) -> None:
        record = {
            "queues": {"email": 1}, "concurrency": 4, "state": "running", "version": "1.8.4", "task_names": ["send"],
            **described,
        }  # fmt: skip
        age = record.pop("silent_ms", 0)
        self.redis.zadd(keys.workers("test"), {worker_id: self.now - age})
        self.redis.set(keys.worker("test", worker_id), json.dumps(record))

    def pause(self) -> None:
        self.run(protocol.pause(self.queue, "bo", "partner maintenance"))

    def pause_name(self, lane: str = "name:send") -> None:
        self.run(protocol.close_lane(self.queue, lane, "bo", "bad release"))


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Yard]:
    yard = Yard(redis_url, namespace)
    yard.client.register("email")
    yield yard
    yard.close()


@pytest.fixture
def inspector(yard: Yard) -> Inspector:
    return Inspector(client=yard.client)


# How each cause comes about. Each returns the task's id.


def in_paused_queue(yard: Yard) -> str:
    yard.put_worker()
    yard.pause()
    task_id = yard.enqueue()
    yard.later(5 * HOUR)
    return task_id


def with_paused_name(yard: Yard) -> str:
    yard.put_worker()
    yard.pause_name()
    return yard.enqueue()


def held_with_paused_name(yard: Yard) -> str:
    task_id = with_paused_name(yard)
    assert not yard.claim().tasks
    return task_id


def held_with_unknown_and_paused_name(yard: Yard) -> str:
    yard.put_worker()
    task_id = yard.seed("held", name="send")
    yard.pause_name()
    return task_id


def without_any_worker(yard: Yard) -> str:
    return yard.enqueue()


def after_the_last_worker(yard: Yard) -> str:
    yard.put_worker(silent_ms=16 * MINUTE)
    return yard.enqueue()


def with_a_quiet_worker(yard: Yard) -> str:
    yard.put_worker(state="quiet")
    return yard.enqueue()


def of_an_unknown_name(yard: Yard) -> str:
    yard.put_worker()
    yard.put_worker("web-4:1", version="1.9.0")
    yard.put_worker("web-9:1", version="2.0", queues={"images": 1}, task_names=["resize"])
    return yard.enqueue(name="resize")


def held_of_an_unknown_name(yard: Yard) -> str:
    yard.put_worker()
    return yard.seed("held", name="resize")


def held_in_a_lane_that_opened(yard: Yard) -> str:
    task_id = held_with_paused_name(yard)
    yard.run(protocol.open_lane(yard.queue, "name:send", "bo"))
    return task_id


def behind_others(yard: Yard) -> str:
    yard.put_worker(busy=4)
    yard.enqueue_many(84)
    return yard.enqueue()


def in_the_midst_of_a_long_list(yard: Yard) -> str:
    yard.put_worker(busy=4)
    yard.enqueue_many(300)
    task_id = yard.enqueue()
    yard.enqueue_many(300)
    return task_id


def in_a_limited_queue(yard: Yard) -> str:
    yard.put_worker()
    yard.run(protocol.limit(yard.queue, {"claim_rate": [2, 60_000]}, "bo"))
    yard.enqueue_many(2)
    assert len(yard.claim(2).tasks) == 2
    return yard.enqueue()


def in_a_limited_queue_that_has_tokens(yard: Yard) -> str:
    yard.put_worker()
    yard.run(protocol.limit(yard.queue, {"claim_rate": [2, 60_000]}, "bo"))
    yard.enqueue_many(1)
    assert len(yard.claim(1).tasks) == 1
    return yard.enqueue()


def before_all_others(yard: Yard) -> str:
    yard.put_worker(busy=1)
    yard.enqueue_many(3)
    return yard.enqueue(priority=1)


def due_later(yard: Yard) -> str:
    yard.put_worker()
    return yard.enqueue(delay_ms=3 * MINUTE)


def due_later_in_a_paused_queue(yard: Yard) -> str:
    yard.pause()
    return due_later(yard)


def due_now(yard: Yard) -> str:
    task_id = due_later(yard)
    yard.later(3 * MINUTE)
    yard.put_worker()
    return task_id


def due_now_without_a_worker(yard: Yard) -> str:
    task_id = yard.enqueue(delay_ms=SECOND)
    yard.later(SECOND)
    return task_id


def retrying(yard: Yard) -> str:
    yard.put_worker()
    held = yard.lease()
    yard.fail(held, delay_ms=4 * SECOND, message="{no} answer")
    return held.id


def retrying_after_a_crash(yard: Yard) -> str:
    held = yard.lease()
    yard.later(LEASE_MS + 1)
    yard.run(protocol.recover(yard.queue, LEASE_MS))
    yard.later(LEASE_MS + 1)
    yard.run(protocol.recover(yard.queue, LEASE_MS))
    yard.put_worker()
    return held.id


def running(yard: Yard) -> str:
    held = yard.lease()
    yard.later(14 * SECOND)
    yard.put_worker("w1")
    return held.id


def running_on_a_silent_worker(yard: Yard) -> str:
    held = yard.lease()
    yard.put_worker("w1")
    yard.later(20 * SECOND)
    return held.id


def running_with_progress(yard: Yard) -> str:
    held = yard.lease()
    yard.later(14 * SECOND)
    said = encode_progress(400, 1_000, "users")
    yard.run(protocol.progress(yard.queue, [protocol.Report(held.id, held.fence, said)]))
    return held.id


def asked_to_stop(yard: Yard) -> str:
    task_id = running(yard)
    yard.run(protocol.cancel(yard.queue, [task_id], {"by": "ada", "reason": "wrong customer"}))
    return task_id


def cancelled(yard: Yard) -> str:
    task_id = yard.enqueue()
    yard.run(protocol.cancel(yard.queue, [task_id], {"by": "ada", "reason": "wrong customer"}))
    yard.later(MINUTE)
    return task_id


def expiring(yard: Yard) -> str:
    yard.put_worker(busy=4)
    yard.enqueue()
    return yard.enqueue(expires=180.0)


def expired(yard: Yard) -> str:
    task_id = yard.enqueue(expires=1.0)
    yard.later(MINUTE)
    yard.run(protocol.expire(yard.queue, [task_id]))
    return task_id


def with_a_lease_that_ran_out(yard: Yard) -> str:
    held = yard.lease()
    yard.later(LEASE_MS + 5 * SECOND)
    return held.id


def dead(yard: Yard) -> str:
    yard.seed("dead", max_retries=0)
    return yard.seed("dead", max_retries=0)


def dead_for_good(yard: Yard) -> str:
    return yard.seed("dead")


def trashed(yard: Yard) -> str:
    return yard.seed("trashed")


def moving(yard: Yard) -> str:
    task_id = yard.seed("ready")
    yard.run(protocol.export(yard.queue, [task_id], "images", "t1", "ada", "moving to images"))
    return task_id


def completed_after_a_failure(yard: Yard) -> str:
    held = yard.lease()
    yard.fail(held, delay_ms=1)
    yard.later(5)
    (task,) = (claimed := yard.claim(1)).tasks
    yard.run(protocol.complete(yard.queue, [protocol.Held(task.id, claimed.fence, task.has_history)]))
    yard.later(MINUTE)
    return held.id


def blocked(yard: Yard) -> str:
    task_id = yard.enqueue()
    yard.redis.delete(yard.queue.ready)
    yard.redis.zadd(yard.queue.blocked, {task_id: 0})
    return task_id


def unreadable(yard: Yard) -> str:
    task_id = yard.enqueue()
    yard.redis.hset(yard.queue.tasks, task_id, "send\n{broken")
    return task_id


CAUSES: list[tuple[Callable[[Yard], str], Cause, str, str]] = [
    (in_paused_queue, Cause.QUEUE_PAUSED, "email was paused by bo 5 h ago, “partner maintenance”.", "resume email"),
    (with_paused_name, Cause.NAME_PAUSED, "send was paused by bo just now, “bad release”.", "resume email --task send"),
    (held_with_paused_name, Cause.NAME_PAUSED, "send was paused by bo just now", "resume email --task send"),
    (held_with_unknown_and_paused_name, Cause.NAME_PAUSED, "send was paused by bo", "resume email --task send"),
    (without_any_worker, Cause.NO_WORKER, "No worker takes email.", "worker module:yard --queues email"),
    (
        after_the_last_worker,
        Cause.NO_WORKER,
        "No worker takes email. The last one was web-3:880, last heard 16 min ago.",
        "worker module:yard --queues email",
    ),
    (
        with_a_quiet_worker,
        Cause.NO_WORKER,
        "No worker takes email. The last one was web-3:880, which is quiet.",
        "worker module:yard --queues email",
    ),
    (
        of_an_unknown_name,
        Cause.NAME_UNKNOWN,
        (
            "No worker of email knows resize (2 workers, versions 1.8.4, 1.9.0). It runs once one does. "
            "web-9:1 knows it, version 2.0, and does not take email."
        ),
        "worker module:yard --queues email",
    ),
    (
        held_of_an_unknown_name,
        Cause.NAME_UNKNOWN,
        "No worker of email knows resize (1 worker, version 1.8.4).",
        "worker module:yard --queues email",
    ),
    (held_in_a_lane_that_opened, Cause.LANE_OPENED, "It was held back in name:send, which is open again", ""),
    (behind_others, Cause.ALL_BUSY, "It waits for its turn: about 84 ahead of it, 4 of 4 slots busy.", ""),
    (in_the_midst_of_a_long_list, Cause.ALL_BUSY, "It waits for its turn: 601 ready in email, 4 of 4 slots busy.", ""),
    (
        in_a_limited_queue,
        Cause.RATE_LIMITED,
        (
            "It waits for its turn: nothing ahead of it. email gives out at most 2 tasks in 1 min 00 s: "
            "the next one is due in 30 s."
        ),
        "limit email --claim-rate TASKS/SECONDS",
    ),
    (in_a_limited_queue_that_has_tokens, Cause.STARTS_NOW, "It should start at once", ""),
    (before_all_others, Cause.STARTS_NOW, "It should start at once: nothing ahead of it, 1 of 4 slots busy.", ""),
    (due_later, Cause.DUE_LATER, "It is due in 3 min.", "run-now {id}"),
    (
        due_later_in_a_paused_queue,
        Cause.DUE_LATER,
        "It is due in 3 min, and as things are it does not run then: email was paused by bo just now, “partner",
        "resume email",
    ),
    (due_now, Cause.DUE_LATER, "It is due now.", ""),
    (due_now_without_a_worker, Cause.NO_WORKER, "It is due now, and", "worker module:yard --queues email"),
    (
        retrying,
        Cause.RETRY_DUE_LATER,
        "Attempt 1 of 4 failed: ValueError: {no} answer. The next one is due in 4 s.",
        "run-now {id}",
    ),
    (
        retrying_after_a_crash,
        Cause.RETRY_DUE_LATER,
        "Its worker died while it ran, for the first time of 3 that are allowed. The next one is due",
        "run-now {id}",
    ),
    (running_with_progress, Cause.RUNNING, "It has been running for 14 s on w1, 40 % done, “users”.", ""),
    (
        asked_to_stop,
        Cause.ASKED_TO_STOP,
        "It has been running for 14 s on w1. ada asked it to stop, “wrong customer”: it does so when its worker",
        "",
    ),
    (cancelled, Cause.ENDED, "It was cancelled by ada 1 min ago, “wrong customer”.", ""),
    (
        expiring,
        Cause.ALL_BUSY,
        (
            "It waits for its turn: about 1 ahead of it, 4 of 4 slots busy. It expires in 3 min unless its run "
            "has begun by then."
        ),
        "",
    ),
    (expired, Cause.ENDED, "It expired just now: its run had not begun in time.", ""),
    (running, Cause.RUNNING, "It has been running for 14 s on w1.", ""),
    (
        running_on_a_silent_worker,
        Cause.WORKER_SILENT,
        "It has been running for 20 s on w1, which has been silent for 20 s: its lease ends in 10 s",
        "",
    ),
    (
        with_a_lease_that_ran_out,
        Cause.LEASE_EXPIRED,
        "It has been running for 35 s on w1, and its lease ran out 5 s ago: the next worker that looks takes it back",
        "",
    ),
    (
        dead,
        Cause.DEAD,
        (
            "It will not run again by itself: its only attempt failed. The fault: ValueError: no answer "
            "(2 dead letters like it)."
        ),
        "retry {id}",
    ),
    (dead_for_good, Cause.DEAD, "It will not run again by itself: it failed for good", "retry {id}"),
    (
        trashed,
        Cause.TRASHED,
        "Purged by ada, “test”. It was dead. It is deleted for good in 24 h, until then it can be restored.",
        "restore {id}",
    ),
    (
        moving,
        Cause.MOVING,
        "It is on its way to images, put aside by ada. It was ready. Where its mover has died, the same move goes on",
        "move --to images {id}",
    ),
    (completed_after_a_failure, Cause.ENDED, "It was completed 1 min ago.", ""),
    (blocked, Cause.BLOCKED, "It waits for other tasks to end.", ""),
    (unreadable, Cause.UNREADABLE, "It cannot be read: ", ""),
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


NONSENSE = [b"\xff\xfe\x00{no} %s", b'closed {"at": 1e300, "by": "\x1b[2J"}']


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_whatever_is_stored_is_explained_or_refused(nonsense: Any, yard: Yard, inspector: Inspector) -> None:
    ids = [completed_after_a_failure(yard), *(yard.seed(place) for place in PLACES)]
    yard.put_worker()
    for key in sorted(yard.redis.keys("test:*")):
        kind, saved = yard.redis.type(key), yard.redis.dump(key)
        if kind == b"hash":
            yard.redis.hset(key, mapping=dict.fromkeys(yard.redis.hkeys(key), nonsense))
        elif kind == b"list":
            yard.redis.lset(key, 0, nonsense)
        elif kind == b"zset":
            yard.redis.zadd(key, {nonsense: 1e300, b"lane/" + nonsense: -1e300})
        elif kind == b"string":
            yard.redis.set(key, nonsense)
        for task_id in ids:
            with suppress(TaskyardError):
                json.dumps(explain(inspector, task_id).facts)
        with suppress(TaskyardError):
            json.dumps([found.facts for found in explain_queue(inspector, "email")])
        yard.redis.restore(key, 0, saved, replace=True)


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
