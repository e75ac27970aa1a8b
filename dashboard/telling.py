"""Workers are told what to do after a preview, wherever it was asked for: who would do it, who would not, and who of
them is told in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask import g

from dashboard.identity import actor
from dashboard.parts import parts
from dashboard.worker_choice import WorkerChoice
from dashboard.worker_table import left_alone
from queue_core.control import why_not_told
from queue_core.snapshot import Outcome, WorkerSnapshot

STARTED_ANEW = "started anew since"


@dataclass(frozen=True, slots=True)
class Told:
    """`able`: those that would do it; `unable`: id → why not; `forsaken`: queues that nobody would take any more;
    `choice`: signed, "" where nobody would do it."""

    able: tuple[WorkerSnapshot, ...]
    unable: Mapping[str, str]
    forsaken: tuple[str, ...]
    choice: str


def would_tell(verb: str, chosen: Iterable[WorkerSnapshot], every: Sequence[WorkerSnapshot]) -> Told:
    """`verb`: `quiet`, `resume` or `stop`. Changes nothing."""
    now_ms, chosen = g.now_ms, tuple(chosen)
    unable = {worker.id: why for worker in chosen if (why := _why_not(verb, worker, now_ms))}
    able = tuple(worker for worker in chosen if worker.id not in unable)
    return Told(
        able=able,
        unable=unable,
        forsaken=left_alone(able, every, now_ms) if verb != "resume" else (),
        choice=WorkerChoice.of(verb, able, now_ms, actor()).sign() if able else "",
    )


def tell(choice: WorkerChoice, *, form: str, because: str) -> Outcome:
    """Those that were shown, as far as they are still the same: a later one of the same id is left alone."""
    control = parts().control
    workers = {worker.id: worker for worker in parts().inspector.workers()}
    anew = {
        worker_id: STARTED_ANEW
        for worker_id, started_at in choice.workers.items()
        if worker_id in workers and workers[worker_id].started_at != started_at
    }
    ids = [worker_id for worker_id in choice.workers if worker_id not in anew]
    if not ids:
        return Outcome(choice.verb, (), anew, g.now_ms)
    telling = {"quiet": control.quiet_workers, "resume": control.resume_workers, "stop": control.stop_workers}
    outcome = telling[choice.verb](ids, by=actor(), reason=because, action_id=form)
    return Outcome(outcome.verb, outcome.done, {**anew, **outcome.skipped}, outcome.server_ms)


def _why_not(verb: str, worker: WorkerSnapshot, now_ms: int) -> str:
    if verb == "resume" and worker.state != "quiet":
        return why_not_told(worker, now_ms) or "not quiet"
    if verb == "quiet" and worker.state == "quiet":
        return "quiet already"
    return why_not_told(worker, now_ms)
