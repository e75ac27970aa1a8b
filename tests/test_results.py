"""Waiting for what tasks give back, by threads and on an event loop, on a real server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from queue_core import (
    InvalidArgument,
    InvalidResult,
    ResultExpired,
    ResultTimeout,
    ResultUnavailable,
    State,
    Task,
    TaskCancelled,
    TaskExpired,
    TaskFailed,
    TaskHandle,
    Taskyard,
    UnknownTask,
)
from queue_core.aio import AsyncClient
from queue_core.embedded import EmbeddedServer
from tests.engine import Engine

VALUES: list[Any] = [None, 0, -1.5, "ü€😀", True, [], {"a": [1, {"b": None}]}, 2**60, "x" * 1_000]


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Taskyard]:
    yard = Taskyard(redis_url, namespace=namespace)
    yield yard
    yard.close()


@pytest.fixture
def add(yard: Taskyard) -> Task[[int, int], int]:
    @yard.task(queue="email", result_ttl=60, max_retries=0)
    def add(a: int, b: int) -> int:
        return a + b

    return add


@pytest.fixture
def later() -> Iterator[Callable[..., Future[Any]]]:
    """Runs something on a thread."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit


def complete(yard: Taskyard, result: Any = None) -> None:
    with yard.queue("email").claim() as (lease,):
        lease.complete(result)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def listeners(redis: Redis) -> int:
    return len(redis.pubsub_channels())


@pytest.mark.each_server
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_result_comes_back_as_it_was(yard: Taskyard, add: Task[[int, int], int], value: Any) -> None:
    handle = add.enqueue(1, 2)
    complete(yard, value)
    assert handle.result(timeout=0) == value
    assert asyncio.run(_of_loop(yard, handle)) == value
    assert yard.task_status(handle.id).result_bytes > 0


async def _of_loop(yard: Taskyard, *handles: TaskHandle) -> Any:
    try:
        found = await asyncio.gather(*(handle.aresult(timeout=10) for handle in handles))
        return found[0] if len(handles) == 1 else found
    finally:
        await yard.aclose()


@pytest.mark.each_server
def test_whoever_waits_is_woken_and_looks_no_more_than_needed(
    yard: Taskyard, add: Task[[int, int], int], later: Callable[..., Future[Any]], redis_client: Redis
) -> None:
    handle = add.enqueue(1, 2)
    waiting = [later(handle.result, 30) for _ in range(4)]
    wait_until(lambda: redis_client.pubsub_numsub(f"test:{{email}}:tasks:{handle.id}")[0][1] == 4)
    redis_client.config_resetstat()
    began = time.monotonic()
    complete(yard, 3)
    assert [found.result(5) for found in waiting] == [3] * 4
    took = time.monotonic() - began
    calls = redis_client.info("commandstats")
    looks = sum(calls[name]["calls"] for name in calls if name.startswith("cmdstat_evalsha"))
    print(f"woken after {took * 1000:.0f} ms, {looks} calls of scripts")
    assert took < 1
    assert looks <= 2 + 2 * 4  # claim and complete; each waiter looks when it has begun to listen, and when it hears
    wait_until(lambda: listeners(redis_client) == 0)


@pytest.mark.each_server
def test_all_that_wait_on_a_loop_share_a_connection(
    yard: Taskyard, add: Task[[int, int], int], redis_client: Redis
) -> None:
    handles = yard.enqueue_many(add.message(i, i) for i in range(200))

    async def main() -> None:
        waiting = asyncio.gather(*(handle.aresult(timeout=30) for handle in handles))
        async with asyncio.timeout(10):
            while len(redis_client.pubsub_channels()) < 200:
                await asyncio.sleep(0.01)
        assert len(redis_client.client_list(_type="pubsub")) == 1
        with yard.queue("email").claim(limit=200) as leases:
            for lease in leases:
                lease.complete(sum(lease.kwargs.values()))
        assert await waiting == [2 * i for i in range(200)]
        async with asyncio.timeout(10):
            while listeners(redis_client):
                await asyncio.sleep(0.01)
        await yard.aclose()

    asyncio.run(main())


