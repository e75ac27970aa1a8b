"""Every operation that changes something, each as users, workers or operators have it done: a seeded queue, and what is
then done through a client."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from queue_core import Taskyard, fsck, keys, protocol
from queue_core.aio import AsyncClient
from queue_core.client import Client
from queue_core.consoles import Consoles
from queue_core.control import Control
from queue_core.histogram import Histogram
from queue_core.moving import BATCH
from queue_core.operations import Operations
from queue_core.protocol import Held, ReleasedTask, Report, Result, Session
from queue_core.schedules import Schedules
from queue_core.snapshot import Figures, State
from queue_core.worker.complaints import Complaints
from queue_core.worker.janitor import Janitor
from queue_core.worker.scheduler import Scheduler
from tests.engine import IDLE_PLACES, LEASE_MS, Engine
from tests.invariants import places_of
from tests.workers import put_worker

Doing = Callable[[Client], Any]
Operation = Callable[[Engine], Doing]
"""Seeds a queue, and returns what is then done, as often as what was seeded is put back."""
ACT: dict[str, Any] = {"by": "ada", "action_id": "form-1", "reason": "test"}
RESULT_SECONDS = 20.0


def yard_of(client: Client) -> Taskyard:
    yard = Taskyard(client.url, namespace=client.namespace, version="1.0", clock=client.clock)
    yard._client = client
    return yard


# Producers.


def enqueue_many(engine: Engine) -> Doing:
    def run(client: Client) -> Any:
        yard = yard_of(client)

        @yard.task(queue="email")
        def send(number: int) -> None: ...

        handles = yard.enqueue_many(send.message(number) for number in range(600))
        assert places_of(engine.state())["ready"] == [handle.id for handle in handles]
        return len(handles)

    return run


def enqueue(engine: Engine) -> Doing:
    """One by one, in each way there is; and a task that is met."""

    def run(client: Client) -> Any:
        yard = yard_of(client)

        @yard.task(queue="email")
        def send(number: int) -> None: ...

        async def asynchronously() -> list[Any]:
            handles = [await send.options(task_id="order-5", unique_key="five").aenqueue(5)]
            messages = [send.options(task_id=f"order-{number}", delay=9).message(number) for number in range(6, 9)]
            handles += await yard.aenqueue_many(messages)
            await yard.aclose()
            return handles

        handles = [
            send.options(task_id="order-1").enqueue(1),
            send.options(task_id="order-2", priority=3).delay(2),
            yard.enqueue(send.options(task_id="order-1").message(1)),
            yard.send("send", {"number": 4}, queue="email", task_id="order-4", unique_key="five"),
        ]
        handles += asyncio.run(asynchronously())
        return [(handle.id, handle.met) for handle in handles]

    return run


def cancel_by_handle(engine: Engine) -> Doing:
    first, second, running = engine.enqueue("first"), engine.enqueue("second"), "running"
    engine.lease(running, priority=9)

    def run(client: Client) -> Any:
        yard = yard_of(client)

        async def asynchronously() -> Any:
            cancelled = await yard.handle(second, "email").acancel("test")
            await yard.aclose()
            return cancelled

        states = [yard.handle(first, "email").cancel("test"), yard.cancel(running, "email", "test")]
        return [*states, asyncio.run(asynchronously())]

    return run


def wait_for_result(engine: Engine) -> Doing:
    held = engine.lease("sum", result_ttl=60)

    def run(client: Client) -> Any:
        with ending(engine, held):
            return yard_of(client).handle("sum", "email").result(RESULT_SECONDS)

    return run


def await_result(engine: Engine, *, is_cut_off: bool = False) -> Doing:
    held = engine.lease("sum", result_ttl=60)

    async def wait(client: Client) -> Any:
        yard = yard_of(client)
        handle = yard.handle("sum", "email")
        try:
            with ending(engine, held, is_cut_off=is_cut_off):
                return await handle.aresult(RESULT_SECONDS)
        finally:
            await yard.aclose()

    return lambda client: asyncio.run(wait(client))


def wait_without_hint(engine: Engine) -> Doing:
    """The connection on which the hint would come is gone when the task ends."""
    held = engine.lease("sum", result_ttl=60)

    def run(client: Client) -> Any:
        with ending(engine, held, is_cut_off=True):
            return yard_of(client).handle("sum", "email").result(RESULT_SECONDS)

    return run


@contextmanager
def ending(engine: Engine, held: Held, *, is_cut_off: bool = False) -> Iterator[None]:
    """As soon as somebody listens, the task completes. `is_cut_off`: who listens does not hear of it."""
    channel, gives_up = engine.queue.end(held.id), time.monotonic() + RESULT_SECONDS

    def end() -> None:
        while not engine.redis.pubsub_numsub(channel)[0][1] and time.monotonic() < gives_up:
            time.sleep(0.0005)
        if is_cut_off:
            engine.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        given = Held(held.id, held.fence, result=Result(b"3", 60_000))
        assert engine.run(protocol.complete(engine.queue, [given])) == []

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        thread.join()


# Consumers and workers.


def consume(engine: Engine) -> Doing:
    for number in range(8):
        engine.enqueue(f"order-{number}", max_retries=0, result_ttl=60 if number == 0 else None)
    engine.enqueue("unreadable", payload=b"not json")

    def run(client: Client) -> Any:
        with yard_of(client).queue("email").claim(9, worker_id="w1") as leases:
            leases[1].progress(1, 3, "row 1")
            leases[0].complete({"sent": 1})
            leases[1].fail("no answer")
            leases[2].release()
            leases[3].extend(60)
            leases[4].hold()
            leases[5].bury("Misfit", "it fits nobody")
        return [lease.id for lease in leases]

    return run


def consume_what_others_left(engine: Engine) -> Doing:
    """A claim that meets leases that have run out, also of a task that was asked to stop, and a task that is late."""
    for task_id in ("left", "asked"):
        engine.lease(task_id)
    engine.cancel("asked")
    engine.enqueue("late", expires=1)
    for _ in range(2):  # after a silence nothing is recovered for one lease
        engine.later(LEASE_MS)
        engine.run(protocol.extend(engine.queue, [], LEASE_MS))
    engine.later(LEASE_MS // 6)

    def run(client: Client) -> Any:
        with yard_of(client).queue("email").claim(1, worker_id="w2") as leases:
            return len(leases)

    return run


def exchange(engine: Engine) -> Doing:
    """What a worker sends: one pipeline that settles the last batch and claims the next."""
    held = [engine.lease() for _ in range(4)]
    engine.enqueue_many(3)
    figures = {"send": Figures(completed=1, wait=Histogram((0, 1)), run=Histogram((1,)))}
    calls: list[protocol.Call[Any]] = [
        protocol.complete(engine.queue, held[:1]),
        protocol.fail(engine.queue, [engine.failed(held[1])]),
        protocol.release(engine.queue, [ReleasedTask(held[2].id, held[2].fence)]),
        protocol.measure(engine.queue, figures),
        protocol.progress(engine.queue, [Report(held[3].id, held[3].fence, b'{"done":1}')]),
        protocol.claim(engine.queue, "w1", 2, LEASE_MS, is_fair=True),
    ]
    return lambda client: asynchronously(client, lambda own: own.run_all(calls))


def one_by_one(engine: Engine) -> Doing:
    held = [engine.lease() for _ in range(3)]
    more = engine.new_task("more")

    async def settle(own: AsyncClient) -> list[Any]:
        return [
            await own.run(protocol.extend(engine.queue, held, LEASE_MS)),
            await own.run(protocol.complete(engine.queue, held[:1])),
            await own.run(protocol.complete(engine.queue, held[1:2])),
            await own.run(protocol.enqueue(engine.queue, [more])),
            await own.run(protocol.claim(engine.queue, "w1", 2, LEASE_MS)),
        ]

    return lambda client: asynchronously(client, settle)


def see_to_dead_process(engine: Engine) -> Doing:
    """What a supervisor does: a task had begun, one had not, and one had been claimed and was not in the table yet."""
    begun, waiting = engine.lease(), engine.lease()
    engine.enqueue()
    last = protocol.claim(engine.queue, "w1", 1, LEASE_MS)
    lost = engine.client.run(last, Session("dead", 4))

    async def see_to(own: AsyncClient) -> Any:
        await own.run(protocol.release(engine.queue, [ReleasedTask(waiting.id, waiting.fence)]))
        await own.run(protocol.recover(engine.queue, LEASE_MS, held=[begun], evidence={"evidence": "killed"}))
        claimed = await own.run(last, own.channel(Session("dead", 4)))
        assert claimed.fence == lost.fence
        missing = [ReleasedTask(task.id, claimed.fence) for task in claimed.tasks]
        await own.run(protocol.release(engine.queue, missing))
        return len(missing)

    return lambda client: asynchronously(client, see_to)


def look_after(engine: Engine) -> Doing:
    """What a worker's janitor does: leases that ran out, tasks that are too late, too many letters, an old trash."""
    consume_what_others_left(engine)
    engine.claim(1)  # puts off what is too late
    engine.run(protocol.trash(engine.queue, [engine.enqueue("old", name="other")], 1, "ada", ""))
    engine.kill(3)
    engine.limit(dead_max_count=1)
    engine.later(1_000)

    async def look(own: AsyncClient) -> None:
        janitor = Janitor(own, ["email"], LEASE_MS, Complaints())
        await janitor.recover()
        await janitor.end_outstayed()
        await janitor.empty_trash()

    return lambda client: asynchronously(client, look)


