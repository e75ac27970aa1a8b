"""For each script a seeded queue and one call that changes it: what all scripts have in common is tested on these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from queue_core import codec, protocol
from queue_core.histogram import Histogram
from queue_core.protocol import Call, Chunk, Held, ReleasedTask, Report, Result
from queue_core.snapshot import Figures
from tests.engine import IDLE_PLACES, KEEP_MS, LEASE_MS, PLACES, START_MS, Engine

OPERATION = "0123456789ab"
TO_REQUEUE: dict[str, str | int] = {
    "verb": "requeue",
    "of": "dead",
    "place": "dead",
    "until": START_MS,
    "top": START_MS,
    "count": 9,
}
EDITED = b'send {"unique_key":"welcome:ada","max_retries":5}\n{"to":"bo"}'
Scenario = Callable[[Engine], Call[Any]]


def enqueue(engine: Engine) -> Call[Any]:
    engine.seed("ready", "met")
    engine.seed("ready", "again")
    engine.trash("again")
    engine.delete("again")
    tasks = [
        engine.new_task(),
        engine.new_task("met"),
        engine.new_task("again"),
        engine.new_task(priority=2),
        engine.new_task(delay_ms=500),
        engine.new_task(expires=60),
        engine.new_task(unique_key="welcome:ada"),
        engine.new_task(unique_key="welcome:ada"),
        engine.new_task(unique_key="welcome:bob", unique_for=60),
    ]
    engine.limit(max_length=100, enqueue_rate=(100, 60))
    return protocol.enqueue(engine.queue, tasks)


def enqueue_occurrence(engine: Engine) -> Call[Any]:
    engine.run(protocol.enqueue_occurrence(engine.queue, "nightly", engine.now - 1, engine.new_task()))
    task = engine.new_task(priority=2, expires=60, unique_key="schedule:nightly")
    return protocol.enqueue_occurrence(engine.queue, "nightly", engine.now, task)


def claim(engine: Engine) -> Call[Any]:
    engine.seed("held")
    engine.seed("held", name="shrink")
    engine.seed("retrying")
    engine.enqueue("shut", name="shrink")
    engine.seed("scheduled", delay_ms=100)
    struck = engine.seed("ready")
    engine.trash(struck)
    engine.seed("ready")
    engine.seed("prioritized")
    engine.enqueue(expires=1)
    engine.later(2_000)
    engine.limit(claim_rate=(3, 60))
    return protocol.claim(engine.queue, "w1", 10, LEASE_MS, is_fair=True, lanes=["unknown:resize"])


def complete(engine: Engine) -> Call[Any]:
    plain, kept, keyed = engine.lease(expires=60), engine.lease(), engine.lease(unique_key="welcome:ada")
    engine.cancel(plain.id)
    kept = Held(kept.id, kept.fence, result=Result(b'{"sent":1}', 60_000))
    keyed = Held(keyed.id, keyed.fence, unique_key="welcome:ada")
    return protocol.complete(engine.queue, [with_history(engine), plain, kept, keyed, Held("gone", 1)])


def fail(engine: Engine) -> Call[Any]:
    verdicts = (protocol.RETRY, protocol.DEAD, protocol.DISCARD)
    failed = [
        engine.failed(engine.lease(unique_key=verdict, expires=60), verdict, trace="Traceback") for verdict in verdicts
    ]
    flagged = [
        engine.failed(engine.lease(unique_key=f"flagged {verdict}"), verdict)
        for verdict in (protocol.RETRY, protocol.CANCEL)
    ]
    engine.cancel(*(task.id for task in flagged))
    return protocol.fail(engine.queue, [*failed, *flagged], "1.0")


def extend(engine: Engine) -> Call[Any]:
    held, flagged = engine.lease(), engine.lease()
    engine.cancel(flagged.id)
    engine.later(5_000)
    return protocol.extend(engine.queue, [held, flagged, Held("gone", 1)], LEASE_MS)


def progress(engine: Engine) -> Call[Any]:
    held = engine.lease()
    said = codec.encode_progress(1, 3, "a b")
    return protocol.progress(engine.queue, [Report(held.id, held.fence, said), Report("gone", 1, said)])


def release(engine: Engine) -> Call[Any]:
    first, second, third = engine.lease(expires=1), engine.lease(priority=-1), engine.lease(name="resize")
    fourth = engine.lease(unique_key="welcome:ada", expires=1)
    engine.cancel(fourth.id)
    engine.later(1_000)
    engine.run(protocol.expire(engine.queue, [first.id]))
    released = [
        ReleasedTask(first.id, first.fence, facts={"why": "stop"}),
        ReleasedTask(second.id, second.fence),
        ReleasedTask(third.id, third.fence, "unknown:resize"),
        ReleasedTask(fourth.id, fourth.fence, facts={"why": "stop"}),
    ]
    return protocol.release(engine.queue, released)


def recover(engine: Engine) -> Call[Any]:
    again, buried = engine.lease(expires=60), engine.lease(max_crashes=0, expires=60)
    flagged = engine.lease(unique_key="welcome:ada")
    engine.cancel(flagged.id)
    return protocol.recover(engine.queue, LEASE_MS, held=[again, buried, flagged, Held("gone", 1)], seed=1)


def measure(engine: Engine) -> Call[Any]:
    engine.lease()
    return protocol.measure(engine.queue, {"send": Figures(completed=1, wait=Histogram((0, 1)), run=Histogram((1,)))})


def requeue(engine: Engine) -> Call[Any]:
    first, second = engine.seed("dead", unique_key="welcome:ada"), engine.seed("dead", priority=3)
    third = engine.seed("dead", unique_key="welcome:ada")
    letters = [(task_id, engine.now) for task_id in (first, second, third)]
    return protocol.requeue(engine.queue, [*letters, ("gone", 1)], {"by": "ada"})


def recall(engine: Engine) -> Call[Any]:
    """Of each place in which a requeued task waits, one that had been requeued before, and one that runs."""
    ids = [engine.seed("dead", unique_key="welcome:ada"), engine.seed("dead", priority=3), engine.seed("dead")]
    held = engine.seed("dead", name="resize")
    for name in ("1123456789ab", OPERATION):
        about = {**TO_REQUEUE, "until": engine.now, "top": engine.now}
        engine.run(protocol.start_operation(engine.queue, name, about, counts_outcome=True))
        engine.run(protocol.requeue(engine.queue, [], {"by": "ada"}, Chunk(name, "w1")))
        if name != OPERATION:
            claimed = engine.claim()
            for task in claimed.tasks:
                engine.fail(Held(task.id, claimed.fence, True), protocol.DEAD)
            engine.later(1_000)
    engine.claim(1)
    engine.run(protocol.close_lane(engine.queue, "name:resize", "ada", ""))
    claimed = engine.claim()
    engine.run(protocol.release(engine.queue, [ReleasedTask(task.id, claimed.fence) for task in claimed.tasks]))
    assert {engine.place_of(task_id) for task_id in (*ids, held)} == {"ready", "running", "held"}
    facts: dict[str, str | int] = {
        "verb": "recall",
        "of": "ready",
        "place": "waiting",
        "until": engine.now,
        "count": 4,
        "undoes": OPERATION,
    }
    engine.run(protocol.start_operation(engine.queue, "2123456789ab", facts, counts_outcome=False))
    return protocol.recall(engine.queue, {"by": "bo"}, Chunk("2123456789ab", "w1"))


def edit(engine: Engine) -> Call[Any]:
    task_id = engine.seed("dead", unique_key="welcome:ada", priority=3)
    return protocol.edit(engine.queue, task_id, engine.now, EDITED, {"by": "ada"})


def trash(engine: Engine) -> Call[Any]:
    return protocol.trash(engine.queue, [engine.seed(place) for place in IDLE_PLACES], KEEP_MS, "ada", "test")


def cancel(engine: Engine) -> Call[Any]:
    ids = [engine.lease().id if place == "running" else engine.seed(place) for place in PLACES]
    return protocol.cancel(engine.queue, [*ids, "gone"], {"by": "ada", "reason": "test"})


def restore(engine: Engine) -> Call[Any]:
    ids = [engine.seed(place, unique_key=place, expires=3_600) for place in IDLE_PLACES]
    engine.trash(*ids)
    return protocol.restore(engine.queue, [*ids, "gone"])


def delete(engine: Engine) -> Call[Any]:
    return protocol.delete(engine.queue, [engine.seed("trashed", unique_key="welcome:ada"), "gone"])


def promote(engine: Engine) -> Call[Any]:
    return protocol.promote(engine.queue, [engine.seed("retrying"), engine.seed("scheduled"), "gone"])


def export(engine: Engine) -> Call[Any]:
    ids = [engine.seed(place) for place in IDLE_PLACES]
    return protocol.export(engine.queue, [*ids, "gone"], "images", "t1", "ada", "test")


def import_(engine: Engine) -> Call[Any]:
    engine.seed("ready", "order-1")
    exported = put_aside(engine, "images", *IDLE_PLACES)
    twin = replace(exported.tasks[-1], ticket="order-1:t1")
    back = protocol.ExportedTask("order-2:t1")
    return protocol.import_(engine.queue, replace(exported, tasks=(*exported.tasks, twin, back)), {"by": "ada"})


def forget(engine: Engine) -> Call[Any]:
    ids = [engine.seed(place) for place in IDLE_PLACES]
    exported = engine.run(protocol.export(engine.queue, ids, "images", "t1", "ada", "test"))
    return protocol.forget(engine.queue, [*(task.ticket for task in exported.tasks), "gone:t1", f"{ids[0]}:t2"])


def confirm(engine: Engine) -> Call[Any]:
    exported = put_aside(engine, "images", "dead", "ready")
    engine.run(protocol.import_(engine.queue, exported, {"by": "ada"}))
    return protocol.confirm(engine.queue, [task.ticket for task in exported.tasks])


def delete_queue(engine: Engine) -> Call[Any]:
    for place in IDLE_PLACES:
        engine.seed(place)
    return protocol.delete_queue(engine.queue, is_forced=True)


def expire(engine: Engine) -> Call[Any]:
    ids = [engine.seed(place, expires=3_600) for place in ("held", "retrying", "scheduled", "prioritized", "ready")]
    engine.later(3_600_000)
    return protocol.expire(engine.queue, [*ids, "gone"])


def limit(engine: Engine) -> Call[Any]:
    engine.seed("ready")
    return protocol.limit(engine.queue, {"claim_rate": [3, 60_000], "max_length": 10}, "ada")


def pause(engine: Engine) -> Call[Any]:
    engine.seed("ready")
    return protocol.pause(engine.queue, "ada", "test")


def resume(engine: Engine) -> Call[Any]:
    engine.seed("ready")
    engine.run(protocol.pause(engine.queue, "ada", "test"))
    return protocol.resume(engine.queue)


def close_lane(engine: Engine) -> Call[Any]:
    return protocol.close_lane(engine.queue, "name:send", "ada", "test")


def open_lane(engine: Engine) -> Call[Any]:
    engine.seed("held")
    return protocol.open_lane(engine.queue, "unknown:resize", "ada")


def mute_fault(engine: Engine) -> Call[Any]:
    return protocol.mute_fault(engine.queue, engine.fault(), engine.now + 60_000, 10, "ada", "test")


def unmute_fault(engine: Engine) -> Call[Any]:
    engine.run(mute_fault(engine))
    return protocol.unmute_fault(engine.queue, engine.fault())


def note_fault(engine: Engine) -> Call[Any]:
    return protocol.note_fault(engine.queue, engine.fault(), "ada", "the provider is down")


def start_operation(engine: Engine) -> Call[Any]:
    engine.seed("dead")
    return protocol.start_operation(engine.queue, OPERATION, TO_REQUEUE, counts_outcome=True)


def switch_operation(engine: Engine) -> Call[Any]:
    engine.run(start_operation(engine))
    return protocol.switch_operation(engine.queue, OPERATION, "cancel", "ada")


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__.rstrip("_"): scenario
    for scenario in (
        enqueue, enqueue_occurrence, claim, complete, fail, extend, release, recover, progress, measure, requeue,
        recall, edit, trash, cancel, restore, delete, expire, limit, promote, export, import_, forget, confirm,
        delete_queue, pause, resume, close_lane, open_lane, mute_fault, unmute_fault, note_fault, start_operation,
        switch_operation,
    )
}  # fmt: skip


def put_aside(engine: Engine, queue: str, *places: str) -> protocol.Exported:
    """Tasks in another queue, one from each place, which that has put aside for this one."""
    other = Engine(engine.url, engine.client.namespace, queue)
    other.now, other.session = engine.now, protocol.Session()
    ids = [other.seed(place, f"moved-{place}") for place in places]
    exported = other.run(protocol.export(other.queue, ids, engine.queue.queue, "t1", "ada", "test"))
    other.check_books()
    other.close()
    return exported


def with_history(engine: Engine) -> Held:
    """A lease on a task that has failed before."""
    task_id = engine.seed("retrying")
    engine.later(1_000)
    claimed = engine.claim(1)
    assert [task.id for task in claimed.tasks] == [task_id]
    return Held(task_id, claimed.fence, True)