def test_waiter_that_is_cancelled_leaves_nothing_behind(
    yard: Taskyard, add: Task[[int, int], int], redis_client: Redis
) -> None:
    async def main() -> None:
        first, second = add.enqueue(1, 1), add.enqueue(2, 2)
        tasks = [asyncio.create_task(handle.aresult(timeout=30)) for handle in (first, second)]
        async with asyncio.timeout(10):
            while listeners(redis_client) < 2:
                await asyncio.sleep(0.01)
            tasks[0].cancel()
            while listeners(redis_client) > 1:
                await asyncio.sleep(0.01)
            complete(yard, "one")
            complete(yard, "two")
            assert await tasks[1] == "two"
            while listeners(redis_client):
                await asyncio.sleep(0.01)
        await yard.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_lost_connections_are_survived(
    yard: Taskyard, add: Task[[int, int], int], later: Callable[..., Future[Any]], redis_client: Any, kind: str
) -> None:
    handle = add.enqueue(1, 2)
    waiting = later(handle.result, 30) if kind == "thread" else later(asyncio.run, _of_loop(yard, handle))
    for _ in range(2):
        wait_until(lambda: listeners(redis_client))
        redis_client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    wait_until(lambda: not listeners(redis_client))
    complete(yard, 3)
    assert waiting.result(20) == 3


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_restart_of_the_server_is_survived(later: Callable[..., Future[Any]], kind: str) -> None:
    with EmbeddedServer() as server:
        yard = Taskyard(server.url, namespace="test")
        task = yard.task(queue="email", result_ttl=60, name="add")(_add)
        handle = task.enqueue(1, 2)
        waiting = later(handle.result, 30) if kind == "thread" else later(asyncio.run, _of_loop(yard, handle))
        with Redis.from_url(server.url) as redis:
            wait_until(lambda: listeners(redis))
        server.kill()
        server.restart()
        complete(yard, 3)
        assert waiting.result(20) == 3
        yard.close()


def _add(a: int, b: int) -> int:
    return a + b


@pytest.mark.each_server
def test_user_who_may_not_subscribe_waits_all_the_same(
    yard: Taskyard, add: Task[[int, int], int], later: Callable[..., Future[Any]], redis_client: Any, redis_url: str
) -> None:
    redis_client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "resetchannels", "+@all")
    other = Taskyard(redis_url.replace("unix://", "unix://app:secret@"), namespace="test")
    try:
        handle = TaskHandle(other, add.enqueue(1, 2).id, "email")
        waiting = later(handle.result, 30)
        complete(other, 3)  # nor publish
        assert waiting.result(20) == 3
    finally:
        other.close()
        redis_client.execute_command("ACL", "DELUSER", "app")


# What is told where there is no result.


@pytest.mark.each_server
def test_dead_letter_is_told_with_its_error_and_once_requeued_is_waited_for(
    yard: Taskyard, add: Task[[int, int], int]
) -> None:
    handle = add.enqueue(1, 2)
    with yard.queue("email").claim() as (lease,):
        try:
            raise ValueError("no such row")
        except ValueError as error:
            lease.fail(error)
    with pytest.raises(TaskFailed, match="ValueError: no such row") as failed:
        handle.result(timeout=5)
    assert (failed.value.error_class, failed.value.error) == ("ValueError", "ValueError: no such row")
    assert "no such row" in failed.value.traceback
    letter = (handle.id, yard.task_status(handle.id).at or 0)
    yard.control.requeue("email", [letter], by="ada", action_id="again")
    with pytest.raises(ResultTimeout, match="ready") as late:
        handle.result(timeout=0)
    assert late.value.state is State.READY
    complete(yard, 3)
    assert handle.result(timeout=10**400) == 3, "longer than anybody waits is for ever"


def test_task_of_the_same_id_gives_its_own_result(yard: Taskyard, add: Task[[int, int], int]) -> None:
    named = add.options(task_id="order-1")
    for result in (1, 2):
        handle = named.enqueue(1, 2)
        with pytest.raises(ResultTimeout):
            handle.result(timeout=0)
        complete(yard, result)
        assert handle.result(timeout=0) == result


def test_cancelled_and_expired_tasks_say_so(yard: Taskyard, add: Task[[int, int], int], redis_client: Redis) -> None:
    handle = add.enqueue(1, 2)
    assert handle.cancel("never mind") is State.CANCELLED
    with pytest.raises(TaskCancelled, match="never mind") as cancelled:
        handle.result(timeout=0)
    assert (cancelled.value.reason, bool(cancelled.value.by)) == ("never mind", True)
    assert handle.cancel() is None
    redis_client.hset(yard.client.queue("email").record(handle.id), "state", "expired")
    with pytest.raises(TaskExpired):
        handle.result(timeout=0)


def test_cancelling_tells_what_became_of_the_task(yard: Taskyard, add: Task[[int, int], int]) -> None:
    handle = add.enqueue(1, 2)
    with yard.queue("email").claim() as (lease,):
        assert yard.cancel(handle.id) is State.RUNNING
        lease.extend(30)
        assert lease.is_cancelled
        lease.fail("it was about to end")
    assert handle.status() is State.CANCELLED

    async def main() -> State | None:
        state = await add.enqueue(1, 2).acancel()
        await yard.aclose()
        return state

    assert asyncio.run(main()) is State.CANCELLED
    for unknown in ("no id!", "gone"):
        with pytest.raises(UnknownTask):
            yard.cancel(unknown)


