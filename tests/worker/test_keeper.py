"""A keeper by itself: processes that cannot be started, or die as soon as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queue_core.aio import AsyncClient
from queue_core.worker import keeper as module
from queue_core.worker.aftermath import Aftermath
from queue_core.worker.child import Child
from queue_core.worker.complaints import Complaints
from queue_core.worker.keeper import Keeper
from queue_core.worker.settings import WorkerSettings

GOOD = "from queue_core import Taskyard\nyard = Taskyard()\n"


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{tmp_path}")
    monkeypatch.setenv("TASKYARD_REDIS_URL", redis_url)
    return tmp_path / "kept_shop.py"


def keeper_of(url: str, start: Callable[..., Child] | None = None) -> Keeper:
    client = AsyncClient(url)
    settings = WorkerSettings("kept_shop:yard")
    return Keeper(
        start or (lambda on_news: Child(settings, {"email": 1}, "w:1", "ERROR", on_news)),
        Aftermath(client, ["email"], "w:1", 30_000, Complaints()),
        grace_seconds=5,
    )


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_told", [True, False], ids=["told when one ends", "has to look"])
def test_code_that_does_not_load_is_tried_later_and_later_and_the_first_that_does_works(
    application: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_told: bool
) -> None:
    if not is_told:
        monkeypatch.delattr("os.pidfd_open", raising=False)
    monkeypatch.setattr(module, "MAX_RESTART_SECONDS", 0.02)
    application.write_text("def f(:\n")

    async def main() -> None:
        keeper, other = keeper_of(redis_url), keeper_of(redis_url)
        running = asyncio.create_task(keeper.run())
        await until(lambda: "it had lived for" in caplog.text)
        assert "kept_shop' cannot be imported: SyntaxError" in caplog.text
        assert "SyntaxError" in await other.replace("a test")
        assert other.children == []
        application.write_text(GOOD)
        assert await other.replace("a test") == ""
        await until(lambda: keeper.child and keeper.child.introduction and not keeper.child.introduction.complaint)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        children = [*keeper.children, *other.children]
        await asyncio.gather(keeper.finish(), other.finish())
        assert len(children) == 2
        assert [await child.wait() for child in children] == [0, 0]

    asyncio.run(main())


def test_pause_between_processes_that_die_at_once_grows_and_is_never_the_same(redis_url: str) -> None:
    async def main() -> list[list[float]]:
        keeper = keeper_of(redis_url)
        pauses = []
        for deaths in (1, 2, 3, 8, 20):
            keeper._deaths = deaths
            pauses.append([keeper._pause_seconds() for _ in range(50)])
        return pauses

    pauses = asyncio.run(main())
    assert [max(some) <= most for some, most in zip(pauses, (0.5, 1, 2, 30, 30), strict=True)] == [True] * 5
    assert [min(some) >= most / 2 for some, most in zip(pauses, (0.5, 1, 2, 30, 30), strict=True)] == [True] * 5
    assert all(len(set(some)) > 40 for some in pauses)


def test_where_the_system_has_no_room_for_a_process_it_is_tried_again(
    application: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RESTART_SECONDS", 0.02)
    application.write_text(GOOD)
    failures = [BlockingIOError("no more processes")] * 3

    def start(on_news: Callable[[], None]) -> Child:
        if failures:
            raise failures.pop()
        return Child(WorkerSettings("kept_shop:yard"), {"email": 1}, "w:1", "ERROR", on_news)

    async def main() -> None:
        keeper = keeper_of(redis_url, start)
        assert "no more processes" in await keeper.replace("a test")
        running = asyncio.create_task(keeper.run())
        await until(lambda: keeper.child and keeper.child.introduction)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await keeper.finish()
        assert keeper.children == []

    asyncio.run(main())
