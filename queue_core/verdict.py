"""What becomes of a failed attempt: decided here, from the counters that came with the claim. Pure."""

from __future__ import annotations

import random

from queue_core.codec import Options
from queue_core.errors import DeadLetter
from queue_core.fingerprint import Failure, describe_failure, make_failure
from queue_core.protocol import CANCEL, DEAD, RETRY, ClaimedTask, FailedTask
from queue_core.retry import retry_delay_seconds
from queue_core.settings import MAX_RETRIES


def failed_attempt(
    task: ClaimedTask,
    fence: int,
    name: str,
    options: Options,
    error: BaseException,
    *,
    max_retries: int = MAX_RETRIES,
    worker: str = "",
    seconds: float | None = None,
) -> FailedTask:
    """The handler raised: again after attempt² seconds, or dead when no retry is left or the handler says so.

    `max_retries`: the declared one, where the task carries none of its own.
    """
    failure = describe_failure(name, error)
    attempt = task.counters.attempts + 1
    allowed = max_retries if options.max_retries is None else options.max_retries
    verdict = DEAD if isinstance(error, DeadLetter) or attempt > allowed else RETRY
    delay_ms = round(retry_delay_seconds(attempt, random.random()) * 1000)
    return _failed(task, fence, verdict, delay_ms, failure, worker, seconds)


def stopped(task: ClaimedTask, fence: int, name: str, *, worker: str = "", seconds: float | None = None) -> FailedTask:
    """The handler stopped because its task was cancelled."""
    return _failed(task, fence, CANCEL, 0, make_failure(name, "Cancelled", ""), worker, seconds)


def never_runs(task: ClaimedTask, fence: int, name: str, error_class: str, reason: str, worker: str = "") -> FailedTask:
    """The task cannot run, now or later (an unreadable envelope, arguments that do not fit): dead at once."""
    return _failed(task, fence, DEAD, 0, make_failure(name, error_class, reason), worker, None)


def _failed(
    task: ClaimedTask, fence: int, verdict: str, delay_ms: int, failure: Failure, worker: str, seconds: float | None
) -> FailedTask:
    facts: dict[str, object] = {}
    if worker:
        facts["worker"] = worker
    if seconds is not None:
        facts["seconds"] = round(seconds, 3)
    if verdict == RETRY:
        facts["retry_in"] = round(delay_ms / 1000, 3)
    return FailedTask(task.id, fence, verdict, delay_ms, failure, facts)
