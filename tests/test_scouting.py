"""The scout, with a server that is a function: who asks, how often, and which calls are given up."""

from __future__ import annotations

import asyncio

import pytest

from queue_core import scouting
from queue_core.scouting import Scout


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scouting, "DOUBT_SECONDS", 0.05)
    monkeypatch.setattr(scouting, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(scouting, "MAX_PAUSE_SECONDS", 0.05)


class Channel:
    def __init__(self) -> None:
        self.epoch = 0
        self.drops = 0

    async def drop(self) -> None:
        self.drops += 1


class Server:
    """Says what became of each asking: answered, refused, or swallowed."""

    def __init__(self, manner: str = "answered") -> None:
        self.manner = manner
        self.asked = 0
        self.hanging = 0
        self.told: list[BaseException | None] = []
        self.scout = Scout(self.ask, self.told.append)

    async def ask(self) -> None:
        self.asked += 1
        if self.manner == "refused":
            raise ConnectionRefusedError
        if self.manner == "swallowed":
            self.hanging += 1
            try:
                await asyncio.sleep(60)
            finally:
                self.hanging -= 1


async def given_up(server: Server, seconds: float, *, attempt: int = 0, is_blocking: bool = False) -> bool:
    """Whether a call whose answer takes so long is given up."""
    try:
        await server.scout.watch(Channel(), attempt, lambda: asyncio.sleep(seconds), is_blocking=is_blocking)
    except TimeoutError:
        return True
    return False


def test_call_that_is_answered_asks_for_nothing() -> None:
    server = Server()
    assert asyncio.run(given_up(server, 0.01)) is False
    assert server.asked == 0


def test_call_that_is_not_answered_while_others_are_is_given_up_and_later_ones_get_more_time() -> None:
    server = Server()
    assert asyncio.run(given_up(server, 0.15)) is True
    assert asyncio.run(given_up(server, 0.15, attempt=2)) is False
    assert server.told == []


def test_call_that_waits_for_something_is_given_up_only_with_what_was_lost() -> None:
    async def run() -> list[bool]:
        server = Server()
        alone = await given_up(server, 0.15, is_blocking=True)
        beside = await asyncio.gather(given_up(server, 0.3, is_blocking=True), given_up(server, 0.3))
        return [alone, *beside]

    assert asyncio.run(run()) == [False, True, True]


def test_call_is_doubted_in_its_own_time_whatever_was_sent_before() -> None:
    """One timer serves all: neither a call that was answered nor one that is given longer puts the next one off."""

    async def run() -> list[bool]:
        server = Server()
        patient = asyncio.create_task(given_up(server, 60, attempt=10))
        await asyncio.sleep(0.03)
        await given_up(server, 0.03)
        async with asyncio.timeout(5):
            given = [await given_up(server, 60), await given_up(server, 60)]
        patient.cancel()
        return given

    assert asyncio.run(run()) == [True, True]


def test_task_whose_call_was_given_up_is_not_cancelled_unless_it_is() -> None:
    async def run() -> tuple[bool, int]:
        server = Server()
        was_given_up, task = await given_up(server, 60), asyncio.current_task()
        assert task is not None
        waiting = asyncio.create_task(given_up(server, 60))
        await asyncio.sleep(0.01)
        server.scout._give_up(list(server.scout._tries), True)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return was_given_up, task.cancelling()

    assert asyncio.run(run()) == (True, 0)


@pytest.mark.parametrize("manner", ["refused", "swallowed"])
def test_server_that_is_away_is_asked_for_by_one_and_the_calls_wait(manner: str) -> None:
    async def run() -> Server:
        server = Server(manner)
        server.scout.look()
        while not server.scout.is_away:
            await asyncio.sleep(0.005)
        old = [Channel() for _ in range(100)]
        calls = [
            asyncio.ensure_future(server.scout.watch(channel, 0, lambda: asyncio.sleep(0, True))) for channel in old
        ]
        before = server.asked
        await asyncio.sleep(0.3)
        assert 2 <= server.asked - before <= 15  # each 25 to 50 ms, whoever waits
        assert not any(call.done() for call in calls)
        server.manner = "answered"
        async with asyncio.timeout(0.2):
            assert all(await asyncio.gather(*calls))
        assert [channel.drops for channel in old] == [1] * 100  # what was open meanwhile is not trusted
        await server.scout.watch(old[0], 0, lambda: asyncio.sleep(0))
        assert old[0].drops == 1
        await asyncio.sleep(0.05)
        assert server.hanging == 0
        return server

    server = asyncio.run(run())
    error, over = server.told
    assert isinstance(error, OSError)
    assert over is None
