"""Pages of tasks, of one place of a queue or of all queues."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from queue_core import decoding, keys, reading
from queue_core.errors import InvalidArgument, TaskyardError, UnknownQueue, shown
from queue_core.inspector.reader import Reader, value_of
from queue_core.reading import Described, Position
from queue_core.snapshot import Page, State, TaskSummary

MAX_ROWS = 200
"""Of one page."""
MAX_RANK = 10**12
"""Longer than any queue."""


def check_limit(limit: int) -> int:
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_ROWS:
        raise InvalidArgument(f"limit {shown(limit, 20)} is not accepted: 1 to {MAX_ROWS} rows")
    return limit


def ready_page(reader: Reader, queue: str, position: Position | None, limit: int) -> Page:
    rank = decoding.number(position.score) if position else 0
    rank = max(0, min(rank, MAX_RANK))
    known = reader.client.queue(queue)
    listed = reader.one(reading.list_ready(known, rank, limit))
    tasks = reader.one(reading.describe(known, list(listed.since))) if listed.since else {}
    rows = [
        reading.summary(queue, task, state=State.READY, at=listed.since[task_id])
        for task_id in listed.since
        if (task := tasks.get(task_id)) and task.state is State.READY
    ]
    of = reading.list_name(State.READY, queue)
    older = None if listed.next_rank is None else str(Position(of, "after", b"%d" % listed.next_rank, queue))
    back = max(0, (rank if rows else min(rank, listed.total)) - limit)
    newer = str(Position(of, "after", b"%d" % back, queue)) if rank else None
    return Page(tuple(rows), listed.total, older, newer)


def running_page(reader: Reader, queue: str, position: Position | None, limit: int) -> Page:
    known = reader.client.queue(queue)
    total, running = reader.one(reading.list_running(known))
    begin = 0
    if position:
        mark = (position.order, position.member)
        is_after = position.side == "after"
        begin = sum(row <= mark for row in running) if is_after else sum(row < mark for row in running) - limit
        begin = max(0, begin)
    shown = running[begin : begin + limit]
    tasks = reader.one(reading.describe(known, [task_id for _, task_id in shown])) if shown else {}
    rows = [
        reading.summary(queue, task, state=State.RUNNING)
        for _, task_id in shown
        if (task := tasks.get(task_id)) and task.state is State.RUNNING
    ]
    older = newer = None
    of = reading.list_name(State.RUNNING, queue)
    if shown and begin + limit < len(running):
        older = str(Position(of, "after", b"%d" % shown[-1][0], queue, shown[-1][1]))
    if shown and begin:
        newer = str(Position(of, "before", b"%d" % shown[0][0], queue, shown[0][1]))
    return Page(tuple(rows), total, older, newer)


def sorted_page(
    reader: Reader,
    queue: str | None,
    state: State,
    position: Position | None,
    limit: int,
    fingerprint: str = "",
    among: Collection[str] | None = None,
    *,
    oldest_first: bool = False,
) -> Page:
    """A page of one place of a queue, or of all queues (`among`: of these), merged. `oldest_first`: of those that are
    listed newest first.

    There a first look at each one's next row, and a second one at all of the nearest one's, find those that can have a
    part in this page; a queue that cannot be read has none, and is named.
    """
    is_one = queue is not None
    queues = {name: reader.client.queue(name) for name in ([queue] if queue is not None else reader.queue_names(among))}

    unreadable: dict[str, str] = {}

    def order_of(name: str, score: bytes) -> tuple[float, str]:
        """At the same time by the queue's name; within a queue as the server lists them."""
        return (1 if oldest_first else -1) * float(score), name

    def look(names: Collection[str], most: int) -> dict[str, reading.Listed]:
        calls = [
            reading.list_sorted(queues[name], state, position, most, fingerprint, oldest_first=oldest_first)
            for name in names
        ]
        answers, _ = reader.ask(calls)
        if is_one:
            answers = [value_of(answers[0])]
        unreadable.update(
            (n, str(a))
            for n, a in zip(names, answers, strict=True)
            if isinstance(a, TaskyardError) and not isinstance(a, UnknownQueue)
        )
        return {n: a for n, a in zip(names, answers, strict=True) if not isinstance(a, TaskyardError)}

    listed = look(queues, limit if is_one else 1)
    total = sum(found.total for found in listed.values())
    begin = sum(found.skipped for found in listed.values())
    is_before = position is not None and position.side == "before"
    if is_before:
        before = begin + sum(len(found.members) for found in listed.values())
        if before <= limit:
            return sorted_page(reader, queue, state, None, limit, fingerprint, among, oldest_first=oldest_first)
        begin = before - limit
    if not is_one:
        nearest = sorted(((order_of(n, f.members[0][1]), n) for n, f in listed.items() if f.members), reverse=is_before)
        listed = look([name for _, name in nearest[:1]], limit)
        own = [order_of(n, score) for n, found in listed.items() for _, score in found.members]
        last = (min if is_before else max)(own) if len(own) == limit else None
        with_part = [n for at, n in nearest[1:limit] if last is None or (at > last if is_before else at < last)]
        listed |= look(with_part, limit) if with_part else {}
    merged = [(name, member, score) for name, found in listed.items() for member, score in found.members]
    if not is_one:
        merged.sort(key=lambda row: order_of(row[0], row[2]))
    shown = merged[-limit:] if is_before else merged[:limit]
    older = newer = None
    of = reading.list_name(state, queue, fingerprint)
    if shown and begin + len(shown) < total:
        older = str(Position(of, "after", shown[-1][2], shown[-1][0], shown[-1][1]))
    if shown and begin:
        newer = str(Position(of, "before", shown[0][2], shown[0][0], shown[0][1]))
    elif position and begin:  # nothing is left behind the position
        newer = str(replace(position, side="before"))
    separator = b":" if fingerprint else b"/" if state is State.HELD else b""
    rows = _rows(reader, queues, is_one, state, [(name, member, separator) for name, member, _ in shown])
    return Page(tuple(rows), total, older, newer, unreadable)


def _rows(
    reader: Reader, queues: dict[str, keys.QueueKeys], is_one: bool, state: State, shown: list[tuple[str, bytes, bytes]]
) -> list[TaskSummary]:
    """The rows of a page, in its order: of each its queue, its member, and what stands before the id in that. What
    left the place since it was listed is left out."""
    ids: dict[str, list[bytes]] = {}
    for name, member, separator in shown:
        ids.setdefault(name, []).append(reading.id_of(member, separator))
    if not ids:
        return []
    answers, _ = reader.ask([reading.describe(queues[name], wanted) for name, wanted in ids.items()])
    if is_one:
        answers = [value_of(answers[0])]
    found = {n: a for n, a in zip(ids, answers, strict=True) if not isinstance(a, TaskyardError)}
    rows = []
    for name, member, separator in shown:
        task: Described | None = found.get(name, {}).get(reading.id_of(member, separator))
        if task is None:
            continue
        if state is State.HELD and task.state in (State.HELD, State.READY):
            # An envelope that names no task hides in which lane it is held: the list knows.
            lane = decoding.line(decoding.text(member.rpartition(b"/")[0]), 140)
            rows.append(reading.summary(name, task, state=State.HELD, lane=lane))
        elif task.state is state:
            rows.append(reading.summary(name, task))
    return rows
