"""The shop, which has something done every second."""

from __future__ import annotations

import os

from queue_core import Context
from tests.worker.shop import traces, yard

__all__ = ["yard"]


@yard.schedule("each-second", every=1, missed="all")
@yard.task(queue="fast")
def note_time(context: Context) -> None:
    assert context.scheduled_for is not None
    traces.rpush("times", f"{context.scheduled_for.timestamp():.0f} {os.getppid()}")
