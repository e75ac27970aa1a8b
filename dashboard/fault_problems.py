"""Which faults are a problem: new ones, what is left of new ones that are over, those that rise, and those that go on.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dashboard.problem import Kind, Problem
from dashboard.rising import lasting_since, rising_since
from dashboard.successes import Attempts
from queue_core.snapshot import Fault, Snapshot

NEW_FAULT_MS = 3_600_000
NEW_FAULT_ATTEMPTS = 3
FAULT_IS_OVER_MS = 300_000
"""After its last failure: a new fault of which nothing is dead or retrying is told for so long."""


def fault_problems(snapshot: Snapshot, attempts: Attempts, now_ms: int) -> Iterator[Problem]:
    """Of what is muted somebody knows. New failures of one task and class that each have a message of their own, so
    that no fault of them has many attempts, are looked at together."""
    few: dict[tuple[str, str], list[Fault]] = {}
    for fault in snapshot.faults:
        is_quiet = now_ms - fault.last_seen_at > FAULT_IS_OVER_MS
        if fault.is_muted(now_ms) or (is_quiet and not (fault.dead or fault.retrying)):
            continue
        cause = f"{fault.task_name} {fault.title}"
        if now_ms - fault.first_seen_at < NEW_FAULT_MS:
            if _times((fault,)) < NEW_FAULT_ATTEMPTS:
                few.setdefault((fault.task_name, fault.error_class), []).append(fault)
            elif is_quiet and _completes_again(fault, attempts):
                yield Problem(Kind.FAULT_OVER, fault.last_seen_at, cause, faults=(fault,))
            else:
                yield Problem(Kind.NEW_FAULT, fault.first_seen_at, cause, faults=(fault,))
        elif since := rising_since(fault, now_ms):
            yield Problem(Kind.RISING_FAULT, since, cause, faults=(fault,))
        elif since := lasting_since(fault, attempts.get((fault.queue, fault.task_name)), now_ms):
            yield Problem(Kind.LASTING_FAULT, since, cause, faults=(fault,))
    for (task, error_class), faults in few.items():
        if _times(faults) >= NEW_FAULT_ATTEMPTS:
            since = min(fault.first_seen_at for fault in faults)
            yield Problem(Kind.NEW_FAULT, since, f"{task} {error_class}: …", faults=tuple(faults))


def _times(faults: Sequence[Fault]) -> int:
    """How often they failed. Letters that were moved to this queue failed elsewhere."""
    return sum(max(fault.attempts, fault.dead + fault.retrying) for fault in faults)


def _completes_again(fault: Fault, attempts: Attempts) -> bool:
    told = attempts.get((fault.queue, fault.task_name))
    return bool(told and told.last_completed_at and told.last_completed_at > fault.last_seen_at)
