"""To which queue tasks can be moved, and what is to be known of it before they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import g

from dashboard.problems import live_workers
from queue_core.errors import InvalidArgument
from queue_core.previews import check_way


@dataclass(frozen=True, slots=True)
class Target:
    """`queues`: the others there are. `is_new`: the chosen one is made by the move. `is_taken`: a live worker listens
    to it; `is_paused`."""

    name: str
    queues: tuple[str, ...]
    is_new: bool = False
    is_taken: bool = True
    is_paused: bool = False


def target_of(queue: str, name: str) -> Target:
    snapshot = g.view.snapshot
    if snapshot is None:
        return Target(name, ())
    known = {found.name: found for found in snapshot.queues}
    others = tuple(other for other in known if other != queue)
    if not name:
        return Target("", others)
    there = known.get(name)
    return Target(
        name,
        others,
        is_new=there is None,
        is_taken=bool(live_workers(snapshot, name, g.now_ms)),
        is_paused=there is not None and there.pause is not None,
    )


def untaken(queues: Iterable[str]) -> tuple[str, ...]:
    """Those that no present worker takes: what becomes ready there waits."""
    snapshot = g.view.snapshot
    if snapshot is None:
        return ()
    return tuple(queue for queue in queues if not live_workers(snapshot, queue, g.now_ms))


def wrong_target(queue: str, name: str) -> str | None:
    """Why tasks of a queue cannot be moved to that one; "" where none is named yet; `None`: they can."""
    if not name:
        return ""
    try:
        check_way("move", queue, name)
    except InvalidArgument as error:
        return str(error)
    return None
