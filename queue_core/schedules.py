"""What operators do with schedules while everything runs: add, change, remove, pause, resume, run now. Each action is
written into the audit stream before it is done, and says what it did and what it left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from queue_core import audit, connection, keys, protocol, settings, timetable
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.errors import ActionUnderWay, UnknownSchedule, UnreadableSchedule, shown
from queue_core.protocol import Session
from queue_core.schedule import ONE
from queue_core.snapshot import Outcome
from queue_core.task import Sending, message_by_name, seconds_of
from queue_core.timetable import Schedule

MAX_ATTEMPTS = 20
"""To change a schedule that others change at the same time."""
Change = Callable[[Schedule, int], Schedule | str]
"""Of a schedule and the server's time: as it is to be, or why it is left alone."""


class Schedules:
    """Operators' actions on schedules; threads may share one. Schedulers hear of a change within five seconds.

    `by`: who acts; `reason`: why; `action_id`: the form, which acts once. Raises `UnknownSchedule`,
    `UnreadableSchedule`, `InvalidArgument`, `ServerUnavailable`, `ServerRefused`.
    """

    def __init__(self, url: str | None = None, namespace: str | None = None, *, client: Client | None = None) -> None:
        self._client = client or Client(url, namespace)
        self._directory = keys.schedules(self._client.namespace)

    def close(self) -> None:
        self._client.close()

    def add(
        self,
        name: str,
        task: str,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        cron: str | None = None,
        every: float | timedelta | None = None,
        time_zone: str | ZoneInfo | None = None,
        start: datetime | None = None,
        missed: str = ONE,
        overlap: bool = True,
        arguments: Mapping[str, Any] | None = None,
        queue: str = settings.DEFAULT_QUEUE,
        priority: int = 0,
        max_retries: int | None = None,
        expires: float | timedelta | None = None,
    ) -> Outcome:
        """A schedule of a task by its name, as `Taskyard.schedule` declares one in code. Nobody checks here whether its
        handler takes these arguments. Skipped: `it exists already`."""
        act = Act.check("add_schedule", by, action_id, reason)
        wanted = scheduled(
            name,
            task,
            cron=cron,
            every=every,
            time_zone=time_zone,
            start=start,
            missed=missed,
            overlap=overlap,
            arguments=arguments,
            queue=queue,
            priority=priority,
            max_retries=max_retries,
            expires=expires,
        )

        def create(stored: Schedule | None, now_ms: int) -> Schedule | str:
            return "it exists already" if stored else timetable.created(wanted, now_ms)

        return self._edit(act, name, create, queue=queue)

    def change(
        self,
        name: str,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        cron: str | None = None,
        every: float | timedelta | None = None,
        time_zone: str | ZoneInfo | None = None,
        start: datetime | None = None,
        missed: str | None = None,
        overlap: bool | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Other times, another policy or other arguments; what is not named stays. A change stands until the code that
        declares the schedule declares something else. Skipped: `it is so already`."""
        act = Act.check("change_schedule", by, action_id, reason)

        def change(stored: Schedule, now_ms: int) -> Schedule | str:
            wanted = timetable.revised(
                stored,
                cron=cron,
                every=every,
                time_zone=time_zone,
                start=start,
                missed=missed,
                overlap=overlap,
                arguments=arguments,
            )
            if timetable.digest(wanted) == timetable.digest(stored):
                return "it is so already"
            return timetable.changed(wanted, stored, now_ms)

        return self._edit(act, name, _known(name, change))

    def remove(self, name: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """The schedule is gone; tasks that it has made stay. One that code declares comes back when that begins anew:
        pause it instead."""
        act = Act.check("remove_schedule", by, action_id, reason)
        now_ms, stored = self._look(name)
        if not stored:
            raise _unknown(name)
        queue = self._queue_of(name, stored)
        audit.record(self._client, queue, act, f"schedule {name}")
        known = self._client.queue(queue)
        for _ in range(MAX_ATTEMPTS):
            if self._client.run(protocol.set_schedule(known, name, stored, b"")):
                self._client.read(("HDEL", known.occurrences, name))
                return Outcome(act.verb, (name,), {}, now_ms)
            now_ms, stored = self._look(name)
        raise ActionUnderWay

    def pause(self, name: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """It makes no task until it is resumed, also after its code begins anew. Skipped: `paused already`; who paused
        it first, and why, stays."""
        act = Act.check("pause_schedule", by, action_id, reason)

        def pause(stored: Schedule, now_ms: int) -> Schedule | str:
            return "paused already" if stored.paused else timetable.paused(stored, act.by, act.reason, now_ms)

        return self._edit(act, name, _known(name, pause))

    def resume(self, name: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """It makes tasks again, the next at its next time: what came meanwhile is not made up for. Skipped: `not
        paused`."""
        act = Act.check("resume_schedule", by, action_id, reason)

        def resume(stored: Schedule, now_ms: int) -> Schedule | str:
            return timetable.resumed(stored, now_ms) if stored.paused else "not paused"

        return self._edit(act, name, _known(name, resume))

    def run_now(self, name: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Its task is enqueued once, beside its occurrences, also while it is paused. Done: the task's id. Skipped,
        with `overlap=False`: `<id> has not ended`. Raises `QueueFull`, `RateLimited`, `ServerFull`."""
        act = Act.check("run_schedule", by, action_id, reason)
        now_ms, stored = self._look(name)
        if not stored:
            raise _unknown(name)
        schedule = timetable.read(name, stored)
        queue = self._client.queue(schedule.queue)
        audit.record(self._client, schedule.queue, act, f"schedule {name}")
        self._client.register(schedule.queue)
        made = schedule.extra(act.action_id, now_ms)
        met = self._client.run(protocol.enqueue(queue, [made]), Session(f"{act.action_id}.0"))
        holder = met.get(made.id, "").partition(" ")[2]
        done, skipped = (() if holder else (made.id,)), ({name: f"{holder} has not ended"} if holder else {})
        return Outcome(act.verb, done, skipped, now_ms)

    def begin_anew(self, queue: str) -> None:
        """Of a queue that goes, with what it has noted: what its schedules had before makes no task again. Raises
        `ActionUnderWay`."""
        now_ms, found = self._all()
        for name, stored in found.items():
            for _ in range(MAX_ATTEMPTS):
                if not stored or self._queue_of(name, stored, "") != queue:
                    break
                anew = timetable.write(msgspec.structs.replace(timetable.read(name, stored), since=now_ms))
                if self._client.run(protocol.set_schedule(self._client.queue(queue), name, stored, anew)):
                    break
                now_ms, stored = self._look(name)
            else:
                raise ActionUnderWay

    # How it is done.

    def _edit(self, act: Act, name: str, change: Callable[[Any, int], Schedule | str], *, queue: str = "") -> Outcome:
        """Change what is stored, as often as others do so at the same time. The same form has done so already where it
        was the last to change it."""
        form = act.form(keys.check_name("schedule", name))
        for _ in range(MAX_ATTEMPTS):
            now_ms, data = self._look(name)
            stored = timetable.read(name, data) if data else None
            if stored and stored.form == form:
                return Outcome(act.verb, (name,), {}, now_ms)
            wanted = change(stored, now_ms)
            if isinstance(wanted, str):
                return Outcome(act.verb, (), {name: wanted}, now_ms)
            wanted = msgspec.structs.replace(wanted, form=form, by=wanted.by if stored and _is_switch(act) else act.by)
            audit.record(self._client, queue or wanted.queue, act, f"schedule {name}: {wanted.rule.words}")
            known = self._client.queue(wanted.queue)
            if self._client.run(protocol.set_schedule(known, name, data, timetable.write(wanted))):
                return Outcome(act.verb, (name,), {}, now_ms)
        raise ActionUnderWay

    def _look(self, name: str) -> tuple[int, bytes]:
        """The server's time, and what is stored; empty where there is none."""
        keys.check_name("schedule", name)
        time, stored = self._read(("TIME",), ("HGET", self._directory, name))
        return self._ms(time), stored or b""

    def _all(self) -> tuple[int, dict[str, bytes]]:
        time, stored = self._read(("TIME",), ("HGETALL", self._directory))
        return self._ms(time), {name.decode("ascii", "replace"): data for name, data in stored.items()}

    def _ms(self, time: Any) -> int:
        return self._client.clock() if self._client.clock else connection.time_ms(time)

    def _read(self, *commands: tuple[str, ...]) -> Sequence[Any]:
        return connection.checked(self._client.read(*commands), self._client.url)

    def _queue_of(self, name: str, data: bytes, otherwise: str = settings.DEFAULT_QUEUE) -> str:
        """`otherwise`: of one that cannot be read, which can be removed all the same."""
        try:
            return timetable.read(name, data).queue
        except UnreadableSchedule:
            return otherwise


def scheduled(
    name: str,
    task: str,
    *,
    cron: str | None = None,
    every: float | timedelta | None = None,
    time_zone: str | ZoneInfo | None = None,
    start: datetime | None = None,
    missed: str = ONE,
    overlap: bool = True,
    arguments: Mapping[str, Any] | None = None,
    queue: str = settings.DEFAULT_QUEUE,
    priority: int = 0,
    max_retries: int | None = None,
    expires: float | timedelta | None = None,
) -> Schedule:
    """What `Schedules.add` would store. Pure. Raises `InvalidArgument`."""
    sending = Sending(
        priority=priority, max_retries=max_retries, expires=None if expires is None else seconds_of(expires)
    )
    message = message_by_name(task, queue, {} if arguments is None else arguments, sending)
    return timetable.make(
        name, message, cron=cron, every=every, time_zone=time_zone, start=start, missed=missed, overlap=overlap
    )


def _known(name: str, change: Change) -> Callable[[Schedule | None, int], Schedule | str]:
    def change_known(stored: Schedule | None, now_ms: int) -> Schedule | str:
        if stored is None:
            raise _unknown(name)
        return change(stored, now_ms)

    return change_known


def _is_switch(act: Act) -> bool:
    """Pausing and resuming do not change what a schedule does."""
    return act.verb in ("pause_schedule", "resume_schedule")


def _unknown(name: str) -> UnknownSchedule:
    return UnknownSchedule(f"there is no schedule {shown(name, 150)}", schedule=name)
