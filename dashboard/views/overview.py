"""The first page: what is wrong, the queues, the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flask import Blueprint, Response, g, request

from dashboard.demo import DemoState, look
from dashboard.htmx import render_page
from dashboard.live import View
from dashboard.pagination import Order
from dashboard.parameters import page_number
from dashboard.parts import parts, trends
from dashboard.problem import Problem
from dashboard.problems import first_lines, live_by_queue
from dashboard.queue_table import COLUMNS, QueueTable, queue_table
from dashboard.rising import Pace, pace
from dashboard.successes import Standstill, nothing_since
from dashboard.trends import Trend
from dashboard.worker_table import WorkerRow, worker_rows
from queue_core.snapshot import Snapshot, is_live

blueprint = Blueprint("overview", __name__)

MOST_WORKERS = 8

# The steps of an empty server are a panel as well: a refresh can go from the one form of the page to the other.
PANELS = {
    "steps": "overview/_steps.html",
    "problems": "overview/_problems.html",
    "queues": "overview/_queues.html",
    "workers": "overview/_workers.html",
}
DEMO_PANEL = {"demo": "overview/_demo.html"}


WORKER_COMMAND = "taskyard worker app:yard --queues email"
EXAMPLE = """\
from queue_core import Taskyard

yard = Taskyard()  # reads TASKYARD_REDIS_URL

@yard.task(queue="email")
def send_email(to: str, subject: str) -> None: ...

send_email.enqueue(to="ada@example.com", subject="Welcome")"""


@dataclass(frozen=True, slots=True)
class Overview:
    """`paces`: how the faults of each problem fail; `nothing_since`: since when nothing of their tasks has completed,
    if so. `muted`: faults that are none of them. `more_problems`, `more_workers`: how many are not shown, problems by
    their title; `more_faults`: whether some of those are of faults. `oldest_wait_at`: of all queues. `unattended`:
    tasks that wait in queues that no live worker takes. `died`, `died_at`: whether a task ever became a dead letter,
    and when the last one did, as far as that is known.
    """

    problems: tuple[Problem, ...]
    paces: tuple[Pace, ...]
    nothing_since: tuple[Standstill | None, ...]
    muted: int
    more_problems: Mapping[str, int]
    more_faults: bool
    table: QueueTable
    workers: tuple[WorkerRow, ...]
    more_workers: int
    alive: int
    silent: int
    dead: int
    oldest_wait_at: int | None
    unattended: int
    died: bool
    died_at: int | None
    is_empty: bool
    demo: DemoState | None = None
    worker_command: str = WORKER_COMMAND
    example: str = EXAMPLE


def overview(view: View, trends: Mapping[str, Trend], order: Order, page: int = 1) -> Overview:
    table = queue_table(view, trends, order=order, page=page)
    snapshot = view.snapshot
    rows = worker_rows(snapshot.workers if snapshot else (), view.told_at)
    unusual = [row for row in rows if row.condition != "alive"]
    shown = (unusual + [row for row in rows if row.condition == "alive"])[: max(MOST_WORKERS, len(unusual[:20]))]
    queues = snapshot.queues if snapshot else ()
    waits = [q.oldest_ready_at for q in queues if q.oldest_ready_at and q.counts.ready]
    problems = first_lines(view.problems)
    return Overview(
        problems=problems,
        muted=view.muted,
        paces=tuple(pace(problem.faults, view.now_ms) for problem in problems),
        nothing_since=tuple(nothing_since(problem.faults, view.attempts, view.told_at) for problem in problems),
        more_problems=Counter(p.title for p in view.problems) - Counter(p.title for p in problems),
        more_faults=sum(p.is_of_faults for p in view.problems) > sum(p.is_of_faults for p in problems),
        table=table,
        workers=tuple(shown),
        more_workers=len(rows) - len(shown),
        alive=sum(is_live(row.worker, view.told_at) for row in rows),
        silent=sum(row.condition in ("stale", "lost") for row in rows),
        dead=view.dead,
        oldest_wait_at=min(waits, default=None),
        unattended=_unattended(snapshot, view.told_at) if snapshot else 0,
        died=any(queue.died for queue in queues),
        died_at=max((queue.died_at for queue in queues if queue.died_at), default=None),
        is_empty=snapshot is not None and not any(q.books.enqueued or q.counts.total for q in snapshot.queues),
    )


def _unattended(snapshot: Snapshot, now_ms: int) -> int:
    live = live_by_queue(snapshot.workers, now_ms)
    return sum(queue.counts.waiting + queue.counts.retrying for queue in snapshot.queues if not live.get(queue.name))


@blueprint.get("/")
def index() -> Response:
    order = Order.read(request.args.get("sort"), COLUMNS, "trouble")
    page = overview(g.view, trends(), order, page_number())
    socket = parts().settings.demo_socket
    if not socket:
        return render_page("overview/index.html", PANELS, page)
    return render_page("overview/index.html", PANELS | DEMO_PANEL, replace(page, demo=look(socket)))
