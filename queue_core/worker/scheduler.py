"""Enqueues what schedules say, at its time. Every worker does: the script that makes a task notes its occurrence, so
that nobody makes it twice; and the server's clock tells whether its time has come."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import connection, decoding, keys, protocol, timetable
from queue_core.aio import AsyncClient
from queue_core.chain import Chain
from queue_core.errors import InvalidArgument, TaskyardError, UnreadableSchedule, shown
from queue_core.formats import duration, iso
from queue_core.protocol import EARLY, MADE, MET
from queue_core.schedule import MOST_MISSED, due, next_after
from queue_core.task import Message, NewTask
from queue_core.timetable import Schedule
from queue_core.worker.complaints import Complaints

log = logging.getLogger("taskyard.worker")

LONGEST_WAIT_SECONDS = 5.0
"""After this time at the latest, a schedule that somebody has added or changed is known."""
LATE_MS = 10_000
"""An occurrence that is later than this is told of."""
MAX_ATTEMPTS = 20
"""To store what the code declares, where others change the same at once."""


@dataclass(slots=True)
class _Known:
    """What is remembered of a schedule from one look to the next, as long as it does not change."""

    data: bytes
    schedule: Schedule
    seen_to: int
    next_ms: int | None


class Scheduler:
    """`app`: the code whose schedules these are, `module:yard`. `chain`: its middleware, through which all passes that
    is enqueued here, whoever has declared it. `error_ms`: by how much it has the server's time wrong
    when it looks what has come, for tests."""

    def __init__(
        self,
        client: AsyncClient,
        app: str,
        declared: Mapping[str, Schedule],
        complaints: Complaints,
        chain: Chain | None = None,
        *,
        error_ms: int = 0,
    ) -> None:
        self._client = client
        self._app = app
        self._declared = dict(declared)
        self._is_declared = False
        self._complaints = complaints
        self._chain = chain or Chain()
        self._error_ms = error_ms
        self._known: dict[str, _Known] = {}
        self._directory = keys.schedules(client.namespace)

    def declare(self, declared: Mapping[str, Schedule]) -> bool:
        """The code has begun anew; with the next tick its schedules are stored. Returns whether they are other ones:
        what is the same is not said again, so that two versions of the code do not overrule each other for ever."""
        if dict(declared) == self._declared:
            return False
        self._declared, self._is_declared = dict(declared), False
        return True

    async def tick(self) -> float:
        """Enqueue what has come. Returns after how many seconds something will come, or it is time to look again."""
        try:
            now_ms, stored = await self._look()
            if not self._is_declared:
                await self._store_declared(now_ms, stored)
                now_ms, stored = await self._look()
        except TaskyardError as error:
            self._complaints.say("(schedules)", "look", error)
            return LONGEST_WAIT_SECONDS
        self._complaints.withdraw("(schedules)", "look")
        now_ms += self._error_ms
        self._learn(stored, now_ms)
        for name, known in self._known.items():
            if known.next_ms is not None and known.next_ms <= now_ms:
                try:
                    await self._enqueue_due(name, known, now_ms)
                except TaskyardError as error:
                    self._complaints.say(known.schedule.queue, f"schedule {name}", error)
                else:
                    self._complaints.withdraw(known.schedule.queue, f"schedule {name}")
        coming = (known.next_ms for known in self._known.values() if known.next_ms is not None)
        wait_ms = min((at - now_ms for at in coming if at > now_ms), default=math.inf)
        return min(wait_ms / 1000, LONGEST_WAIT_SECONDS)

    async def _look(self) -> tuple[int, dict[str, bytes]]:
        """The server's time, and what is stored."""
        time_answer, stored = await self._client.execute(("TIME",), ("HGETALL", self._directory))
        for answer in (time_answer, stored):
            if isinstance(answer, Exception):
                raise connection.translate(answer, self._client.url) from answer
        now_ms = int(time_answer[0]) * 1000 + int(time_answer[1]) // 1000
        now_ms = self._client.clock() if self._client.clock else now_ms
        return now_ms, {decoding.text(name): data for name, data in _pairs(stored)}

    def _learn(self, stored: Mapping[str, bytes], now_ms: int) -> None:
        """What is stored now. When a schedule comes next is worked out once."""
        before, self._known = self._known, {}
        for name, data in stored.items():
            known = before.get(name)
            if known is None or known.data != data or known.seen_to > now_ms + timetable.CLOCK_BACK_MS:
                try:
                    schedule = timetable.read(name, data)
                except UnreadableSchedule as error:
                    self._complaints.say("(schedules)", name, error)
                    continue
                self._complaints.withdraw("(schedules)", name)
                known = _Known(data, schedule, schedule.since, None)
                _plan(known)
            self._known[name] = known

    async def _enqueue_due(self, name: str, known: _Known, now_ms: int) -> None:
        schedule = known.schedule
        queue = self._client.queue(schedule.queue)
        (note,) = await self._client.execute(("HGET", queue.occurrences, name))
        if isinstance(note, Exception):
            raise connection.translate(note, self._client.url) from note
        noted = timetable.noted(note)
        known.seen_to = max(known.seen_to, schedule.seen_to(noted[0] if noted else None, now_ms))
        while True:
            found = due(schedule.rule, schedule.missed, known.seen_to, now_ms)
            server_ms = await self._enqueue(schedule, found.occurrences)
            if server_ms is None:
                break
            now_ms = min(server_ms, now_ms - 1)  # this side had the time wrong
        if found.is_cut:
            log.warning("schedule %s: more than %d were missed; the latest are made up for", name, MOST_MISSED)
        if found.occurrences:
            await self._client.register(schedule.queue)
        known.seen_to = max(known.seen_to, now_ms)
        _plan(known)

    async def _enqueue(self, schedule: Schedule, occurrences: Sequence[int]) -> int | None:
        """Returns the server's time where that says that the time of one has not come."""
        queue = self._client.queue(schedule.queue)
        for occurrence in occurrences:
            new_task = await self._passed_on(schedule.queue, schedule.occurrence(occurrence))
            call = protocol.enqueue_occurrence(queue, schedule.name, occurrence, new_task)
            occurred = await self._client.run(call)
            if occurred.what == EARLY:
                return occurred.now_ms
            _tell(schedule.name, occurrence, occurred)
        return None

    async def _passed_on(self, queue: str, new_task: NewTask) -> NewTask:
        """As the middleware has it; of its queue and its occurrence, or it could be made twice. On a thread: leases are
        kept alive on this event loop. Raises `InvalidArgument` for whatever a hook raises."""
        if not self._chain.outgoing:
            return new_task
        try:
            message = await asyncio.to_thread(self._chain.pass_on, Message(queue, new_task))
        except Exception as error:
            raise InvalidArgument(
                f"task {new_task.id} is not enqueued: before_enqueue raised {type(error).__name__}: {error}"
            ) from error
        if (message.queue, message.task_id) != (queue, new_task.id):
            raise InvalidArgument(
                f"task {new_task.id} is not enqueued: before_enqueue made it {shown(message.task_id, 150)} in "
                f"{shown(message.queue, 150)}; what a schedule enqueues keeps its id and its queue"
            )
        return message.new_task

    # What the code declares.

    async def _store_declared(self, now_ms: int, stored: Mapping[str, bytes]) -> None:
        names = {*self._declared, *(name for name, data in stored.items() if self._is_own(name, data))}
        try:
            for name in sorted(names):
                await self._store(name, stored.get(name, b""), now_ms)
        except TaskyardError as error:
            self._complaints.say("(schedules)", "declare", error)
        else:
            self._complaints.withdraw("(schedules)", "declare")
            self._is_declared = True

    def _is_own(self, name: str, data: bytes) -> bool:
        try:
            return timetable.read(name, data).app == self._app
        except UnreadableSchedule:
            return False

    async def _store(self, name: str, data: bytes, now_ms: int) -> None:
        """One schedule as this code declares it, or no longer does."""
        for _ in range(MAX_ATTEMPTS):
            wanted = self._wanted(name, data, now_ms)
            if wanted is None:
                return
            queue = self._client.queue(wanted.queue)
            if await self._client.run(protocol.set_schedule(queue, name, data, timetable.write(wanted))):
                state = "no longer declared here" if wanted.undeclared_at else wanted.rule.words
                log.info("schedule %s: %s", name, state)
                await self._forget_former_queue(name, data, wanted.queue)
                return
            (answer,) = await self._client.execute(("HGET", self._directory, name))
            data = answer if isinstance(answer, bytes) else b""

    async def _forget_former_queue(self, name: str, data: bytes, queue: str) -> None:
        """Where it enqueued before, nothing is noted of it any more."""
        try:
            former = timetable.read(name, data).queue if data else queue
        except UnreadableSchedule:
            return
        if former != queue:
            await self._client.execute(("HDEL", self._client.queue(former).occurrences, name))

    def _wanted(self, name: str, data: bytes, now_ms: int) -> Schedule | None:
        """`None`: it is as it is to be."""
        try:
            stored = timetable.read(name, data) if data else None
        except UnreadableSchedule:
            stored = None
        declared = self._declared.get(name)
        if declared is not None:
            return timetable.declared(declared, stored, self._app, now_ms)
        if stored is None or stored.app != self._app or stored.undeclared_at:
            return None
        return timetable.undeclared(stored, now_ms)


def _plan(known: _Known) -> None:
    """When it comes next, behind what has been seen to; never while it is paused."""
    rule = known.schedule.rule
    known.next_ms = None if known.schedule.paused else next(iter(next_after(rule, known.seen_to)), None)


def _tell(name: str, occurrence: int, occurred: protocol.Occurred) -> None:
    late_ms = occurred.now_ms - occurrence
    late = f", {duration(late_ms / 1000)} late" if late_ms > LATE_MS else ""
    if occurred.what == MADE:
        level = logging.INFO if late else logging.DEBUG
        log.log(level, "schedule %s: %s%s: task %s", name, iso(occurrence), late, occurred.task_id)
    elif occurred.what == MET:
        log.info("schedule %s: %s%s: no task, as %s has not ended", name, iso(occurrence), late, occurred.task_id)


def _pairs(stored: Any) -> list[tuple[bytes, bytes]]:
    return list(stored.items()) if isinstance(stored, dict) else []
