"""Pages of tasks, as several commands print them."""

from __future__ import annotations

from dataclasses import asdict

from queue_core.cli.output import print_json, say, terminal_width
from queue_core.cli.tables import table
from queue_core.formats import ago, count, duration, until
from queue_core.snapshot import Counts, Page, State, TaskSummary

TIMES = {
    State.READY: "Waits", State.HELD: "Held in", State.SCHEDULED: "Due", State.RETRYING: "Due", State.BLOCKED: "Since",
    State.RUNNING: "Runs for", State.DEAD: "Died", State.TRASHED: "Deleted",
}  # fmt: skip
WORDS = {State.DEAD: ("dead letter", "dead letters"), State.TRASHED: ("task in the trash", "tasks in the trash")}


def print_page(
    page: Page, state: State, queue: str | None, *, as_json: bool, now_ms: int, elsewhere: Counts | None = None
) -> None:
    """`queue`: `None` for a page of all queues. `elsewhere`: where else tasks are, for a page without rows."""
    if as_json:
        print_json({"queue": queue, "state": state.value, "total": page.total, "next": page.older, "tasks": page.rows})
        return
    one, many = WORDS.get(state, (f"{state.value} task", f"{state.value} tasks"))
    say(f"{count(page.total, one, many)} in {queue or 'all queues'}{_elsewhere(elsewhere)}")
    if page.rows:
        say()
        say(_table(page.rows, state, now_ms, with_queue=queue is None))
    if page.older:
        say(f"\nNext page: --after {page.older}")


def _elsewhere(counts: Counts | None) -> str:
    if counts is None:
        return ""
    there = [f"{count(number)} {place}" for place, number in asdict(counts).items() if number]
    return f" ({', '.join(there)})" if there else " (nothing else either)"


def _table(rows: tuple[TaskSummary, ...], state: State, now_ms: int, *, with_queue: bool) -> str:
    has_failed = any(row.error for row in rows)
    heads = ["Id", "Task", *(["Queue"] if with_queue else []), TIMES[state], "Attempts"]
    heads += ["Worker"] if state is State.RUNNING else []
    heads += ["Error" if has_failed else "Payload"]
    cells = []
    for row in rows:
        cell = [row.id, row.name or "?", *([row.queue] if with_queue else []), _time(row, state, now_ms)]
        cell += [count(row.attempts), *([row.worker] if state is State.RUNNING else [])]
        cells.append([*cell, row.error if has_failed else row.payload])
    return table(heads, cells, left=3 if with_queue else 2, text=True, most=terminal_width())


def _time(row: TaskSummary, state: State, now_ms: int) -> str:
    if state is State.HELD:
        return row.lane
    if row.at is None:
        return "–"
    if state in (State.READY, State.RUNNING, State.BLOCKED):
        return duration((now_ms - row.at) / 1000)
    return ago(row.at, now_ms) if state is State.DEAD else until(row.at, now_ms)
