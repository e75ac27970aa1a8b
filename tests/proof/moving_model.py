"""What a move between two queues does, in plain Python: the specification of export, import, forget, confirm and
delete_queue, on top of that of one queue (`model`); and what holds of both queues together.

A task that is put aside lies in the trash under a ticket, and the other queue lets each ticket enter once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from queue_core import ids
from queue_core.protocol import Acted, QueueDeleted
from tests.proof.model import Model
from tests.proof.places import OVER, Task, Trashed

ASIDE_MS = 100 * 365 * 86_400_000
MARK_MS = 3_600_000
REFUSED = ":refused"


@dataclass(frozen=True)
class Aside(Trashed):
    """In the trash, on its way to another queue."""

    to: str = ""
    token: str = ""


@dataclass(frozen=True)
class ToldTask:
    """What another queue is told of a task that is put aside for it; nothing, where it is not any more. `counters`:
    the first line of its history; `events`: the last two; `fault`: only of a dead or retrying one; `expires`: its
    time to begin, if it has one."""

    ticket: str
    envelope: bytes = b""
    place: str = ""
    at: int = 0
    counters: str = ""
    events: tuple[str, ...] = ()
    fault: str = ""
    expires: float | None = None


@dataclass(frozen=True)
class Told:
    """The answer to `export`. `faults`: of the tasks → last seen."""

    now: int
    skipped: dict[str, str]
    tasks: tuple[ToldTask, ...]
    faults: dict[str, int]


@dataclass
class Journeys:
    """What is known of both queues. A task is told from others of its id by where it was `born`."""

    put_aside: dict[str, Task] = field(default_factory=dict)
    """Ticket → the task as it was."""
    arrived: Counter[str] = field(default_factory=Counter)
    """Ticket → how often it has entered."""
    ended: Counter[object] = field(default_factory=Counter)
    """Tasks that ended otherwise than by arriving elsewhere."""
    faults: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Fingerprint → what is said of it, in whichever queue."""
    given_up: set[object] = field(default_factory=set)
    """Tasks whose queue was deleted while they were on their way: they may arrive, or are deleted."""

    def problems_of(self, queues: Iterable[MovingModel]) -> list[str]:
        """Every task is once where it can run, or ended once. Beside that it is at most put aside where it was."""
        problems = [f"{ticket} entered {times} times" for ticket, times in self.arrived.items() if times > 1]
        live: Counter[object] = Counter()
        names: dict[object, str] = {}
        for queue in queues:
            for task in queue.tasks.values():
                names[task.born] = task.id
                live[task.born] += queue.ticket_of(task.id) not in self.arrived
        for task in self.put_aside.values():
            names.setdefault(task.born, task.id)
        for born, task_id in names.items():
            times = live[born] + self.ended[born]
            if times != 1 and not (times == 0 and born in self.given_up):
                problems.append(f"{task_id} is {live[born]} times where it can run, and ended {self.ended[born]} times")
        return problems


