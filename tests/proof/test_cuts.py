"""Every connection may be cut before and after every single round trip of every operation, and the server may forget
its scripts before any of them: it is sent again, its answer and what comes of it are the same, and nothing is lost or
there twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from queue_core import Taskyard, protocol, scripts
from queue_core.client import Client
from queue_core.consoles import Consoles
from queue_core.consumer import Claim, Lease
from queue_core.control import Control
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Call, Held, ReleasedTask, Session
from queue_core.schedules import Schedules
from queue_core.snapshot import State
from queue_core.yard import Queue, Task, TaskHandle
from tests.engine import IDLE_PLACES, LEASE_MS, Engine
from tests.invariants import State as QueueState
from tests.proof.meeting import Meeting
from tests.proof.operations import OPERATIONS, Doing, Operation
from tests.proxy import Proxy, proxy
from tests.scripts.test_headers import OF_NO_QUEUE

MOST_REQUESTS = 200


@pytest.fixture
def cutting(redis_url: str) -> Iterator[Proxy]:
    with proxy(redis_url, counts_all=True) as running:
        yield running


def look(read: Callable[[Inspector, str], Any]) -> Operation:
    def operation(engine: Engine) -> Doing:
        engine.client.register("email")
        ids = [engine.seed(place) for place in IDLE_PLACES]
        return lambda client: read(Inspector(client=client), ids[1])

    return operation


READS: dict[str, Operation] = {
    "snapshot": look(lambda inspector, _: (inspector.snapshot().queues, inspector.snapshot().faults)),
    "queue": look(lambda inspector, _: inspector.queue("email")),
    "page": look(lambda inspector, _: inspector.tasks("email", State.DEAD)),
    "letters of all queues": look(lambda inspector, _: inspector.letters()),
    "task": look(lambda inspector, task_id: inspector.task("email", task_id)),
    "find": look(lambda inspector, task_id: inspector.find(task_id)),
    "faults": look(lambda inspector, _: inspector.faults("email")),
}
ALL = {**OPERATIONS, **READS}


@pytest.mark.each_server
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ALL)
def test_operation_that_is_cut_at_any_round_trip_does_the_same_and_says_the_same(
    request: pytest.FixtureRequest, engine: Engine, cutting: Proxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two servers share the ways: each sends every operation again, at every request."""
    kind = request.node.callspec.params["server"]
    meeting = Meeting(engine, cutting.url, ALL[name], monkeypatch)

    def meet(*fates: Any) -> tuple[Any, QueueState, int, int]:
        """As `Meeting.meet`, each request with the next fate; and how many requests it took, and how many fates are
        left."""
        cutting.requests, cutting.fates = 0, fates
        answer, state = meeting.meet()
        left, cutting.fates = len(cutting.fates), ()
        return answer, state, cutting.requests, left

    meet()  # the server gets to know the scripts
    answer, state, requests, _ = meet()
    assert requests
    ways: dict[str, list[Any]] = {"cut before": ["before"], "cut after": ["after"]}
    if kind == "redis":
        ways = {"scripts forgotten before, and cut after": [engine.redis.script_flush, "after"]}
    for way, fates in ways.items():
        for number in range(MOST_REQUESTS):
            again, after, _, left = meet(*["pass"] * number, *fates)
            if left >= len(fates):
                break
            where = f"{name}: {way} request {number + 1}"
            assert again == answer, where
            assert after == state, where
        assert number >= requests or "result" in name, f"{name}: fewer requests than before"


PUBLIC = (Taskyard, Task, TaskHandle, Queue, Claim, Lease, Control, Operations, Schedules, Consoles)
CHANGE_NOTHING = {
    "Taskyard.task", "Taskyard.add_middleware", "Taskyard.schedule", "Taskyard.task_status", "Taskyard.explain",
    "Taskyard.close", "Schedules.close", "Consoles.close", "Consoles.ended_sign_ins",
    "Task.message", "Task.options", "TaskHandle.of", "TaskHandle.status", "Queue.peek", "Queue.explain",
    "Control.close", "Operations.close", "Operations.preview", "Operations.preview_several", "Operations.undoing",
    "Operations.recalling", "Operations.recalls",
}  # fmt: skip


@pytest.mark.timeout(60)
def test_whatever_changes_something_is_among_the_operations(
    engine: Engine, cutting: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds a script, or a method to what users have, adds an operation that comes by it."""
    called: set[str] = set()

    def noting(name: str, function: Any) -> Any:
        def note(*args: Any, **kwargs: Any) -> Any:
            called.add(name)
            return function(*args, **kwargs)

        return note

    public = {
        f"{owner.__name__}.{name}"
        for owner in PUBLIC
        for name, function in vars(owner).items()
        if inspect.isfunction(function) and (name[0] != "_" or name in ("__enter__", "__exit__"))
    }
    for owner in PUBLIC:
        for name, function in list(vars(owner).items()):
            if f"{owner.__name__}.{name}" in public:
                monkeypatch.setattr(owner, name, noting(f"{owner.__name__}.{name}", function))
    rest = Session._rest

    def noting_scripts(session: Session, call: Call[Any], now_ms: int | None) -> Any:
        called.add(call.script.name)
        return rest(session, call, now_ms)

    monkeypatch.setattr(Session, "_rest", noting_scripts)
    for name in OPERATIONS:
        before = called.copy()
        meeting = Meeting(engine, cutting.url, OPERATIONS[name], monkeypatch)
        called &= before  # but for what seeds
        meeting.meet()
    writing = {name for name in scripts.names() if "no-writes" not in scripts.load(name).text.partition("\n")[0]}
    called |= OF_NO_QUEUE - {"audit"}  # on a full server only: test_full_server.py, worker/test_server_trouble.py
    assert writing - called == set(), "scripts that no operation sends"
    assert public - called - CHANGE_NOTHING == set(), "methods that no operation calls"
    assert {*public, "TaskHandle.of"} >= CHANGE_NOTHING, "methods that are gone"


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
        lambda held: protocol.progress(engine.queue, [protocol.Report(held.id, held.fence, b'{"done":1}')]),
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
