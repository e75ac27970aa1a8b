"""What becomes of a failed attempt: decided here, from the counters that came with the claim. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from queue_core import retry
from queue_core.codec import Options
from queue_core.errors import DeadLetter, Discard, Retry
from queue_core.fingerprint import Failure, describe_failure, make_failure
from queue_core.protocol import CANCEL, DEAD, DISCARD, RETRY, ClaimedTask, FailedTask
from queue_core.retry import Policy
from queue_core.settings import MAX_RETRIES


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a task whose attempt has failed. `verdict`: RETRY after `delay_ms`, DEAD or DISCARD."""

    verdict: str
    delay_ms: int = 0
    complaint: str = ""
    """Why the task's own rule was not followed."""


def judge(error: BaseException, attempt: int, allowed: int, policy: Policy = retry.DEFAULT) -> Judgement:
    """What the handler says comes first, then how many retries are `allowed`, then the task's rule. Never raises.

    `attempt`: the number of the one that failed, 1 for the first.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions  # as a TaskGroup wraps what one of its tasks raised
    if isinstance(error, Discard):
        return Judgement(DISCARD)
    if isinstance(error, DeadLetter) or attempt > allowed:
        return Judgement(DEAD)
    if isinstance(error, Retry):
        return Judgement(RETRY, round(error.after * 1000))
    following = policy.next(attempt, error, random.random())
    if following.seconds is None:
        return Judgement(DEAD)
    return Judgement(RETRY, round(following.seconds * 1000), following.complaint)


def failed_attempt(
    task: ClaimedTask,
    fence: int,
    name: str,
    options: Options,
    error: BaseException,
    *,
    max_retries: int = MAX_RETRIES,
    policy: Policy = retry.DEFAULT,
    worker: str = "",
    seconds: float | None = None,
) -> FailedTask:
    """The handler raised: again later by the task's rule, dead when no retry is left, or what the handler says.

    `max_retries`: the declared one, where the task carries none of its own.
    """
    failure = describe_failure(name, error)
    allowed = max_retries if options.max_retries is None else options.max_retries
    judged = judge(error, task.counters.attempts + 1, allowed, policy)
    failed = _failed(task, fence, judged.verdict, judged.delay_ms, failure, worker, seconds)
    return replace(failed, facts={**failed.facts, "complaint": judged.complaint}) if judged.complaint else failed


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
