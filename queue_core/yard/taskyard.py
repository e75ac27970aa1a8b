"""Taskyard: where tasks are declared and enqueued. One per application; it opens no connection until it needs one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from queue_core import protocol, settings, task, timetable
from queue_core.aio import AsyncClient
from queue_core.chain import Chain
from queue_core.client import Client
from queue_core.context import Context
from queue_core.errors import DuplicateTaskName, InvalidArgument, UnknownTask, shown
from queue_core.ids import is_task_id
from queue_core.keys import check_name
from queue_core.retry import RetryRules
from queue_core.schedule import ONE
from queue_core.snapshot import State, TaskDetail
from queue_core.task import Definition, Message, Sending
from queue_core.timetable import Schedule
from queue_core.yard.batches import Handles, batches_of, checked
from queue_core.yard.declared import Declare, Task
from queue_core.yard.handle import TaskHandle
from queue_core.yard.queue import Queue

if TYPE_CHECKING:  # what looks and acts is loaded when it is asked for: a worker's process starts sooner without
    from queue_core.control import Control
    from queue_core.explain import Explanation
    from queue_core.inspector import Inspector
    from queue_core.operations import Operations
    from queue_core.schedules import Schedules

P = ParamSpec("P")
R = TypeVar("R")


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
        queue, new_task = self.chain.pass_on(checked(message))
        client = self.client
        client.register(queue)
        met = client.run(protocol.enqueue(client.queue(queue), [new_task]))
        return TaskHandle.of(self, new_task.id, queue, met.get(new_task.id))

    def enqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        """Enqueue any number of messages, in batches of 256. Shape: one handle a message, in their order.

        A batch enters whole or not at all. An error carries `enqueued`: how many messages had entered before.
        """
        client, handles = self.client, Handles(self)
        with handles.counting_errors():
            for queue, batch in batches_of(self.chain.pass_all_on(messages)):
                client.register(queue)
                handles.settle()
                call = protocol.enqueue(client.queue(queue), [new for _, new in batch])
                handles.expect(queue, batch, client.start(call))  # while the server is at it, the next batch is made
        return handles.in_order()

    async def aenqueue_many(self, messages: Iterable[Message]) -> list[TaskHandle]:
        """As `enqueue_many`, without blocking the event loop."""
        client, handles = self.async_client, Handles(self)
        with handles.counting_errors():
            for queue, batch in batches_of(self.chain.pass_all_on(messages)):
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


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