def asynchronously(client: Client, use: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        own = AsyncClient(client.url, client.namespace, clock=client.clock)
        try:
            return await use(own)
        finally:
            await own.close()

    return asyncio.run(run())


def schedule(engine: Engine) -> Doing:
    """What a scheduler does: it stores what the code declares, and makes up for an occurrence that was missed."""

    def run(client: Client) -> Any:
        yard = yard_of(client)

        @yard.task(queue="email")
        def send() -> None: ...

        yard.schedule("hourly", send, every=3_600, overlap=False)
        began = engine.now

        async def tick(own: AsyncClient) -> None:
            scheduler = Scheduler(own, "shop:yard", yard.timetable, Complaints())
            for _ in range(3):
                await scheduler.tick()
                engine.later(3_600_000)

        asynchronously(client, tick)
        engine.now = began
        return [(found.last_at, found.last_task_id, found.last_was_met) for found in yard.inspector.schedules()]

    return run


# Operators.


def steer_schedule(engine: Engine) -> Doing:
    def run(client: Client) -> Any:
        schedules = Schedules(client=client)

        def form(number: int) -> dict[str, Any]:
            return {"by": "ada", "action_id": f"form-{number}"}

        said = [
            schedules.add("hourly", "send", queue="email", every=3_600, **form(1)),
            schedules.change("hourly", missed="all", **form(2)),
            schedules.pause("hourly", **form(3)),
            schedules.resume("hourly", **form(4)),
            schedules.run_now("hourly", **form(5)),
            schedules.remove("hourly", **form(6)),
        ]
        schedules.close()
        return [(outcome.verb, outcome.done, outcome.skipped) for outcome in said]

    return run


def repair(engine: Engine) -> Doing:
    first, _, last = engine.enqueue_many(3)
    engine.redis.zadd(engine.queue.scheduled, {first: engine.now})
    engine.redis.lrem(engine.queue.ready, 0, last)
    engine.redis.hincrby(engine.queue.stats, "completed", 3)
    engine.redis.hset(engine.queue.unique, "nobody's", "gone 0")
    engine.redis.zadd(engine.queue.operations, {"0123456789ab": -engine.now})
    return lambda client: list(fsck.check(client, "email", repair=True))


def say_of_fault(engine: Engine) -> Doing:
    fault = engine.fault()

    def run(client: Client) -> Any:
        control = Control(client=client)
        said = [
            control.mute_fault("email", fault, attempts=9, **ACT),
            control.unmute_fault("email", fault, **{**ACT, "action_id": "form-2"}),
            control.note_fault("email", fault, "see #4411", **{**ACT, "action_id": "form-3"}),
        ]
        return said, client.read(("HGETALL", client.queue("email").faults))

    return run


def act(verb: str, *more: Any, count: int = 260) -> Operation:
    """An action on tasks in every place, and on more than one batch of them."""

    def operation(engine: Engine) -> Doing:
        ids = [engine.seed(place) for place in IDLE_PLACES] + engine.enqueue_many(count, delay_ms=1_000)
        if verb in ("restore", "delete"):
            for start in range(0, len(ids), 256):
                engine.trash(*ids[start : start + 256])
        given: Sequence[Any] = list(engine.state()["dead"].items()) if verb == "requeue" else ids
        return lambda client: getattr(Control(client=client), verb)("email", given, *more, **ACT)

    return operation


def edit(engine: Engine) -> Doing:
    task_id = engine.seed("dead")
    died_at = int(engine.state()["dead"][task_id])
    what: dict[str, Any] = {"payload": b'{"to":"bo"}', "priority": 3, "max_retries": 1, "changes": "to", **ACT}
    return lambda client: Control(client=client).edit("email", task_id, died_at, **what)


def unmask(engine: Engine) -> Doing:
    task_id = engine.seed("dead")
    return lambda client: Control(client=client).unmask("email", task_id, **ACT)


def call_back(engine: Engine) -> Doing:
    """What a mover put aside and did not take to its target is restored."""
    ids = [engine.seed(place) for place in IDLE_PLACES]
    engine.run(protocol.export(engine.queue, ids, "images", "t1", "ada", "test"))
    return lambda client: Control(client=client).restore("email", ids, **ACT)


def switch(verb: str, *given: Any, **named: Any) -> Operation:
    def operation(engine: Engine) -> Doing:
        engine.seed("held")
        engine.seed("ready")
        if verb == "resume":
            engine.run(protocol.pause(engine.queue, "ada", ""))
        return lambda client: getattr(Control(client=client), verb)("email", *given, **named, **ACT)

    return operation


def tell_workers(engine: Engine) -> Doing:
    put_worker(engine, "w1:7", heartbeat_at=engine.now)

    def run(client: Client) -> Any:
        control = Control(client=client)
        tell = (control.quiet_workers, control.resume_workers, control.stop_workers)
        said = [act(["w1:7", "none:1"], **{**ACT, "action_id": f"form-{i}"}) for i, act in enumerate(tell)]
        return said, client.read(("GET", keys.command(client.namespace, "w1:7")))

    return run


def sign_in_to_consoles(engine: Engine) -> Doing:
    """Tries until there are too many, one of them right."""

    def run(client: Client) -> Any:
        consoles = Consoles(client=client)
        waits = [consoles.try_once({"name ada": 3, "address": 4}, 60, f"a{number}") > 0 for number in range(5)]
        consoles.give_back(["address"], "a1", all_of="name ada")
        waits += [consoles.try_once({"name ada": 3, "address": 3}, 60, f"b{number}") > 0 for number in range(2)]
        kept = [client.read(("SCARD", key))[0] for key in sorted(engine.redis.keys("*:tries:*"))]
        return waits, kept

    return run


def sign_out_of_consoles(engine: Engine) -> Doing:
    def run(client: Client) -> Any:
        consoles = Consoles(client=client)
        for name, until in (("s1", 1_000), ("s2", 2_000)):
            consoles.end_sign_in(name, until, until - 100)
        return consoles.ended_sign_ins(0)

    return run


def bulk(verb: str, state: State, count: int = 20) -> Operation:
    """Bulk work from its beginning to its end. `count`: from 257 more than one chunk."""

    def operation(engine: Engine) -> Doing:
        if state is State.DEAD:
            engine.kill(count)
        else:
            ids = engine.enqueue_many(count, delay_ms=60_000 if state is State.SCHEDULED else 0)
        if state is State.TRASHED:
            engine.trash(*ids)
        to = "images" if verb == "move" else ""
        bound = Operations(client=engine.client).preview("email", verb, state=state, to_queue=to).bound

        def run(client: Client) -> Any:
            operations = Operations(client=client)
            begun = operations.start(bound, **ACT)
            operations.tend(["email"], seconds=RESULT_SECONDS)
            return operations.wait(begun.id, "email", sleep=lambda seconds: None)

        return run

    return operation


def steer(engine: Engine) -> Doing:
    """Bulk work that is begun carefully, held up, let go on, and broken off; two of its chunks by hand."""
    engine.kill(20)
    bound = Operations(client=engine.client).preview("email", "requeue").bound

    def run(client: Client) -> Any:
        operations = Operations(client=client)
        begun = operations.start(bound, canary=3, drip=5, **ACT)
        words = [operations.run_chunk(begun.id, "email").word]
        said = [operations.pause(begun.id, "email", **ACT), operations.resume(begun.id, "email", **ACT)]
        words += [operations.run_chunk(begun.id, "email").word]
        return words, said, operations.cancel(begun.id, "email", **ACT)

    return run


def recall(engine: Engine) -> Doing:
    """Bulk work that is still under way is recalled, what of it was begun goes on."""
    engine.kill(260)
    operations = Operations(client=engine.client)
    bound = operations.preview("email", "requeue").bound
    begun = operations.start(bound, by="ada", action_id="form-0")
    operations.run_chunk(begun.id, "email")
    engine.claim(3)

    def run(client: Client) -> Any:
        operations = Operations(client=client)
        recalled = operations.recall(begun.id, "email", by="ada", reason="test")
        return operations.wait(recalled.id, "email", sleep=lambda seconds: None)

    return run


OPERATIONS: dict[str, Operation] = {
    "enqueue_many": enqueue_many,
    "enqueue": enqueue,
    "cancel by handle": cancel_by_handle,
    "result": wait_for_result,
    "aresult": await_result,
    "result without a hint": wait_without_hint,
    "aresult without a hint": lambda engine: await_result(engine, is_cut_off=True),
    "consumer": consume,
    "consumer of what others left": consume_what_others_left,
    "exchange": exchange,
    "async one by one": one_by_one,
    "dead process": see_to_dead_process,
    "janitor": look_after,
    "scheduler": schedule,
    "schedules": steer_schedule,
    "fsck --repair": repair,
    "mute, unmute, note": say_of_fault,
    **{verb: act(verb) for verb in ("requeue", "trash", "cancel", "restore", "delete", "promote")},
    "move": act("move", "images", count=BATCH),
    "call back": call_back,
    **{verb: switch(verb) for verb in ("pause", "resume")},
    **{verb: switch(verb, "unknown:resize") for verb in ("close_lane", "open_lane")},
    "limit": switch("limit", max_length=5, enqueue_rate=(3, 60), claim_rate=(3, 60), dead_warning=9, wait_target=60),
    "delete_queue": switch("delete_queue", force=True),
    "tell workers": tell_workers,
    "edit": edit,
    "unmask": unmask,
    "refuse": lambda engine: lambda client: Control(client=client).refuse("POST /", queue="email", **ACT),
    "sign in": lambda engine: lambda client: Control(client=client).sign_in("192.0.2.1", **ACT),
    "sign in to consoles": sign_in_to_consoles,
    "sign out of consoles": sign_out_of_consoles,
    "sign out": lambda engine: lambda client: Control(client=client).sign_out("192.0.2.1", **ACT),
    "bulk requeue": bulk("requeue", State.DEAD, 260),
    "bulk trash": bulk("trash", State.READY, 260),
    "bulk restore": bulk("restore", State.TRASHED),
    "bulk delete": bulk("delete", State.TRASHED),
    "bulk promote": bulk("promote", State.SCHEDULED),
    "bulk cancel": bulk("cancel", State.SCHEDULED),
    "bulk move": bulk("move", State.READY),
    "bulk work that is steered": steer,
    "bulk recall": recall,
}
