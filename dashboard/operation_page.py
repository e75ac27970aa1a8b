"""How far bulk work is: one operation, or those that one form has begun in several queues, told as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import g

from dashboard.bulk import page_of, undo_form
from dashboard.filters import duration, exact
from dashboard.parts import parts
from dashboard.wording import VERBS, handled, meant, outcome, title
from queue_core.errors import UnknownOperation
from queue_core.operations import operation_id as id_of
from queue_core.snapshot import Fault, Operation

SLICE = 200
"""Operations that are read at once."""
MOST_OTHERS = 20
"""Of the queue: among so many is looked for who was quicker."""
MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class OperationPage:
    """`operation`: one, or the sum of `several`, each on a queue. `undone`: what brings back what it purged.
    `undoable`: those whose purge can be undone. `per_second`: how fast it goes now, `None` where that is not known;
    `left_ms`: how long it still takes, so. `recalled`: what pulls back what it retried; `recallable`: those of which
    something can be pulled back, `to_recall` tasks in all. `requeued`: the retry that it pulls back.
    `meanwhile`: who took others of these tasks before it was their turn, as far as that is known."""

    operation: Operation
    title: str
    outcome: str
    fault: Fault | None
    undone: Operation | None
    undoable: tuple[Operation, ...]
    per_second: float | None
    left_ms: int | None
    several: tuple[Operation, ...] = ()
    recalled: Operation | None = None
    recallable: tuple[Operation, ...] = ()
    to_recall: int = 0
    requeued: Operation | None = None
    meanwhile: str = ""

    @property
    def not_begun(self) -> int:
        """Tasks that it has not looked at."""
        return max(0, self.operation.bound.count - self.operation.looked_at)

    @property
    def more(self) -> int:
        """How many go first where the next few are tried."""
        return min(self.operation.canary, self.not_begun)

    @property
    def rests(self) -> str:
        """`892 dead letters`: those that it has not looked at."""
        return meant(self.operation.bound, self.not_begun)

    @property
    def restorable_until(self) -> int:
        """When the first of what it purged is deleted for good."""
        return min((_restorable_until(operation) for operation in self.undoable), default=0)

    @property
    def to_undo(self) -> int:
        return sum(operation.done for operation in self.undoable)

    @property
    def started(self) -> str:
        """`1,880 had started: 1,850 completed, 24 failed again, 6 still under way`: what is left alone."""
        retry = self.requeued or self.operation
        number = retry.done - retry.recalled - (0 if self.requeued else self.to_recall)
        became = outcome(replace(retry, recalled=0, skipped={}, done=number))
        return f"{exact(number)} had started: {became}" if number > 0 else "None had started"

    @property
    def done_word(self) -> str:
        words = VERBS.get(self.operation.bound.verb)
        return words.done if words else "done"

    @property
    def rate(self) -> str:
        """`128 a second`, `60 a minute`."""
        assert self.per_second is not None
        return f"{self.per_second:,.0f} a second" if self.per_second >= 2 else f"{self.per_second * 60:,.0f} a minute"

    @property
    def spread(self) -> str:
        return f"{(self.operation.drip or 0) * 60:,.0f}"

    @property
    def pace(self) -> str:
        """`5 first, the rest when all of those have completed; 60 a minute at most`."""
        first, drip = self.operation.canary, self.operation.drip
        told = [f"{exact(first)} first, the rest when all of those have completed"] if first else []
        told += [f"{self.spread} a minute at most"] if drip else []
        return "; ".join(told) or "all at once"

    @property
    def left(self) -> str:
        return duration(self.left_ms)

    @property
    def took(self) -> str:
        return duration(max(0, (self.operation.ended_at or 0) - self.operation.began_at))

    @property
    def bar(self) -> tuple[tuple[str, int, int], ...]:
        """The parts of the bar: name, x and width, of 1,000."""
        operation = self.operation
        whole = max(1, operation.bound.count)
        skipped = sum(operation.skipped.values())
        counts = {
            "completed": operation.completed if operation.bound.verb == "requeue" else operation.done,
            "failed": operation.failed,
            "done": operation.under_way + operation.left,
            "skipped": skipped + operation.recalled,
        }
        parts_of_bar, x = [], 0
        for name, count in counts.items():
            width = min(1000 - x, -(-count * 1000 // whole))
            if width > 0:
                parts_of_bar.append((name, x, width))
                x += width
        return tuple(parts_of_bar)

    def address(self, endpoint: str = "show") -> str:
        """Its page, or, by `pause`, `resume`, `cancel`, `cancel_form`, `recall`, `recall_form` and `undo`, what steers
        it. The queue is named, or all queues would be asked with each refresh."""
        return page_of(self.operation, endpoint)


def operation_page(operation: Operation) -> OperationPage:
    undone = undoing([operation])
    page = _page(operation, undone[0] if undone else None, () if undone else _undoable([operation]))
    return replace(_with_recalls(page, [operation]), requeued=_requeued(operation), meanwhile=_meanwhile(operation))


def several_page(form: str, several: Sequence[Operation]) -> OperationPage:
    """What one form has begun, one operation in each queue."""
    undone = undoing(several)
    begun = {operation.bound.undoes for operation in undone}
    left = _undoable([operation for operation in several if operation.id not in begun])
    whole = sum_of(form, several)
    page = _page(whole, sum_of("", undone) if undone else None, left)
    page = _with_recalls(page, several)
    return replace(page, title=f"{page.title} in {len(several):,} queues", several=tuple(several))


def page_of_form(form: str, queues: Sequence[str]) -> OperationPage:
    """All queues are asked, also one that is new: a round trip for their names, and one for 200 of them. Raises
    `UnknownOperation`."""
    found = of_form(form, queues)
    if not found:
        raise UnknownOperation("this form has begun nothing, or it ended more than seven days ago", operation_id="")
    return several_page(form, found)


def of_form(form: str, queues: Sequence[str]) -> tuple[Operation, ...]:
    """The operations that a form has begun in these queues, by queue. One round trip for 200 queues."""
    return _named([(queue, id_of(queue, form)) for queue in queues])


def sum_of(form: str, several: Sequence[Operation]) -> Operation:
    """Told as one, of no queue, with the form's id."""
    first = several[0]
    running = [operation for operation in several if not operation.has_ended]
    by_progress = {operation.progress for operation in running or several}
    known = ("running", "waiting", "paused", "ended", "cancelled")
    progress = next((one for one in known if one in by_progress), first.progress)
    skipped: Counter[str] = Counter()
    for operation in several:
        skipped.update(operation.skipped)
    drips = [operation.drip for operation in several if operation.drip is not None]
    ends = [operation.ended_at for operation in several if operation.ended_at is not None]
    return replace(
        first,
        id=form,
        bound=replace(first.bound, queue="", count=sum(one.bound.count for one in several), faults=(), undoes=""),
        began_at=min(operation.began_at for operation in several),
        progress=progress,
        why=next((operation.why for operation in several if operation.progress == progress and operation.why), ""),
        ended_at=None if running else max(ends, default=None),
        looked_at=sum(handled(operation) for operation in several),
        done=sum(operation.done for operation in several),
        skipped=dict(skipped),
        skipped_ids=(),
        completed=sum(operation.completed for operation in several),
        failed=sum(operation.failed for operation in several),
        left=sum(operation.left for operation in several),
        recalled=sum(operation.recalled for operation in several),
        drip=sum(drips) if drips else None,
        canary=sum(operation.canary for operation in several),
    )


