"""What several callers do at once is done once, and each of them is told what its own part in it was."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from queue_core.client import Client
from queue_core.errors import OperationEnded, UnknownQueue
from queue_core.protocol import NOTED, Acted, Call, Claimed, Occurred, Session, Switched
from tests.engine import Engine, changed
from tests.invariants import State
from tests.scripts.scenarios import SCENARIOS

pytestmark = pytest.mark.each_server

CALLERS = 4
DONE_BY_ALL = {"extend", "progress", "confirm", "export", "measure", "mute_fault", "note_fault"}
"""Where each caller is told the same: leases last longer, reports and mutes are replaced, notes are added, tickets are
given out again."""


@pytest.mark.parametrize("verb", SCENARIOS)
def test_command_that_comes_over_several_connections_at_once_has_one_effect_and_one_answer(
    engine: Engine, verb: str
) -> None:
    answer = engine.send(engine.command(SCENARIOS[verb](engine), Session("ours")))
    state = engine.state()
    engine.start_over()
    command = engine.command(SCENARIOS[verb](engine), Session("ours"))

    def resend(client: Client) -> Any:
        redis: Any = client.redis
        return redis.execute_command(*command)

    assert engine.together([resend] * CALLERS) == [answer] * CALLERS
    assert engine.state() == state


@pytest.mark.parametrize("verb", SCENARIOS)
def test_call_of_several_callers_at_once_has_one_effect_and_is_one_callers_work(engine: Engine, verb: str) -> None:
    alone, state = answer_of(SCENARIOS[verb](engine), engine.client), engine.state()
    engine.start_over()
    answers = engine.together([partial(answer_of, SCENARIOS[verb](engine))] * CALLERS)
    assert engine.check_books() == {"measure": each_counted, "note_fault": each_noted}.get(verb, dict)(state)
    if verb in DONE_BY_ALL:
        assert [repr(answer) for answer in answers] == [repr(alone)] * CALLERS
        return
    if verb == "import":  # a ticket counts once; which were refused by this queue, all hear
        assert [refused_in(answer) for answer in answers] == [refused_in(alone)] * CALLERS
        return
    answers.remove(alone)  # one of them did all of it; the others hear the same, which is that they did nothing
    assert answers.count(answers[0]) == CALLERS - 1
    assert is_told_why_not(answers[0], alone)


def answer_of(call: Call[Any], client: Client) -> Any:
    """As a caller with a session of its own."""
    try:
        return client.run(call, Session())
    except (OperationEnded, UnknownQueue) as error:
        return type(error)


def is_told_why_not(answer: Any, winner: Any) -> bool:
    """Whether this answer says that nothing was done of what the winner's says was done."""
    if isinstance(answer, type):
        return True
    if isinstance(answer, Switched):
        return not answer.has_changed
    if isinstance(answer, Claimed):
        return not answer.tasks
    if isinstance(answer, Occurred):
        return answer.what == NOTED
    if isinstance(answer, Acted) and isinstance(winner, Acted) and winner.chunk:  # what is left is looked for there
        return answer.chunk is not None and not answer.chunk.done
    return refused_in(answer) > refused_in(winner)


def refused_in(answer: Any) -> set[str]:
    return set(getattr(answer, "skipped", getattr(answer, "lost", answer)))


def each_noted(state: State) -> State:
    """What was said of the scenario's fault, once by each caller."""
    notes = {field: "\n".join([said] * CALLERS) for field, said in state["faults"].items() if field.endswith(":notes")}
    return changed(state, faults={**state["faults"], **notes})


def each_counted(state: State) -> State:
    """The books after each caller counted the one run and the one wait of the scenario."""
    return changed(state, stats={**state["stats"], "wait": f"0 {CALLERS}", "run": str(CALLERS)})
