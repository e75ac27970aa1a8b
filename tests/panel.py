"""What answers the demo's panel, without a demo."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from queue_core.demo.panel import Panel, Request, Said

STATE: dict[str, Any] = {
    "workers": [{"name": "fast", "slots": 8}, {"name": "slow", "slots": 2}],
    "may_add": True,
    "burst": 200,
    "is_warehouse_open": False,
    "opens_in": 12.2,
    "lease_seconds": 10.0,
}


class Demo:
    """Answers the panel as the demo does, and notes what it was asked to do."""

    def __init__(self, path: Path) -> None:
        self.asked: list[Request] = []
        self.state = dict(STATE)
        self.panel = Panel(path, self._act, lambda: self.state)

    def _act(self, request: Request) -> Said:
        self.asked.append(request)
        return Said("good", f"{request.act} {request.worker}".strip() + " was done.")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        ends = threading.Event()

        def work() -> None:
            while not ends.wait(0.002):
                self.panel.answer()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()
            self.panel.close()
