"""What operators give, checked; and what the histories of tasks say of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from queue_core import protocol
from queue_core.audit import Act
from queue_core.errors import InvalidArgument, shown
from queue_core.snapshot import State

HISTORY_BYTES = 240
"""Of an actor's name, or of a reason, in the histories of the tasks: what happened before has to stay there, too."""


def check_keep_seconds(keep_seconds: float) -> int:
    """How long the trash is to keep something, in ms."""
    is_number = isinstance(keep_seconds, int | float) and not isinstance(keep_seconds, bool)
    if not is_number or not 1 <= keep_seconds <= 366 * 86_400:
        raise InvalidArgument(f"keep_seconds {shown(keep_seconds)} is not accepted: 1 second to a year")
    return int(keep_seconds * 1000)


def check_ms(what: str, ms: int | None) -> int:
    if not isinstance(ms, int) or isinstance(ms, bool) or not 0 <= ms < 10**13:
        raise InvalidArgument(f"{what} {shown(ms)} is not accepted: it is in milliseconds since 1970")
    return ms


@dataclass(frozen=True, slots=True)
class Seen:
    """How tasks were when they were chosen. `state`: `None` where nothing was said; `died`: id → when, of letters."""

    state: State | None
    died: Mapping[str, int]

    @classmethod
    def check(cls, ids: Collection[str], state: State | None, died: Mapping[str, int] | None) -> Seen:
        """Raises `InvalidArgument`."""
        if state is not None and not isinstance(state, State):
            raise InvalidArgument(f"state {shown(state)} is not accepted: a State")
        if died and state not in (None, State.DEAD):
            raise InvalidArgument(f"state {state} is not accepted with times of death: it is dead")
        for task_id, died_at in (died or {}).items():
            check_ms("time of death", died_at)
            if task_id not in ids:
                raise InvalidArgument(f"there is a time of death for {shown(task_id, 80)}, which is not among the ids")
        return cls(state, died or {})

    def named(self, ids: Sequence[str]) -> list[str]:
        return [protocol.as_seen(task_id, self.state, self.died.get(task_id)) for task_id in ids]


def facts_of(act: Act) -> dict[str, object]:
    return history_facts(act.by, act.action_id, act.reason)


def history_facts(by: str, operation: str, reason: str) -> dict[str, object]:
    """What the histories of requeued tasks say about it."""
    facts = {"by": _shorten(by), "operation": _shorten(operation), "reason": _shorten(reason)}
    return {name: fact for name, fact in facts.items() if fact}


def edit_facts(changes: str) -> dict[str, object]:
    return {"changes": _shorten(changes)} if changes else {}


def _shorten(text: str) -> str:
    data = text.encode()
    return text if len(data) <= HISTORY_BYTES else data[: HISTORY_BYTES - 3].decode("utf-8", "ignore") + "…"
