"""When a failed task runs again: the rules that a task may be declared with. Pure."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from queue_core.errors import InvalidArgument, check_delay, shown

MAX_DELAY_SECONDS = 3_600.0
"""The longest wait of the rules that grow, unless they say another one."""
JITTER = 0.1
MAX_DELAYS = 1_000
"""Of a list."""
_FORMS = (
    "exponential(…), fixed(seconds), never, a list of seconds, a function of attempt and error, "
    "or a dict of exception classes with one of these each"
)

Delay = float | timedelta | None
"""Seconds, or `None`: a dead letter."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a task waits after a failed attempt: made by `exponential`, `fixed` and the like."""

    name: str
    delay: Callable[[int, BaseException], Delay] = field(repr=False)
    """Of the number of the attempt that failed, 1 for the first, and of what it raised."""
    jitter: float = JITTER
    """Up to this share of the delay is added by chance, so that what failed together does not come back together."""
    is_plain: bool = False
    """It calls nothing of the application's, so what it says can be known beforehand."""


class Next(NamedTuple):
    """`seconds` until the task runs again; `None`: never. `complaint`: why its own rule was not followed."""

    seconds: float | None
    complaint: str = ""


RetryRule = Rule | Sequence[float | timedelta] | Callable[[int, Any], Delay]
RetryRules = RetryRule | Mapping[type[BaseException] | tuple[type[BaseException], ...], RetryRule]
"""As a task is declared with them."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A task's rules, checked: by exception class, of which the nearest to what was raised holds."""

    rules: Mapping[type[BaseException], Rule]

    def rule_for(self, error: BaseException) -> Rule:
        return next((self.rules[kind] for kind in type(error).__mro__ if kind in self.rules), DEFAULT_RULE)

    def next(self, attempt: int, error: BaseException, chance: float) -> Next:
        """What follows a failed attempt; where the rule is a function that fails itself, that of the default.

        `chance`: 0 to 1, what the jitter goes by.
        """
        rule, complaint = self.rule_for(error), ""
        try:
            delay = rule.delay(attempt, error)
            if delay is None:
                return Next(None)
            return Next(check_delay("", delay) * (1 + rule.jitter * chance))
        except InvalidArgument:
            complaint = f"the retry rule {rule.name} returned {_told(delay)}: the default delay holds"
        except BaseException as broken:  # a user's function: its task must be settled all the same
            complaint = f"the retry rule {rule.name} raised {type(broken).__name__}: the default delay holds"
        return Next(_squared(attempt, error) * (1 + JITTER * chance), complaint)


def exponential(
    first: float | timedelta = 1.0,
    factor: float = 2.0,
    most: float | timedelta = MAX_DELAY_SECONDS,
    *,
    jitter: float = JITTER,
) -> Rule:
    """`first` seconds after the first failed attempt, then `factor` times as long as before, at most `most` seconds."""
    first_seconds = check_delay("first", first)
    most_seconds = check_delay("most", most)
    if not _is_number(factor) or not 1 <= factor <= 1_000:
        raise InvalidArgument(f"factor {shown(factor)} is not accepted: a number from 1 to 1,000")

    def delay(attempt: int, error: BaseException) -> float:
        try:
            return min(first_seconds * factor ** (attempt - 1), most_seconds)
        except OverflowError:
            return most_seconds

    return Rule("exponential", delay, _check_jitter(jitter), is_plain=True)


def fixed(seconds: float | timedelta, *, jitter: float = JITTER) -> Rule:
    """So many seconds, after each failed attempt."""
    checked = check_delay("fixed", seconds)
    return Rule("fixed", lambda attempt, error: checked, _check_jitter(jitter), is_plain=True)


def _squared(attempt: int, error: BaseException) -> float:
    return min(float(attempt * attempt), MAX_DELAY_SECONDS)


DEFAULT_RULE = Rule("default", _squared, is_plain=True)
"""attempt² seconds, at most an hour: 1, 4, 9 …"""
DEFAULT = Policy({})
never = Rule("never", lambda attempt, error: None, is_plain=True)
"""The task does not run again: it is a dead letter."""


def make_policy(given: RetryRules | None) -> Policy:
    """The rules of a declaration, checked. Raises `InvalidArgument`."""
    if given is None:
        return DEFAULT
    if not isinstance(given, Mapping):
        return Policy({BaseException: _make_rule(given)})
    rules: dict[type[BaseException], Rule] = {}
    for kinds, rule in given.items():
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise InvalidArgument(
                    f"retry for {shown(kind, 80)} is not accepted: exception classes, or tuples of them"
                )
            if kind in rules:
                raise InvalidArgument(f"retry has two rules for {kind.__name__}: give it one")
            rules[kind] = _make_rule(rule)
    return Policy(rules)


def _make_rule(given: object) -> Rule:
    if isinstance(given, Rule):
        return given
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        if not 1 <= len(given) <= MAX_DELAYS:
            raise InvalidArgument(f"retry {shown(given)} is not accepted: a list of 1 to {MAX_DELAYS:,} delays")
        delays = [check_delay("retry", delay) for delay in given]
        return Rule("list", lambda attempt, error: delays[min(attempt, len(delays)) - 1], is_plain=True)
    if callable(given) and not isinstance(given, type) and not inspect.iscoroutinefunction(given):
        return Rule(getattr(given, "__name__", type(given).__name__), given, jitter=0.0)
    raise InvalidArgument(f"retry {shown(given, 80)} is not accepted: {_FORMS}")


def _check_jitter(jitter: object) -> float:
    if _is_number(jitter) and 0 <= jitter <= 1:  # type: ignore[operator]
        return float(jitter)  # type: ignore[arg-type]
    raise InvalidArgument(f"jitter {shown(jitter)} is not accepted: a share of the delay, from 0 to 1")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _told(value: object) -> str:
    """A user's value: to show it runs code of its own."""
    try:
        return shown(value)
    except BaseException:
        return f"a {type(value).__name__}"
