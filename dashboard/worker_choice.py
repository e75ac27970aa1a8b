"""Which workers a preview has shown, signed: its form carries it, so that a press tells those and no others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from dashboard.selections import FRESH_MS
from queue_core.snapshot import WorkerSnapshot


@dataclass(frozen=True, slots=True)
class WorkerChoice:
    """`workers`: id → when it was started: a later one of the same id is not meant. `by`: who previewed it."""

    verb: str
    workers: dict[str, int]
    taken_at: int
    by: str

    @classmethod
    def of(cls, verb: str, workers: Iterable[WorkerSnapshot], now_ms: int, by: str) -> WorkerChoice:
        return cls(verb, {worker.id: worker.started_at for worker in workers}, now_ms, by)

    def sign(self) -> str:
        return _serializer().dumps([self.verb, self.workers, self.taken_at, self.by])

    @classmethod
    def read(cls, text: str) -> WorkerChoice | None:
        """`None` of what this console did not sign."""
        try:
            return cls(*_serializer().loads(text))
        except (BadData, TypeError):
            return None

    def is_fresh(self, now_ms: int) -> bool:
        return now_ms - self.taken_at <= FRESH_MS


def _serializer() -> URLSafeSerializer:
    key = current_app.secret_key
    assert key
    return URLSafeSerializer(key, salt="taskyard workers")
