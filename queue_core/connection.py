"""How the server is spoken to: the options of every connection, and what its errors mean.

redis-py resends a command by itself when an answer is lost, up to ten times, and one push becomes two. That is off
here: a call is sent again by us, with the number that makes it safe (see `protocol.Session`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from redis.retry import Retry

from queue_core import lookup
from queue_core.errors import (
    AccessDenied,
    ConfigurationError,
    CorruptQueue,
    FormatMismatch,
    InvalidArgument,
    OperationEnded,
    QueueFull,
    RateLimited,
    ServerFull,
    ServerRefused,
    ServerUnavailable,
    Stale,
    TaskyardError,
    TooManyOperations,
    UnknownOperation,
    UnknownQueue,
    UnsafeServer,
)
from queue_core.keys import FORMAT
from queue_core.settings import URL_FORM, mask_url

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0

TRY_AGAIN = (
    ConnectionError,
    TimeoutError,
    OSError,
    BusyLoadingError,
    MasterDownError,
    ReadOnlyError,
    TryAgainError,
)
"""Errors that may pass by themselves: the same command is sent again."""

_WHATEVER_THE_URL_SAYS = {"decode_responses": False}
"""Answers are bytes: an envelope may be anything."""

_LOOKING_UP: dict[type, type] = {
    redis.asyncio.Connection: lookup.Connection,
    redis.asyncio.SSLConnection: lookup.SecureConnection,
}

WRONG_PASSWORD = AuthenticationError
"""Does not pass by itself: only a worker, which has tasks in hand, goes on trying."""

NO_SCRIPT = NoScriptError
SERVER_ERRORS = (RedisError, OSError)


def sync_pool(url: str, answer_seconds: float = ANSWER_SECONDS) -> redis.ConnectionPool:
    with _naming(url):
        pool = redis.ConnectionPool.from_url(url, **_options(answer_seconds), retry=Retry(NoBackoff(), 0))
        pool.connection_kwargs.update(_WHATEVER_THE_URL_SAYS)
        pool.make_connection()
    return pool


def async_pool(url: str, answer_seconds: float = ANSWER_SECONDS) -> redis.asyncio.ConnectionPool:
    with _naming(url):
        pool = redis.asyncio.ConnectionPool.from_url(url, **_options(answer_seconds), retry=AsyncRetry(NoBackoff(), 0))
        pool.connection_kwargs.update(_WHATEVER_THE_URL_SAYS)
        pool.connection_class = _LOOKING_UP.get(pool.connection_class, pool.connection_class)
        pool.make_connection()  # type: ignore[no-untyped-call]
    return pool


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """An address that redis-py cannot read, or an option that it does not know, is the user's mistake."""
    try:
        yield
    except (ValueError, TypeError, RedisError) as error:
        is_option = isinstance(error, TypeError) or "in connection URL" in str(error)
        reason = error if is_option else URL_FORM  # Python's own words may quote a part of the password
        raise ConfigurationError(f"Redis URL {mask_url(url)!r} is not accepted: {reason}") from None


def _options(answer_seconds: float) -> dict[str, Any]:
    return {
        "protocol": 3,
        "socket_timeout": answer_seconds,
        "socket_connect_timeout": CONNECT_SECONDS,
        "health_check_interval": 0,
        "max_connections": 1_000,
    }


def backoff_seconds(attempt: int, chance: float, most: float = 2.0) -> float:
    """Before the next try: 50 ms doubled each time, at most `most`, half of it by chance."""
    return min(0.05 * 2.0 ** min(attempt, 10), most) * (0.5 + 0.5 * chance)


def check_eviction_policy(policy: str | None, url: str) -> None:
    """Raises `UnsafeServer` when the server would throw tasks away; one that does not tell its policy passes."""
    if policy not in (None, "noeviction"):
        raise UnsafeServer(
            f"Redis at {mask_url(url)} has maxmemory-policy {policy}: when it is full it throws tasks away. "
            "Set it to noeviction, or insist with --allow-eviction"
        )


def is_full(answer: object) -> bool:
    """Whether a command was refused for want of memory; a script that says that it may is not."""
    return isinstance(answer, OutOfMemoryError) or (isinstance(answer, ResponseError) and str(answer).startswith("OOM"))