class MovingModel(Model):
    """A queue with whatever comes and goes by moves."""

    def __init__(self, now: int, journeys: Journeys) -> None:
        super().__init__(now)
        self.journeys = journeys
        self.marks: dict[str, float] = {}
        """Ticket that has entered, or that and `:refused` → when that may be forgotten."""

    def export(self, task_ids: Sequence[str], to: str, token: str) -> Told:
        """Put aside what does not run. What was put aside for that queue before is told again, by its first ticket."""
        skipped, tickets = {}, []
        for task_id in dict.fromkeys(task_ids):
            was = self.trashed.get(task_id)
            if task_id not in self.tasks:
                skipped[task_id] = "gone"
            elif task_id in self.leases:
                skipped[task_id] = "running"
            elif was and not isinstance(was, Aside):
                skipped[task_id] = "in the trash"
            elif isinstance(was, Aside) and was.to != to:
                skipped[task_id] = f"being moved to {was.to}"
            else:
                if not was:
                    self._put_aside(task_id, to, token)
                tickets.append(self.ticket_of(task_id))
        return self.tell(skipped, tickets)

    def tell(self, skipped: dict[str, str], tickets: Iterable[str]) -> Told:
        """Of these tickets, as it is now: the answer to `export`, also when that is sent again."""
        tasks = tuple(map(self._describe, tickets))
        faults = {task.fault: self.seen_faults[task.fault] for task in tasks if task.fault in self.seen_faults}
        return Told(self.now, skipped, tasks, faults)

    def enter(self, coming: Sequence[ToldTask], good_until: int, faults: dict[str, int]) -> Acted:
        """import: each ticket enters once, as it was, and is remembered; so is one that is refused for good."""
        skipped, waiting = {}, []
        for told in coming:
            task_id = told.ticket.partition(":")[0]
            if told.ticket in self.marks:
                continue
            why, is_for_good = self._refusal(told, good_until)
            if why:
                skipped[told.ticket] = why
                if is_for_good:
                    self.marks[told.ticket + REFUSED] = math.inf
                continue
            was = self.journeys.put_aside[told.ticket]
            task = self.tasks[task_id] = replace(was, events=[*was.events, "moved"])
            self.journeys.arrived[told.ticket] += 1
            self.marks[told.ticket] = math.inf
            self.books["imported"] += 1
            if told.place in ("retrying", "dead"):
                self.faults[task.fault] += 0
                self.seen_faults[task.fault] = max(self.seen_faults.get(task.fault, 0), faults[task.fault])
            if told.place != "dead":
                self._take_key_again(task)
            if told.expires is not None:
                self.expiring[task_id] = told.expires
            if told.place == "ready":
                waiting.append((told.at, task_id))
            else:
                getattr(self, told.place)[task_id] = told.at
        self._line_up(sorted(waiting, key=lambda item: item[0]))
        return Acted(self.now, skipped)

    def forget(self, tickets: Sequence[str]) -> Acted:
        """What has arrived elsewhere leaves for good."""

        def act(ticket: str) -> str:
            task_id = ticket.partition(":")[0]
            if self.ticket_of(task_id) != ticket:
                return "not put aside"
            del self.trashed[task_id]
            self._end(task_id, "exported")
            return ""

        return self._act(act, [(ticket,) for ticket in tickets])

    def confirm(self, tickets: Sequence[str]) -> int:
        """Their marks may go in an hour; those whose hour is over are gone."""
        self.marks = {mark: gone_at for mark, gone_at in self.marks.items() if gone_at > self.now}
        for ticket in tickets:
            for mark in {ticket, ticket + REFUSED} & self.marks.keys():
                self.marks[mark] = self.now + MARK_MS
        return self.now

    def restore(self, task_ids: Sequence[str]) -> Acted:
        """Of a task on its way to another queue by its ticket alone."""
        skipped = {}
        for ticket in task_ids:
            task_id, _, token = ticket.partition(":")
            was = self.trashed.get(task_id)
            if isinstance(was, Aside) and not token:
                skipped[ticket] = f"being moved to {was.to}"
            elif token and self.ticket_of(task_id) != ticket:
                skipped[ticket] = "not in the trash"
            else:
                why = super().restore([task_id]).skipped.get(task_id)
                if why:
                    skipped[ticket] = why
                if why and isinstance(was, Aside):  # nobody moves it any more
                    self.trashed[task_id] = Trashed(was.until, was.origin, was.score, was.lane)
        return Acted(self.now, skipped)

    def delete(self, task_ids: Sequence[str], due_limit: int) -> Acted:
        """Not what is on its way to another queue, which may have it already."""
        if due_limit:
            return super().delete(task_ids, due_limit)
        moving = {i: f"being moved to {was.to}" for i in task_ids if isinstance(was := self.trashed.get(i), Aside)}
        acted = super().delete([task_id for task_id in task_ids if task_id not in moving], 0)
        return replace(acted, skipped=acted.skipped | moving)

    def delete_queue(self, is_forced: bool, at_most: int | None) -> QueueDeleted:
        """All of it is gone, but marks while movers may ask for them still. Not while tasks run."""
        counts = Counter(self.state_of(task_id) for task_id in self.tasks)
        count = len(self.tasks)
        is_allowed = not count or (is_forced and (at_most is None or count <= at_most))
        if self.leases or not is_allowed:
            return QueueDeleted(self.now, False, count, dict(counts))
        for task in self.tasks.values():
            ticket = self.ticket_of(task.id)
            if not ticket:
                self.journeys.ended[task.born] += 1
            elif ticket not in self.journeys.arrived:
                self.journeys.given_up.add(task.born)
        records = self.records
        marks = self.marks if any(gone_at > self.now for gone_at in self.marks.values()) else {}
        self.__init__(self.now, self.journeys)  # type: ignore[misc]
        self.records, self.marks = records, marks
        return QueueDeleted(self.now, True, count, dict(counts))

    def ticket_of(self, task_id: str) -> str:
        """Of a task that is put aside, else ''."""
        was = self.trashed.get(task_id)
        return f"{task_id}:{was.token}" if isinstance(was, Aside) else ""

    def old_tickets(self) -> list[str]:
        """Of tasks that are here, but not put aside under these any more."""
        return [
            ticket
            for ticket in self.journeys.put_aside
            if (task_id := ticket.partition(":")[0]) in self.tasks and self.ticket_of(task_id) != ticket
        ]

    # Steps of transitions.

    def _put_aside(self, task_id: str, to: str, token: str) -> None:
        since = dict(self.line).get(task_id, 0)
        self._put_in_trash(task_id, self.place_of(task_id), self.now + ASIDE_MS)
        was = self.trashed[task_id]
        score = since if was.origin == "ready" else was.score
        token = f"{token}.{self.now}"
        self.trashed[task_id] = Aside(was.until, was.origin, score, was.lane, to, token)
        task = self.tasks[task_id]
        self.journeys.put_aside[self.ticket_of(task_id)] = replace(task, events=list(task.events))

    def _describe(self, ticket: str) -> ToldTask:
        task_id = ticket.partition(":")[0]
        if self.ticket_of(task_id) != ticket:
            return ToldTask(ticket)
        task, was, c = self.tasks[task_id], self.trashed[task_id], self.counters_of(task_id)
        place = "ready" if was.origin in ("prioritized", "held") else was.origin
        at = (ids.id_time_ms(task_id) or self.now) if was.origin == "held" else was.score
        counters = f"{c.attempts} {c.crashes} {c.releases} {c.attempts_before} {c.fingerprint}" if task.events else ""
        fault = task.fault if place in ("dead", "retrying") else ""
        expires = self.expiring.get(task_id)
        if expires == OVER:
            expires = self.now
        return ToldTask(ticket, task.envelope, place, at, counters, tuple(task.events[-2:]), fault, expires)

    def _refusal(self, told: ToldTask, good_until: int) -> tuple[str, bool]:
        """Why it does not enter, and whether that is for good."""
        task_id = told.ticket.partition(":")[0]
        if told.ticket + REFUSED in self.marks:
            return "called back", False
        if not told.envelope:
            return "called back", True
        if task_id in self.tasks:
            return f"in that queue already, {self.state_of(task_id)}", True
        if self.now > good_until:
            return "too late", False
        holder = self.holder_of(self.journeys.put_aside[told.ticket].key) if told.place != "dead" else None
        if holder and holder != task_id:
            return f"its unique key is held by {holder}", True
        return "", False

    def _line_up(self, waiting: Sequence[tuple[int, str]]) -> None:
        """Who has waited longer than the head of the line goes before it, the others to the end."""
        head = self.line[0][1] if self.line else 0
        for at, task_id in reversed(waiting):
            if at < head:
                self._make_ready(task_id, at, at_head=True)
        for at, task_id in waiting:
            if at >= head:
                self._make_ready(task_id, at)

    def _end(self, task_id: str, how: str) -> None:
        if how != "exported":
            self.journeys.ended[self.tasks[task_id].born] += 1
        super()._end(task_id, how)