def _page(operation: Operation, undone: Operation | None, undoable: tuple[Operation, ...]) -> OperationPage:
    bound = operation.bound
    per_second = parts().speeds.see(operation, g.now_ms)
    if operation.drip is not None:
        per_second = min(per_second, operation.drip) if per_second is not None else None
    remaining = max(0, bound.count - operation.looked_at)
    return OperationPage(
        operation=operation,
        title=title(bound),
        outcome=outcome(operation),
        fault=_fault(operation),
        undone=undone,
        undoable=undoable,
        per_second=per_second,
        left_ms=int(remaining * 1000 / per_second) if per_second else None,
    )


def _restorable_until(operation: Operation) -> int:
    return operation.began_at + (operation.keep_ms or 0)


def _undoable(several: Sequence[Operation]) -> tuple[Operation, ...]:
    """Those that have purged something that can still be there; none while one of them goes on."""
    purges = [one for one in several if one.bound.verb == "trash" and one.done and g.now_ms < _restorable_until(one)]
    return tuple(purges) if all(operation.has_ended for operation in several) else ()


def undoing(several: Sequence[Operation]) -> tuple[Operation, ...]:
    """What has been begun to undo them."""
    purges = [one for one in several if one.bound.verb == "trash" and one.has_ended]
    return _named([(one.bound.queue, id_of(one.bound.queue, undo_form(one.id))) for one in purges])


