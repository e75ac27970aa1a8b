"""What tests of operators' actions share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from queue_core.client import Client
from queue_core.control import Control
from queue_core.snapshot import Outcome
from tests.engine import Engine

Act = Callable[[Control, Engine, str], Outcome]


def at_once(engine: Engine, *acts: Callable[[Control], Outcome]) -> list[Outcome | Exception]:
    """Each from a thread and a connection of its own, released together."""
    gate = threading.Barrier(len(acts))
    outcomes: list[Outcome | Exception] = [AssertionError("no outcome")] * len(acts)

    def run(index: int, act: Callable[[Control], Outcome]) -> None:
        client = Client(engine.url, engine.client.namespace, clock=lambda: engine.now)
        client.redis.ping()
        gate.wait(10)
        try:
            outcomes[index] = act(Control(client=client))
        except Exception as error:
            outcomes[index] = error
        client.close()

    threads = [threading.Thread(target=run, args=(i, act)) for i, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def pressed_before(engine: Engine) -> Engine:
    """The queue as a page showed it before anything was pressed."""
    seen, page = engine.state(), Engine.__new__(Engine)
    page.now = engine.now
    page.state = lambda: seen  # type: ignore[method-assign]
    return page