def test_result_is_there_for_its_time(redis_url: str, namespace: str, yard: Taskyard) -> None:
    engine = Engine(redis_url, namespace, "email")
    yard._client = engine.client
    task = yard.task(queue="email", result_ttl=timedelta(seconds=60), name="add")(_add)
    handle = task.enqueue(1, 2)
    complete(yard, 3)
    engine.later(60_000)
    assert handle.result(timeout=0) == 3
    engine.later(1)
    with pytest.raises(ResultExpired):  # its record is there for as long as the server's clock says
        handle.result(timeout=0)
    assert yard.task_status(handle.id).result_json == ""
    engine.redis.delete(engine.queue.record(handle.id))
    with pytest.raises(ResultExpired, match=r"never was there, or it ended.* one moved to another queue is found"):
        handle.result(timeout=0)


def test_dead_letter_without_a_result_says_that_it_died_and_what_to_do(yard: Taskyard) -> None:
    task = yard.task(queue="email", name="plain", max_retries=0)(_add)
    handle = task.enqueue(1, 2)
    with yard.queue("email").claim() as (lease,):
        lease.fail("no answer")
    with pytest.raises(TaskFailed, match=f"is a dead letter: .*no answer.*taskyard retry {handle.id}"):
        handle.result(timeout=0)


def test_task_that_keeps_no_result_is_told_at_once(yard: Taskyard) -> None:
    task = yard.task(queue="email", name="plain")(_add)
    handle = task.enqueue(1, 2)
    with pytest.raises(ResultUnavailable, match="declare plain with result_ttl=seconds"):
        handle.result(timeout=60)
    with yard.queue("email").claim() as (lease,), pytest.raises(InvalidResult, match="plain keeps no result"):
        lease.complete(3)


@pytest.mark.parametrize(
    ("value", "what"),
    [({1}, "is a set"), (float("nan"), "is nan"), ([b"x"], r"\[0\] is a bytes"), ("x" * (1 << 20), "takes 1,048,578")],
    ids=["set", "nan", "bytes", "large"],
)
def test_what_cannot_be_stored_settles_nothing(
    yard: Taskyard, add: Task[[int, int], int], value: object, what: str
) -> None:
    add.enqueue(1, 2)
    with yard.queue("email").claim() as (lease,):
        with pytest.raises(InvalidResult, match=what):
            lease.complete(value)
        assert not lease.is_settled
        lease.complete("x" * ((1 << 20) - 2))


@pytest.mark.parametrize("result", [b"{broken", b"\xff", b"", b"[" * 100_000])
def test_damaged_result_is_told(yard: Taskyard, add: Task[[int, int], int], redis_client: Redis, result: bytes) -> None:
    handle = add.enqueue(1, 2)
    complete(yard, 3)
    redis_client.hset(yard.client.queue("email").record(handle.id), "result", result)
    with pytest.raises(ResultUnavailable, match="not JSON"):
        handle.result(timeout=0)
    yard.task_status(handle.id)


@pytest.mark.parametrize("seconds", [0, 0.5, -1, float("nan"), float("inf"), 366 * 86_400 + 1, True, "60"])
def test_absurd_times_are_refused(yard: Taskyard, add: Task[[int, int], int], seconds: Any) -> None:
    with pytest.raises(InvalidArgument, match="result_ttl"):
        yard.task(result_ttl=seconds, name="other")(_add)
    if seconds not in (0, 0.5, True) and seconds != float("inf") and seconds != 366 * 86_400 + 1:
        with pytest.raises(InvalidArgument, match="timeout"):
            add.enqueue(1, 2).result(timeout=seconds)


def test_fence_grows_with_every_claim(yard: Taskyard, add: Task[[int, int], int]) -> None:
    add.enqueue(1, 2)
    fences = []
    for _ in range(3):
        with yard.queue("email").claim() as (lease,):
            fences.append(lease.fence)
    assert fences == sorted(set(fences))


def test_threads_that_wait_hold_nothing_when_they_have_waited(
    yard: Taskyard, add: Task[[int, int], int], redis_client: Redis
) -> None:
    handle = add.enqueue(1, 2)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(ResultTimeout):
            handle.result(timeout=0.02)
    wait_until(lambda: listeners(redis_client) == 0)
    assert threading.active_count() == before


def test_listening_ends_with_its_connection_however_long_closing_takes(
    redis_url: str, namespace: str, redis_client: Redis
) -> None:
    async def main() -> None:
        client = AsyncClient(redis_url, namespace)
        async with client.listener.listen("here"):
            async with asyncio.timeout(10):
                while listeners(redis_client) == 0:
                    await asyncio.sleep(0.01)
            # Somebody else is sending on that connection, and is slow.
            async with client.listener._lock:
                closing = asyncio.create_task(client.listener.close())
                await asyncio.sleep(0.3)
        await closing
        async with asyncio.timeout(5):
            while listeners(redis_client):
                await asyncio.sleep(0.01)
        await client.close()

    asyncio.run(main())