def _with_recalls(page: OperationPage, several: Sequence[Operation]) -> OperationPage:
    """What was begun to pull them back, and what still can be, but for those of which it is being done, or was."""
    retries = [one for one in several if one.bound.verb == "requeue" and one.done]
    if not retries:
        return page
    begun = parts().operations.recalls([(one.bound.queue, one.id) for one in retries])
    last = {one.id: begun[one.bound.queue, one.id][-1:] for one in retries}
    open_ones = [one for one in retries if not last[one.id] or last[one.id][0].progress == "cancelled"]
    counts = parts().inspector.recallable(open_ones)
    recalls = [found for one in retries for found in begun[one.bound.queue, one.id]]
    return replace(
        page,
        recalled=(recalls[-1] if len(several) == 1 else sum_of("", recalls)) if recalls else None,
        recallable=tuple(one for one, count in zip(open_ones, counts, strict=True) if count),
        to_recall=sum(counts),
    )


def _requeued(operation: Operation) -> Operation | None:
    if operation.bound.verb != "recall":
        return None
    at = operation.bound.queue, operation.bound.undoes
    return parts().inspector.operations_named([at]).get(at)


def _meanwhile(operation: Operation) -> str:
    """`bo purged 186 meanwhile`: other operations on the same tasks, from the preview of this one to its end."""
    bound = operation.bound
    if "gone" not in operation.skipped or bound.undoes:
        return ""
    others = parts().inspector.operations(MOST_OTHERS, bound.queue)
    ended_at = operation.ended_at or g.now_ms
    took = [
        f"{one.by} {VERBS[one.bound.verb].done} {exact(one.done)}"
        for one in others
        if one.id != operation.id
        and one.done
        and one.bound.verb in VERBS
        and one.began_at <= ended_at
        and (one.ended_at or g.now_ms) >= bound.taken_at
        and one.bound.state == bound.state
        and _overlap(one.bound.faults, bound.faults)
    ]
    return f"{' and '.join(took[:MOST_TOLD])} meanwhile" if took else ""


def _overlap(some: Sequence[str], others: Sequence[str]) -> bool:
    """None named: all faults."""
    return not some or not others or not set(some).isdisjoint(others)


def _named(wanted: Sequence[tuple[str, str]]) -> tuple[Operation, ...]:
    found: dict[tuple[str, str], Operation] = {}
    for begin in range(0, len(wanted), SLICE):
        found |= parts().inspector.operations_named(wanted[begin : begin + SLICE])
    return tuple(found[place] for place in wanted if place in found)


def _fault(operation: Operation) -> Fault | None:
    """The one fault that it is about, as far as the shared snapshot knows it."""
    bound, snapshot = operation.bound, g.view.snapshot
    if len(bound.faults) != 1 or snapshot is None:
        return None
    known = (fault for fault in snapshot.faults if fault.queue == bound.queue)
    return next((fault for fault in known if fault.fingerprint == bound.faults[0]), None)
