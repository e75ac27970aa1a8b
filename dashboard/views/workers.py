"""The workers: who is alive, what runs now; one of them; telling them to be quiet, to resume, to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from flask import Blueprint, Response, abort, g, request, url_for

from dashboard.actions import action_id, done, is_path, reason, skipped_sentence
from dashboard.away import KnownAway
from dashboard.filters import middle, plural, short_id
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, needs
from dashboard.pagination import Order
from dashboard.parameters import page_number, typed
from dashboard.parts import parts
from dashboard.telling import tell as tell_chosen
from dashboard.telling import would_tell
from dashboard.toasts import say
from dashboard.wording import act
from dashboard.worker_choice import WorkerChoice
from dashboard.worker_table import (
    COLUMNS,
    Found,
    WorkerFilter,
    WorkerRow,
    became,
    lost_tasks,
    worker_rows,
    workers_page,
)
from queue_core.errors import ServerRefused, UnknownWorker, shown
from queue_core.inspector import MAX_ROWS
from queue_core.snapshot import TaskSummary, WorkerSnapshot

blueprint = Blueprint("workers", __name__)

TOLD = {"quiet": "told to be quiet", "resume": "told to resume", "stop": "told to stop"}
EFFECTS = {
    "quiet": "They claim nothing more and go on with what runs, until they are resumed or stopped.",
    "resume": "They claim tasks again.",
    "stop": "They end as on SIGTERM: what runs has the grace time to end, and goes back to its queue if it does not. "
    "Whatever started them may start them again.",
}
MOST_SHOWN = 10
"""Of those that would not do it."""


@dataclass(frozen=True, slots=True)
class WorkerPage:
    """`commands`: (what it is for, what to type). `tasks`: of a lost worker's tasks, what became of each."""

    row: WorkerRow
    became: str
    tasks: Found
    commands: tuple[tuple[str, str], ...]

    @property
    def worker(self) -> WorkerSnapshot:
        return self.row.worker

    def now(self, queue: str, task_id: str) -> TaskSummary | None:
        return self.tasks.get((queue, task_id))


@dataclass(frozen=True, slots=True)
class Telling:
    """`able`: those that would do it; `unable`: id → why not; `forsaken`: queues that nobody would take any more."""

    verb: str
    able: tuple[WorkerSnapshot, ...]
    unable: Mapping[str, str]
    forsaken: tuple[str, ...]
    choice: str
    back: str
    notice: str = ""

    @property
    def title(self) -> str:
        name = act(self.verb)
        return f"{name} {middle(self.able[0].id, 64)}" if len(self.able) == 1 else f"{name} {len(self.able):,} workers"

    @property
    def effect(self) -> str:
        if len(self.able) != 1:
            return EFFECTS[self.verb]
        words = {"They claim": "It claims", "They end": "It ends", "go on": "goes on", "they are": "it is"}
        words |= {"started them": "started it", "start them": "start it"}
        told = EFFECTS[self.verb]
        for several, one in words.items():
            told = told.replace(several, one)
        return told

    @property
    def excuses(self) -> str:
        """`web-9:7 (silent for 5 min), web-8:7 (stopping already) and 12 more`."""
        told = ", ".join(f"{middle(name, 48)} ({why})" for name, why in list(self.unable.items())[:MOST_SHOWN])
        more = len(self.unable) - MOST_SHOWN
        return f"{told} and {more:,} more" if more > 0 else told

    @property
    def running(self) -> int:
        return sum(worker.busy for worker in self.able)


@blueprint.get("/workers")
def index() -> Response:
    order = Order.read(request.args.get("sort"), COLUMNS, "trouble")
    page = workers_page(_known(), g.now_ms, order, _filter(), page_number())
    found = became_of(page.part.rows)
    told = {row.worker.id: became(row.worker, found) for row in page.part.rows if row.condition == "lost"}
    panels = {"worker-bar": "workers/_bar.html", "workers": "workers/_table.html"}
    return render_page("workers/index.html", panels, replace(page, became=told))


@blueprint.get("/workers/<worker_id>")
def show(worker_id: str) -> Response:
    row = known_worker(worker_id)
    found = became_of([row])
    told = became(row.worker, found) if row.condition == "lost" else ""
    page = WorkerPage(row, told, found, by_hand(row.worker))
    return render_page("workers/show.html", {"worker": "workers/_worker.html"}, page)


@blueprint.get("/workers/tell/<command>")
@needs(Role.OPERATOR)
def preview(command: str) -> Response:
    """Changes nothing. The address names the workers as that of the list does, or one by its `id`."""
    if command not in TOLD:
        abort(404)
    return _show(command)


