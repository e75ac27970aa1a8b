"""Hands what handlers raise to whoever collects errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from queue_core.chain import Outcome
from queue_core.context import Context
from queue_core.errors import Cancelled, Discard, Retry

ON_PURPOSE: tuple[type[BaseException], ...] = (Cancelled, Discard, Retry)


class ErrorHook:
    """Calls `callback(error, context)` after each attempt that failed, also where the task will run again.

    Not for what a handler says on purpose (`Retry`, `Discard`, `Cancelled`), nor for the classes of `ignore`. It is
    called where the handler ran, while the failure is not settled yet: it is to be quick. What it raises is logged.
    """

    def __init__(
        self,
        callback: Callable[[BaseException, Context], object],
        *,
        ignore: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._callback = callback
        self._ignore = (*ON_PURPOSE, *ignore)

    def after(self, context: Context, outcome: Outcome) -> None:
        error = outcome.error
        if error is None or isinstance(error, self._ignore):
            return
        if isinstance(error, asyncio.CancelledError) and (context.is_cancelled or context.is_lease_lost):
            return
        self._callback(error, context)