def translate(error: Exception, url: str) -> TaskyardError:
    """What an error of redis-py means in ours. The original is for `raise … from`."""
    text, url = str(error).partition(" script: ")[0], mask_url(url)  # which line of a script is no user's business
    if is_full(error):
        return ServerFull(f"Redis at {url} is out of memory and takes no more tasks: {text}", url=url)
    if isinstance(error, WRONG_PASSWORD):
        return AccessDenied(f"Redis at {url} refused the user or password: {text}", url=url)
    if isinstance(error, NoPermissionError):
        return AccessDenied(f"Redis at {url} does not permit its user what Taskyard needs: {text}", url=url)
    if isinstance(error, ReadOnlyError):
        return ServerUnavailable(f"Redis at {url} takes no writes, it is a read-only replica: {text}", url=url)
    if isinstance(error, BusyLoadingError):
        return ServerUnavailable(f"Redis at {url} does not answer yet: {text}", url=url)
    if isinstance(error, TRY_AGAIN):
        return ServerUnavailable(f"Redis at {url} does not answer: {text or type(error).__name__}", url=url)
    if isinstance(error, ResponseError):
        word, _, rest = text.partition(" ")
        if word == "STALE":
            return Stale(last_sequence=rest)
        if word == "FORMAT":
            return FormatMismatch(
                f"the queue has format {rest}, this version of Taskyard understands {FORMAT}. "
                "Use the version that wrote it, or one newer",
                found=rest,
            )
        if word == "NOQUEUE":
            return UnknownQueue()
        if word in ("QUEUEFULL", "RATE"):
            return _limited(word, rest)
        if word == "NOOPERATION":
            return UnknownOperation()
        if word == "ENDED":
            return OperationEnded()
        if word == "TOOMANY":
            return TooManyOperations(f"{rest} operations of this queue are under way already: no other is begun")
        if word == "WRONGKEY":
            return damaged(rest.partition(" ")[0], rest)
        if "WRONGTYPE" in text:  # by a command that does not say which key: see `which_is_damaged`
            return CorruptQueue("the queue's data is damaged: one of its keys has a wrong type")
    return ServerRefused(f"Redis at {url} refused: {text or type(error).__name__}", url=url)


def time_ms(answer: Sequence[Any]) -> int:
    """The answer to `TIME`, which is in seconds and microseconds."""
    return int(answer[0]) * 1000 + int(answer[1]) // 1000


def checked(answers: Sequence[Any], url: str) -> Sequence[Any]:
    """The answers, if none of them is an error. Raises what the first one means."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise translate(answer, url) from answer
    return answers


def damaged(key: str, what: str = "") -> CorruptQueue:
    """`what` is wrong with a key, which it names; where it is one of a queue, that is named, too."""
    what = what or f"{key} has a type that Taskyard did not give it"
    queue = key.partition("{")[2].partition("}")[0]
    if not queue:
        return CorruptQueue(f"what is stored is damaged: {what}. Rename that key or restore it", key=key)
    return CorruptQueue(
        f"the queue's data is damaged: {what}. Rename that key or restore it, then: taskyard fsck {queue}",
        queue=queue,
        key=key,
    )


def which_is_damaged(error: CorruptQueue, types: Mapping[str, str], found: Sequence[Any]) -> CorruptQueue:
    """The error with the first key (key → the type that it should have) that the server says (TYPE) has another."""
    for (key, kind), answer in zip(types.items(), found, strict=True):
        there = answer.decode() if isinstance(answer, bytes) else str(answer)
        if not isinstance(answer, Exception) and there not in ("none", kind):
            return damaged(key, f"{key} is a {there} and should be a {kind}")
    return error


def _limited(word: str, facts: str) -> TaskyardError:
    """A limit of a queue was met (scripts/enqueue.lua)."""
    key, *numbers = facts.split(" ")
    queue = key.partition("{")[2].partition("}")[0]
    if word == "QUEUEFULL":
        limit, length, count = map(int, numbers)
        return QueueFull(
            f"queue {queue} is full: it holds {length:,} tasks, its limit is {limit:,}, {count:,} more would not fit",
            queue=queue,
            limit=limit,
            length=length,
        )
    capacity, period_ms, count, wait_ms = map(int, numbers)
    rate = f"{capacity:,} in {period_ms / 1000:g} s"
    if count > capacity:
        return InvalidArgument(
            f"{count:,} tasks in one batch can never enter queue {queue}, whose enqueue rate is {rate}: "
            f"enqueue at most {capacity:,} at once"
        )
    return RateLimited(
        f"queue {queue} takes no more than {rate}: enqueue again in {wait_ms / 1000:g} s",
        queue=queue,
        retry_after=wait_ms / 1000,
    )
