"""Taskyard: where tasks are declared and enqueued. One per application; it opens no connection until it needs one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import update_wrapper
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, overload
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from queue_core import protocol, results, settings, task, timetable
from queue_core.aio import AsyncClient
from queue_core.audit import MAX_REASON, check_text
from queue_core.chain import Chain
from queue_core.client import Client, Started
from queue_core.consumer import Claim, process_name
from queue_core.context import Context
from queue_core.errors import DuplicateTaskName, InvalidArgument, TaskyardError, UnknownTask, shown
from queue_core.ids import is_task_id
from queue_core.keys import QueueKeys, check_name
from queue_core.protocol import Acted, Call
from queue_core.retry import RetryRules
from queue_core.schedule import ONE
from queue_core.snapshot import State, TaskDetail, TaskSummary
from queue_core.task import DEFAULT_SENDING, Definition, Message, NewTask, Sending
from queue_core.timetable import Schedule

if TYPE_CHECKING:  # what looks and acts is loaded when it is asked for: a worker's process starts sooner without
    from queue_core.control import Control
    from queue_core.explain import Explanation
    from queue_core.inspector import Inspector
    from queue_core.operations import Operations
    from queue_core.schedules import Schedules

P = ParamSpec("P")
R = TypeVar("R")


class TaskHandle:
    """A task that was enqueued, or met in the queue, so that none was made: `met` is its state.

    `is_duplicate`: it was met by its unique key; `id` is that of the task that holds it, and `met` is `ended` where the
    key outlives that task. Else it was met by its id.
    """

    __slots__ = ("_yard", "id", "is_duplicate", "met", "queue")

    def __init__(
        self, yard: Taskyard, task_id: str, queue: str, met: str | None = None, *, is_duplicate: bool = False
    ) -> None:
        self._yard = yard
        self.id = task_id
        self.queue = queue
        self.met = met
        self.is_duplicate = is_duplicate

    @classmethod
    def of(cls, yard: Taskyard, task_id: str, queue: str, met: str | None) -> TaskHandle:
        """`met`: as `protocol.enqueue` answers."""
        if not met:
            return cls(yard, task_id, queue)
        state, _, holder = met.partition(" ")
        return cls(yard, holder or task_id, queue, state, is_duplicate=bool(holder))

    @property
    def is_new(self) -> bool:
        return self.met is None

    def status(self) -> State | None:
        """Where the task is now; `None` once it has ended and left no record."""
        try:
            return self._yard.inspector.task(self.queue, self.id).state
        except LookupError:
            return None

    def result(self, timeout: float | None = 10.0) -> Any:
        """What the handler returned, as JSON gives it back; waits for it, at most `timeout` seconds (`None`: for ever).

        The task's declaration has to say for how long it is kept: `result_ttl`. Raises `TaskFailed` for a dead letter,
        `TaskCancelled`, `TaskExpired`, `ResultTimeout`, `ResultExpired`, `ResultUnavailable` where there is none and
        will be none.
        """
        client = self._yard.client
        return results.wait(client, client.queue(self.queue), self.id, timeout)

    async def aresult(self, timeout: float | None = 10.0) -> Any:
        """As `result`, without blocking the event loop. However many wait, they share one connection."""
        client = self._yard.async_client
        return await results.await_(client, client.queue(self.queue), self.id, timeout)

    def cancel(self, reason: str = "") -> State | None:
        """End the task before its time. Shape: its state now: `cancelled`; `running`, where it was asked to stop, which
        its worker hears within seconds; `dead` or `trashed`, and then nothing was done; `None`: it has ended."""
        client = self._yard.client
        return _state_of(self.id, client.run(self._cancellation(client.queue(self.queue), reason)))

    async def acancel(self, reason: str = "") -> State | None:
        """As `cancel`, without blocking the event loop."""
        client = self._yard.async_client
        return _state_of(self.id, await client.run(self._cancellation(client.queue(self.queue), reason)))

    def _cancellation(self, queue: QueueKeys, reason: str) -> Call[Acted]:
        facts = {"by": process_name(), "reason": check_text("reason", reason, MAX_REASON)}
        return protocol.cancel(queue, [self.id], facts)

    def __repr__(self) -> str:
        return f"<TaskHandle {self.id} in {self.queue}>"


def _state_of(task_id: str, acted: Acted) -> State | None:
    """Of a task after somebody wanted to cancel it."""
    if task_id in acted.asked:
        return State.RUNNING
    left_alone = {"dead": State.DEAD, "in the trash": State.TRASHED, "gone": None}
    return left_alone.get(acted.skipped[task_id]) if task_id in acted.skipped else State.CANCELLED


class Task(Generic[P, R]):
    """A declared task. Called, it runs its handler here and now; `enqueue` has a worker run it."""

    def __init__(self, yard: Taskyard, definition: Definition, sending: Sending = DEFAULT_SENDING) -> None:
        self._yard = yard
        self._sending = sending
        self.definition = definition
        update_wrapper(self, definition.handler)

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def queue(self) -> str:
        return self.definition.queue

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given: tuple[object, ...] = (*args, *kwargs.values())
        if self.definition.context_parameter is None or any(isinstance(value, Context) for value in given):
            return cast(R, self.definition.handler(*args, **kwargs))
        return cast(R, self.definition.invoke(args, kwargs, Context("", self.name, self.queue, attempt=1, fence=0)))

    def message(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """The task with these arguments, not yet enqueued. Raises `InvalidPayload`, `PayloadTooLarge`."""
        return self.definition.message(self._sending, args, kwargs)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """Have a worker run the handler with these arguments. Once this returns, the task is in the queue.

        Raises `InvalidPayload`, `PayloadTooLarge`, `QueueFull`, `RateLimited`, `ServerUnavailable`, `ServerFull`.
        """
        return self._yard.enqueue(self.definition.message(self._sending, args, kwargs))

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """The short form of `enqueue` that Celery's users expect."""
        return self.enqueue(*args, **kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskHandle:
        """As `enqueue`, without blocking the event loop."""
        return (await self._yard.aenqueue_many([self.message(*args, **kwargs)]))[0]

    def options(
        self,
        *,
        priority: int | None = None,
        delay: float | timedelta | None = None,
        eta: datetime | None = None,
        max_retries: int | None = None,
        task_id: str | None = None,
        unique_key: str | None = None,
        unique_for: float | timedelta | None = None,
        expires: float | timedelta | None = None,
    ) -> Task[P, R]:
        """The same task with other options for what is enqueued through it.

        `priority`: larger is sooner, ±2,000, default 0. `delay`: seconds or a timedelta; `eta`: a time with its zone.
        `task_id`: 1 to 128 letters, digits, _ and -; while a task of that id is in the queue, no second one is made.
        `unique_key`: 1 to 200 printable characters; while a task of the queue has that key no second one is made, until
        it ends or is a dead letter, or with `unique_for` for so long from the enqueue, whatever becomes of it.
        `expires`: seconds or a timedelta from the enqueue; a run that has not begun by then never does.
        """
        changes: dict[str, Any] = {
            "priority": priority,
            "delay": None if delay is None else task.seconds_of(delay),
            "eta": eta,
            "max_retries": max_retries,
            "task_id": task_id,
            "unique_key": unique_key,
            "unique_for": None if unique_for is None else task.seconds_of(unique_for),
            "expires": None if expires is None else task.seconds_of(expires),
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return Task(self._yard, self.definition, task.with_changes(self._sending, given))

    def __repr__(self) -> str:
        return f"<Task {self.name} in {self.queue}>"


class Queue:
    """One queue, by hand."""

    def __init__(self, yard: Taskyard, name: str) -> None:
        self._yard = yard
        self.name = check_name("queue", name)

    def claim(
        self, limit: int = 1, lease_seconds: float = settings.LEASE_SECONDS, worker_id: str | None = None
    ) -> Claim:
        """Lease up to `limit` tasks (1 to 256), for a `with` block. What is not settled in it is released."""
        client = self._yard.client
        return Claim(client, client.queue(self.name), limit, lease_seconds, worker_id, self._yard.version)

    def peek(self, count: int = 10) -> tuple[TaskSummary, ...]:
        """The next ready tasks, in the order in which they will be given out. Changes nothing."""
        return self._yard.inspector.peek(self.name, count)

    def explain(self) -> tuple[Explanation, ...]:
        """What the queue waits for, worst first. Raises `UnknownQueue`."""
        from queue_core.explain import explain_queue

        return explain_queue(self._yard.inspector, self.name)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"


class Taskyard:
    """The tasks of an application and the server that queues them.

    `url`: redis://, rediss:// or unix://; else `TASKYARD_REDIS_URL`, else redis://localhost:6379/0. `namespace`: prefix
    of all keys; else `TASKYARD_NAMESPACE`, else `qc`. `version`: of the application, shown with its workers and faults;
    else `TASKYARD_VERSION`. `middleware`: what `add_middleware` takes. `clock`: the time in ms that the server is to go
    by, for tests; else its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        version: str | None = None,
        middleware: Iterable[object] = (),
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.url = settings.redis_url(url)
        self.namespace = settings.namespace(namespace)
        self.version = settings.application_version(version)
        self.clock = clock
        self.tasks: dict[str, Definition] = {}
        self.timetable: dict[str, Schedule] = {}
        """What `schedule` has declared, by name; workers store it when they start."""
        self.chain = Chain()
        """Its middleware."""
        for one in middleware:
            self.add_middleware(one)
        self._client: Client | None = None
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()

    # Declaring.

    @overload
    def task(self, handler: Callable[Concatenate[Context, P], R], /) -> Task[P, R]: ...
    @overload
    def task(self, handler: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        *,
        queue: str = ...,
        name: str | None = ...,
        max_retries: int = ...,
        retry: RetryRules | None = ...,
        max_crashes: int = ...,
        timeout: float | None = ...,
        hard_timeout: float | None = ...,
        isolation: Literal["process"] | None = ...,
        expires: float | timedelta | None = ...,
        result_ttl: float | timedelta | None = ...,
    ) -> Declare: ...
    def task(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        queue: str = settings.DEFAULT_QUEUE,
        name: str | None = None,
        max_retries: int = settings.MAX_RETRIES,
        retry: RetryRules | None = None,
        max_crashes: int = settings.MAX_CRASHES,
        timeout: float | None = settings.TIMEOUT_SECONDS,
        hard_timeout: float | None = None,
        isolation: Literal["process"] | None = None,
        expires: float | timedelta | None = None,
        result_ttl: float | timedelta | None = None,
    ) -> Any:
        """Declare a function as a task, as `@yard.task` or `@yard.task(queue="email", max_retries=3)`.

        Its name is the function's unless `name` is given; a name declared twice is an error. `max_retries`: how often
        it runs again after it raised; `max_crashes`: after its worker died. `retry`: when; `exponential(…)`,
        `fixed(seconds)`, `never`, a list of seconds of which the last repeats, a function of the attempt's number and
        the error that returns seconds or `None`, or a dict of exception classes (or tuples of them) with one of these
        each; else, and for classes not in the dict, attempt² seconds. `expires`: seconds or a timedelta from the
        enqueue; a run that has not begun by then never does. `result_ttl`: for how many seconds (1 s to
        366 days) what the handler returns is kept for `handle.result()`; not at all unless it is given.

        `timeout`: after so many seconds `SoftTimeout` is raised in the handler (`None`: never); `hard_timeout`: after
        so many it is ended by force, its process with it; 10 s behind the timeout unless given. Either is a failed
        attempt. A `def` handler hears of the first when what it calls in C returns.

        `isolation="process"`: each run in a child process, which alone is killed when the hard timeout is over, or dies
        when the handler brings it down; the first timeout interrupts also what waits in C.

        Raises `DuplicateTaskName`, `InvalidName`, `InvalidArgument`.
        """

        def declare(function: Callable[..., Any]) -> Task[..., Any]:
            definition = task.define(
                function,
                name=name,
                queue=queue,
                max_retries=max_retries,
                retry=retry,
                max_crashes=max_crashes,
                timeout=timeout,
                hard_timeout=hard_timeout,
                isolation=isolation,
                expires=expires,
                result_ttl=result_ttl,
                chain=self.chain,
            )
            if definition.name in self.tasks:
                other = self.tasks[definition.name].handler
                raise DuplicateTaskName(
                    f"task {definition.name!r} is declared twice: {_where(other)} and {_where(function)}. "
                    "Give one of them another name with name=…",
                    name=definition.name,
                )
            self.tasks[definition.name] = definition
            return Task(self, definition)

        return declare if handler is None else declare(handler)

    @overload
    def schedule(
        self,
        name: str,
        task: Task[..., Any],
        *,
        cron: str | None = ...,
        every: float | timedelta | None = ...,
        time_zone: str | ZoneInfo | None = ...,
        start: datetime | None = ...,
        missed: str = ...,
        overlap: bool = ...,
        arguments: Mapping[str, Any] | None = ...,
    ) -> Schedule: ...
    @overload
    def schedule(
        self,
        name: str,
        *,
        cron: str | None = ...,
        every: float | timedelta | None = ...,
        time_zone: str | ZoneInfo | None = ...,
        start: datetime | None = ...,
        missed: str = ...,
        overlap: bool = ...,
        arguments: Mapping[str, Any] | None = ...,
    ) -> Callable[[Task[P, R]], Task[P, R]]: ...
    def schedule(
        self,
        name: str,
        task: Task[..., Any] | None = None,
        *,
        cron: str | None = None,
        every: float | timedelta | None = None,
        time_zone: str | ZoneInfo | None = None,
        start: datetime | None = None,
        missed: str = ONE,
        overlap: bool = True,
        arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Have a task enqueued again and again, once each time, as long as any worker runs: as
        `yard.schedule("nightly", report, cron="0 3 * * *", time_zone="Europe/Vienna")`, or as a decorator above
        `@yard.task`.

        `cron`: five fields, or `@daily` and the like, in an IANA `time_zone` (UTC); or `every`: seconds or a timedelta,
        counted from `start` (a time with its zone), else from 1970, so that an hour is a full one. `missed`: what
        becomes of those that nobody enqueued in their time: `one` (the latest comes late), `skip` (none that is more
        than a minute late), `all` (each, at most 1,000). `overlap=False`: none while the task of an earlier one has not
        ended. `arguments`: by name. Options are the task's: `report.options(priority=1)`.

        A worker stores it when it starts. Raises `InvalidArgument`, `InvalidName`, `InvalidPayload`.
        """

        def declare(task: Task[..., Any]) -> Schedule:
            if not isinstance(task, Task):
                raise InvalidArgument(f"schedule {shown(name, 80)}: {shown(task, 80)} is no task: declare it by @task")
            if check_name("schedule", name) in self.timetable:
                raise InvalidArgument(f"schedule {name!r} is declared twice: give one of them another name")
            made = timetable.make(
                name,
                task.message(**(arguments or {})),
                cron=cron,
                every=every,
                time_zone=time_zone,
                start=start,
                missed=missed,
                overlap=overlap,
            )
            self.timetable[name] = made
            return made

        def decorate(task: Task[P, R]) -> Task[P, R]:
            declare(task)
            return task

        return decorate if task is None else declare(task)

    def add_middleware(self, middleware: object) -> None:
        """Have an object stand around every handler, and in the way of what is enqueued: one with any of these methods.

        `before(context)`, a plain def: what it raises is the attempt's failure. `async def around(context, call_next)`:
        `return await call_next()` runs the handler, whether that is `async def` or `def`; around a `def` it may await
        nothing else. `after(context, outcome)`, a plain def: what it raises is logged, and the outcome stands.
        `before_enqueue(message)`, a plain def: may return another message (`message.with_headers`); what it raises is
        raised where the task was enqueued. What was added first is outermost. Raises `InvalidArgument`.
        """
        self.chain.add(middleware)

    # Enqueueing.

    def enqueue(self, message: Message) -> TaskHandle:
        """Enqueue one message, in one round trip."""
        queue, new_task = self.chain.pass_on(_checked(message))
        client = self.client
        client.register(queue)
        met = client.run(protocol.enqueue(client.queue(queue), [new_task]))
        return TaskHandle.of(self, new_task.id, queue, met.get(new_task.id))

    def enqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        """Enqueue any number of messages, in batches of 256. Shape: one handle a message, in their order.

        A batch enters whole or not at all. An error carries `enqueued`: how many messages had entered before.
        """
        client, handles = self.client, _Handles(self)
        with handles.counting_errors():
            for queue, batch in _batches(self.chain.pass_all_on(messages)):
                client.register(queue)
                handles.settle()
                call = protocol.enqueue(client.queue(queue), [new for _, new in batch])
                handles.expect(queue, batch, client.start(call))  # while the server is at it, the next batch is made
        return handles.in_order()

    async def aenqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        """As `enqueue_many`, without blocking the event loop."""
        client, handles = self.async_client, _Handles(self)
        with handles.counting_errors():
            for queue, batch in _batches(self.chain.pass_all_on(messages)):
                await client.register(queue)
                met = await client.run(protocol.enqueue(client.queue(queue), [new for _, new in batch]))
                handles.add(queue, batch, met)
        return handles.in_order()

    def send(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        queue: str = settings.DEFAULT_QUEUE,
        priority: int = 0,
        delay: float | timedelta = 0.0,
        max_retries: int | None = None,
        task_id: str | None = None,
        unique_key: str | None = None,
        unique_for: float | timedelta | None = None,
        expires: float | timedelta | None = None,
    ) -> TaskHandle:
        """Enqueue a task by its name, for workers of another application: whether its handler takes these arguments is
        seen there, unless it is declared here, for this queue. Options are those of `Task.options`; raises what
        `Task.enqueue` does."""
        sending = Sending(
            priority=priority,
            delay=task.seconds_of(delay),
            max_retries=max_retries,
            task_id=task_id,
            unique_key=unique_key,
            unique_for=None if unique_for is None else task.seconds_of(unique_for),
            expires=None if expires is None else task.seconds_of(expires),
        )
        given = {} if arguments is None else arguments
        message = task.message_by_name(name, queue, given, sending)
        known = self.tasks.get(name)
        if known is not None and known.queue == queue:
            known.encode((), given)  # only to check them
        return self.enqueue_many([message])[0]

    # Looking.

    def queue(self, name: str) -> Queue:
        return Queue(self, name)

    def task_status(self, task_id: str, queue: str | None = None) -> TaskDetail:
        """All that is known of a task, in `queue` or in any. Raises `UnknownTask`."""
        queues = (queue,) if queue else self.inspector.find(task_id)
        if not queues:
            raise UnknownTask(f"no task {shown(task_id, 150)} in any queue", task_id=task_id)
        return self.inspector.task(queues[0], task_id)

    def explain(self, task_id: str, queue: str | None = None) -> Explanation:
        """Why a task, in `queue` or in any, is where it is, what happens next, and what helps."""
        from queue_core.explain import explain

        return explain(self.inspector, task_id, queue)

    def handle(self, task_id: str, queue: str | None = None) -> TaskHandle:
        """The handle of a task that somebody else enqueued, in `queue` or in any. Raises `UnknownTask`."""
        if not is_task_id(task_id):
            raise UnknownTask(f"there is no task {shown(task_id, 80)}: no id looks like that", task_id=task_id)
        queues = (check_name("queue", queue),) if queue else self.inspector.find(task_id)
        if not queues:
            raise UnknownTask(f"no task {shown(task_id, 150)} in any queue", task_id=task_id)
        return TaskHandle(self, task_id, queues[0])

    def cancel(self, task_id: str, queue: str | None = None, reason: str = "") -> State | None:
        """End a task before its time; as `TaskHandle.cancel`. Raises `UnknownTask`."""
        return self.handle(task_id, queue).cancel(reason)

    @property
    def inspector(self) -> Inspector:
        from queue_core.inspector import Inspector

        return Inspector(client=self.client)

    @property
    def control(self) -> Control:
        from queue_core.control import Control

        return Control(client=self.client)

    @property
    def operations(self) -> Operations:
        from queue_core.operations import Operations

        return Operations(client=self.client)

    @property
    def schedules(self) -> Schedules:
        from queue_core.schedules import Schedules

        return Schedules(client=self.client)

    # Connections.

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(self.url, self.namespace, clock=self.clock)
        return self._client

    @property
    def async_client(self) -> AsyncClient:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._async_clients:
            self._async_clients[loop] = AsyncClient(self.url, self.namespace, clock=self.clock)
        return self._async_clients[loop]

    def close(self) -> None:
        """Close the connections that threads have used; those of an event loop are closed by `aclose` in it."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def aclose(self) -> None:
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()
        self.close()

    def __repr__(self) -> str:
        return f"<Taskyard {settings.mask_url(self.url)} {self.namespace}: {len(self.tasks)} tasks>"


class Declare(Protocol):
    """What `@yard.task(…)` does with a function, as type checkers see it."""

    @overload
    def __call__(self, handler: Callable[Concatenate[Context, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, handler: Callable[P, R], /) -> Task[P, R]: ...


Batch = list[tuple[int, NewTask]]
"""Tasks of one queue with their places among the messages."""


def _checked(message: Message) -> Message:
    if isinstance(message, Message):
        return message
    raise InvalidArgument(f"{shown(message, 80)} cannot be enqueued: pass what task.message(…) returns")


def _batches(messages: Iterable[Message]) -> Iterator[tuple[str, Batch]]:
    """Batches of messages for the same queue, as large as one call takes."""
    open_batches: dict[str, Batch] = {}
    sizes: dict[str, int] = {}
    for index, message in enumerate(messages):
        queue, new_task = _checked(message)
        length = len(new_task.envelope)
        batch = open_batches.setdefault(queue, [])
        size = sizes.get(queue, 0) + length
        if batch and (len(batch) == settings.MAX_BATCH or size > settings.MAX_PAYLOAD_BYTES):
            yield queue, batch
            batch = open_batches[queue] = []
            size = length
        batch.append((index, new_task))
        sizes[queue] = size
    yield from ((queue, batch) for queue, batch in open_batches.items() if batch)


class _Handles:
    """Collects the handles of several batches; an error is told how many tasks had entered before it."""

    def __init__(self, yard: Taskyard) -> None:
        self._yard = yard
        self._handles: list[tuple[int, TaskHandle]] = []
        self._under_way: tuple[str, Batch, Started[dict[str, str]]] | None = None

    def add(self, queue: str, batch: Batch, met: Mapping[str, str]) -> None:
        yard = self._yard
        self._handles += [(index, TaskHandle.of(yard, new.id, queue, met.get(new.id))) for index, new in batch]

    def expect(self, queue: str, batch: Batch, started: Started[dict[str, str]]) -> None:
        """The batch is under way: `settle` reads what came of it."""
        self._under_way = queue, batch, started

    def settle(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way:
            queue, batch, started = under_way
            self.add(queue, batch, started.finish())

    @contextmanager
    def counting_errors(self) -> Iterator[None]:
        try:
            try:
                yield
            finally:
                self.settle()
        except TaskyardError as error:
            error.enqueued = len(self._handles)
            raise

    def in_order(self) -> list[TaskHandle]:
        self._handles.sort(key=itemgetter(0))
        return [handle for _, handle in self._handles]


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
