"""Everything at once: the figures of the overview, and what is wrong."""

from __future__ import annotations

from flask import g

from dashboard.api.table import reads
from dashboard.api.values import Count, Time, Value, at, time
from dashboard.problem import Problem
from dashboard.problems import shown_workers, worker_condition
from dashboard.successes import Attempts, nothing_since
from queue_core.errors import ServerRefused, ServerUnavailable
from queue_core.snapshot import Counts, Snapshot


class CountsOut(Value, frozen=True):
    """How many tasks are in each state."""

    ready: Count
    held: Count
    scheduled: Count
    blocked: Count
    running: Count
    retrying: Count
    dead: Count
    trashed: Count

    @classmethod
    def of(cls, *all_counts: Counts) -> CountsOut:
        return cls(**{name: sum(getattr(counts, name) for counts in all_counts) for name in cls.__struct_fields__})


class WorkersCounted(Value, frozen=True):
    alive: Count
    silent: Count


class ServerOut(Value, frozen=True):
    """`null`: the server does not tell."""

    product: str
    version: str
    used_memory_bytes: int | None
    max_memory_bytes: int | None
    eviction_policy: str | None


class ProblemOut(Value, frozen=True):
    """One line under what is wrong. `nothing_completed_since`: of the tasks of its faults, although some were tried;
    `null`: something did, or it is not known."""

    kind: str
    title: str
    severity: str
    since: Time | None
    queues: list[str]
    workers: list[str]
    faults: list[str]
    tasks: list[str]
    details: list[str]
    nothing_completed_since: Time | None

    @classmethod
    def of(cls, problem: Problem, attempts: Attempts) -> ProblemOut:
        standstill = nothing_since(problem.faults, attempts, g.now_ms)
        return cls(
            kind=problem.kind.name.lower(),
            title=problem.title,
            severity=problem.severity,
            since=at(problem.since),
            queues=[queue.name for queue in problem.queues] or sorted({fault.queue for fault in problem.faults}),
            workers=[worker.id for worker in problem.workers],
            faults=[fault.fingerprint for fault in problem.faults],
            tasks=sorted({task.name for task in problem.held}),
            details=list(problem.server),
            nothing_completed_since=at(standstill.at if standstill else None),
        )


class Stats(Value, frozen=True):
    taken_at: Time
    counts: CountsOut
    queues: Count
    workers: WorkersCounted
    problems: list[ProblemOut]
    server: ServerOut


class Problems(Value, frozen=True):
    """`muted`: faults that are none of them, because somebody has said that they know."""

    taken_at: Time
    problems: list[ProblemOut]
    muted: Count


@reads("/stats", Stats)
def stats() -> Stats:
    """The figures of the overview. At most about a second old, as `taken_at` says."""
    snapshot = shared_snapshot()
    conditions = [worker_condition(worker, g.now_ms) for worker in shown_workers(snapshot.workers, g.now_ms)]
    silent = sum(condition in ("stale", "lost") for condition in conditions)
    server = snapshot.server
    return Stats(
        taken_at=time(snapshot.taken_at),
        counts=CountsOut.of(*(queue.counts for queue in snapshot.queues)),
        queues=len(snapshot.queues),
        workers=WorkersCounted(alive=len(conditions) - silent, silent=silent),
        problems=_problems(),
        server=ServerOut(
            product=server.product,
            version=server.version,
            used_memory_bytes=server.used_memory,
            max_memory_bytes=server.max_memory,
            eviction_policy=server.eviction_policy,
        ),
    )


@reads("/problems", Problems)
def problems() -> Problems:
    """What is wrong, worst first. At most about a second old, as `taken_at` says."""
    return Problems(taken_at=time(shared_snapshot().taken_at), problems=_problems(), muted=g.view.muted)


def shared_snapshot() -> Snapshot:
    """That of the pages. Raises `ServerUnavailable`, `ServerRefused`: programs are told no old figures."""
    if g.view.is_refused:
        raise ServerRefused(f"Redis {g.view.error}")
    if g.view.snapshot is None or g.view.is_away:
        raise ServerUnavailable
    found = g.view.snapshot
    assert isinstance(found, Snapshot)
    return found


def _problems() -> list[ProblemOut]:
    return [ProblemOut.of(problem, g.view.attempts) for problem in g.view.problems]
