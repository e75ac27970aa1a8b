"""Each mutant of the scripts is found: see `mutants`."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

from tests.engine import Engine
from tests.proof.machine import relive
from tests.proof.mutants import FOUND, LIVES, MUTANTS, STEPS, Mutant, noted_lives


@pytest.mark.timeout(600)  # without its note, some take thousands of steps
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_mutant_is_found(engine: Engine, mutant: Mutant) -> None:
    with mutant.installed():
        if not mutant.shows_in_lives:
            with pytest.raises(FOUND) as found:
                mutant.find(engine, mutant.verb)
            assert "pytest-timeout" not in str(found.value), "it was not found in time"
            return
        noted = noted_lives().get(str(mutant))
        if not (noted and mutant.life_that_finds_it(engine, [noted])):
            assert mutant.life_that_finds_it(engine, range(1, LIVES + 1)), f"none of {LIVES} lives finds it"
            warnings.warn(f"{mutant}: found, but not in its noted life. `make mutants` renews the notes.", stacklevel=1)


@pytest.mark.timeout(600)
def test_in_the_noted_lives_nothing_is_wrong_without_mutants(engine: Engine) -> None:
    notes = noted_lives()
    lives = {(mutant.find, notes[str(mutant)]) for mutant in MUTANTS if str(mutant) in notes}
    for machine, life in sorted(lives, key=str):
        relive(engine, Counter(), life, STEPS, machine)
