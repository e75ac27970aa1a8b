"""What a preview has shown, signed: its form carries it, so that a press acts on that and on nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from queue_core.errors import InvalidArgument
from queue_core.snapshot import Bound, State

FRESH_MS = 15 * 60_000
"""How long a preview can be acted on; then it is shown again."""
MOST_SIGNED = 1_000_000
"""Characters: a form, and a program's body, has room for them (`security.MOST_BYTES`)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`bounds`: of each queue what was shown of it, all at the same moment. `by`: who previewed it."""

    bounds: tuple[Bound, ...]
    by: str

    @property
    def bound(self) -> Bound:
        """Of the one queue, or the first of several."""
        return self.bounds[0]

    @property
    def count(self) -> int:
        return sum(bound.count for bound in self.bounds)

    def sign(self) -> str:
        """Raises `InvalidArgument` where it would be too long to be sent: what is named takes about 10 characters a
        fault."""
        text = _serializer().dumps([[{**asdict(one), "state": one.state.value} for one in self.bounds], self.by])
        if len(text) > MOST_SIGNED:
            what = f"{sum(len(bound.faults) for bound in self.bounds):,} faults in {len(self.bounds):,} queues"
            raise InvalidArgument(f"{what} are too many for one preview: choose fewer, by queue, task or class")
        return text

    @classmethod
    def read(cls, text: str) -> Selection | None:
        """`None` of what this console did not sign."""
        try:
            found, by = _serializer().loads(text)
            bounds = tuple(map(_bound, found))
        except (BadData, TypeError, ValueError, KeyError):
            return None
        return cls(bounds, by) if bounds else None

    def is_of(self, verb: str, queue: str = "") -> bool:
        """`queue`: "" for several."""
        return self.bound.verb == verb and (not queue or [bound.queue for bound in self.bounds] == [queue])

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
