"""One operation over and over, on the same seeded queue and without chance: what it says, and what comes of it."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from queue_core import connection, keys, listening, results
from queue_core.client import Client
from tests.engine import Engine
from tests.invariants import State, problems_of
from tests.proof.operations import Operation, enqueue_many, repair


class Meeting:
    """`url`: where the client that does it connects to."""

    def __init__(self, engine: Engine, url: str, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
        self._engine, self._url, self._operation = engine, url, operation
        self._images = Engine(engine.url, engine.client.namespace, "images")
        self._numbers = itertools.count()
        self._leave_nothing_to_chance(monkeypatch)
        engine.start_over()
        self._do = operation(engine)
        self._put_back = engine.keep()

    def _leave_nothing_to_chance(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor is anything waited for: a hint that is lost is not made up for by looking again after a while."""
        monkeypatch.setattr(secrets, "token_urlsafe", lambda length: f"token-{next(self._numbers)}")
        monkeypatch.setattr(secrets, "randbelow", lambda below: 7)
        monkeypatch.setattr(random, "random", lambda: 0.5)
        monkeypatch.setattr(connection, "backoff_seconds", lambda attempt, chance: 0.0)
        monkeypatch.setattr(listening, "AFTER_ERROR_SECONDS", 0.01)
        for module in (listening, results):
            monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)

    def meet(self, begin: Callable[[], object] = lambda: None) -> tuple[Any, State]:
        """What it says, and what comes of it. `begin`: what happens to the server when all is seeded."""
        self._put_back()
        self._numbers = itertools.count(1_000)
        client = Client(self._url, self._engine.client.namespace, clock=lambda: self._engine.now)
        begin()
        try:
            return self._do(client), self.state()
        finally:
            client.close()

    def state(self) -> State:
        """Of both queues that there may be, the directory, and what the audit has heard."""
        engine, namespace = self._engine, self._engine.client.namespace
        state = engine.state()
        hints = ("nobody wakes", "tokens") if self._operation is repair else ()
        assert [problem for problem in problems_of(state) if not any(hint in problem for hint in hints)] == []
        if self._operation is enqueue_many:  # its ids are new each time
            state = {"tasks": len(state.get("tasks", ())), "stats": state.get("stats")}
        audit = [facts for _, facts in engine.redis.xrange(keys.audit(namespace))]
        queues = engine.redis.smembers(keys.queues(namespace))
        schedules = engine.redis.hgetall(keys.schedules(namespace))
        others = {"audit": audit, "queues": queues, "schedules": schedules}
        return {"email": state, "images": self._images.check_books(), **others}
