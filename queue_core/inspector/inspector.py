"""What others call to see what is going on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from queue_core import connection, decoding, keys, reading, settings, telemetry, upcoming
from queue_core.client import Client
from queue_core.errors import (
    InvalidArgument,
    TaskyardError,
    UnknownFault,
    UnknownOperation,
    UnknownSchedule,
    UnknownTask,
    check_several,
    shown,
)
from queue_core.ids import is_task_id
from queue_core.inspector.books import AllBooks
from queue_core.inspector.faults import Faults
from queue_core.inspector.letters import LETTERS, Span, check_faults, count_letters, ends_of, letters_page
from queue_core.inspector.operations import (
    count_recallable,
    find_operation,
    find_operations,
    is_operation_id,
    newest_operations,
)
from queue_core.inspector.overview import SERVER_COMMANDS, Overview
from queue_core.inspector.pages import MAX_ROWS, check_limit, ready_page, running_page, sorted_page
from queue_core.inspector.reader import Reader, value_of
from queue_core.inspector.schedules import describe_schedules
from queue_core.inspector.server import read_detail, read_memory, read_slow_calls
from queue_core.inspector.workers import Workers
from queue_core.protocol import Argument, Call
from queue_core.reading import Position
from queue_core.snapshot import (
    AuditPage,
    Fault,
    Figures,
    Minutes,
    NameAttempts,
    Operation,
    Page,
    QueueSnapshot,
    ScheduleSnapshot,
    ServerDetail,
    ServerSnapshot,
    SlowCall,
    Snapshot,
    State,
    Statistics,
    TaskDetail,
    TaskSummary,
    WorkerSnapshot,
    is_live,
)

_ENTRY_ID = re.compile(r"\d{1,15}-\d{1,15}\Z", re.ASCII)


class Inspector:
    """Reads for people and programs that watch; threads may share one.

    Raises `ServerUnavailable`, `ServerRefused`, `FormatMismatch`, `CorruptQueue`; `UnknownQueue` for a queue without
    its control key, registered or not; `InvalidArgument` for names, cursors and limits that cannot be. What is stored
    for a task may be anything: what can be shown of it is shown.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        client: Client | None = None,
        patience_seconds: float = settings.PATIENCE_SECONDS,
        answer_seconds: float = connection.ANSWER_SECONDS,
    ) -> None:
        self._client = client or Client(
            url, namespace, patience_seconds=patience_seconds, answer_seconds=answer_seconds
        )
        self._reader = Reader(self._client)
        self._faults = Faults(self._reader)
        self._workers = Workers(self._reader)
        self._books = AllBooks(self._reader)
        self._overview = Overview(self._reader, self._workers, self._faults.kept, self._books.kept)

    def close(self) -> None:
        self._client.close()

    # The whole.

    def snapshot(self) -> Snapshot:
        """Server, workers, queues, and of each queue the 50 faults last seen. At most two round trips; the cost is
        that of the queues that have changed since this inspector's last one, of the others one small command each."""
        return self._overview.take()

    def workers(self) -> tuple[WorkerSnapshot, ...]:
        """Those heard of within the last hour, last heard first. At most two round trips."""
        return self._workers.heard_of()[1]

    def workers_of(self, queue: str) -> tuple[WorkerSnapshot, ...]:
        """Those that listen to a queue and can be counted on. At most two round trips."""
        now_ms, workers = self._workers.heard_of()
        return tuple(worker for worker in workers if queue in worker.queues and is_live(worker, now_ms))

    def server(self) -> ServerSnapshot:
        """What the server is, and whether it keeps what it is given. One round trip."""
        return decoding.server(*self._client.read(*SERVER_COMMANDS))

    def server_detail(self) -> ServerDetail:
        """How the server is. One round trip. Raises `AccessDenied` where its user may not ask for INFO."""
        return read_detail(self._reader)

    def slow_calls(self, limit: int = 20) -> tuple[SlowCall, ...]:
        """The newest of the server's slow log, without what was passed to them. One round trip. Raises `AccessDenied`
        where its user may not ask for it."""
        return read_slow_calls(self._reader, check_limit(limit))

    def memory(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Queue → about how many bytes it takes, without what expires by itself. One round trip for 20 queues; the
        server looks at a few elements of each key, so the cost does not grow with what is in them. Raises
        `AccessDenied` where its user may not ask for it."""
        return read_memory(self._reader, queues)

    def server_ms(self) -> int:
        """The server's time. One round trip."""
        return self._reader.now_ms(*self._client.read(("TIME",)))

    # One queue.

    def queue(self, name: str) -> QueueSnapshot:
        """One round trip."""
        return self._reader.one(reading.observe(self._client.queue(name)))

    def statistics(self, queue: str, *, minutes: int = 0, hours: int = 0, by_name: bool = False) -> Statistics:
        """What was counted in the last `minutes` (at most 1,500) or `hours` (at most 840; 24 where nothing is asked
        for), the running one included; with `by_name` also of each task name, of the last 168 hours at most. One round
        trip; the server's cost is what is asked for, whatever the queue holds."""
        asked = telemetry.Asked(minutes, hours if minutes or hours else 24, by_name)
        known = self._client.queue(queue)
        calls: list[Call[Any]] = [reading.observe(known), telemetry.read_counted(known, asked)]
        answers, _ = self._reader.ask(calls)
        return telemetry.summarize(asked, value_of(answers[1]), value_of(answers[0]))

    def minutes(self, asked: Mapping[str, int]) -> dict[str, Minutes]:
        """What was counted in the last minutes of many queues, the running one included: queue → how many (at most
        1,500). One round trip. Queues that there are not, or that cannot be read, are missing."""
        calls = [telemetry.read_minutes(self._client.queue(name), count) for name, count in asked.items()]
        answers, _ = self._reader.ask(calls)
        return {found.queue: found for found in answers if not isinstance(found, TaskyardError)}

    def attempts(self, asked: Mapping[str, Collection[str]]) -> dict[tuple[str, str], NameAttempts]:
        """The newest attempts of task names (queue → names), as far as workers told of them. One round trip."""
        named = [(queue, list(names)) for queue, names in asked.items() if names]
        parts = [telemetry.read_attempts(self._client.queue(queue), names) for queue, names in named]
        _, answers = self._reader.ask([], *(command for part in parts for command in part))
        found: dict[tuple[str, str], NameAttempts] = {}
        for at, (queue, names) in enumerate(named):
            told = telemetry.attempts_of(names, answers[3 * at : 3 * at + 3])
            found |= {(queue, name): attempts for name, attempts in told.items()}
        return found

    def books(self, names: Iterable[str], *, changes: Mapping[str, int | None] | None = None) -> dict[str, Figures]:
        """All that was ever counted in these queues, waits and run times among it: counters that only grow; of a queue
        that there is not all are 0. One round trip. Those that cannot be read are missing. `changes`: as a snapshot has
        them (`QueueSnapshot.changes`): what has not changed since it was read for that number is not read again."""
        return self._books.of(list(names), changes or {})

    def tasks(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 50, oldest_first: bool = False
    ) -> Page:
        """A page of the tasks in one place. Two round trips.

        Order: ready ones as claims give them out, running ones by their start (at most 1,000 of them), scheduled and
        retrying ones by when they are due, held ones by lane, dead and trashed ones newest first, or `oldest_first`.
        """
        limit = check_limit(limit)
        if not isinstance(state, State):
            raise InvalidArgument(f"state {shown(state, 80)} is not accepted: one of `State`")
        position = Position.parse(cursor, reading.list_name(state, queue))
        if state is State.READY:
            return ready_page(self._reader, queue, position, limit)
        if state is State.RUNNING:
            return running_page(self._reader, queue, position, limit)
        if state in reading.SORTED_STATES:
            return sorted_page(self._reader, queue, state, position, limit, oldest_first=oldest_first)
        raise InvalidArgument(f"state {shown(str(state), 80)} is not accepted: no queue keeps tasks in it")

    def peek(self, queue: str, count: int = 10) -> tuple[TaskSummary, ...]:
        """The next ready tasks in the order in which a strict claim would give them. Two round trips."""
        return ready_page(self._reader, queue, None, check_limit(count)).rows

    def summaries(self, queue: str, ids: Sequence[str]) -> tuple[TaskSummary, ...]:
        """What became of exactly these (at most 200), in their order. Those that ended are there where they left a
        record; unknown ones are missing. One round trip."""
        check_several("ids", ids)
        if len(ids) > MAX_ROWS:
            raise InvalidArgument(f"{len(ids):,} ids are not accepted: at most {MAX_ROWS} at once")
        known = list(dict.fromkeys(task_id for task_id in ids if is_task_id(task_id)))
        found = self._reader.one(reading.describe(self._client.queue(queue), known, finds_ready_time=True))
        return tuple(reading.summary(queue, task) for task_id in known if (task := found.get(task_id.encode())))

    def tasks_named(self, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], TaskSummary]:
        """Of these (queue, id), at most 200, those that are there or left a record. One round trip. A queue that cannot
        be read knows none."""
        ids: dict[str, list[str]] = {}
        for queue, task_id in [pair for pair in dict.fromkeys(wanted) if keys.is_name(pair[0])][:MAX_ROWS]:
            if is_task_id(task_id):
                ids.setdefault(queue, []).append(task_id)
        answers, _ = self._reader.ask([reading.describe(self._client.queue(queue), ids[queue]) for queue in ids])
        found: dict[tuple[str, str], TaskSummary] = {}
        for queue, tasks in zip(ids, answers, strict=True):
            if not isinstance(tasks, TaskyardError):
                found |= {(queue, decoding.text(task.id)): reading.summary(queue, task) for task in tasks.values()}
        return found

    def task(self, queue: str, task_id: str) -> TaskDetail:
        """One task, in every state, and for 24 h after its end where it left a record. Two round trips.

        Raises `UnknownTask`.
        """
        known = self._client.queue(queue)
        if not is_task_id(task_id):
            raise UnknownTask(f"there is no task {shown(task_id, 80)} in {queue}: no id looks like that")
        (found,), (time,) = self._reader.ask(
            [reading.describe(known, [task_id], is_whole=True, finds_ready_time=True)], ("TIME",)
        )
        task = value_of(found).get(task_id.encode())
        if task is None:
            raise UnknownTask(f"there is no task {task_id} in {queue}, or it ended and left no record")
        now_ms = self._reader.now_ms(time)
        more = self._client.read(*reading.more_of(known, task))
        return reading.detail(queue, task, now_ms, more)

    def find(self, task_id: str) -> tuple[str, ...]:
        """The registered queues that know this task. Two round trips."""
        _check_id(task_id)
        names = self._reader.queue_names()
        commands: list[tuple[Argument, ...]] = []
        for name in names:
            queue = self._client.queue(name)
            commands += [("HEXISTS", queue.tasks, task_id), ("EXISTS", queue.record(task_id))]
        answers = self._client.read(*commands)
        knows = [any(a in (1, True) for a in answers[i : i + 2]) for i in range(0, len(answers), 2)]
        return tuple(name for name, is_known in zip(names, knows, strict=True) if is_known)

    def ahead(self, queue: str, task_id: str) -> int | None:
        """About how many ready tasks a strict claim gives out before this one; `None` where it is not ready, and in the
        midst of a long list, where counting them would mean to walk it. One round trip."""
        known = self._client.queue(queue)
        _check_id(task_id)
        return reading.ahead(task_id, self._client.read(*reading.line(known, task_id)))

    def next_claim_at(self, queue: QueueSnapshot) -> int | None:
        """When the queue's claim rate lets the next task be given out; `None`: it does now, or there is no such limit.

        One round trip where there is one.
        """
        rate = queue.limits.claim_rate
        if rate is None:
            return None
        full, time = self._client.read(("HGET", self._client.queue(queue.name).control, "claim_rate_full"), ("TIME",))
        return reading.next_token_at(rate, full, self._reader.now_ms(time))

    def queue_names(self) -> tuple[str, ...]:
        """Of the registered queues. One round trip."""
        return tuple(self._reader.queue_names())

    # Failures.

    def faults(self, queue: str | None = None, *, among: Iterable[str] | None = None) -> tuple[Fault, ...]:
        """Of one queue (one round trip) or of all that can be read (two), last seen first; `among`: no others are
        asked. Those of a queue that has not changed since they were last asked for are not read again; where it has,
        that is one more round trip."""
        if queue is not None:
            return self._faults.of(queue)
        return self._faults.of_all(self._reader.queue_names(among))

    def fault(self, queue: str, fingerprint: str) -> tuple[Fault, str]:
        """One fault and its newest traceback. One round trip. Raises `UnknownFault`."""
        known = self._client.queue(queue)
        if not reading.is_fingerprint(fingerprint):
            raise UnknownFault(f"there is no fault {shown(fingerprint, 80)} in {queue}: no fingerprint looks like that")
        (found,), (traceback,) = self._reader.ask(
            [reading.list_faults(known, 1, fingerprint)], ("HGET", known.faults, f"{fingerprint}:traceback")
        )
        faults = value_of(found).faults
        if not faults:
            raise UnknownFault(f"there is no fault {fingerprint} in {queue}, or it was forgotten: nothing died of it")
        return faults[0], decoding.text(traceback if isinstance(traceback, bytes) else b"")

    def letters(
        self,
        queue: str | None = None,
        *,
        fingerprint: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        among: Collection[str] | None = None,
        oldest_first: bool = False,
    ) -> Page:
        """Dead letters, newest first or `oldest_first`: of a queue, of one of its faults (two round trips), or of all
        queues (at most five); `among`: no others are asked."""
        limit = check_limit(limit)
        position = Position.parse(cursor, reading.list_name(State.DEAD, queue, fingerprint or ""))
        if fingerprint is None:
            return sorted_page(self._reader, queue, State.DEAD, position, limit, among=among, oldest_first=oldest_first)
        if queue is None or not reading.is_fingerprint(fingerprint):
            raise InvalidArgument(
                f"fingerprint {shown(fingerprint, 80)} is not accepted: it is one of a fault of a queue"
            )
        return sorted_page(self._reader, queue, State.DEAD, position, limit, fingerprint, oldest_first=oldest_first)

    def count_letters(
        self, faults: Iterable[tuple[str, str] | Fault], *, since: int | None = None, until: int | None = None
    ) -> Mapping[tuple[str, str], int]:
        """How many of each of these faults (queue, fingerprint; or as they were read) died from `since` to `until`. One
        round trip, for those of which that is not known."""
        return count_letters(self._reader, check_faults(faults), _span(since, until))

    def letter_ends(
        self, queue: str, fingerprint: str, *, since: int | None = None, until: int | None = None
    ) -> tuple[int, int | None, int | None]:
        """How many letters of a fault died from `since` to `until`, when the first of them did, and when the last. One
        round trip."""
        ((_, name),) = check_faults([(queue, fingerprint)])
        return ends_of(self._reader, (queue, name), _span(since, until))

    def letters_of(
        self,
        faults: Iterable[tuple[str, str] | Fault],
        *,
        since: int | None = None,
        until: int | None = None,
        cursor: str | None = None,
        limit: int = 50,
        oldest_first: bool = False,
    ) -> Page:
        """Letters of these faults (queue, fingerprint; or as they were read) that died from `since` to `until`, newest
        first or `oldest_first`; pages go one way. Four round trips, the server's cost is that of what is shown, and of
        faults of which nothing is known: when the oldest letter of one died is known of none."""
        limit, position = check_limit(limit), Position.parse(cursor, LETTERS)
        chosen, span = check_faults(faults), _span(since, until)
        return letters_page(self._reader, chosen, span, position, limit, oldest_first=oldest_first)

    def trash(
        self,
        queue: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
        among: Collection[str] | None = None,
        oldest_first: bool = False,
    ) -> Page:
        """What was put into the trash, newest first or `oldest_first`. Two round trips, of all queues at most five;
        `among`: no others are asked."""
        limit, position = check_limit(limit), Position.parse(cursor, reading.list_name(State.TRASHED, queue))
        return sorted_page(self._reader, queue, State.TRASHED, position, limit, among=among, oldest_first=oldest_first)

    # Schedules.

    def schedules(self, queue: str | None = None) -> tuple[ScheduleSnapshot, ...]:
        """All of them, or those of a queue, by name: what comes next, what became of the last. At most five round
        trips. What cannot be read is of no queue."""
        directory = keys.schedules(self._client.namespace)
        time, answer = self._client.read(("TIME",), ("HGETALL", directory))
        now_ms, stored = self._reader.now_ms(time), self._reader.checked(answer, directory)
        readable, found = upcoming.read_all(stored)
        if queue is not None:
            name = self._client.queue(queue).queue
            readable, found = [schedule for schedule in readable if schedule.queue == name], []
        if readable:
            found += describe_schedules(self._reader, self._workers, readable, now_ms)
        return tuple(sorted(found, key=lambda schedule: schedule.name))

    def schedule(self, name: str) -> ScheduleSnapshot:
        """One of them. At most five round trips. Raises `UnknownSchedule`."""
        keys.check_name("schedule", name)
        directory = keys.schedules(self._client.namespace)
        time, answer = self._client.read(("TIME",), ("HGET", directory, name))
        stored = self._reader.checked(answer, directory)
        if stored is None:
            raise UnknownSchedule(f"there is no schedule {name}", schedule=name)
        readable, found = upcoming.read_all({name.encode(): stored})
        return (
            found[0]
            if found
            else describe_schedules(self._reader, self._workers, readable, self._reader.now_ms(time))[0]
        )

    # What operators did.

    def operations(
        self, limit: int = 50, queue: str | None = None, *, among: Iterable[str] | None = None
    ) -> tuple[Operation, ...]:
        """Of all queues (three round trips) or of one (two), those under way first, each kind newest first; `among`: no
        others are asked but where one was begun of late."""
        return newest_operations(self._reader, check_limit(limit), queue, among)

    def operation(self, operation_id: str, queue: str | None = None) -> Operation:
        """One in full. One round trip, without its queue two. Raises `UnknownOperation`, and `CorruptQueue` where
        something else stands in its place."""
        if is_operation_id(operation_id):
            names = [queue] if queue is not None else self._reader.queue_names()
            found = find_operation(self._reader, names, operation_id)
            if found:
                return found
        raise UnknownOperation(
            f"there is no operation {shown(operation_id, 80)}{f' in {queue}' if queue else ''}, "
            "or it ended more than seven days ago",
            operation_id=operation_id,
        )

    def recallable(self, operations: Sequence[Operation]) -> list[int]:
        """Of each how many of the tasks that it requeued wait and were not begun since, or a few more: at most 2,000
        running tasks are looked at. Two round trips; none where nothing is under way."""
        return count_recallable(self._reader, operations)

    def operations_named(self, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Operation]:
        """Of these (queue, id), at most 200, those that there are. One round trip."""
        named = [(queue, name) for queue, name in wanted if keys.is_name(queue) and is_operation_id(name)]
        found = find_operations(self._reader, [(self._client.queue(queue), name) for queue, name in named[:MAX_ROWS]])
        return {(operation.bound.queue, operation.id): operation for operation in found}

    def audit(self, limit: int = 50, before: str | None = None) -> AuditPage:
        """What was done, newest first; `before`: the entries before that one. One round trip."""
        limit = check_limit(limit)
        if before is not None and not (isinstance(before, str) and _ENTRY_ID.match(before)):
            raise InvalidArgument(f"entry {shown(before, 80)} is not accepted: it is not one of the audit stream's own")
        if before is not None and not before.strip("0-"):
            return AuditPage(())  # nothing can be before the first id that there may be, and the server refuses to look
        key = keys.audit(self._client.namespace)
        (answer,) = self._client.read(("XREVRANGE", key, f"({before}" if before else "+", "-", "COUNT", limit + 1))
        rows = [decoding.audit_entry(entry_id, facts) for entry_id, facts in self._reader.checked(answer, key)]
        return AuditPage(tuple(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)


def _span(since: int | None, until: int | None) -> Span:
    for what, ms in (("since", since), ("until", until)):
        if ms is not None and (not isinstance(ms, int) or isinstance(ms, bool) or not 0 <= ms < 10**13):
            raise InvalidArgument(f"{what} {shown(ms)} is not accepted: it is in milliseconds since 1970")
    return Span(since, until)


def _check_id(task_id: str) -> None:
    if not is_task_id(task_id):
        raise InvalidArgument(f"task id {shown(task_id, 80)} is not accepted: 1 to 128 letters, digits, _ and -")
