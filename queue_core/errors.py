"""Everything that Taskyard raises on purpose: one tree under `TaskyardError`.

The docstring of a class is its default message. Facts are attributes, so that nobody has to parse a sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from datetime import timedelta
from inspect import cleandoc

LONGEST_RETRY_SECONDS = 366 * 86_400


def shown(value: object, most: int = 40) -> str:
    """A value that is not accepted, for the message that says so: any value, also a number of thousands of digits."""
    try:
        return repr(value)[:most]
    except ValueError:
        return f"a number of more than {sys.get_int_max_str_digits():,} digits"


def check_several(what: str, values: object) -> None:
    """Raises `InvalidArgument` for what is no list, tuple, set or the like: also for one text, a common slip."""
    if not isinstance(values, Collection) or isinstance(values, str | bytes):
        raise InvalidArgument(f"{what} {shown(values, 80)} are not accepted: a list of them")


def check_delay(what: str, delay: object) -> float:
    """How long a task waits for its next attempt, in seconds. Raises `InvalidArgument`."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= LONGEST_RETRY_SECONDS:
        return float(seconds)
    raise InvalidArgument(f"{what} {shown(delay, 80)} is not accepted: seconds, or a timedelta, from 0 to 366 days")


class TaskyardError(Exception):
    """Something went wrong in Taskyard."""

    enqueued: int = 0
    """Of an error of `enqueue_many`: how many messages had entered the queue before."""

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message or cleandoc(type(self).__doc__ or ""))
        for name, value in facts.items():
            setattr(self, name, value)


class InvalidArgument(TaskyardError, ValueError):
    """An argument is outside of what is allowed."""


class UnknownCursor(InvalidArgument):
    """The cursor is not one of a page's own: there is no such page."""


class InvalidName(InvalidArgument):
    """A name of a queue, task, lane or namespace has characters that are not allowed."""


class InvalidPayload(InvalidArgument):
    """The arguments of a task cannot be stored."""


class PayloadTooLarge(InvalidPayload):
    """The arguments of a task are larger than the limit."""


class PayloadMismatch(InvalidPayload):
    """The arguments of a task do not fit its handler's parameters."""


class UnreadableEnvelope(TaskyardError):
    """What is stored for a task is not an envelope."""


class UnreadableSchedule(TaskyardError):
    """What is stored under the name of a schedule is none."""


class DuplicateTaskName(TaskyardError):
    """Two handlers were registered under one name."""


class UnknownQueue(TaskyardError, LookupError):
    """There is no such queue."""


class QueueNotEmpty(TaskyardError):
    """The queue has tasks in it."""


class UnknownTask(TaskyardError, LookupError):
    """There is no such task."""


class UnknownFault(TaskyardError, LookupError):
    """There is no such fault."""


class UnknownSchedule(TaskyardError, LookupError):
    """There is no such schedule."""


class UnknownWorker(TaskyardError, LookupError):
    """There is no such worker, or it was not heard of for an hour."""


class InvalidResult(InvalidArgument):
    """What a task has to give back cannot be stored."""


class ResultUnavailable(TaskyardError):
    """The task has no result to give, and will have none."""


class ResultExpired(ResultUnavailable, LookupError):
    """The task's result was kept for its time, and is gone."""


class TaskFailed(ResultUnavailable):
    """The task is a dead letter. `error`: class and message; `error_class`; `traceback`: of the last attempt."""

    error: str = ""
    error_class: str = ""
    traceback: str = ""


class TaskCancelled(ResultUnavailable):
    """The task was cancelled. `by`: who did it; `reason`: why."""

    by: str = ""
    reason: str = ""


class TaskExpired(ResultUnavailable):
    """The task was not begun before its time was over."""


class ResultTimeout(TaskyardError, TimeoutError):
    """The task has not ended within the time that was given. `state`: where it is."""

    state: str = ""


class LeaseLost(TaskyardError):
    """The lease is no longer held: it ran out and was recovered, or somebody else has the task now."""


class Stale(TaskyardError):
    """A later call of this session was already answered, so this one changed nothing."""


class ActionUnderWay(TaskyardError):
    """This very action was begun before and is still under way: its outcome is there when it has ended."""


class QueueFull(TaskyardError):
    """The queue holds as many tasks as its limit allows."""

    queue: str = ""
    limit: int = 0
    length: int = 0


class RateLimited(TaskyardError):
    """More tasks than the queue's enqueue rate allows."""

    queue: str = ""
    retry_after: float = 0.0
    """Seconds until the same call would be accepted."""


class UnknownOperation(TaskyardError, LookupError):
    """There is no such operation, or it ended more than seven days ago."""


class OperationEnded(TaskyardError):
    """The operation has ended: nothing can be changed about it."""


class TooManyOperations(TaskyardError):
    """So many operations of this queue are under way already that no other is begun."""


class ServerUnavailable(TaskyardError, ConnectionError):
    """The Redis server does not answer."""


class ServerRefused(TaskyardError):
    """The Redis server answered with an error."""


class AccessDenied(ServerRefused):
    """The Redis server refuses the user or password, or does not permit that user what Taskyard needs."""


class ServerFull(ServerRefused):
    """The Redis server is out of memory and refused to take more."""


class UnsafeServer(TaskyardError):
    """The Redis server may throw tasks away: its eviction policy is not `noeviction`."""


class FormatMismatch(TaskyardError):
    """The queue was written by a version of Taskyard that this one does not understand."""


class CorruptQueue(TaskyardError):
    """A key of the queue has a type, or a session an answer, that Taskyard did not give it."""

    queue: str = ""
    key: str = ""
    """That of the wrong type, where it is known which."""


class ConfigurationError(TaskyardError, ValueError):
    """A setting has a value that is not accepted."""


class TooManyTasks(TaskyardError):
    """More tasks ran in a test than were to run: they enqueue one another for ever."""


# Raised by handlers.


class Cancelled(TaskyardError):
    """The handler has stopped because its task was cancelled (`context.is_cancelled`): this is no failure."""


class SoftTimeout(TaskyardError):
    """The handler has run for as long as its timeout allows: raised in the handler, which may tidy up until the hard
    timeout, when it is ended by force."""


class HardTimeout(TaskyardError):
    """The handler went on until its hard timeout and was ended by force. It is raised nowhere: failures name it."""


class DeadLetter(TaskyardError):
    """The handler says that this task can never complete: it is a dead letter at once, whatever retries it has left."""


class Discard(TaskyardError):
    """The handler says that its task is of no use any more: it ends, neither completed nor a dead letter."""


class Retry(TaskyardError):
    """The handler says that its task is to run again `after` so many seconds, or a timedelta, from 0 to 366 days.

    It counts as a failed attempt: beyond `max_retries` the task is a dead letter. Raises `InvalidArgument`.
    """

    after: float
    """Seconds."""

    def __init__(self, reason: str = "", *, after: float | timedelta) -> None:
        super().__init__(reason or "the handler asked to run again")
        self.after = check_delay("after", after)
