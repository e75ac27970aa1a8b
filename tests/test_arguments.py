"""Whatever is passed as an argument of a public call, it is taken or refused with the documented error, which names the
value; and what is refused changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from queue_core import Taskyard
from queue_core.errors import TaskyardError
from queue_core.snapshot import Bound, State
from tests.engine import Engine

WRONG: dict[str, Any] = {
    "none": None, "list": [], "dict": {}, "bytes": b"", "nan": math.nan, "inf": math.inf, "huge": 10**5_000,
    "minus huge": -(10**5_000), "bool": True, "object": object(), "empty": "", "surrogate": "\ud800", "nested": [[]],
}  # fmt: skip
ACT = {"by": "ada", "action_id": "form-1"}
Use = Callable[[Taskyard, Any], Any]


def reads() -> dict[str, Use]:
    return {
        "queue": lambda yard, v: yard.inspector.queue(v),
        "statistics queue": lambda yard, v: yard.inspector.statistics(v),
        "minutes count": lambda yard, v: yard.inspector.minutes({"email": v}),
        "statistics minutes": lambda yard, v: yard.inspector.statistics("email", minutes=v),
        "statistics hours": lambda yard, v: yard.inspector.statistics("email", hours=v),
        "tasks queue": lambda yard, v: yard.inspector.tasks(v, State.READY),
        "tasks state": lambda yard, v: yard.inspector.tasks("email", v),
        "tasks cursor": lambda yard, v: yard.inspector.tasks("email", State.READY, cursor=v),
        "tasks limit": lambda yard, v: yard.inspector.tasks("email", State.DEAD, limit=v),
        "peek queue": lambda yard, v: yard.inspector.peek(v),
        "peek count": lambda yard, v: yard.inspector.peek("email", v),
        "summaries queue": lambda yard, v: yard.inspector.summaries(v, ["one"]),
        "summaries ids": lambda yard, v: yard.inspector.summaries("email", v),
        "task queue": lambda yard, v: yard.inspector.task(v, "one"),
        "task id": lambda yard, v: yard.inspector.task("email", v),
        "find": lambda yard, v: yard.inspector.find(v),
        "ahead queue": lambda yard, v: yard.inspector.ahead(v, "one"),
        "ahead id": lambda yard, v: yard.inspector.ahead("email", v),
        "faults": lambda yard, v: yard.inspector.faults(v),
        "fault queue": lambda yard, v: yard.inspector.fault(v, "0123456789ab"),
        "fault": lambda yard, v: yard.inspector.fault("email", v),
        "letters queue": lambda yard, v: yard.inspector.letters(v),
        "letters fault": lambda yard, v: yard.inspector.letters("email", fingerprint=v),
        "letters cursor": lambda yard, v: yard.inspector.letters("email", cursor=v),
        "letters limit": lambda yard, v: yard.inspector.letters("email", limit=v),
        "trash cursor": lambda yard, v: yard.inspector.trash(cursor=v),
        "trash limit": lambda yard, v: yard.inspector.trash(limit=v),
        "workers of": lambda yard, v: yard.inspector.workers_of(v),
        "operations limit": lambda yard, v: yard.inspector.operations(v),
        "operation": lambda yard, v: yard.inspector.operation(v),
        "operation queue": lambda yard, v: yard.inspector.operation("0123456789ab", v),
        "audit limit": lambda yard, v: yard.inspector.audit(v),
        "audit before": lambda yard, v: yard.inspector.audit(before=v),
        "status id": lambda yard, v: yard.task_status(v),
        "status queue": lambda yard, v: yard.task_status("one", v),
        "explain id": lambda yard, v: yard.explain(v),
        "explain queue": lambda yard, v: yard.explain("one", v),
        "handle id": lambda yard, v: yard.handle(v),
        "handle queue": lambda yard, v: yard.handle("one", v),
        "queue peek": lambda yard, v: yard.queue("email").peek(v),
        "preview queue": lambda yard, v: yard.operations.preview(v, "requeue"),
        "preview verb": lambda yard, v: yard.operations.preview("email", v),
        "preview state": lambda yard, v: yard.operations.preview("email", "trash", state=v),
        "preview faults": lambda yard, v: yard.operations.preview("email", "requeue", faults=v),
        "preview since": lambda yard, v: yard.operations.preview("email", "requeue", since=v),
        "schedule": lambda yard, v: yard.inspector.schedule(v),
        "schedules queue": lambda yard, v: yard.inspector.schedules(v),
        "preview until": lambda yard, v: yard.operations.preview("email", "requeue", until=v),
    }


def act(verb: str, make: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]], yard: Taskyard, value: Any) -> Any:
    arguments, others = make(value)
    return getattr(yard.control, verb)(*arguments, **{**ACT, **others})


def named(name: str, value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ("email",), {name: value}


def send(name: str, yard: Taskyard, value: Any) -> Any:
    return yard.send("greet", queue="mail", **{name: value})


def add_schedule(options: dict[str, Any], name: str, yard: Taskyard, value: Any) -> Any:
    return yard.schedules.add("nightly", "greet", **{**options, name: value}, by="ada", action_id=name)


def steer_schedule(verb: str, yard: Taskyard, value: Any) -> Any:
    return getattr(yard.schedules, verb)(value, **ACT)


def actions() -> dict[str, Use]:
    ids = ["one"]
    made: dict[str, Use] = {}
    for verb in ("cancel", "restore", "promote", "delete", "trash"):
        made[f"{verb} queue"] = partial(act, verb, lambda v: ((v, ids), {}))
        made[f"{verb} ids"] = partial(act, verb, lambda v: (("email", v), {}))
        made[f"{verb} id"] = partial(act, verb, lambda v: (("email", [v]), {}))
    for verb in ("pause", "resume"):
        made[f"{verb} queue"] = partial(act, verb, lambda v: ((v,), {}))
    for name in ("by", "action_id", "reason"):
        made[f"pause {name}"] = partial(act, "pause", partial(named, name))
    for name in (
        "max_length",
        "enqueue_rate",
        "claim_rate",
        "dead_max_age",
        "dead_max_count",
        "dead_warning",
        "wait_target",
    ):
        made[f"limit {name}"] = partial(act, "limit", partial(named, name))
    for name in ("priority", "delay", "task_id", "expires", "unique_key", "unique_for"):
        made[f"send {name}"] = partial(send, name)
    rule = {"cron": "@daily", "queue": "mail"}
    for name in (
        "cron",
        "every",
        "time_zone",
        "start",
        "missed",
        "overlap",
        "arguments",
        "queue",
        "priority",
        "expires",
    ):
        made[f"schedule {name}"] = partial(add_schedule, {**rule, "cron": None} if name == "every" else rule, name)
    for verb in ("change", "remove", "pause", "resume", "run_now"):
        made[f"schedule {verb}"] = partial(steer_schedule, verb)
    return made | {
        "schedule queue": lambda yard, v: yard.schedules.add("nightly", "greet", every=60, queue=v, **ACT),
        "schedule name": lambda yard, v: yard.schedules.add(v, "greet", every=60, **ACT),
        "schedule task": lambda yard, v: yard.schedules.add("nightly", v, every=60, **ACT),
        "declare schedule": lambda yard, v: yard.schedule(v, v, every=v),
        "trash keep": lambda yard, v: yard.control.trash("email", ids, **ACT, keep_seconds=v),
        "requeue queue": lambda yard, v: yard.control.requeue(v, [("one", 1)], **ACT),
        "requeue letters": lambda yard, v: yard.control.requeue("email", v, **ACT),
        "requeue letter": lambda yard, v: yard.control.requeue("email", [v], **ACT),
        "requeue id": lambda yard, v: yard.control.requeue("email", [(v, 1)], **ACT),
        "requeue died": lambda yard, v: yard.control.requeue("email", [("one", v)], **ACT),
        "move to": lambda yard, v: yard.control.move("email", ids, v, **ACT),
        "close lane": lambda yard, v: yard.control.close_lane("email", v, **ACT),
        "open lane": lambda yard, v: yard.control.open_lane("email", v, **ACT),
        "delete queue": lambda yard, v: yard.control.delete_queue(v, **ACT),
        "delete at most": lambda yard, v: yard.control.delete_queue("email", **ACT, at_most=v),
        "start bound": lambda yard, v: yard.operations.start(v, **ACT),
        "start count": lambda yard, v: yard.operations.start(Bound("email", "requeue", State.DEAD, 1, v), **ACT),
        "start drip": lambda yard, v: yard.operations.start(
            Bound("email", "requeue", State.DEAD, 1, 1), drip=v, canary="no", **ACT
        ),
        "pause operation": lambda yard, v: yard.operations.pause(v, "email", **ACT),
        "pause operation of": lambda yard, v: yard.operations.pause("0123456789ab", v, **ACT),
        "send name": lambda yard, v: yard.send(v, queue="mail"),
        "send queue": lambda yard, v: yard.send("greet", queue=v),
        "claim limit": lambda yard, v: yard.queue("absent").claim(v).__enter__(),
        "claim lease": lambda yard, v: yard.queue("absent").claim(lease_seconds=v).__enter__(),
        "claim worker": lambda yard, v: yard.queue("absent").claim(worker_id=v).__enter__(),
        "queue name": lambda yard, v: yard.queue(v),
        "cancel id of yard": lambda yard, v: yard.cancel(v),
    }


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    engine.enqueue("one")
    yield engine
    engine.close()


@pytest.mark.parametrize("name", [*reads(), *actions()])
def test_argument_of_any_kind_is_taken_or_refused_by_a_documented_error(engine: Engine, name: str) -> None:
    use = {**reads(), **actions()}[name]
    yard = Taskyard(engine.url, namespace=engine.client.namespace)
    try:
        for kind, value in WRONG.items():
            before = engine.state()
            try:
                use(yard, value)
            except TaskyardError as error:
                refused = str(error)
            except Exception as error:
                raise AssertionError(f"{kind}: {type(error).__name__}: {error}") from error
            else:
                continue
            assert refused, kind
            assert engine.state() == before, f"{kind}: {refused}"
    finally:
        yard.close()
