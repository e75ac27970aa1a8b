"""What operations do, in plain Python: the specification of actions on all tasks that match, done chunk by chunk.

An operation is bound to its preview: of the tasks of a state it takes, in their order, those that did not come later,
and never more than were shown. What is done, passed over, gone and still to come are together always what was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from queue_core import ids
from queue_core.errors import OperationEnded, ServerRefused, TaskyardError, TooManyOperations, UnknownOperation
from queue_core.protocol import Acted, ChunkDone, Switched
from queue_core.protocol.operations import KEPT_MS
from queue_core.snapshot import Bound, State
from tests.engine import score_of
from tests.proof.limits import Refused
from tests.proof.model import Model
from tests.proof.places import Task

CHUNK, NAMED_AT_MOST, LOOK_AT_MOST, MAX_LISTED = 3, 2, 5, 4
"""Of the scripts that the machine runs: a life has many chunks, and lists that are full."""
MAX_KEPT, MAX_UNDER_WAY = 4, 2
SILENT_MS, ASK_AGAIN_MS, CATCH_UP_MS = 15_000, 1_000, 1_000
UNDER_WAY = ("running", "paused")
Position = tuple[Any, ...]


@dataclass(frozen=True)
class NotDone(Refused):
    """A chunk that is not done now, and says so: nothing is remembered of it."""

    why: type[TaskyardError] = TaskyardError
    answer: Acted | None = None


@dataclass(frozen=True)
class Shown:
    """A preview. `staying`: of the tasks that were there those that have never left since."""

    bound: Bound
    staying: set[str]


@dataclass
class Operation:
    id: str
    shown: Shown
    began: int
    drip: float | None
    canary: int
    keep_ms: int
    next_at: int
    progress: str = "running"
    why: str = ""
    ended: int | None = None
    is_listed: bool = True
    looked: int = 0
    done: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left: list[tuple[str, str]] = field(default_factory=list)
    """The first that were passed over: id, why."""
    outcome: Counter[str] | None = None
    """What became of the tasks that it requeued, a word each: completed, failed, ended, recalled."""
    runner: str = ""
    heard: int = 0
    stretch: int = 0
    position: Position = ()
    """Which stretch of the place it walks, and the last that it looked at there."""

    @property
    def bound(self) -> Bound:
        return self.shown.bound

    @property
    def until(self) -> int:
        return self.bound.taken_at if self.bound.until is None else min(self.bound.taken_at, self.bound.until)

    @property
    def waits_for_first(self) -> bool:
        return 0 < self.canary <= self.done

    def end(self, how: str, now: int) -> None:
        self.progress, self.ended = how, now


class BulkModel(Model):
    def __init__(self, now: int) -> None:
        super().__init__(now)
        self.operations: dict[str, Operation] = {}
        self.trashed_at: dict[str, int] = {}
        self.trashed_by: dict[str, str] = {}
        """Task → the operation that has put it into the trash; "" where nobody's has."""

    # Operators.

    def preview(
        self, queue: str, verb: str, state: State, faults: Sequence[str] = (), since: int | None = None
    ) -> Shown:
        """What the operation would act on now."""
        if state is State.DEAD:
            bound = Bound(queue, verb, state, self.now, 0, tuple(sorted(faults)), since, self.now)
            there = {task_id for stretch in self._stretches_of(bound) for _, task_id, _ in stretch(())}
        else:
            times = list(getattr(self, state.value).values()) if state in (State.SCHEDULED, State.RETRYING) else []
            if state is State.TRASHED:
                times = [was.until for was in self.trashed.values()]
            if state is State.READY:
                times = [since for _, since in self.line[-1:]]
            bound = Bound(queue, verb, state, self.now, 0, highest=max(times, default=None))
            there = self._in(state)
        return Shown(replace(bound, count=len(there)), there)

    def undoing(self, queue: str, purge: Operation) -> Shown:
        """What brings back what a purge has put into the trash by now and nobody has taken out again."""
        since, highest = purge.began + purge.keep_ms, (purge.ended or self.now) + purge.keep_ms
        bound = Bound(
            queue, "restore", State.TRASHED, self.now, purge.done, since=since, highest=highest, undoes=purge.id
        )
        return Shown(bound, {task_id for task_id in self.trashed if self.trashed_by[task_id] == purge.id})

    def recalling(self, queue: str, requeued: Operation) -> Shown:
        """What makes dead letters again of what it has requeued and nobody has begun."""
        meant = set(filter(lambda task_id: self._waits_since(task_id, requeued.id), self.tasks))
        assert requeued.outcome is not None
        runs = sum(self.tasks[task_id].operation == requeued.id for task_id in self.leases)
        count = requeued.done - requeued.outcome.total() - runs
        bound = Bound(queue, "recall", State.READY, self.now, count, undoes=requeued.id)
        return Shown(bound, meant)

    def start(
        self, operation_id: str, shown: Shown, drip: float | None, canary: int, keep_ms: int
    ) -> Switched | Refused:
        """The oldest that have ended are forgotten, and what became of their tasks."""
        if operation_id in self.operations:
            return Switched(self.now, False)
        listed = [operation for operation in self.operations.values() if operation.is_listed]
        if sum(operation.ended is None for operation in listed) >= MAX_UNDER_WAY:
            return Refused(TooManyOperations)
        ended = sorted((one.ended, one.id) for one in listed if one.ended is not None)
        too_old = sum(at <= self.now - KEPT_MS for at, _ in ended)
        too_many = len(listed) + 1 - MAX_KEPT
        for _, name in ended[: max(too_old, too_many)]:
            self.operations[name].is_listed, self.operations[name].outcome = False, None
        made = Operation(operation_id, shown, self.now, drip, canary, keep_ms, self.now)
        made.outcome = Counter() if shown.bound.verb == "requeue" else None
        self.operations[operation_id] = made
        return Switched(self.now, True)

    def switch(self, operation_id: str, verb: str, why: str) -> Switched | Refused:
        operation = self.operations.get(operation_id)
        if operation is None:
            return Refused(UnknownOperation)
        if operation.progress not in UNDER_WAY:
            return Refused(OperationEnded)
        has_changed = True
        if verb == "cancel":
            operation.end("cancelled", self.now)
            operation.why = why
        elif verb == "pause" and operation.progress == "running":
            operation.progress, operation.why = "paused", why
        elif verb == "resume" and operation.progress == "paused":
            operation.progress, operation.why = "running", ""
        elif verb == "resume" and operation.waits_for_first:
            operation.canary = 0
        else:
            has_changed = False
        return Switched(self.now, has_changed)

    def chunk(self, operation_id: str, verb: str, runner: str, named: Sequence[str] = ()) -> Acted | Refused:
        """The next tasks: one runner's, until that has been silent for too long; no more than the pace allows.

        `cancel` does those that are named, up to the first that is not; without any it names them.
        """

        def told(word: str, next_ms: int | None = None, done: int = 0, ids: Sequence[str] = ()) -> Acted:
            return Acted(self.now, {}, chunk=ChunkDone(word, next_ms, done, tuple(ids)))

        operation = self.operations.get(operation_id)
        if operation is None:
            return NotDone(answer=told("gone"))
        if operation.progress != "running":
            return NotDone(answer=told(operation.progress))
        if operation.bound.verb != verb:
            return Refused(ServerRefused)
        silent_at = operation.heard + SILENT_MS
        if operation.runner not in ("", runner) and self.now < silent_at:
            return NotDone(answer=told("busy", silent_at))
        canary = operation.canary
        if operation.waits_for_first:
            assert operation.outcome is not None
            if operation.outcome["failed"] or operation.outcome["ended"]:
                how = "failed again" if operation.outcome["failed"] else "ended without completing"
                operation.progress, operation.why, operation.canary = "paused", f"one of the first {how}", 0
                return NotDone(answer=told("paused"))
            if operation.outcome["completed"] < operation.done:
                operation.runner, operation.heard = runner, self.now
                return NotDone(answer=told("waiting", self.now + ASK_AGAIN_MS))
            canary = 0
        if operation.drip and self.now < operation.next_at:
            operation.runner, operation.heard = runner, self.now
            return NotDone(answer=told("due", operation.next_at))
        if verb == "cancel" and not named:
            next_ids, _ = self._take(replace(operation), None)
            if next_ids:
                return NotDone(answer=told("more", ids=next_ids[:NAMED_AT_MOST]))
        operation.runner, operation.heard, operation.canary = runner, self.now, canary

        taken, is_over = self._take(operation, named if verb == "cancel" else None)
        operation.shown.staying.difference_update(taken)
        assert not (is_over and operation.shown.staying), f"{operation.shown.staying} were there and are passed over"
        skipped = self._act_on(operation, taken)
        done = len(taken) - len(skipped)
        operation.looked += len(taken)
        operation.done += done
        for task_id, why in skipped.items():
            operation.skipped[why.split(" by ")[0]] += 1
            operation.left = [*operation.left, (task_id, why)][:MAX_LISTED]
        to_come = operation.bound.count - operation.looked
        if is_over or not to_come:
            if to_come:
                operation.skipped["gone"] += to_come
            operation.end("ended", self.now)
            return told("ended", done=done)
        if operation.waits_for_first:
            return told("waiting", self.now + ASK_AGAIN_MS, done)
        if operation.drip:
            begun = max(operation.next_at, self.now - CATCH_UP_MS)
            operation.next_at = round(begun + done * 1000 / operation.drip)
            return told("due", operation.next_at, done)
        return told("more", done=done)

    def trash(self, task_ids: Sequence[str], keep_ms: int, died_by: int | None = None) -> Acted:
        there = set(self.trashed)
        acted = super().trash(task_ids, keep_ms, died_by)
        self.trashed_at |= dict.fromkeys(self.trashed.keys() - there, self.now)
        self.trashed_by |= dict.fromkeys(self.trashed.keys() - there, "")
        return acted

    def requeue(self, letters: Sequence[tuple[str, int]], operation: str = "") -> Acted:
        there = dict(self.dead)
        were = {i: (task.attempts, task.crashes, task.before, task.operation) for i, task in self.tasks.items()}
        acted = super().requeue(letters)
        for task_id in there.keys() - self.dead.keys():
            self.tasks[task_id].operation = operation
            self.tasks[task_id].was = (*were[task_id], there[task_id])
        return acted

    def recall(self, task_ids: Sequence[str]) -> Acted:
        """They are dead as they were. Where they stood in the line they are struck out."""
        for task_id in task_ids:
            task = self.tasks[task_id]
            self._count_outcome(task, "recalled")
            self._leave(task_id, self.place_of(task_id))
            task.attempts, task.crashes, task.before, task.operation, self.dead[task_id] = task.was
            task.events.append("recalled")
        if task_ids:
            self.books["recalled"] += len(task_ids)
        return Acted(self.now, {})

    # Steps.

    def note_who_left(self, shown: Shown, were_scheduled: Mapping[str, int]) -> None:
        """A claim that puts off what is not to begin any more may have it back in `scheduled` at once."""
        if shown.bound.verb == "recall":
            shown.staying.intersection_update(
                task_id for task_id in self.tasks if self._waits_since(task_id, shown.bound.undoes)
            )
            return
        shown.staying.intersection_update(self._in(shown.bound.state))
        if shown.bound.state is State.SCHEDULED:
            left = {task_id for task_id, due in were_scheduled.items() if self.scheduled.get(task_id) != due}
            shown.staying.difference_update(left)

    def _in(self, state: State) -> set[str]:
        return set(self.ready() if state is State.READY else getattr(self, state.value))

    def _act_on(self, operation: Operation, taken: Sequence[str]) -> dict[str, str]:
        """Returns what was left alone, and why."""
        match operation.bound.verb:
            case "requeue":
                return self.requeue([(task_id, self.dead[task_id]) for task_id in taken], operation.id).skipped
            case "trash":
                there = set(self.trashed)
                acted = self.trash(taken, operation.keep_ms)
                self.trashed_by |= dict.fromkeys(self.trashed.keys() - there, operation.id)
                return acted.skipped
            case "restore":
                return self.restore(taken).skipped
            case "delete":
                return self.delete(taken, 0).skipped
            case "cancel":
                return self.cancel(taken).skipped
            case "recall":
                return self.recall(taken).skipped
        return self.promote(taken).skipped

    def _take(self, operation: Operation, named: Collection[str] | None) -> tuple[list[str], bool]:
        """The next tasks, and whether there are no others. It goes on behind the one at which it looked last, however
        much has come or gone. Where some are named it stops before the first that is not."""
        most = min(CHUNK, operation.bound.count - operation.looked)
        if operation.canary:
            most = min(most, operation.canary - operation.done)
        if operation.drip:
            most = min(most, max(1, int(operation.drip)))
        taken: list[str] = []
        seen = 0
        stretches = self._stretches_of(operation.bound)
        while operation.stretch < len(stretches) and len(taken) < most and seen < LOOK_AT_MOST:
            asked = most - len(taken)
            rest = list(stretches[operation.stretch](operation.position))
            for position, task_id, came in rest[:asked]:
                if operation.bound.verb == "recall":
                    came = 0 if self._waits_since(task_id, operation.bound.undoes) else float("inf")
                if came <= operation.until:
                    if named is not None and task_id not in named:
                        return taken, False
                    taken.append(task_id)
                operation.position = position
                seen += 1
            is_line = operation.bound.state is State.READY and operation.stretch == 0
            if len(rest) < asked or (is_line and len(rest) == asked):  # the list knows its length, the others do not
                operation.stretch, operation.position = operation.stretch + 1, ()
        return taken, operation.stretch == len(stretches)

    def _stretches_of(self, bound: Bound) -> list[Callable[[Position], Iterator[tuple[Position, str, float]]]]:
        """The place of a state, in parts that are walked one after the other. Each tells what lies behind a position:
        where, the id, and when that came, 0 where nothing tells."""

        def sorted_place(
            scores: dict[str, int], came: Callable[[str], float | None] = lambda _: 0, most: int | None = None
        ) -> Callable[[Position], Iterator[tuple[Position, str, float]]]:
            def walk(behind: Position) -> Iterator[tuple[Position, str, float]]:
                for score, member in sorted((score, task_id.encode()) for task_id, score in scores.items()):
                    if (score, member) > behind and (most is None or score <= most):
                        yield (score, member), member.decode(), came(member.decode()) or 0

            return walk

        def line(behind: Position) -> Iterator[tuple[Position, str, float]]:
            """From its end, so that claims hide none: how far that is grows with what comes, which is met again."""
            walked = behind[0] if behind else 0
            for number, (task_id, since) in list(enumerate(reversed(self.line), 1))[walked:]:
                yield (number,), task_id, float("inf") if task_id in self.struck_out else since

        def lanes(behind: Position) -> Iterator[tuple[Position, str, float]]:
            for member, task_id in sorted((f"{lane}/{i}".encode(), i) for i, lane in self.held.items()):
                if (member,) > behind:
                    yield (member,), task_id, self._made_at(task_id)

        since = bound.since or 0
        match bound.state:
            case State.DEAD:
                until = min(bound.until or 0, bound.taken_at)
                letters = {task_id: died for task_id, died in self.dead.items() if since <= died <= until}
                if not bound.faults:
                    return [sorted_place(letters)]
                return [
                    sorted_place({i: died for i, died in letters.items() if self.tasks[i].fault == fault})
                    for fault in bound.faults
                ]
            case State.READY:
                scores = {i: score_of(self.tasks[i].priority, at) for i, at in self.prioritized.items()}
                parts = [line, sorted_place(scores, lambda task_id: self.prioritized[task_id])]
                return [*parts, lanes] if bound.verb == "recall" else parts
            case State.SCHEDULED:
                return [sorted_place(self.scheduled, self._made_at, bound.highest)]
            case State.RETRYING:
                return [sorted_place(self.retrying, lambda task_id: self.tasks[task_id].failed, bound.highest)]
            case State.TRASHED:
                scores = {task_id: was.until for task_id, was in self.trashed.items() if was.until >= since}
                return [sorted_place(scores, lambda task_id: self._trashed_at(task_id, bound), bound.highest)]
        return [lanes]

    def _waits_since(self, task_id: str, operation: str) -> bool:
        """That operation has requeued it, and nothing has happened to it since."""
        task = self.tasks[task_id]
        waits = self.place_of(task_id) in ("ready", "prioritized", "held")
        return waits and task.operation == operation and task.events[-1] == "requeued"

    def _trashed_at(self, task_id: str, bound: Bound) -> float:
        """What undoes an act passes over what another has put there."""
        is_anothers = bound.undoes and self.trashed_by[task_id] != bound.undoes
        return float("inf") if is_anothers else self.trashed_at[task_id]

    def _made_at(self, task_id: str) -> int:
        """By its id, where that tells; a clock that is ahead tells nothing."""
        made = ids.id_time_ms(task_id) or 0
        return made if made <= self.now else 0

    def _count_outcome(self, task: Task, how: str) -> None:
        """Each of an operation's tasks counts once: a failure gives way to what comes of the task in the end."""
        operation = self.operations.get(task.operation.rstrip("!"))
        has_failed = task.operation.endswith("!")
        if operation is None or operation.outcome is None or (has_failed and how == "failed"):
            return
        if has_failed:
            operation.outcome["failed"] -= 1
        operation.outcome[how] += 1
        if how == "failed":
            task.operation += "!"

    def _end(self, task_id: str, how: str) -> None:
        self._count_outcome(self.tasks[task_id], "completed" if how == "completed" else "ended")
        super()._end(task_id, how)

    def _count_in_fault(self, task: Task, fault: str, event: str) -> None:
        super()._count_in_fault(task, fault, event)
        self._count_outcome(task, "failed")
