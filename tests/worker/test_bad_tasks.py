"""Tasks that cannot run here, or ever: each ends where it belongs, and the others go on. Real workers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from redis import Redis

from queue_core import ResultUnavailable, Taskyard, protocol
from queue_core.ids import new_id
from queue_core.protocol import NewTask
from tests.worker import shop
from tests.worker.harness import FAST, StartWorker, counted, history_of, traces, wait_until, wait_until_completed


def enqueue_raw(yard: Taskyard, envelope: bytes) -> str:
    task_id = new_id()
    yard.client.run(protocol.enqueue(FAST, [NewTask(task_id, envelope)]))
    return task_id


def test_task_of_an_unknown_name_is_held_and_taken_by_a_worker_that_knows_it(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    old = start_worker("old")
    ids = [enqueue_raw(yard, b'newcomer\n{"what":"hello %d"}' % i) for i in range(3)]
    shop.note.enqueue("neighbour")
    wait_until(lambda: redis.zcard(FAST.held) == 3 and counted(redis, "fast", "completed") == 1)
    assert redis.hexists(FAST.closed, "unknown:newcomer")
    assert old.said().count("task newcomer is not known here") == 1
    assert [history_of(redis, "fast", task_id) for task_id in ids] == [[]] * 3
    check_books()
    start_worker("new", app="tests.worker.shop_with_more:yard")
    wait_until_completed(redis, 4, "fast")
    assert sorted(traces(redis)) == ["hello 0", "hello 1", "hello 2", "neighbour"]
    for i in range(5, 11):
        began = time.monotonic()
        enqueue_raw(yard, b'newcomer\n{"what":"later"}')  # whoever meets it
        wait_until_completed(redis, i, "fast")
        assert time.monotonic() - began < 2.5
    check_books()


def test_what_cannot_be_read_or_does_not_fit_is_a_dead_letter_with_its_reason(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    reasons = {
        b"\xff\xfe\x00": "UnreadableEnvelope: the envelope has no payload line",
        b"": "UnreadableEnvelope: the envelope has no payload line",
        b'no name at all!\n{"what":"x"}': "UnreadableEnvelope: the envelope's options cannot be read",
        b'note {"priority":"high"}\n{}': "UnreadableEnvelope: the envelope's options cannot be read",
        b"note\nnot json": "UnreadableEnvelope: the payload is not JSON",
        b"note\n" + b"[" * 100_000: "UnreadableEnvelope: the payload is not JSON",
        b"note\n[1,2,3]": "UnreadableEnvelope: the payload is neither",
        b"note\n{}": "PayloadMismatch: missing a required argument: 'what'",
        b'note\n{"what":"x","who":"y"}': "PayloadMismatch: got an unexpected keyword argument 'who'",
        b'note\n[["a","b"],{}]': "PayloadMismatch: too many positional arguments",
        b'note\n{"what":7}': "PayloadMismatch: argument `what`: expected `str`, got `int`",
        b'note_order\n{"number":"7","at":"","price":1}': "PayloadMismatch: argument `number`: invalid UUID",
    }
    handles = {enqueue_raw(yard, envelope): reason for envelope, reason in reasons.items()}
    yard.enqueue_many(shop.note.message(str(i)) for i in range(50))
    start_worker()
    wait_until(lambda: redis.zcard(FAST.dead) == len(reasons))
    wait_until_completed(redis, 50, "fast")
    for task_id, reason in handles.items():
        head, line = history_of(redis, "fast", task_id)
        assert head.split()[:2] == ["1", "0"]
        assert f'"error":"{reason}' in line, line
    check_books()


def test_arguments_are_what_their_annotations_say(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    start_worker()
    shop.note_order.enqueue(UUID(int=7), at=datetime(2026, 11, 22, tzinfo=UTC), price=Decimal("9.99"))
    wait_until_completed(redis, 1, "fast")
    assert traces(redis) == ["7 2026 10.99"]


def test_damaged_ids_and_histories_stop_no_worker(start_worker: StartWorker, yard: Taskyard, redis: Redis) -> None:
    for damaged in (b"\xff" * 22, b"with:colon-and-22-byte"):
        redis.hset(FAST.tasks, damaged, b'note\n{"what":"never"}')
        redis.rpush(FAST.ready, damaged)
    handle = shop.note.enqueue("survivor")
    redis.hset(FAST.history, handle.id, "many times too often -")
    worker = start_worker()
    child = worker.child()
    wait_until_completed(redis, 1, "fast")
    assert traces(redis) == ["survivor"]
    assert worker.said().count("is no id of a task") == 2
    assert worker.child() == child


def test_handlers_that_raise_what_ends_programs_fail_and_stop_nothing(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    worker = start_worker()
    child = worker.child()
    bad = {
        shop.leave_program.enqueue().id: "SystemExit: 3",
        shop.interrupt.enqueue().id: "KeyboardInterrupt",
        shop.cancel.enqueue().id: "CancelledError",
        shop.fail_untellably.enqueue().id: "RuntimeError: a Untellable that cannot be told",
    }
    yard.enqueue_many(shop.note.message(str(i)) for i in range(20))
    wait_until(lambda: redis.zcard(FAST.dead) == 4)
    wait_until_completed(redis, 20, "fast")
    for task_id, error in bad.items():
        assert f'"error":"{error}' in history_of(redis, "fast", task_id)[1]
    assert worker.child() == child
    check_books()


def test_failed_task_waits_for_its_retry_and_then_completes(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker()
    handle = shop.fail_first.enqueue("a")
    wait_until_completed(redis, 1, "fast")
    assert traces(redis) == ["a 1", "a 2"]
    head, failed = history_of(redis, "fast", handle.id)
    assert head.split()[:3] == ["1", "0", "0"]
    assert '"error":"ValueError: not yet"' in failed
    assert '"retry_in":1.' in failed
    check_books()


def test_what_a_handler_says_and_the_rule_of_its_task_decide_what_becomes_of_it(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker()
    handles = {what: shop.say.enqueue(what) for what in ("again", "connection", "discard", "bury", "value")}
    assert [handles[what].result() for what in ("again", "connection")] == [2, 2]
    wait_until(lambda: redis.zcard(FAST.dead) == 2)
    for what, error, retry_in in (
        ("again", "Retry: not yet", 0.1),
        ("connection", "ConnectionResetError: gone", 0.2),
        ("bury", "DeadLetter: no such customer", None),
        ("value", "ValueError: never right", None),
        ("discard", "Discard: too late", None),
    ):
        facts = json.loads(history_of(redis, "fast", handles[what].id)[1].split(" ", 2)[2])
        assert (facts["error"], facts.get("retry_in")) == (error, retry_in)
    assert counted(redis, "fast", "discarded") == 1
    with pytest.raises(ResultUnavailable, match="was discarded by its handler: Discard: too late"):
        handles["discard"].result()
    check_books()


def test_task_larger_than_a_batch_and_a_thousand_small_ones_pass(
    start_worker: StartWorker, yard: Taskyard, redis: Redis, check_books: Callable[[], None]
) -> None:
    start_worker()
    large = "x" * 1_000_000
    yard.enqueue_many([shop.note.message(large), *(shop.note.message(str(i)) for i in range(1_000))])
    yard.enqueue_many([shop.note.message(large) for _ in range(3)])
    wait_until_completed(redis, 1_004, "fast")
    check_books()
