"""The children of isolated tasks, without Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from queue_core import Context
from queue_core.codec import decode_result
from queue_core.worker import isolation
from queue_core.worker.executor import Executor
from queue_core.worker.isolation import ChildNotReady, Isolation
from tests.worker import isolated_shop as shop
from tests.worker.runs import TestRun

APP = "tests.worker.isolated_shop:yard"


class Bench:
    def __init__(self, app: str = APP) -> None:
        self.executor: Executor[TestRun] = Executor(asyncio.get_running_loop(), 2)
        self.executor.isolation = Isolation(app, "w:1", "INFO", self.executor.end)
        self.ended: asyncio.Queue[TestRun] = asyncio.Queue()
        self._fence = 0

    def start(self, task: Any, *arguments: Any) -> TestRun:
        self._fence += 1
        context = Context("id", task.name, "slow", 1, self._fence)
        envelope = task.message(*arguments).new_task.envelope
        run = TestRun(task.definition, when_ended=self.ended.put_nowait, context=context, stored=envelope)
        self.executor.submit(run)
        return run

    async def end(self) -> TestRun:
        async with asyncio.timeout(30):
            return await self.ended.get()

    async def pid(self) -> int:
        """Of the child that runs a task now."""
        self.start(shop.who_runs_async)
        run = await self.end()
        assert run.error is None
        assert run.isolated is not None
        assert run.isolated.kept is not None
        return int(decode_result(run.isolated.kept.json))


def on_bench(test: Callable[[Bench], Awaitable[None]], app: str = APP) -> None:
    async def main() -> None:
        await test(Bench(app))

    asyncio.run(main())


def test_child_is_used_again_until_it_has_run_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MAX_RUNS", 2)

    async def test(bench: Bench) -> None:
        first, second, third = [await bench.pid() for _ in range(3)]
        assert first == second != third

    on_bench(test)


def test_child_that_dies_while_it_waits_is_replaced() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.pid()
        os.kill(first, signal.SIGKILL)
        child = bench.executor.isolation._idle[0]  # type: ignore[union-attr]
        await child.wait()
        assert await bench.pid() != first

    on_bench(test)


def test_runs_at_once_have_a_child_each() -> None:
    async def test(bench: Bench) -> None:
        for _ in range(2):
            bench.start(shop.who_runs_async)
        runs = [await bench.end() for _ in range(2)]
        assert len({run.isolated.kept.json for run in runs if run.isolated and run.isolated.kept}) == 2

    on_bench(test)


def test_application_that_cannot_be_loaded_any_more_fails_the_attempt_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text("import no_such_module_of_ours\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    async def test(bench: Bench) -> None:
        bench.start(shop.who_runs_async)
        run = await bench.end()
        assert isinstance(run.error, ChildNotReady)
        assert "no_such_module_of_ours" in str(run.error)
        assert run.isolated is None

    on_bench(test, "broken_shop:yard")


def test_cancelled_handler_that_goes_on_is_killed_with_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "STOP_SECONDS", 0.2)

    async def test(bench: Bench) -> None:
        run = bench.start(shop.refuse_to_stop)
        while not run.began:
            await asyncio.sleep(0.01)
        bench.executor.cancel(run)
        await bench.end()
        assert run.isolated is not None
        assert run.isolated.crash is not None
        assert run.isolated.crash["evidence"] == "killed by SIGKILL"

    on_bench(test)
