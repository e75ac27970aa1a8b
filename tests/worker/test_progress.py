"""What handlers say of their progress, on its way to the loop."""

from __future__ import annotations

import asyncio

import pytest

from queue_core import SoftTimeout
from queue_core.protocol import Report
from queue_core.worker import progress
from queue_core.worker.progress import Reports


def test_handler_that_is_interrupted_while_it_reports_silences_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    sent: list[tuple[str, str]] = []

    async def test() -> None:
        loop = asyncio.get_running_loop()
        reports = Reports(loop, lambda queue, report: sent.append((queue, report.id)))

        def interrupt(*_: object) -> None:
            raise SoftTimeout

        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_soon_threadsafe", interrupt)
            with pytest.raises(SoftTimeout):
                reports.note("queue", Report("a", 1, b"{}"))
        await asyncio.sleep(0.01)
        reports.note("queue", Report("b", 1, b"{}"))
        await asyncio.sleep(0.05)

    asyncio.run(test())
    assert sent == [("queue", "a"), ("queue", "b")]
