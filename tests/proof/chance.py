"""What is left to chance in a step of a random life: which rule it is, and with what."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

T = TypeVar("T")


class Chance(random.Random):
    """What is left to chance in one step, drawn by Hypothesis as one number: of its own draws too many are 0."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._repr = f"Chance({seed})"

    def __repr__(self) -> str:
        return self._repr

    def is_so(self, probability: float) -> bool:
        return self.random() < probability

    def some(self, among: Sequence[T], others: Sequence[T]) -> list[T]:
        """One to four, at times one twice, or one of the others."""
        return [self.choice(among if among and self.is_so(0.8) else others) for _ in range(self.randint(1, 4))]


numbers = st.integers(0, (1 << 32) - 1)
chances = numbers.map(Chance)


@st.composite
def steps_of(draw: st.DrawFn, machine: Any) -> tuple[Any, dict[str, Chance]]:
    """A rule that can be applied now and its chance: all of them in all runs, where Hypothesis would leave some out."""
    chosen, chance = step_of(machine, draw(numbers))
    return chosen, {"chance": chance}


def step_of(machine: Any, number: int) -> tuple[Any, Chance]:
    machine.steps += 1
    chance = Chance(number * 64 + machine.steps)  # a number that comes often means something else each time
    return rule_of(machine, chance, machine.weights), chance


def rule_of(machine: RuleBasedStateMachine, chance: Chance, weights: Mapping[str, float]) -> Any:
    """One that can be applied now."""
    rules = [rule for rule in machine.rules if all(is_met(machine) for is_met in rule.preconditions)]
    return chance.choices(rules, [weights.get(rule.function.__name__, 1) for rule in rules])[0]
