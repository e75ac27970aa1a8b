"""Raises an exception in a handler from outside: in the coroutine, or the thread, that runs it."""

from __future__ import annotations

import asyncio
import ctypes
from types import CoroutineType
from typing import Any


class Interruptible:
    """A coroutine for an asyncio task. Whoever sets `instead` and cancels that task has this error raised in it where
    `CancelledError` would be: the task is then not cancelled."""

    __slots__ = ("close", "coroutine", "instead", "send")

    def __init__(self, coroutine: CoroutineType[Any, Any, None]) -> None:
        self.send = coroutine.send  # called at each step of each handler: nothing stands between
        self.close = coroutine.close
        self.coroutine = coroutine
        self.instead: BaseException | None = None

    def throw(self, error: BaseException) -> Any:
        if self.instead is not None and isinstance(error, asyncio.CancelledError):
            error, self.instead = self.instead, None
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return self.coroutine.throw(error)

    def __await__(self) -> Any:
        raise NotImplementedError  # asyncio takes for a coroutine only what has it


def raise_in_thread(thread_id: int, error: type[BaseException]) -> None:
    """It comes as soon as that thread runs Python again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(error))


def forget_raised(thread_id: int) -> None:
    """What was raised in the thread and has not come yet does not come any more."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), None)
