"""Where a handler is at this moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from queue_core.worker.executor import Run

_OURS = str(Path(__file__).parent)


def stack_of(run: Run) -> TracebackType | None:
    """As if an exception were raised there, from the handler's own frame on; `None` where nothing is seen."""
    if run.coroutine is not None:
        coroutine = run.coroutine.coroutine
        is_keeping_loop = coroutine.cr_running
        frames = _running(threading.main_thread().ident or 0) if is_keeping_loop else list(_suspended(coroutine))
    else:
        frames = _running(run.thread_id)
    while frames and frames[0].f_code.co_filename.startswith(_OURS):
        frames.pop(0)
    trace = None
    for frame in reversed(frames):
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
    return trace


def _suspended(awaited: Any) -> Iterator[FrameType]:
    """The frames of a coroutine and of what it awaits, the outermost first."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            return
        yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _running(thread_id: int) -> list[FrameType]:
    """The frames of a thread, the outermost first, from where the worker has called a handler."""
    frames: list[FrameType] = []
    frame = sys._current_frames().get(thread_id)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_OURS) and frames:
            break
        frames.insert(0, frame)
        frame = frame.f_back
    return frames
