"""What a queue does, in plain Python: the specification that the scripts are compared with.

Places are dicts, a transition is a method, its answer is what the protocol reads. Batches are worked through in their
order. Nothing here knows of Redis, nor how anything is stored; `now` is the server's time in ms.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_core import ids, protocol
from queue_core.protocol import (
    Acted,
    Claimed,
    ClaimedTask,
    Extended,
    FailedTask,
    Held,
    NewTask,
    Recovered,
    ReleasedTask,
    Switched,
)
from queue_core.reading import Outstayed
from tests.proof.limits import Limits, Refused

MAX_CRASHES = 3
FAIR_EVERY = 20
OVER = math.inf
PUT_OFF_MS = 10_000
MAX_NOTES = 10
LEVELS = 16
"""Priorities that the fair turn looks at, from the lowest."""


@dataclass
class Task:
    """What is known of a task wherever it is. `events`: kinds of what happened to it, oldest first."""

    id: str
    name: str
    envelope: bytes
    priority: int = 0
    max_crashes: int = MAX_CRASHES
    key: str = ""
    """Unique key that it holds until it ends."""
    attempts: int = 0
    crashes: int = 0
    releases: int = 0
    before: int = 0
    fault: str = "-"
    failed: int = 0
    """When it failed or crashed last."""
    operation: str = ""
    """Which one requeued it last; behind that a `!` once it has failed since."""
    events: list[str] = field(default_factory=list)
    born: object = field(default_factory=object, repr=False)
    """The same one wherever the task goes, by which it is told from another one of that id."""


@dataclass(frozen=True)
class Lease:
    fence: int
    expires: int
    claimed: int
    since: int
    worker: str


@dataclass(frozen=True)
class Trashed:
    """`origin`: the place where it was; `score`: its time there, 0: none is known; `lane`: where that was `held`."""

    until: int
    origin: str
    score: int = 0
    lane: str = ""


class Model:
    def __init__(self, now: int) -> None:
        self.now = now
        self.tasks: dict[str, Task] = {}
        # The places.
        self.line: list[tuple[str, int]] = []
        """Turns of priority 0, the next one first: id, ready since. Who is struck out keeps the turn until it comes."""
        self.struck_out: set[str] = set()
        self.prioritized: dict[str, int] = {}
        self.held: dict[str, str] = {}
        self.scheduled: dict[str, int] = {}
        self.retrying: dict[str, int] = {}
        self.leases: dict[str, Lease] = {}
        self.dead: dict[str, int] = {}
        self.trashed: dict[str, Trashed] = {}
        # Beside them.
        self.asked: set[str] = set()
        """Running tasks that were asked to stop."""
        self.lanes: dict[str, str] = {}
        """Lane → `closed` or `open`, in the order in which the server lists them."""
        self.keys: dict[str, tuple[str, int]] = {}
        """Unique key → who has taken it, and until when (0: until its end)."""
        self.expiring: dict[str, float] = {}
        """Id → time after which its run is not to begin; `OVER`: it came when the task ran or lay in the trash."""
        self.books: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        """Fault → failed attempts."""
        self.seen_faults: dict[str, int] = {}
        self.attempts_by_minute: dict[str, Counter[int]] = {}
        """Fault → minute → failed attempts."""
        self.mutes: dict[str, tuple[str, str, int, int | None, int | None]] = {}
        """Fault → by whom, why, when, until when, until how many failed attempts in all."""
        self.fault_notes: dict[str, list[tuple[str, str, int]]] = {}
        """Fault → by whom, what, when; the newest first."""
        self.records: dict[str, str] = {}
        self.limits = Limits()
        self.is_paused = False
        self.fence = 0
        self.turn = 0
        self.seen: int | None = None
        self.grace = 0

    # Producers.

    def enqueue(
        self, new_tasks: Sequence[NewTask], names: Sequence[str], crashes: Sequence[int]
    ) -> dict[str, str] | Refused:
        """An id that is in the queue makes no second task, nor does a key that is held: the answer says in which state
        it, or the holder, was met. All of the others enter, or none."""
        entering = self._count_new(new_tasks)
        refusal = self.limits.refusal_of(entering, len(self.tasks) - len(self.dead) - len(self.trashed), self.now)
        if refusal:
            return refusal
        self.limits.take("enqueue_rate", entering, self.now)
        met = {}
        for new, name, max_crashes in zip(new_tasks, names, crashes, strict=True):
            if new.id in self.tasks:
                met[new.id] = self.state_of(new.id)
                continue
            holder = self.holder_of(new.unique_key)
            if holder:
                met[new.id] = f"{self.state_of(holder) if holder in self.tasks else 'ended'} {holder}"
                continue
            key = "" if new.unique_ms else new.unique_key
            self.tasks[new.id] = Task(new.id, name, new.envelope, new.priority, max_crashes, key)
            if new.unique_key:
                self.keys[new.unique_key] = (new.id, self.now + new.unique_ms if new.unique_ms else 0)
            if new.expires_ms:
                self.expiring[new.id] = self.now + new.expires_ms
            self.books["enqueued"] += 1
            due = self.now + new.delay_ms if new.delay_ms else new.due_ms
            if due > self.now:
                self.scheduled[new.id] = due
            elif new.priority:
                self.prioritized[new.id] = self.now
            else:
                self._make_ready(new.id, self.now)
        return met

    # Workers.

    def claim(
        self, worker: str, limit: int, lease_ms: int, is_fair: bool, lanes: Collection[str], max_bytes: int
    ) -> Claimed:
        """What is due becomes ready; then tasks are leased: from lanes that give out, by priority, by age. What is not
        to begin any more is put off."""
        self._hear(lease_ms)
        for place in (self.scheduled, self.retrying):
            for task_id, due in sorted(place.items(), key=lambda item: (item[1], item[0].encode())):
                if due <= self.now:
                    del place[task_id]
                    self._make_ready(task_id, due)
        fence = max(self.fence + 1, self.now * 1000)
        if self.is_paused:
            return self.report(fence, [], lanes)
        limit = int(min(limit, self.limits.tokens("claim_rate", self.now)))
        taken: list[tuple[str, int]] = []
        giving, shut = self._lanes_of(lanes)

        def has_room(most: int = limit) -> bool:
            return len(taken) < most and sum(len(self.tasks[task_id].envelope) for task_id, _ in taken) < max_bytes

        def give(task_id: str, since: int) -> None:
            """A task of a shut lane is put aside, one whose time is over is put off; any other is given out."""
            if self.is_overdue(task_id):
                self.scheduled[task_id] = self.now + PUT_OFF_MS
                return
            name = self.tasks[task_id].name
            lane = next((lane for lane in (f"name:{name}", f"unknown:{name}") if lane in shut), None)
            if lane:
                self.held[task_id] = lane
            else:
                taken.append((task_id, _as_written(task_id, since)))

        def give_from_line(most: int) -> None:
            while self.line and has_room(most):
                task_id, since = self.line.pop(0)
                if task_id in self.struck_out:
                    self.struck_out.remove(task_id)
                else:
                    give(task_id, since)

        def give_by_priority(is_due: Callable[[int], bool]) -> None:
            for task_id in self.in_order():
                if has_room() and is_due(self.tasks[task_id].priority):
                    give(task_id, self.prioritized.pop(task_id))

        for lane in giving:
            if not has_room():
                break
            members = sorted(task_id for task_id, its in self.held.items() if its == lane)[: limit - len(taken)]
            for task_id in members:
                if has_room():
                    del self.held[task_id]
                    if self.is_overdue(task_id):
                        self.scheduled[task_id] = self.now + PUT_OFF_MS
                    else:
                        taken.append((task_id, _as_written(task_id, self.now)))
            if not members:
                del self.lanes[lane]
        turns_of_line = 0
        fair_turns = (self.turn + limit) // FAIR_EVERY - self.turn // FAIR_EVERY
        if is_fair and self.prioritized:
            for head in self._longest_waiting(fair_turns):
                if not has_room():
                    break
                if head is None:
                    turns_of_line += 1
                else:
                    give(head, self.prioritized.pop(head))
        give_from_line(min(limit, len(taken) + turns_of_line))
        give_by_priority(lambda priority: priority > 0)
        give_from_line(limit)
        give_by_priority(lambda priority: priority < 0)

        self.turn += len(taken)
        if taken:
            self.fence = fence
        self.limits.take("claim_rate", len(taken), self.now)
        for task_id, since in taken:
            self.leases[task_id] = Lease(fence, self.now + lease_ms, self.now, since, worker)
        return self.report(fence, [task_id for task_id, _ in taken], lanes)

    def report(self, fence: int, task_ids: Iterable[str], lanes: Collection[str]) -> Claimed:
        """What a claim answers, also when it is sent again: of its tasks those that are still leased by it."""
        due = [*self.scheduled.values(), *self.retrying.values()]
        giving, _ = self._lanes_of(lanes)
        has_more = bool(self.ready() or set(giving) & set(self.held.values()))
        return Claimed(
            fence=fence,
            now_ms=self.now,
            next_due_ms=min(due, default=None),
            has_expired=self.has_expired(),
            has_more=has_more,
            is_paused=self.is_paused,
            closed_lanes=tuple(self.lanes),
            tasks=tuple(
                ClaimedTask(
                    task_id,
                    self.tasks[task_id].envelope,
                    self.counters_of(task_id),
                    bool(self.tasks[task_id].events),
                    _digits(task_id, self.leases[task_id].since),
                )
                for task_id in task_ids
                if task_id in self.leases and self.leases[task_id].fence == fence
            ),
            has_overdue=bool(self.overdue()),
            next_token_ms=self.limits.next_token_ms(self.now) if has_more and not self.is_paused else None,
        )

    def complete(self, held: Sequence[Held]) -> list[str]:
        def end(task: Task, claim: Held, _: Lease) -> None:
            if claim.has_history or claim.result:
                self.records[task.id] = "completed"
            self._end(task.id, "completed")

        return self._settle(held, end)

    def fail(self, failed: Sequence[FailedTask]) -> list[str]:
        def end(task: Task, attempt: FailedTask, _: Lease) -> None:
            if attempt.verdict != protocol.CANCEL:
                task.attempts += 1
                self._count_in_fault(task, attempt.failure.fingerprint, "failed")
            if attempt.verdict == protocol.CANCEL or task.id in self.asked:
                self._cancel(task.id)
            elif attempt.verdict == protocol.RETRY:
                self._retry(task.id, self.now + attempt.delay_ms)
            elif attempt.verdict == protocol.DEAD:
                self._bury(task.id)
            else:
                self.records[task.id] = "discarded"
                self._end(task.id, "discarded")

        return self._settle(failed, end)

    def release(self, released: Sequence[ReleasedTask]) -> list[str]:
        """Back to the head, the first of the batch first; or into the lane of a name that the worker does not know."""

        def end(task: Task, given_back: ReleasedTask, lease: Lease) -> None:
            if task.id in self.asked:
                self._cancel(task.id)
                return
            if given_back.facts is not None:
                task.releases += 1
                task.events.append("released")
            if given_back.lane:
                self.lanes[given_back.lane] = "closed"
                self.held[task.id] = given_back.lane
            else:
                self._make_ready(task.id, lease.since, at_head=True)

        return self._settle(list(reversed(released)), end)[::-1]

    def extend(self, held: Sequence[Held], lease_ms: int) -> Extended:
        self._hear(lease_ms)
        lost, asked = [], []
        for claim in held:
            lease = self.leases.get(claim.id)
            if lease and lease.fence == claim.fence:
                self.leases[claim.id] = Lease(
                    lease.fence, self.now + lease_ms, lease.claimed, lease.since, lease.worker
                )
                asked += [claim.id] if claim.id in self.asked else []
            else:
                lost.append(claim.id)
        return Extended(lost, asked)

    def recover(self, lease_ms: int, held: Sequence[Held], limit: int) -> Recovered:
        """Tasks of a dead worker, or whose lease ran out: they crashed once more. After a silence nothing is taken for
        one lease."""
        again: list[str] = []
        buried: list[str] = []
        cancelled: list[str] = []
        flagged: list[Held] = []

        def end(task: Task, _: Held, __: Lease) -> None:
            if task.id in self.asked:
                self._cancel(task.id)
                cancelled.append(task.id)
                return
            task.crashes += 1
            self._count_in_fault(task, _fault_of_crash(task.name), "crashed")
            if task.crashes > task.max_crashes:
                self._bury(task.id)
                buried.append(task.id)
            else:
                self._retry(task.id, self.now + task.crashes**2 * 1000)
                again.append(task.id)

        if not held:
            if self._is_after_silence(lease_ms):
                self._hear(lease_ms)
            if self.now < self.grace:
                return Recovered([], [], [])
            expired = sorted((lease.expires, task_id.encode()) for task_id, lease in self.leases.items())
            taken = [
                Held(task_id.decode(), self.leases[task_id.decode()].fence)
                for expires, task_id in expired[:limit]
                if expires <= self.now
            ]
            flagged = [claim for claim in taken if claim.id in self.asked]
            held = [claim for claim in taken if claim.id not in self.asked]
        return Recovered(again, buried, self._settle(held, end), cancelled, flagged)

    def expire(self, task_ids: Sequence[str]) -> list[str]:
        """What waits and is not to begin any more ends, once: the others are left alone. Of what runs or lies in the
        trash it is noted."""
        left_alone = []
        for task_id in task_ids:
            place = self.place_of(task_id)
            if not self.is_overdue(task_id):
                left_alone.append(task_id)
            elif place in ("running", "trashed"):
                self.expiring[task_id] = OVER
                left_alone.append(task_id)
            else:
                self._leave(task_id, place)
                self.records[task_id] = "expired"
                self._end(task_id, "expired")
        return left_alone

    def list_outstayed(self) -> Outstayed:
        """Tasks that are not to begin any more; and of the dead letters the oldest that are too old, or too many."""
        letters = sorted(self.dead, key=lambda task_id: (self.dead[task_id], task_id.encode()))
        max_age = self.limits.chosen.get("dead_max_age", math.inf)
        max_count = self.limits.chosen.get("dead_max_count", len(letters))
        old = [task_id for task_id in letters if self.dead[task_id] <= self.now - max_age]
        too_many = letters[: max(0, len(letters) - max_count)]
        named = old or too_many
        why = "age" if old else "count" if too_many else ""
        return Outstayed(self.overdue(), named, why, self.dead[named[-1]] if named else 0)

    # Operators.

    def requeue(self, letters: Sequence[tuple[str, int]]) -> Acted:
        """Dead letters are ready again, at the end, with a fresh allowance."""
        return self._act(lambda task_id, died: self._put_back(task_id, died, "requeued"), letters)

    def edit(self, task_id: str, died: int, envelope: bytes, priority: int, *, is_another: bool) -> Acted:
        """As a requeue, with another envelope; one of another task is refused."""

        def act(task_id: str) -> str:
            if is_another and task_id in self.dead:
                return "changed"
            before = self.tasks.get(task_id)
            was = before and (before.envelope, before.priority)
            if before:
                before.envelope, before.priority = envelope, priority
            refusal = self._put_back(task_id, died, "edited")
            if before and was and refusal:
                before.envelope, before.priority = was
            return refusal

        return self._act(act, [(task_id,)])

    def _put_back(self, task_id: str, died: int, how: str) -> str:
        if task_id not in self.dead:
            return "not dead"
        if self.dead[task_id] != died:
            return "changed"
        task = self.tasks[task_id]
        refusal = self._take_key_again(task)
        if refusal:
            return refusal
        del self.dead[task_id]
        task.before += task.attempts
        task.attempts = task.crashes = 0
        task.operation = ""
        task.events.append(how)
        self.books["requeued"] += 1
        self._make_ready(task_id, self.now)
        return ""

    def trash(self, task_ids: Sequence[str], keep_ms: int, died_by: int | None = None) -> Acted:
        """`died_by`: only what is dead since then, or longer."""
        until = self.now + keep_ms

        def act(task_id: str) -> str:
            if task_id not in self.tasks:
                return "gone"
            place = self.place_of(task_id)
            if place in ("running", "trashed"):
                return "running" if place == "running" else "in the trash"
            if died_by is not None and self.dead.get(task_id, math.inf) > died_by:
                return "changed"
            self._put_in_trash(task_id, place, until)
            return ""

        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, until_ms=until)

    def cancel(self, task_ids: Sequence[str]) -> Acted:
        """What waits ends, what runs is asked to stop."""
        asked = []

        def act(task_id: str) -> str:
            if task_id not in self.tasks:
                return "gone"
            place = self.place_of(task_id)
            if place in ("dead", "trashed"):
                return "dead" if place == "dead" else "in the trash"
            if place == "running":
                self.asked.add(task_id)
                asked.append(task_id)
                return ""
            self._leave(task_id, place)
            self._cancel(task_id)
            return ""

        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, asked=tuple(asked))

    def restore(self, task_ids: Sequence[str]) -> Acted:
        """Back to where it was, in its order. Where its turn has passed meanwhile, the head is its place."""

        def act(task_id: str) -> str:
            if task_id not in self.trashed:
                return "not in the trash"
            was = self.trashed[task_id]
            refusal = self._take_key_again(self.tasks[task_id]) if was.origin != "dead" else ""
            if refusal:
                return refusal
            del self.trashed[task_id]
            if was.origin == "ready":
                self._make_ready(task_id, was.score or ids.id_time_ms(task_id) or self.now, at_head=True)
            elif was.origin == "held":
                self.held[task_id] = was.lane
                self.lanes.setdefault(was.lane, "open")
            else:
                getattr(self, was.origin)[task_id] = was.score
            self._wait_again(task_id)
            return ""

        return self._act(act, [(task_id,) for task_id in task_ids])

    def delete(self, task_ids: Sequence[str], due_limit: int) -> Acted:
        def act(task_id: str) -> str:
            if task_id not in self.trashed:
                return "not in the trash"
            del self.trashed[task_id]
            self._end(task_id, "deleted")
            return ""

        if due_limit:
            due = sorted((was.until, task_id.encode()) for task_id, was in self.trashed.items())
            task_ids = [task_id.decode() for until, task_id in due[:due_limit] if until <= self.now]
        there = len(self.trashed)
        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, count=there - len(self.trashed))

    def promote(self, task_ids: Sequence[str]) -> Acted:
        def act(task_id: str) -> str:
            if self.scheduled.pop(task_id, None) is None and self.retrying.pop(task_id, None) is None:
                return "not waiting for a time"
            self._make_ready(task_id, self.now)
            return ""

        return self._act(act, [(task_id,) for task_id in task_ids])

    def limit(self, changes: Mapping[str, Any], by: str) -> Switched:
        return Switched(self.now, self.limits.change(changes, by, self.now))

    def pause(self) -> Switched:
        self.is_paused, was_paused = True, self.is_paused
        return Switched(self.now, not was_paused)

    def resume(self) -> Switched:
        self.is_paused, was_paused = False, self.is_paused
        return Switched(self.now, was_paused)

    def close_lane(self, lane: str) -> Switched:
        was = self.lanes.get(lane)
        self.lanes[lane] = "closed"
        return Switched(self.now, was != "closed")

    def open_lane(self, lane: str) -> Switched:
        """An empty one is forgotten at once, another one when a claim has emptied it."""
        was = self.lanes.get(lane)
        if was == "closed" and lane in self.held.values():
            self.lanes[lane] = "open"
        elif was == "closed":
            del self.lanes[lane]
        return Switched(self.now, was == "closed")

    def mute_fault(self, fault: str, until: int | None, attempts: int | None, by: str, reason: str) -> Acted:
        refusal = self._refusal_of(fault) or ("that time is over" if until is not None and until <= self.now else "")
        if not refusal:
            total = None if attempts is None else self.faults[fault] + attempts
            self.mutes[fault] = (by, reason, self.now, until, total)
        return Acted(self.now, {fault: refusal} if refusal else {})

    def unmute_fault(self, fault: str) -> Switched:
        return Switched(self.now, self.mutes.pop(fault, None) is not None)

    def note_fault(self, fault: str, by: str, text: str) -> Acted:
        refusal = self._refusal_of(fault)
        if not refusal:
            self.fault_notes[fault] = [(by, text, self.now), *self.fault_notes.get(fault, [])][:MAX_NOTES]
        return Acted(self.now, {fault: refusal} if refusal else {})

    def _refusal_of(self, fault: str) -> str:
        return "" if fault in self.seen_faults else "no such fault"

    # What can be said of it.

    def ready(self) -> list[str]:
        return [task_id for task_id, _ in self.line if task_id not in self.struck_out] + list(self.prioritized)

    def place_of(self, task_id: str) -> str:
        for place in ("prioritized", "held", "scheduled", "retrying", "dead", "trashed"):
            if task_id in getattr(self, place):
                return place
        return "running" if task_id in self.leases else "ready"

    def state_of(self, task_id: str) -> str:
        place = self.place_of(task_id)
        return "ready" if place == "prioritized" else place

    def holder_of(self, key: str) -> str | None:
        """What is dead or in the trash holds no key, unless that was taken for a stated time."""
        holder, until = self.keys.get(key, ("", 0))
        is_held = self.now < until if until else holder and self.place_of(holder) not in ("dead", "trashed")
        return holder if is_held else None

    def is_overdue(self, task_id: str) -> bool:
        """Its time to begin is over, and that is not noted yet."""
        return self.expiring.get(task_id, OVER) <= self.now

    def overdue(self) -> list[str]:
        """Of all of these, wherever they are, the oldest first."""
        found = [task_id for task_id in self.expiring if self.is_overdue(task_id)]
        return sorted(found, key=lambda task_id: (self.expiring[task_id], task_id.encode()))

    def moments(self) -> list[int]:
        """When something will be due, over or full, the soonest first."""
        leases = [lease.expires for lease in self.leases.values()]
        windows = [until for _, until in self.keys.values()]
        waiting = [*self.scheduled.values(), *self.retrying.values(), *self.expiring.values()]
        times = {*leases, *windows, *waiting, *self.limits.full.values()}
        return sorted(int(at) for at in times if self.now < at < OVER)

    def in_order(self) -> list[str]:
        """Ready tasks of other priorities than 0, in the order in which they are given out."""
        return sorted(
            self.prioritized,
            key=lambda task_id: (-self.tasks[task_id].priority, self.prioritized[task_id], task_id.encode()),
        )

    def has_expired(self) -> bool:
        return any(lease.expires <= self.now for lease in self.leases.values())

    def counters_of(self, task_id: str) -> protocol.Counters:
        task = self.tasks[task_id]
        counts = task.attempts, task.crashes, task.releases, task.before
        return protocol.Counters(*counts, task.fault, task.operation)

    def somebody_must_wake(self, told_due: float, told_rate: object) -> bool:
        """Tasks can be given out now to whoever asks; or one is due before the time that the last claim was told. Where
        that was told when its rate has tokens again, its worker comes back by itself, while the rate is the same."""
        if told_rate and told_rate == self.limits.chosen.get("claim_rate"):
            return False
        giving, _ = self._lanes_of(())
        due = min([*self.scheduled.values(), *self.retrying.values()], default=told_due)
        return not self.is_paused and bool(self.ready() or set(giving) & set(self.held.values()) or due < told_due)

    # Steps of transitions.

    def _count_new(self, batch: Sequence[NewTask]) -> int:
        """How many of them meet no task, and no key that is held, also not in the batch."""
        new_ids: set[str] = set()
        taken: set[str] = set()
        for new in batch:
            is_held = bool(self.holder_of(new.unique_key)) or new.unique_key in taken
            if new.id not in self.tasks and new.id not in new_ids and not is_held:
                new_ids.add(new.id)
                taken |= {new.unique_key} - {""}
        return len(new_ids)

    def _make_ready(self, task_id: str, since: int, at_head: bool = False) -> None:
        since = _as_written(task_id, since)
        if self.tasks[task_id].priority:
            self.prioritized[task_id] = since
        elif task_id in self.struck_out:
            self.struck_out.remove(task_id)
        else:
            self.line.insert(0 if at_head else len(self.line), (task_id, since))

    def _leave(self, task_id: str, place: str) -> None:
        if place == "ready":
            self.struck_out.add(task_id)
        else:
            getattr(self, place).pop(task_id)

    def _wait_again(self, task_id: str) -> None:
        """Was its time over meanwhile, then it has to be ended now."""
        if self.expiring.get(task_id) == OVER:
            self.expiring[task_id] = 0

    def _put_in_trash(self, task_id: str, place: str, until: int) -> None:
        if place == "ready":
            self.struck_out.add(task_id)
            self.trashed[task_id] = Trashed(until, place)
        elif place == "held":
            self.trashed[task_id] = Trashed(until, place, lane=self.held.pop(task_id))
        else:
            waiting: dict[str, int] = getattr(self, place)
            self.trashed[task_id] = Trashed(until, place, waiting.pop(task_id))

    def _settle(self, batch: Sequence[Any], end: Callable[[Task, Any, Lease], None]) -> list[str]:
        """Whoever holds the fence ends the lease, once. The others have lost theirs."""
        lost = []
        for claim in batch:
            lease = self.leases.get(claim.id)
            if lease and lease.fence == claim.fence:
                del self.leases[claim.id]
                end(self.tasks[claim.id], claim, lease)
                self._wait_again(claim.id)
                self.asked.discard(claim.id)
            else:
                lost.append(claim.id)
        return lost

    def _act(self, act: Callable[..., str], batch: Sequence[Sequence[Any]]) -> Acted:
        refusals = [(item[0], act(*item)) for item in batch]
        return Acted(self.now, {task_id: why for task_id, why in refusals if why})

    def _end(self, task_id: str, how: str) -> None:
        task = self.tasks.pop(task_id)
        self.expiring.pop(task_id, None)
        if self.keys.get(task.key) == (task_id, 0):
            del self.keys[task.key]
        self.books[how] += 1

    def _take_key_again(self, task: Task) -> str:
        """Its own key, for who comes back. Returns why it may not: another task holds it meanwhile."""
        holder = self.holder_of(task.key)
        if holder and holder != task.id:
            return f"its unique key is held by {holder}"
        if task.key:
            self.keys[task.key] = (task.id, 0)
        return ""

    def _cancel(self, task_id: str) -> None:
        self.records[task_id] = "cancelled"
        self._end(task_id, "cancelled")

    def _retry(self, task_id: str, due: int) -> None:
        self.retrying[task_id] = due
        self.books["retried"] += 1

    def _bury(self, task_id: str) -> None:
        self.dead[task_id] = self.now
        self.expiring.pop(task_id, None)
        self.books["died"] += 1

    def _count_in_fault(self, task: Task, fault: str, event: str) -> None:
        self.books[event] += 1
        task.fault, task.failed = fault, self.now
        task.events.append(event)
        self.faults[fault] += 1
        self.seen_faults[fault] = self.now
        self.attempts_by_minute.setdefault(fault, Counter())[self.now // 60_000] += 1

    def _lanes_of(self, can_run: Collection[str]) -> tuple[list[str], set[str]]:
        """Lanes that give out to a worker, and those that are shut to it. What no worker knew waits on where its name
        is paused."""
        shut = {lane for lane, state in self.lanes.items() if state == "closed" and lane not in can_run}
        giving = [lane for lane in self.lanes if lane not in shut and lane.replace("unknown:", "name:") not in shut]
        return giving, shut

    def _longest_waiting(self, count: int) -> list[str | None]:
        """The `count` heads that have waited longest: ids, and None for the next of the line."""
        heads: list[tuple[int, str | None]] = [(since, None) for _, since in self.line[:count]]
        of_level: dict[int, list[str]] = {}
        for task_id in self.in_order():
            of_level.setdefault(self.tasks[task_id].priority, []).append(task_id)
        for priority in sorted(of_level)[:LEVELS]:
            heads += [(self.prioritized[task_id], task_id) for task_id in of_level[priority][:count]]
        return [head for _, head in sorted(heads, key=lambda head: head[0])][:count]

    def _is_after_silence(self, lease_ms: int) -> bool:
        is_silent = self.seen is not None and self.now - self.seen > lease_ms / 3
        return is_silent and self.now >= self.grace + lease_ms

    def _hear(self, lease_ms: int) -> None:
        if self._is_after_silence(lease_ms):
            self.grace = self.now + lease_ms
        self.seen = self.now


def _as_written(task_id: str, since: int) -> int:
    """A ready time within a second of the id's own is the id's own."""
    own = ids.id_time_ms(task_id)
    return own if own is not None and abs(since - own) <= 1000 else since


def _digits(task_id: str, since: int) -> str:
    return "" if since == ids.id_time_ms(task_id) else ids.encode_time(since)


def _fault_of_crash(name: str) -> str:
    return hashlib.sha1(f"{name}\nWorkerCrashed".encode()).hexdigest()[:12]
