"""What stands at the top of every page of one queue: what is wrong, the figures, the tabs."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.live import View
from dashboard.problem import HeldTask, Problem
from dashboard.problems import held_tasks, known_names
from dashboard.trends import Trend
from queue_core.snapshot import QueueSnapshot, State, WorkerSnapshot, is_live, takes

TABS = (
    State.READY,
    State.RUNNING,
    State.SCHEDULED,
    State.RETRYING,
    State.HELD,
    State.BLOCKED,
    State.DEAD,
    State.TRASHED,
)
RARE_TABS = (State.HELD, State.BLOCKED, State.TRASHED)
"""Shown when there is something in them."""


@dataclass(frozen=True, slots=True)
class Tab:
    state: State
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class QueueHead:
    """`known`: names of tasks that its live workers can run. `state`: of the tasks on the page, if any are."""

    queue: QueueSnapshot
    state: State | None
    tabs: tuple[Tab, ...]
    problems: tuple[Problem, ...]
    workers: tuple[WorkerSnapshot, ...]
    silent: tuple[WorkerSnapshot, ...]
    slots: int
    held: tuple[HeldTask, ...]
    known: tuple[str, ...]
    trend: Trend


def queue_head(view: View, queue: QueueSnapshot, trend: Trend, state: State | None) -> QueueHead:
    assigned = [w for w in view.snapshot.workers if takes(w, queue.name)] if view.snapshot else []
    live: list[WorkerSnapshot] = []
    silent: list[WorkerSnapshot] = []
    for worker in assigned:
        (live if is_live(worker, view.told_at) else silent).append(worker)
    return QueueHead(
        queue=queue,
        state=state,
        tabs=_tabs(queue, state),
        problems=tuple(problem for problem in view.problems if any(q.name == queue.name for q in problem.queues)),
        workers=tuple(live),
        silent=tuple(silent),
        slots=sum(worker.concurrency for worker in live),
        held=held_tasks(queue),
        known=known_names(live),
        trend=trend,
    )


def _tabs(queue: QueueSnapshot, current: State | None) -> tuple[Tab, ...]:
    tabs = []
    for state in TABS:
        count = getattr(queue.counts, state.value)
        if count or state is current or state not in RARE_TABS:
            tabs.append(Tab(state, count, state is current))
    return tuple(tabs)
