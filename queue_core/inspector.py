"""What is going on: reads for the console, the command line and the metrics. Nothing here changes anything.

Each docstring says how many round trips a call takes; the server's costs follow what is shown, never the length of a
queue. The first call after a server's start takes one more: its scripts are not known there yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from queue_core import connection, decoding, keys, reading, settings, telemetry, timetable, upcoming
from queue_core.client import Client
from queue_core.errors import (
    CorruptQueue,
    InvalidArgument,
    ServerUnavailable,
    TaskyardError,
    UnknownFault,
    UnknownOperation,
    UnknownQueue,
    UnknownSchedule,
    UnknownTask,
    check_several,
    shown,
)
from queue_core.ids import is_task_id
from queue_core.protocol import Argument, Call, Session, with_text
from queue_core.reading import Described, Position
from queue_core.snapshot import (
    AuditPage,
    Fault,
    Operation,
    Page,
    QueueSnapshot,
    ScheduleSnapshot,
    ServerSnapshot,
    Snapshot,
    State,
    Statistics,
    TaskDetail,
    TaskSummary,
    WorkerSnapshot,
    is_live,
)
from queue_core.timetable import Schedule

T = TypeVar("T")
_OPERATION_ID = re.compile(r"[0-9a-f]{12}\Z")
_ENTRY_ID = re.compile(r"\d{1,15}-\d{1,15}\Z", re.ASCII)
MAX_ROWS = 200
"""Of one page."""
MAX_RANK = 10**12
"""Longer than any queue."""
SNAPSHOT_FAULTS = 50
SERVER_COMMANDS = (("INFO", "server", "memory", "persistence"), ("CONFIG", "GET", "save"))
MAX_FAULTS = 2_000
MAX_WORKERS = 1_000
WORKER_MS = 3_600_000
"""A worker without a heartbeat for so long is not shown any more."""


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
    ) -> None:
        self._client = client or Client(url, namespace, patience_seconds=patience_seconds)
        self._session = Session("")  # none of these calls has one

    def close(self) -> None:
        self._client.close()

    # The whole.

    def snapshot(self) -> Snapshot:
        """Server, workers, queues, and of each queue the 50 faults last seen. Two round trips."""
        namespace = self._client.namespace
        time, registry, heartbeats, stored, info, save = self._client.read(
            ("TIME",),
            ("SMEMBERS", keys.queues(namespace)),
            _heartbeats(namespace),
            ("HGETALL", keys.schedules(namespace)),
            *SERVER_COMMANDS,
        )
        now_ms = self._now_ms(time)
        names, unreadable = self._names(registry)
        seen = self._seen(heartbeats, now_ms)
        queues = [self._client.queue(name) for name in names]
        calls: list[Call[Any]] = [reading.observe(queue) for queue in queues]
        calls += [reading.list_faults(queue, SNAPSHOT_FAULTS) for queue in queues]
        answers: list[Any]
        schedules, _ = upcoming.read_all(stored if isinstance(stored, dict) else {})
        noting = {schedule.queue: self._client.queue(schedule.queue) for schedule in schedules}
        names_of = {queue: [schedule.name for schedule in schedules if schedule.queue == queue] for queue in noting}
        reads = [("HMGET", noting[queue].occurrences, *names_of[queue]) for queue in noting]
        answers, (records, *noted) = self._ask(calls, self._records(seen), *reads)
        notes = _notes(names_of, noted)
        workers = self._workers(seen, records)
        has_scheduler = any(is_live(worker, now_ms) for worker in workers)
        observed: list[QueueSnapshot] = []
        faults: list[Fault] = []
        for i, name in enumerate(names):
            error = next((a for a in (answers[i], answers[i + len(names)]) if isinstance(a, TaskyardError)), None)
            if error is None:
                observed.append(answers[i])
                faults += answers[i + len(names)]
            elif not isinstance(error, UnknownQueue):
                unreadable[name] = str(error)
        return Snapshot(
            taken_at=now_ms,
            server=decoding.server(info, save),
            queues=tuple(observed),
            workers=workers,
            faults=_last_seen_first(faults),
            unreadable=unreadable,
            overdue=upcoming.overdue(schedules, notes, now_ms, has_scheduler=has_scheduler),
        )

    def workers(self) -> tuple[WorkerSnapshot, ...]:
        """Those heard of within the last hour, last heard first. Two round trips."""
        return self._heard_of()[1]

    def workers_of(self, queue: str) -> tuple[WorkerSnapshot, ...]:
        """Those that listen to a queue and can be counted on. Two round trips."""
        now_ms, workers = self._heard_of()
        return tuple(worker for worker in workers if queue in worker.queues and is_live(worker, now_ms))

    def server(self) -> ServerSnapshot:
        """What the server is, and whether it keeps what it is given. One round trip."""
        return decoding.server(*self._client.read(*SERVER_COMMANDS))

    def server_ms(self) -> int:
        """The server's time. One round trip."""
        return self._now_ms(*self._client.read(("TIME",)))

    # One queue.

    def queue(self, name: str) -> QueueSnapshot:
        """One round trip."""
        return self._one(reading.observe(self._client.queue(name)))

    def statistics(self, queue: str, *, minutes: int = 0, hours: int = 0, by_name: bool = False) -> Statistics:
        """What was counted in the last `minutes` (at most 1,500) or `hours` (at most 840; 24 where nothing is asked
        for), the running one included; with `by_name` also of each task name, of the last 168 hours at most. One round
        trip; the server's cost is what is asked for, whatever the queue holds."""
        asked = telemetry.Asked(minutes, hours if minutes or hours else 24, by_name)
        known = self._client.queue(queue)
        calls: list[Call[Any]] = [reading.observe(known), telemetry.read_counted(known, asked)]
        answers, _ = self._ask(calls)
        return telemetry.summarize(asked, _value(answers[1]), _value(answers[0]))

    def tasks(self, queue: str, state: State, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A page of the tasks in one place. Two round trips.

        Order: ready ones as claims give them out, running ones by their start (at most 1,000 of them), scheduled and
        retrying ones by when they are due, held ones by lane, dead and trashed ones newest first.
        """
        limit, position = _check_limit(limit), Position.parse(cursor)
        if not isinstance(state, State):
            raise InvalidArgument(f"state {shown(state, 80)} is not accepted: one of `State`")
        if state is State.READY:
            return self._ready_page(queue, position, limit)
        if state is State.RUNNING:
            return self._running_page(queue, position, limit)
        if state in reading.SORTED_STATES:
            return self._sorted_page(queue, state, position, limit)
        raise InvalidArgument(f"state {shown(str(state), 80)} is not accepted: no queue keeps tasks in it")

    def peek(self, queue: str, count: int = 10) -> tuple[TaskSummary, ...]:
        """The next ready tasks in the order in which a strict claim would give them. Two round trips."""
        return self._ready_page(queue, None, _check_limit(count)).rows

    def summaries(self, queue: str, ids: Sequence[str]) -> tuple[TaskSummary, ...]:
        """What became of exactly these (at most 200), in their order. Those that ended are there where they left a
        record; unknown ones are missing. One round trip."""
        check_several("ids", ids)
        if len(ids) > MAX_ROWS:
            raise InvalidArgument(f"{len(ids):,} ids are not accepted: at most {MAX_ROWS} at once")
        known = list(dict.fromkeys(task_id for task_id in ids if is_task_id(task_id)))
        found = self._one(reading.describe(self._client.queue(queue), known, finds_ready_time=True))
        return tuple(reading.summary(queue, task) for task_id in known if (task := found.get(task_id.encode())))

    def task(self, queue: str, task_id: str) -> TaskDetail:
        """One task, in every state, and for 24 h after its end where it left a record. Two round trips.

        Raises `UnknownTask`.
        """
        known = self._client.queue(queue)
        if not is_task_id(task_id):
            raise UnknownTask(f"there is no task {shown(task_id, 80)} in {queue}: no id looks like that")
        (found,), (time,) = self._ask(
            [reading.describe(known, [task_id], is_whole=True, finds_ready_time=True)], ("TIME",)
        )
        task = _value(found).get(task_id.encode())
        if task is None:
            raise UnknownTask(f"there is no task {task_id} in {queue}, or it ended and left no record")
        now_ms = self._now_ms(time)
        more = self._client.read(*reading.more_of(known, task))
        return reading.detail(queue, task, now_ms, more)

    def find(self, task_id: str) -> tuple[str, ...]:
        """The registered queues that know this task. Two round trips."""
        _check_id(task_id)
        names = self._registered()
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
        return reading.next_token_at(rate, full, self._now_ms(time))

    def queue_names(self) -> tuple[str, ...]:
        """Of the registered queues. One round trip."""
        return tuple(self._registered())

    # Failures.

    def faults(self, queue: str | None = None) -> tuple[Fault, ...]:
        """Of one queue (one round trip) or of all that can be read (two), last seen first."""
        if queue is not None:
            return self._one(reading.list_faults(self._client.queue(queue), MAX_FAULTS))
        calls = [reading.list_faults(self._client.queue(name), MAX_FAULTS) for name in self._registered()]
        answers, _ = self._ask(calls)
        return _last_seen_first(fault for found in answers if not isinstance(found, TaskyardError) for fault in found)

    def fault(self, queue: str, fingerprint: str) -> tuple[Fault, str]:
        """One fault and its newest traceback. One round trip. Raises `UnknownFault`."""
        known = self._client.queue(queue)
        if not reading.is_fingerprint(fingerprint):
            raise UnknownFault(f"there is no fault {shown(fingerprint, 80)} in {queue}: no fingerprint looks like that")
        (found,), (traceback,) = self._ask(
            [reading.list_faults(known, 1, fingerprint)], ("HGET", known.faults, f"{fingerprint}:traceback")
        )
        faults = _value(found)
        if not faults:
            raise UnknownFault(f"there is no fault {fingerprint} in {queue}, or it was forgotten: nothing died of it")
        return faults[0], decoding.text(traceback if isinstance(traceback, bytes) else b"")

    def letters(
        self, queue: str | None = None, *, fingerprint: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Dead letters, newest first: of a queue, of one of its faults (two round trips), or of all queues (four)."""
        limit, position = _check_limit(limit), Position.parse(cursor)
        if fingerprint is None:
            return self._sorted_page(queue, State.DEAD, position, limit)
        if queue is None or not reading.is_fingerprint(fingerprint):
            raise InvalidArgument(
                f"fingerprint {shown(fingerprint, 80)} is not accepted: it is one of a fault of a queue"
            )
        return self._sorted_page(queue, State.DEAD, position, limit, fingerprint)

    def trash(self, queue: str | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """What was put into the trash, newest first. Two round trips, of all queues four."""
        limit, position = _check_limit(limit), Position.parse(cursor)
        return self._sorted_page(queue, State.TRASHED, position, limit)

    # Schedules.

    def schedules(self, queue: str | None = None) -> tuple[ScheduleSnapshot, ...]:
        """All of them, or those of a queue, by name: what comes next, what became of the last. At most five round
        trips. What cannot be read is of no queue."""
        directory = keys.schedules(self._client.namespace)
        time, answer = self._client.read(("TIME",), ("HGETALL", directory))
        now_ms, stored = self._now_ms(time), self._checked(answer, directory)
        readable, found = upcoming.read_all(stored)
        if queue is not None:
            name = self._client.queue(queue).queue
            readable, found = [schedule for schedule in readable if schedule.queue == name], []
        if readable:
            found += self._schedules(readable, now_ms)
        return tuple(sorted(found, key=lambda schedule: schedule.name))

    def schedule(self, name: str) -> ScheduleSnapshot:
        """One of them. At most five round trips. Raises `UnknownSchedule`."""
        keys.check_name("schedule", name)
        directory = keys.schedules(self._client.namespace)
        time, answer = self._client.read(("TIME",), ("HGET", directory, name))
        stored = self._checked(answer, directory)
        if stored is None:
            raise UnknownSchedule(f"there is no schedule {name}", schedule=name)
        readable, found = upcoming.read_all({name.encode(): stored})
        return found[0] if found else self._schedules(readable, self._now_ms(time))[0]

    def _schedules(self, schedules: Sequence[Schedule], now_ms: int) -> list[ScheduleSnapshot]:
        """A queue that cannot be read has no part in it: then nothing is known of the last occurrences."""
        has_scheduler = any(is_live(worker, now_ms) for worker in self.workers())
        queues = {schedule.queue: self._client.queue(schedule.queue) for schedule in schedules}
        names = {queue: [s.name for s in schedules if s.queue == queue] for queue in queues}
        answers = self._client.read(*(("HMGET", queues[name].occurrences, *names[name]) for name in queues))
        notes = _notes(names, answers)
        tasks: dict[str, list[str]] = {}
        for queue in queues:
            noted = [timetable.noted(notes.get(name)) for name in names[queue]]
            tasks[queue] = [found[1] for found in noted if found and is_task_id(found[1])]
        wanted = [(queue, ids[i : i + MAX_ROWS]) for queue, ids in tasks.items() for i in range(0, len(ids), MAX_ROWS)]
        described, _ = self._ask([reading.describe(queues[queue], ids) for queue, ids in wanted])
        states: dict[str, dict[str, State]] = {}
        for (queue, _), found in zip(wanted, described, strict=True):
            if not isinstance(found, TaskyardError):
                states.setdefault(queue, {}).update({decoding.text(i): task.state for i, task in found.items()})
        return [
            upcoming.snapshot(s, notes.get(s.name), states.get(s.queue, {}), now_ms, has_scheduler=has_scheduler)
            for s in schedules
        ]

    # What operators did.

    def operations(self, limit: int = 50) -> tuple[Operation, ...]:
        """Of all queues, those under way first, each kind newest first. Three round trips."""
        limit = _check_limit(limit)
        queues = [self._client.queue(name) for name in self._registered()]
        listed = self._client.read(*(command for queue in queues for command in _newest_operations(queue, limit)))
        found: list[tuple[bool, float, keys.QueueKeys, str]] = []
        for i, answer in enumerate(listed):
            if not isinstance(answer, Exception):
                found += [(i % 2 == 1, -abs(at), queues[i // 2], decoding.text(name)) for name, at in answer]
        newest = sorted(found, key=lambda row: (*row[:2], row[3]))[:limit]
        return self._operations([(queue, name) for *_, queue, name in newest])

    def operation(self, operation_id: str, queue: str | None = None) -> Operation:
        """One in full. One round trip, without its queue two. Raises `UnknownOperation`."""
        if is_operation_id(operation_id):
            names = [queue] if queue is not None else self._registered()
            for found in self._operations([(self._client.queue(name), operation_id) for name in names]):
                return found
        raise UnknownOperation(
            f"there is no operation {shown(operation_id, 80)}{f' in {queue}' if queue else ''}, "
            "or it ended more than seven days ago",
            operation_id=operation_id,
        )

    def _operations(self, wanted: Sequence[tuple[keys.QueueKeys, str]]) -> tuple[Operation, ...]:
        commands: list[Sequence[Argument]] = []
        for queue, name in wanted:
            commands.append(("HGETALL", queue.operation(name)))
            commands.append(("HMGET", queue.outcomes, *(f"{name}:{what}" for what in decoding.OUTCOMES)))
        answers = self._client.read(*commands) if commands else []
        found = []
        for (queue, _), facts, outcomes in zip(wanted, answers[::2], answers[1::2], strict=True):
            counts = [None] * 3 if isinstance(outcomes, Exception) else outcomes
            if not isinstance(facts, Exception):
                found.append(decoding.operation(queue.queue, facts, counts))
            elif "WRONGTYPE" not in str(facts):
                raise connection.translate(facts, self._client.url) from facts
        return tuple(operation for operation in found if operation is not None)

    def audit(self, limit: int = 50, before: str | None = None) -> AuditPage:
        """What was done, newest first; `before`: the entries before that one. One round trip."""
        limit = _check_limit(limit)
        if before is not None and not (isinstance(before, str) and _ENTRY_ID.match(before)):
            raise InvalidArgument(f"entry {shown(before, 80)} is not accepted: it is not one of the audit stream's own")
        key = keys.audit(self._client.namespace)
        (answer,) = self._client.read(("XREVRANGE", key, f"({before}" if before else "+", "-", "COUNT", limit + 1))
        rows = [decoding.audit_entry(entry_id, facts) for entry_id, facts in self._checked(answer, key)]
        return AuditPage(tuple(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)

    # Pages.

    def _ready_page(self, queue: str, position: Position | None, limit: int) -> Page:
        rank = decoding.number(position.score) if position else 0
        rank = max(0, min(rank, MAX_RANK))
        known = self._client.queue(queue)
        listed = self._one(reading.list_ready(known, rank, limit))
        tasks = self._one(reading.describe(known, list(listed.since))) if listed.since else {}
        rows = [
            reading.summary(queue, task, state=State.READY, at=listed.since[task_id])
            for task_id in listed.since
            if (task := tasks.get(task_id)) and task.state is State.READY
        ]
        older = None if listed.next_rank is None else str(Position("after", b"%d" % listed.next_rank, queue))
        back = max(0, (rank if rows else min(rank, listed.total)) - limit)
        newer = str(Position("after", b"%d" % back, queue)) if rank else None
        return Page(tuple(rows), listed.total, older, newer)

    def _running_page(self, queue: str, position: Position | None, limit: int) -> Page:
        known = self._client.queue(queue)
        total, running = self._one(reading.list_running(known))
        begin = 0
        if position:
            mark = (position.order, position.member)
            is_after = position.side == "after"
            begin = sum(row <= mark for row in running) if is_after else sum(row < mark for row in running) - limit
            begin = max(0, begin)
        shown = running[begin : begin + limit]
        tasks = self._one(reading.describe(known, [task_id for _, task_id in shown])) if shown else {}
        rows = [
            reading.summary(queue, task, state=State.RUNNING)
            for _, task_id in shown
            if (task := tasks.get(task_id)) and task.state is State.RUNNING
        ]
        older = newer = None
        if shown and begin + limit < len(running):
            older = str(Position("after", b"%d" % shown[-1][0], queue, shown[-1][1]))
        if shown and begin:
            newer = str(Position("before", b"%d" % shown[0][0], queue, shown[0][1]))
        return Page(tuple(rows), total, older, newer)

    def _sorted_page(
        self, queue: str | None, state: State, position: Position | None, limit: int, fingerprint: str = ""
    ) -> Page:
        """A page of one place of a queue, or of all queues, merged.

        There a first look at each one's next row finds those that can have a part in this page; a queue that cannot be
        read has none, and is named.
        """
        is_one = queue is not None
        queues = {name: self._client.queue(name) for name in ([queue] if queue is not None else self._registered())}

        unreadable: dict[str, str] = {}

        def look(names: Collection[str], most: int) -> dict[str, reading.Listed]:
            calls = [reading.list_sorted(queues[name], state, position, most, fingerprint) for name in names]
            answers, _ = self._ask(calls)
            if is_one:
                answers = [_value(answers[0])]
            unreadable.update(
                (n, str(a))
                for n, a in zip(names, answers, strict=True)
                if isinstance(a, TaskyardError) and not isinstance(a, UnknownQueue)
            )
            return {n: a for n, a in zip(names, answers, strict=True) if not isinstance(a, TaskyardError)}

        listed = look(queues, limit if is_one else 1)
        total = sum(found.total for found in listed.values())
        begin = sum(found.skipped for found in listed.values())
        is_before = position is not None and position.side == "before"
        if is_before:
            before = begin + sum(len(found.members) for found in listed.values())
            if before <= limit:
                return self._sorted_page(queue, state, None, limit, fingerprint)
            begin = before - limit
        if not is_one:
            nearest = sorted(
                ((_order(n, f.members[0][1]), n) for n, f in listed.items() if f.members), reverse=is_before
            )
            listed = look([name for _, name in nearest[:limit]], limit)
        merged = [(name, member, score) for name, found in listed.items() for member, score in found.members]
        if not is_one:
            merged.sort(key=lambda row: _order(row[0], row[2]))
        shown = merged[-limit:] if is_before else merged[:limit]
        older = newer = None
        if shown and begin + len(shown) < total:
            older = str(Position("after", shown[-1][2], shown[-1][0], shown[-1][1]))
        if shown and begin:
            newer = str(Position("before", shown[0][2], shown[0][0], shown[0][1]))
        elif position and begin:  # nothing is left behind the position
            newer = str(replace(position, side="before"))
        separator = b":" if fingerprint else b"/" if state is State.HELD else b""
        rows = self._rows(queues, is_one, state, [(name, member, separator) for name, member, _ in shown])
        return Page(tuple(rows), total, older, newer, unreadable)

    def _rows(
        self, queues: dict[str, keys.QueueKeys], is_one: bool, state: State, shown: list[tuple[str, bytes, bytes]]
    ) -> list[TaskSummary]:
        """The rows of a page, in its order: of each its queue, its member, and what stands before the id in that. What
        left the place since it was listed is left out."""
        ids: dict[str, list[bytes]] = {}
        for name, member, separator in shown:
            ids.setdefault(name, []).append(reading.id_of(member, separator))
        if not ids:
            return []
        answers, _ = self._ask([reading.describe(queues[name], wanted) for name, wanted in ids.items()])
        if is_one:
            answers = [_value(answers[0])]
        found = {n: a for n, a in zip(ids, answers, strict=True) if not isinstance(a, TaskyardError)}
        rows = []
        for name, member, separator in shown:
            task: Described | None = found.get(name, {}).get(reading.id_of(member, separator))
            if task is None:
                continue
            if state is State.HELD and task.state in (State.HELD, State.READY):
                # An envelope that names no task hides in which lane it is held: the list knows.
                lane = decoding.line(decoding.text(member.rpartition(b"/")[0]), 140)
                rows.append(reading.summary(name, task, state=State.HELD, lane=lane))
            elif task.state is state:
                rows.append(reading.summary(name, task))
        return rows

    # Asking.

    def _one(self, call: Call[T]) -> T:
        answers, _ = self._ask([call])
        return _value(answers[0])

    def _ask(
        self, calls: Sequence[Call[T]], *commands: Sequence[Argument]
    ) -> tuple[list[T | TaskyardError], list[Any]]:
        """Calls and commands in one round trip. An error stands in its answer's place.

        A server that does not know a script yet is sent its text, with the first call of it.
        """
        now = self._client.clock() if self._client.clock else None
        sent = [_read_only(self._session.command(call, now)) for call in calls]
        answers = self._client.read(*sent, *commands) if sent or commands else []
        unknown = [i for i, a in enumerate(answers[: len(calls)]) if isinstance(a, connection.NO_SCRIPT)]
        if unknown:
            told: set[str] = set()
            again = []
            for i in unknown:
                script = calls[i].script
                again.append(sent[i] if script.sha in told else ["EVAL_RO", *with_text(sent[i], script)[1:]])
                told.add(script.sha)
            for i, answer in zip(unknown, self._client.read(*again), strict=True):
                answers[i] = answer
        values = [self._value_of(call, answer) for call, answer in zip(calls, answers, strict=False)]
        away = next((value for value in values if isinstance(value, ServerUnavailable)), None)
        if away:
            raise away
        return values, answers[len(calls) :]

    def _value_of(self, call: Call[Any], answer: Any) -> Any:
        if not isinstance(answer, Exception):
            try:
                return call.result(answer)
            except TaskyardError as unreadable:
                return unreadable
        error = connection.translate(answer, self._client.url)
        if isinstance(error, UnknownQueue):
            return UnknownQueue(f"there is no queue {call.queue.queue}", queue=call.queue.queue)
        if "WRONGTYPE" in str(answer):  # every other key is looked at before
            return connection.damaged(call.queue.control, f"{call.queue.control} is no hash")
        return error

    def _now_ms(self, time: Any) -> int:
        if self._client.clock:
            return self._client.clock()
        if isinstance(time, Exception):
            raise connection.translate(time, self._client.url) from time
        return int(time[0]) * 1000 + int(time[1]) // 1000

    def _registered(self) -> list[str]:
        (registry,) = self._client.read(("SMEMBERS", keys.queues(self._client.namespace)))
        return self._names(registry)[0]

    def _names(self, registry: Any) -> tuple[list[str], dict[str, str]]:
        """The registered names in order, and what stands there and is no name."""
        names, unreadable = [], {}
        for member in self._checked(registry, keys.queues(self._client.namespace)):
            name = decoding.text(member)
            try:
                names.append(keys.check_name("queue", name))
            except InvalidArgument:
                unreadable[decoding.line(name, 140)] = "this is not the name of a queue"
        return sorted(names), unreadable

    def _heard_of(self) -> tuple[int, tuple[WorkerSnapshot, ...]]:
        time, heartbeats = self._client.read(("TIME",), _heartbeats(self._client.namespace))
        now_ms = self._now_ms(time)
        seen = self._seen(heartbeats, now_ms)
        _, (records,) = self._ask([], self._records(seen))
        return now_ms, self._workers(seen, records)

    def _seen(self, heartbeats: Any, now_ms: int) -> dict[bytes, int]:
        """Worker id → last heartbeat, last heard first."""
        answer = self._checked(heartbeats, keys.workers(self._client.namespace))
        seen = {member: decoding.moment(score) or 0 for member, score in answer}
        return {worker_id: at for worker_id, at in seen.items() if at > now_ms - WORKER_MS}

    def _records(self, seen: dict[bytes, int]) -> Sequence[Argument]:
        """One key for each. There is always one, so that the answer is a list."""
        names = [decoding.text(worker_id) for worker_id in seen] or ["-"]
        return ["MGET", *(keys.worker(self._client.namespace, name) for name in names)]

    def _workers(self, seen: dict[bytes, int], records: Any) -> tuple[WorkerSnapshot, ...]:
        found = records if isinstance(records, list) else []
        described = zip(seen.items(), [*found, *[None] * len(seen)], strict=False)
        return tuple(decoding.worker(worker_id, at, record) for (worker_id, at), record in described)

    def _checked(self, answer: Any, key: str) -> Any:
        if not isinstance(answer, Exception):
            return answer
        if "WRONGTYPE" in str(answer):
            raise CorruptQueue(f"{key} has a type that Taskyard did not give it") from answer
        raise connection.translate(answer, self._client.url) from answer


def is_operation_id(text: object) -> bool:
    return isinstance(text, str) and _OPERATION_ID.match(text) is not None


def _newest_operations(queue: keys.QueueKeys, limit: int) -> Sequence[Sequence[Argument]]:
    """Those under way and those that have ended, each newest first."""
    return (
        ("ZRANGEBYSCORE", queue.operations, "-inf", "(0", "WITHSCORES", "LIMIT", 0, limit),
        ("ZREVRANGEBYSCORE", queue.operations, "+inf", "0", "WITHSCORES", "LIMIT", 0, limit),
    )


def _notes(names: Mapping[str, Sequence[str]], answers: Sequence[Any]) -> dict[str, bytes | None]:
    """Schedule → what its queue has noted of it. `names`: queue → its schedules; a damaged queue tells nothing."""
    found: dict[str, bytes | None] = {}
    for some, answer in zip(names.values(), answers, strict=True):
        found |= dict(zip(some, answer, strict=True)) if isinstance(answer, list) else {}
    return found


def _heartbeats(namespace: str) -> Sequence[Argument]:
    return "ZRANGE", keys.workers(namespace), 0, MAX_WORKERS - 1, "REV", "WITHSCORES"


def _read_only(command: list[Argument]) -> list[Argument]:
    return ["EVALSHA_RO", *command[1:]]


def _value(answer: T | TaskyardError) -> T:
    if isinstance(answer, TaskyardError):
        raise answer
    return answer


def _check_id(task_id: str) -> None:
    if not is_task_id(task_id):
        raise InvalidArgument(f"task id {shown(task_id, 80)} is not accepted: 1 to 128 letters, digits, _ and -")


def _check_limit(limit: int) -> int:
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_ROWS:
        raise InvalidArgument(f"limit {shown(limit, 20)} is not accepted: 1 to {MAX_ROWS} rows")
    return limit


def _order(queue: str, score: bytes) -> tuple[float, str]:
    """Newest first, at the same time by the queue's name; within a queue as the server lists them."""
    return -float(score), queue


def _last_seen_first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (-fault.last_seen_at, fault.queue, fault.fingerprint)))