@blueprint.post("/workers/tell/<command>")
@needs(Role.OPERATOR)
def tell(command: str) -> Response:
    """Those that the preview has shown, as far as they are still the same."""
    choice = WorkerChoice.read(request.form.get("choice", ""))
    if command not in TOLD or (choice and choice.verb != command):
        abort(404)
    if choice is None or choice.by != actor() or not choice.is_fresh(g.now_ms):
        return _show(command, "What this form was made of is too old, or somebody else's: look again.", status=409)
    outcome = tell_chosen(choice, form=action_id(choice.taken_at), because=reason())
    told, skipped = outcome.done, outcome.skipped
    sentences = [
        f"{_count(told)} {TOLD[command]}. {'It hears' if len(told) == 1 else 'They hear'} of it within seconds"
    ]
    if not told:
        sentences = [f"Nobody was {TOLD[command]}"]
    if skipped:
        sentences.append(_skipped(skipped))
    say(". ".join(sentences) + ".", kind="good" if told and not skipped else "warn")
    return done(outcome.server_ms, to=f"{request.script_root}{_back()}")


@blueprint.get("/workers/<worker_id>/cancel/<name>/<task_id>")
@needs(Role.OPERATOR)
def cancel_form(worker_id: str, name: str, task_id: str) -> Response:
    worker = next((worker for worker in _known() if worker.id == worker_id), None)
    running = worker.running if worker else ()
    task = next((task for task in running if (task.queue, task.task_id) == (name, task_id)), None)
    context = {"worker_id": worker_id, "task": task, "task_id": task_id, "queue": name}
    return render_page("workers/cancel.html", {}, context)


@blueprint.post("/workers/<worker_id>/cancel/<name>/<task_id>")
@needs(Role.OPERATOR)
def cancel(worker_id: str, name: str, task_id: str) -> Response:
    outcome = parts().control.cancel(name, [task_id], by=actor(), reason=reason(), action_id=action_id())
    if outcome.asked:
        say(f"{short_id(task_id)} is asked to stop. Its worker hears of it with its next heartbeat.")
    elif outcome.done:
        say(f"{short_id(task_id)} did not run any more, and is cancelled.")
    else:
        say(f"Nothing cancelled. {skipped_sentence(outcome.skipped)}.", kind="warn")
    return done(outcome.server_ms, to=url_for("workers.show", worker_id=worker_id))


def _known() -> Sequence[WorkerSnapshot]:
    return g.view.snapshot.workers if g.view.snapshot else ()


def _filter() -> WorkerFilter:
    return WorkerFilter(
        text=typed("q"),
        version=request.args.get("version"),
        ids=frozenset(request.args.getlist("id")),
    )


def known_worker(worker_id: str) -> WorkerRow:
    row = next((row for row in worker_rows(_known(), g.now_ms) if row.worker.id == worker_id), None)
    if row is None and g.view.snapshot is None:
        raise ServerRefused(g.view.refusal) if g.view.is_refused else KnownAway
    if row is None:
        raise UnknownWorker(
            f"no worker {shown(worker_id, 80)} is known: it has ended, or was not heard for an hour", worker=worker_id
        )
    return row


def became_of(rows: Sequence[WorkerRow]) -> Found:
    wanted = lost_tasks(rows)
    return parts().inspector.tasks_named(wanted[:MAX_ROWS]) if wanted else {}


def by_hand(worker: WorkerSnapshot) -> tuple[tuple[str, str], ...]:
    """For whoever has a shell: on any machine that reaches the server, and on the worker's own."""
    found = [("From anywhere", f"taskyard workers stop {quote(worker.id)}")]
    if worker.pid:
        found += [
            (f"On {worker.host}: stop", f"kill -TERM {worker.pid}"),
            (f"On {worker.host}: quiet", f"kill -TSTP {worker.pid}"),
            (f"On {worker.host}: resume", f"kill -CONT {worker.pid}"),
        ]
    return tuple(found)


def _show(verb: str, notice: str = "", *, status: int = 200) -> Response:
    every = _known()
    found = would_tell(verb, [row.worker for row in _filter().of(worker_rows(every, g.now_ms))], every)
    page = Telling(
        verb, found.able, found.unable, found.forsaken, found.choice, f"{request.script_root}{_back()}", notice
    )
    return render_page("workers/tell.html", {}, page, status=status)


def _back() -> str:
    """The list as it was filtered, or the page of the one worker."""
    target = request.args.get("next", "")
    return target if is_path(target) else "/workers"


def _count(ids: Sequence[str]) -> str:
    return f"{middle(ids[0], 64)} is" if len(ids) == 1 else f"{plural(len(ids), 'worker')} are"


def _skipped(skipped: Mapping[str, str]) -> str:
    if len(skipped) == 1:
        ((worker_id, why),) = skipped.items()
        return f"{middle(worker_id, 64)} was skipped: {why}"
    first, why = next(iter(skipped.items()))
    return f"{len(skipped):,} were skipped, {middle(first, 64)} for one: {why}"
