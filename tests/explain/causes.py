"""How each cause comes about, as life makes it. Each returns the task's id."""

from __future__ import annotations

from queue_core import protocol
from queue_core.codec import encode_progress
from tests.engine import LEASE_MS
from tests.explain.harness import HOUR, MINUTE, SECOND, Yard


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


def due_while_all_slots_are_busy(yard: Yard) -> str:
    task_id = retrying_after_a_crash(yard)
    due = yard.redis.zscore(yard.queue.retrying, task_id)
    yard.enqueue_many(48)
    yard.later(int(due or 0) + 5 * MINUTE - yard.now)
    yard.put_worker(concurrency=2, busy=2)
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


def dead_while_another_has_its_key(yard: Yard) -> str:
    task_id = yard.seed("dead", max_retries=0, unique_key="welcome:ada")
    yard.enqueue("mine-1", unique_key="welcome:ada")
    return task_id


def dead_while_its_key_is_held_for_a_time(yard: Yard) -> str:
    task_id = yard.seed("dead", max_retries=0, unique_key="welcome:ada")
    held = yard.lease("mine-1", unique_key="welcome:ada", unique_for=60.0)
    yard.run(protocol.complete(yard.queue, [held]))
    yard.later(18 * SECOND)
    return task_id


def dead_while_its_keys_holder_is_dead_too(yard: Yard) -> str:
    task_id = yard.seed("dead", max_retries=0, unique_key="welcome:ada")
    yard.seed("dead", "mine-1", max_retries=0, unique_key="welcome:ada")
    return task_id


def trashed_while_another_has_its_key(yard: Yard) -> str:
    task_id = yard.enqueue(unique_key="welcome:ada")
    assert yard.trash(task_id) == {}
    yard.enqueue("mine-1", unique_key="welcome:ada")
    return task_id


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
