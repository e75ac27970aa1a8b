"""What an action on several did, for all nouns."""

from __future__ import annotations

from dashboard.api.values import Count, Time, Value, at
from queue_core.snapshot import Outcome


class OutcomeOut(Value, frozen=True):
    """`done`: on what it acted; `skipped`: what it left alone, and why; `asked`: running tasks that were asked to stop;
    `action_id`: as the audit stream has it."""

    verb: str
    action_id: str
    done: list[str]
    done_count: Count
    skipped: dict[str, str]
    asked: list[str]
    at: Time | None
    restorable_until: Time | None

    @classmethod
    def of(cls, outcome: Outcome, action_id: str) -> OutcomeOut:
        return cls(
            verb=outcome.verb,
            action_id=action_id,
            done=list(outcome.done),
            done_count=len(outcome.done),
            skipped=dict(outcome.skipped),
            asked=list(outcome.asked),
            at=at(outcome.server_ms or None),
            restorable_until=at(outcome.restorable_until),
        )
