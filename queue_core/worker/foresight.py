"""What a hard timeout will come to, told by a process before it runs anything: one whose handler keeps the interpreter
until it is killed tells nothing any more, and its supervisor settles its tasks alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from queue_core import retry
from queue_core.retry import Policy, Rule
from queue_core.settings import MAX_RETRIES
from queue_core.task import Definition
from queue_core.worker.outcome import hard_timeout

MAX_DELAYS = 100
"""That are told; the last one repeats."""


@dataclass(frozen=True)
class Foresight:
    """Of one task name. `max_retries`: as declared. `delays`: seconds after the first failed attempt, the second …, the
    last repeats; none: a dead letter; `None`: the default holds. `function`: the rule is one, of this name, and not
    asked: it may be what hangs."""

    max_retries: int = MAX_RETRIES
    delays: tuple[float, ...] | None = None
    jitter: float = retry.JITTER
    function: str = ""

    @property
    def policy(self) -> Policy:
        if (delays := self.delays) is None:
            return retry.DEFAULT
        if not delays:
            return Policy({BaseException: retry.never})
        rule = Rule("foreseen", lambda attempt, error: delays[min(attempt, len(delays)) - 1], self.jitter)
        return Policy({BaseException: rule})


NONE = Foresight()
"""Of a task without a rule of its own."""


def foresee(definitions: Iterable[Definition]) -> dict[str, Foresight]:
    """By name; of those alone that may have a hard timeout, and for which not simply the defaults hold."""
    seen = {definition.name: _of(definition) for definition in definitions if definition.hard_ms}
    return {name: foresight for name, foresight in seen.items() if foresight != NONE}


def _of(definition: Definition) -> Foresight:
    error = hard_timeout(definition)
    rule = definition.policy.rule_for(error)
    if rule is retry.DEFAULT_RULE:
        return Foresight(definition.max_retries)
    if not rule.is_plain:
        return Foresight(definition.max_retries, function=rule.name)
    if rule is retry.never:
        return Foresight(definition.max_retries, delays=())
    delays = [cast(float, rule.delay(attempt, error)) for attempt in range(1, MAX_DELAYS + 1)]
    while len(delays) > 1 and delays[-1] == delays[-2]:
        delays.pop()
    return Foresight(definition.max_retries, tuple(delays), rule.jitter)
