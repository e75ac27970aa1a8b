"""What operators give, checked; and what the histories of tasks say of it."""

from __future__ import annotations

from queue_core.audit import Act
from queue_core.errors import InvalidArgument, shown

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
