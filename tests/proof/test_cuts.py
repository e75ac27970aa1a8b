"""Every connection may be cut before and after every single round trip of every operation: it is sent again, its answer
and what comes of it are the same, and nothing is lost or there twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from queue_core import Taskyard, connection, fsck, protocol
from queue_core.aio import AsyncClient
from queue_core.client import Client
from queue_core.control import Control
from queue_core.inspector import Inspector
from queue_core.protocol import Held, ReleasedTask
from queue_core.snapshot import State
from tests.engine import IDLE_PLACES, LEASE_MS, Engine, places_of, problems_of
from tests.engine import State as QueueState
from tests.proxy import Fate, Proxy, proxy

Operation = Callable[[Engine, Client], Callable[[], Any]]
"""Seeds a queue, and returns what is then done through the client that gets cut."""
ACT: dict[str, Any] = {"by": "ada", "action_id": "form-1", "reason": "test"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "backoff_seconds", lambda attempt, chance: 0.0)


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    engine.close()


@pytest.fixture
def cutting(redis_url: str) -> Iterator[Proxy]:
    with proxy(redis_url, counts_all=True) as running:
        yield running


def yard_of(client: Client) -> Taskyard:
    yard = Taskyard(client.url, namespace=client.namespace)
    yard._client = client
    return yard


def enqueue_many(engine: Engine, client: Client) -> Callable[[], Any]:
    yard = yard_of(client)

    @yard.task(queue="email")
    def send(number: int) -> None: ...

    messages = [send.message(number) for number in range(600)]

    def run() -> Any:
        handles = yard.enqueue_many(messages)
        assert places_of(engine.state())["ready"] == [handle.id for handle in handles]
        return len(handles)

    return run


def consume(engine: Engine, client: Client) -> Callable[[], Any]:
    for number in range(5):
        engine.enqueue(f"order-{number}", max_retries=0)

    def run() -> Any:
        with yard_of(client).queue("email").claim(5, worker_id="w1") as leases:
            leases[0].complete()
            leases[1].fail("no answer")
            leases[2].release()
            leases[3].extend(60)
        return [lease.id for lease in leases]

    return run


def repair(engine: Engine, client: Client) -> Callable[[], Any]:
    first, _, last = engine.enqueue_many(3)
    engine.redis.zadd(engine.queue.scheduled, {first: engine.now})
    engine.redis.lrem(engine.queue.ready, 0, last)
    engine.redis.hincrby(engine.queue.stats, "completed", 3)
    return lambda: list(fsck.check(client, "email", repair=True))


def requeue_fault(engine: Engine, client: Client) -> Callable[[], Any]:
    ids = engine.enqueue_many(300)
    for _ in range(2):
        claimed = engine.claim(256)
        failed = [engine.failed(Held(task.id, claimed.fence), protocol.DEAD) for task in claimed.tasks]
        engine.run(protocol.fail(engine.queue, failed))
        engine.later(1)
    (fault,) = engine.state()["faults_seen"]

    def run() -> Any:
        outcome = Control(client=client).requeue_fault("email", fault, until=engine.now, **ACT)
        assert sorted(outcome.done) == sorted(ids)
        return len(outcome.done)

    return run


def act(verb: str, *more: Any) -> Operation:
    """An action on tasks in every place, and on more than one batch of them."""

    def operation(engine: Engine, client: Client) -> Callable[[], Any]:
        ids = [engine.seed(place) for place in IDLE_PLACES] + engine.enqueue_many(260, delay_ms=1_000)
        if verb in ("restore", "delete"):
            for start in range(0, len(ids), 256):
                engine.trash(*ids[start : start + 256])
        given: Sequence[Any] = list(engine.state()["dead"].items()) if verb == "requeue" else ids
        return lambda: getattr(Control(client=client), verb)("email", given, *more, **ACT)

    return operation


def switch(verb: str, *more: Any) -> Operation:
    def operation(engine: Engine, client: Client) -> Callable[[], Any]:
        engine.seed("held")
        if verb == "resume":
            engine.run(protocol.pause(engine.queue, "ada", ""))
        return lambda: getattr(Control(client=client), verb)("email", *more, **ACT)

    return operation


def look(read: Callable[[Inspector, str], Any]) -> Operation:
    def operation(engine: Engine, client: Client) -> Callable[[], Any]:
        client.register("email")
        ids = [engine.seed(place) for place in IDLE_PLACES]
        return lambda: read(Inspector(client=client), ids[1])

    return operation


def exchange(engine: Engine, client: Client) -> Callable[[], Any]:
    """What a worker sends: one pipeline that settles the last batch and claims the next."""
    held = [engine.lease() for _ in range(3)]
    engine.enqueue_many(3)
    calls: list[protocol.Call[Any]] = [
        protocol.complete(engine.queue, held[:1]),
        protocol.fail(engine.queue, [engine.failed(held[1])]),
        protocol.release(engine.queue, [ReleasedTask(held[2].id, held[2].fence)]),
        protocol.claim(engine.queue, "w1", 2, LEASE_MS, is_fair=True),
    ]
    return lambda: asyncio.run(asynchronously(client, lambda own: own.run_all(calls)))


def one_by_one(engine: Engine, client: Client) -> Callable[[], Any]:
    held = [engine.lease() for _ in range(3)]

    async def settle(own: AsyncClient) -> list[Any]:
        return [
            await own.run(protocol.extend(engine.queue, held, LEASE_MS)),
            await own.run(protocol.complete(engine.queue, held[:1])),
            await own.run(protocol.complete(engine.queue, held[1:2])),
            await own.run(protocol.enqueue(engine.queue, [engine.new_task("more")])),
            await own.run(protocol.claim(engine.queue, "w1", 2, LEASE_MS)),
        ]

    return lambda: asyncio.run(asynchronously(client, settle))


async def asynchronously(client: Client, use: Callable[[AsyncClient], Any]) -> Any:
    own = AsyncClient(client.url, client.namespace, clock=client.clock)
    try:
        return await use(own)
    finally:
        await own.close()


OPERATIONS: dict[str, Operation] = {
    "enqueue_many": enqueue_many,
    "consumer": consume,
    "exchange": exchange,
    "async one by one": one_by_one,
    "fsck --repair": repair,
    "requeue_fault": requeue_fault,
    **{verb: act(verb) for verb in ("requeue", "trash", "cancel", "restore", "delete", "promote")},
    "move": act("move", "images"),
    **{verb: switch(verb) for verb in ("pause", "resume")},
    **{verb: switch(verb, "unknown:resize") for verb in ("close_lane", "open_lane")},
    "snapshot": look(lambda inspector, _: (inspector.snapshot().queues, inspector.snapshot().faults)),
    "queue": look(lambda inspector, _: inspector.queue("email")),
    "page": look(lambda inspector, _: inspector.tasks("email", State.DEAD)),
    "letters of all queues": look(lambda inspector, _: inspector.letters()),
    "task": look(lambda inspector, task_id: inspector.task("email", task_id)),
    "find": look(lambda inspector, task_id: inspector.find(task_id)),
    "faults": look(lambda inspector, _: inspector.faults("email")),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_that_is_cut_at_any_round_trip_does_the_same_and_says_the_same(
    engine: Engine, cutting: Proxy, name: str
) -> None:
    meet(engine, cutting, name, [])  # the server gets to know the scripts
    answer, state, requests = meet(engine, cutting, name, [])
    assert requests
    for number in range(requests):
        for fate in ("before", "after"):
            again = meet(engine, cutting, name, [*["pass"] * number, fate])  # type: ignore[list-item]
            where = f"{name}: cut {fate} the answer of request {number + 1}"
            assert again[:2] == (answer, state), where


def meet(engine: Engine, cutting: Proxy, name: str, fates: list[Fate]) -> tuple[Any, QueueState, int]:
    """What an operation says, what comes of it, and how many requests it took."""
    engine.start_over()
    client = Client(cutting.url, engine.client.namespace, clock=lambda: engine.now)
    run = OPERATIONS[name](engine, client)
    cutting.requests, cutting.fates = 0, fates
    answer = run()
    requests = cutting.requests
    assert not cutting.fates, "fewer requests than before"
    cutting.fates = []
    state = engine.state()
    client.close()
    hints = ("nobody wakes", "tokens") if name == "fsck --repair" else ()
    assert [problem for problem in problems_of(state) if not any(hint in problem for hint in hints)] == []
    if name == "enqueue_many":  # its ids are new each time
        state = {"tasks": len(state["tasks"]), "stats": state["stats"]}
    return answer, {key: value for key, value in state.items() if not key.startswith("action:")}, requests


def test_settlement_that_comes_after_its_lease_was_given_to_another_changes_nothing(
    engine: Engine, cutting: Proxy
) -> None:
    """Each is on its way for longer than its lease lasts; meanwhile the task is recovered and runs elsewhere."""
    client = Client(cutting.url, engine.client.namespace, clock=lambda: engine.now)
    settlements: list[Callable[[Held], protocol.Call[Any]]] = [
        lambda held: protocol.complete(engine.queue, [held]),
        lambda held: protocol.fail(engine.queue, [engine.failed(held)]),
        lambda held: protocol.release(engine.queue, [ReleasedTask(held.id, held.fence)]),
        lambda held: protocol.extend(engine.queue, [held], LEASE_MS),
        lambda held: protocol.recover(engine.queue, LEASE_MS, held=[held]),
    ]
    states: list[QueueState] = []
    for settle in settlements:
        engine.start_over()
        held = engine.lease()

        def run_elsewhere(held: Held = held) -> None:
            for _ in range(2):  # after a silence nothing is recovered for one lease
                engine.later(LEASE_MS)
                engine.run(protocol.recover(engine.queue, LEASE_MS, jitter=0))
            engine.later(1_000)
            claimed = engine.claim(worker="w2")
            assert [task.id for task in claimed.tasks] == [held.id]
            states.append(engine.check_books())

        client.run(protocol.resume(engine.queue))
        cutting.fates = [run_elsewhere]
        answer = client.run(settle(held))
        assert getattr(answer, "lost", answer) == [held.id]
        before, after = states.pop(), engine.check_books()
        before["control"].pop("seen")
        after["control"].pop("seen")
        assert after == before
    client.close()
