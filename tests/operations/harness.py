"""What tests of operations share: how one is begun, and run by one or by many."""

from __future__ import annotations

import threading
from typing import Any

from queue_core import protocol
from queue_core.client import Client
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.protocol import Held
from queue_core.snapshot import Operation, Preview
from tests.engine import Engine

SILENT_MS = 15_000


def another(engine: Engine) -> Operations:
    """Another runner."""
    return Operations(client=engine.client)


def start(operations: Operations, preview: Preview, action_id: str = "a1", **how: Any) -> Operation:
    return operations.start(preview.bound, by="ada", action_id=action_id, reason="fixed", **how)


def run(operations: Operations, operation: Operation) -> Operation:
    return operations.wait(operation.id, operation.bound.queue)


def run_at_once(engine: Engine, operation: Operation, runners: int) -> list[str]:
    """So many runners run it to its end, at once. Returns what each of their chunks said."""
    words: list[str] = []

    def race() -> None:
        client = Client(engine.url, engine.client.namespace, clock=lambda: engine.now)
        runner = Operations(client=client)
        while (word := runner.run_chunk(operation.id, operation.bound.queue).word) in ("more", "busy"):
            words.append(word)
        words.append(word)
        client.close()

    threads = [threading.Thread(target=race) for _ in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return words


def fault_of(engine: Engine, message: str) -> str:
    faults = Inspector(client=engine.client).faults("email")
    return next(fault.fingerprint for fault in faults if fault.message == message)


def settle(engine: Engine, count: int, fails: int = 0) -> list[str]:
    """So many of the ready tasks are run; of those the first fail."""
    claimed = engine.claim(count)
    held = [Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
    for one in held[:fails]:
        engine.fail(one, protocol.DEAD)
    engine.run(protocol.complete(engine.queue, held[fails:]))
    return [one.id for one in held]
