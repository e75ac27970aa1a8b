"""Middleware: in which order, around which handlers, and what its errors do. No server."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from queue_core import Context, InvalidArgument, Message, Retry, State, Taskyard, testing
from queue_core.chain import Outcome
from queue_core.codec import MAX_HEADERS, decode_envelope
from queue_core.worker.executor import Executor
from tests.worker.runs import TestRun

CONTEXT = Context("id", "name", "queue", 1, 7)
CallNext = Callable[[], Awaitable[Any]]


class Recorder:
    """Middleware with every hook."""

    def __init__(self, name: str, told: list[Any]) -> None:
        self.name = name
        self.told = told

    def before(self, context: Context) -> None:
        self.told.append(f"{self.name} before {context.task_id}")

    async def around(self, context: Context, call_next: CallNext) -> Any:
        self.told.append(f"{self.name} around")
        try:
            return await call_next()
        finally:
            self.told.append(f"{self.name} left")

    def after(self, context: Context, outcome: Outcome) -> None:
        self.told.append(f"{self.name} after {outcome.result} {type(outcome.error).__name__}")


def asynchronous(told: list[Any], error: BaseException | None = None) -> Callable[..., Any]:
    async def handler() -> int:
        await asyncio.sleep(0)
        told.append(threading.current_thread() is threading.main_thread())
        if error:
            raise error
        return 1

    return handler


def synchronous(told: list[Any], error: BaseException | None = None) -> Callable[..., Any]:
    def handler() -> int:
        told.append(threading.current_thread() is threading.main_thread())
        if error:
            raise error
        return 1

    return handler


def wrapped(told: list[Any], error: BaseException | None = None) -> Callable[..., Any]:
    """A `def` that returns what an `async def` does."""
    handler = asynchronous(told, error)

    @functools.wraps(handler)
    def wrapper() -> Any:
        return handler()

    return wrapper


KINDS = [asynchronous, synchronous, wrapped]


def on_executor(yard: Taskyard, handler: Callable[..., Any]) -> TestRun:
    """Run as a worker does."""
    definition = yard.task(name="handler")(handler).definition

    async def main() -> TestRun:
        ended: asyncio.Queue[TestRun] = asyncio.Queue()
        executor: Executor[TestRun] = Executor(asyncio.get_running_loop(), 2)
        executor.submit(TestRun(definition, when_ended=ended.put_nowait, context=CONTEXT))
        async with asyncio.timeout(10):
            return await ended.get()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [None, ValueError("x"), Retry(after=1), SystemExit(3), GeneratorExit()], ids=str)
def test_what_was_added_first_is_outermost_around_handlers_of_every_kind(
    kind: Callable[..., Any], error: BaseException | None
) -> None:
    told: list[Any] = []
    yard = Taskyard(middleware=[Recorder("a", told)])
    yard.add_middleware(Recorder("b", told))
    run = on_executor(yard, kind(told, error))
    assert (run.result, run.error) == ((1, None) if error is None else (None, error))
    ended = f"after {run.result} {type(error).__name__}"
    is_on_loop = kind is not synchronous
    assert told == [
        "a before id", "a around", "b before id", "b around", is_on_loop,
        "b left", f"b {ended}", "a left", f"a {ended}",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_middleware_added_after_the_task_was_declared_is_around_it_too(kind: Callable[..., Any]) -> None:
    told: list[Any] = []
    yard = Taskyard()
    declared = yard.task(name="early")(kind(told))
    yard.add_middleware(Recorder("a", told))
    with testing.inline(yard) as (ran):
        declared.enqueue()
    assert ran[0].result == 1
    assert told[0].startswith("a before")


class Raises:
    def __init__(self, **hooks: Any) -> None:
        vars(self).update(hooks)


def fail(*_: Any) -> Any:
    raise ArithmeticError("from a hook")


async def fail_around(*_: Any) -> Any:
    raise ArithmeticError("from a hook")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hooks", [{"before": fail}, {"around": fail_around}])
def test_error_before_or_around_is_the_failure_of_the_attempt_and_the_handler_does_not_run(
    kind: Callable[..., Any], hooks: dict[str, Any]
) -> None:
    told: list[Any] = []
    yard = Taskyard(middleware=[Recorder("a", told), Raises(**hooks), Recorder("b", told)])
    assert isinstance(on_executor(yard, kind(told)).error, ArithmeticError)
    assert told == ["a before id", "a around", "a left", "a after None ArithmeticError"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [None, ValueError("x")])
def test_error_after_is_logged_and_the_outcome_stands(
    kind: Callable[..., Any], error: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    yard = Taskyard(middleware=[Recorder("a", told), Raises(after=fail)])
    with caplog.at_level(logging.ERROR, "taskyard.middleware"):
        run = on_executor(yard, kind(told, error))
    assert (run.result, run.error) == ((1, None) if error is None else (None, error))
    assert told[-1] == f"a after {run.result} {type(error).__name__}"
    assert [record.getMessage() for record in caplog.records] == ["middleware Raises: after task name id"]


class Around:
    def __init__(self, around: Callable[[CallNext], Awaitable[Any]]) -> None:
        self._around = around

    async def around(self, context: Context, call_next: CallNext) -> Any:
        return await self._around(call_next)


@pytest.mark.parametrize("kind", KINDS)
def test_around_may_change_the_result_swallow_an_error_and_leave_the_handler_out(kind: Callable[..., Any]) -> None:
    async def change(call_next: CallNext) -> Any:
        return await call_next() + 1

    async def swallow(call_next: CallNext) -> Any:
        try:
            return await call_next()
        except ValueError:
            return "swallowed"

    async def leave_out(call_next: CallNext) -> Any:
        return "left out"

    told: list[Any] = []
    assert on_executor(Taskyard(middleware=[Around(change)]), kind(told)).result == 2
    assert on_executor(Taskyard(middleware=[Around(swallow)]), kind(told, ValueError())).result == "swallowed"
    told.clear()
    assert on_executor(Taskyard(middleware=[Around(leave_out)]), kind(told)).result == "left out"
    assert told == []


def test_around_a_def_awaits_nothing_but_the_handler() -> None:
    async def wait(call_next: CallNext) -> Any:
        await asyncio.sleep(0)
        return await call_next()

    told: list[Any] = []
    assert on_executor(Taskyard(middleware=[Around(wait)]), asynchronous(told)).result == 1
    run = on_executor(Taskyard(middleware=[Around(wait)]), synchronous(told))
    assert isinstance(run.error, RuntimeError)
    assert "may await only call_next() where the handler is a plain def" in str(run.error)
    assert told == [True]


def test_called_by_hand_a_task_is_its_function_without_middleware() -> None:
    told: list[Any] = []
    yard = Taskyard(middleware=[Recorder("a", told)])
    assert yard.task(name="plain")(synchronous(told))() == 1
    assert told == [True]


@pytest.mark.parametrize(
    ("middleware", "complaint"),
    [
        (object(), "an object with before, around, after or before_enqueue"),
        (Recorder, "is not accepted: an object with"),
        (None, "middleware None is not accepted"),
        (Raises(around=fail), "middleware Raises: around has to be async def: it stands around def handlers, too"),
        (Raises(before=fail_around), "middleware Raises: before has to be a plain def"),
        (Raises(after=fail_around), "after has to be a plain def"),
        (Raises(before_enqueue=fail_around), "before_enqueue has to be a plain def"),
        (Raises(before=3), "middleware Raises: before is no method"),
    ],
)
def test_what_is_no_middleware_is_refused(middleware: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Taskyard().add_middleware(middleware)
    assert complaint in str(refused.value)


# In the way of what is enqueued.


class Stamps:
    """Sends a header along, and tells what a run has of it."""

    def __init__(self, name: str, told: list[Any]) -> None:
        self.name = name
        self.told = told

    def before_enqueue(self, message: Message) -> Message:
        self.told.append(f"{self.name} {message.task_name} to {message.queue}")
        return message.with_headers({self.name: message.task_id})

    def before(self, context: Context) -> None:
        self.told.append((context.task_id, dict(context.headers)))


def test_message_is_changed_on_its_way_and_the_run_has_its_headers() -> None:
    told: list[Any] = []
    yard = Taskyard(middleware=[Stamps("one", told), Stamps("two", told)])
    declared = yard.task(name="plain", queue="mail", max_retries=7)(synchronous([]))
    with testing.inline(yard) as ran:
        declared.enqueue()
    assert told[:2] == ["one plain to mail", "two plain to mail"]
    assert told[2:] == [(ran[0].id, {"one": ran[0].id, "two": ran[0].id})] * 2


def test_headers_stand_in_the_options_and_leave_the_rest_as_it_was() -> None:
    declared = Taskyard().task(name="plain")(lambda x: None)
    message = declared.options(priority=3).message(x=[1, "é"])
    sent = message.with_headers({"a": "1"}).with_headers({"b": "2", "a": "3"})
    before, after = decode_envelope(message.new_task.envelope), decode_envelope(sent.new_task.envelope)
    assert sent.new_task.envelope == b'plain {"priority":3,"headers":{"a":"3","b":"2"}}\n' + after.payload
    assert (after.payload, sent.task_id, sent.queue) == (before.payload, message.task_id, message.queue)
    assert sent.new_task._replace(envelope=b"") == message.new_task._replace(envelope=b"")


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"a": 1}, "names and values are texts"),
        ({1: "a"}, "names and values are texts"),
        ({"a": "x" * MAX_HEADERS}, "headers of 520 bytes as JSON are not accepted: at most 512"),
        ({"a": "\ud800"}, "are not accepted"),
    ],
)
def test_headers_that_are_none_or_too_many_are_refused(headers: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Taskyard().task(name="plain")(lambda: None).message().with_headers(headers)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("hook", [fail, lambda message: "no message"])
def test_error_on_the_way_is_raised_where_it_is_enqueued(hook: Any) -> None:
    yard = Taskyard(middleware=[Raises(before_enqueue=hook)])
    declared = yard.task(name="plain")(lambda: None)
    with testing.inline(yard) as ran, pytest.raises((ArithmeticError, InvalidArgument)):
        declared.enqueue()
    assert ran == []


@pytest.mark.parametrize("way", ["enqueue", "many", "async", "send"])
def test_every_way_into_the_queue_passes_by(redis_url: str, namespace: str, way: str) -> None:
    told: list[Any] = []
    yard = Taskyard(redis_url, namespace=namespace, middleware=[Stamps("one", told)])
    declared = yard.task(name="plain")(synchronous([]))
    if way == "enqueue":
        declared.enqueue()
    elif way == "many":
        yard.enqueue_many([declared.message()])
    elif way == "async":

        async def enqueue() -> None:
            await declared.aenqueue()
            await yard.aclose()

        asyncio.run(enqueue())
    else:
        yard.send("plain")
    (run,) = testing.drain(yard)
    assert run.state is State.COMPLETED
    assert told == ["one plain to default", (run.id, {"one": run.id})]
    yard.close()
