"""What a preview has shown, signed: its form carries it, so that a press acts on that and on nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from queue_core.snapshot import Bound, State

FRESH_MS = 15 * 60_000
"""How long a preview can be acted on; then it is shown again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`by`: who previewed it."""

    bound: Bound
    by: str

    def sign(self) -> str:
        return _serializer().dumps([{**asdict(self.bound), "state": self.bound.state.value}, self.by])

    @classmethod
    def read(cls, text: str) -> Selection | None:
        """`None` of what this console did not sign."""
        try:
            found, by = _serializer().loads(text)
            return cls(_bound(found), by)
        except (BadData, TypeError, ValueError, KeyError):
            return None

    def is_of(self, queue: str, verb: str) -> bool:
        return (self.bound.queue, self.bound.verb) == (queue, verb)

    def age_ms(self, now_ms: int) -> int:
        return max(0, now_ms - self.bound.taken_at)

    def is_fresh(self, now_ms: int) -> bool:
        return self.age_ms(now_ms) <= FRESH_MS


def _bound(found: dict[str, Any]) -> Bound:
    return Bound(**{**found, "state": State(found["state"]), "faults": tuple(found["faults"])})


def _serializer() -> URLSafeSerializer:
    """The key is the one of the sessions: all processes of a console have it."""
    key = current_app.secret_key
    assert key
    return URLSafeSerializer(key, salt="taskyard selection")
