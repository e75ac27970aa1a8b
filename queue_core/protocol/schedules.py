"""What schedules send: an occurrence that makes its task, and a schedule that is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import keys, scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Call, text
from queue_core.protocol.tasks import placed
from queue_core.task import NewTask

MADE, MET, NOTED, EARLY = "made", "met", "noted", "early"


@dataclass(frozen=True, slots=True)
class Occurred:
    """What came of an occurrence: MADE its task; MET another one, as by a unique key; NOTED was it, or a later one,
    before; EARLY: its time has not come by the server's clock. `task_id` is that of `noted_ms`, which stands now."""

    now_ms: int
    what: str
    noted_ms: int | None = None
    task_id: str = ""


def enqueue_occurrence(queue: QueueKeys, schedule: str, occurrence_ms: int, new_task: NewTask) -> Call[Occurred]:
    """An occurrence of a schedule makes its task, whoever else sends it and however often.

    Raises, on reading: `QueueFull`, `RateLimited`, and then it is not noted. Source: enqueue_occurrence.lua.
    """
    arguments = (*placed(new_task), schedule, occurrence_ms)
    return Call(scripts.load("enqueue_occurrence"), queue, arguments, _read_occurred)


def _read_occurred(answer: Sequence[Any]) -> Occurred:
    now_ms, what, noted, task_id = answer
    return Occurred(int(now_ms), text(what), int(noted) if noted else None, text(task_id))


def set_schedule(queue: QueueKeys, name: str, seen: bytes, wanted: bytes) -> Call[bool]:
    """Store what a schedule is to be (empty: it goes), where it still is what was seen (empty: it is not there).

    Shape: whether it is as wanted now. Source: set_schedule.lua.
    """
    own = (keys.schedules(queue.namespace),)
    script = scripts.load("set_schedule")
    return Call(script, queue, (name, seen, wanted), bool, own, has_session=False, is_global=True)
