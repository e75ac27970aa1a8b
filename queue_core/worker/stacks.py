"""Where a handler is at this moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CoroutineType, FrameType, TracebackType
from typing import Any

from queue_core.worker.run import Run

_OURS = str(Path(__file__).parent)


def stack_of(run: Run) -> TracebackType | None:
    """As if an exception were raised there, from the handler's own frame on; `None` where nothing is seen."""
    if run.coroutine is None:
        return _stack(_running(run.thread_id))
    coroutine = run.coroutine.coroutine
    return stack_of_main_thread() if coroutine.cr_running else stack_of_suspended(coroutine)


def stack_of_main_thread() -> TracebackType | None:
    return _stack(_running(threading.main_thread().ident or 0))


def stack_of_suspended(coroutine: CoroutineType[Any, Any, Any]) -> TracebackType | None:
    return _stack(list(_suspended(coroutine)))


def _stack(frames: list[FrameType]) -> TracebackType | None:
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
