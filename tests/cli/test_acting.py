"""Commands that change something: they ask, say what they did, what they left alone and why, and the way back."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from queue_core.inspector import Inspector
from queue_core.snapshot import State
from tests.cli.harness import Run
from tests.console import Tasks

ROOT = Path(__file__).parents[2]


def retried_by(tasks: Tasks, task_id: str) -> tuple[object, object]:
    facts = tasks.inspector.task("billing", task_id).history[-1].facts
    return facts.get("by"), facts.get("reason")


def test_retry_of_named_ones_says_which_were_left_alone(here: Run, tasks: Tasks) -> None:
    dead = tasks.die(count=2)
    (ready,) = tasks.enqueue()
    waiting = tasks.enqueue(delay=60)[0]
    code, output, said = here("retry", *dead, ready, waiting, "mine", "--yes", "--by", "ada", "--reason", "it is back")
    assert code == 1
    assert output == "2 dead letters retried.\n"
    assert said.splitlines() == [
        "1 left alone: no such task, or it ended and left no record (mine)",
        f"1 left alone: ready, not dead ({ready})",
        f"1 left alone: scheduled, not dead: taskyard run-now lets it run ({waiting})",
    ]
    assert [tasks.state(task_id) for task_id in dead] == [State.READY, State.READY]
    assert retried_by(tasks, dead[0]) == ("ada", "it is back")
    assert here("retry", *dead, "--yes")[0] == 1


def test_who_acts_is_the_user_at_this_host(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    assert here("retry", task_id, "--yes")[0] == 0
    assert "@" in str(retried_by(tasks, task_id)[0])


def test_retry_of_a_fault_leaves_others_dead(here: Run, tasks: Tasks) -> None:
    dead = tasks.die(count=3)
    (other,) = tasks.die(error="something else")
    fault = tasks.inspector.task("billing", dead[0]).fingerprint
    code, output, said = here("retry", "--fault", fault, "--queue", "billing", "--yes")
    assert (code, output) == (0, "3 dead letters retried.\n")
    assert "  3 × ConnectionError: payments.internal refused the connection" in said
    assert tasks.state(other) is State.DEAD
    assert here("retry", "--fault", fault, "--queue", "billing", "--yes")[:2] == (0, "0 dead letters retried.\n")
    assert here("retry", "--fault", "absent", "--queue", "billing", "--yes")[0] == 1


def test_retry_of_all_of_a_queue(here: Run, tasks: Tasks) -> None:
    tasks.die(count=2)
    tasks.die(error="something else")
    far = tasks.die("email")
    operation = json.loads(here("retry", "--all", "--queue", "billing", "--yes", "--json")[1])
    assert (operation["done"], operation["progress"], operation["bound"]["verb"]) == (3, "ended", "requeue")
    assert here("retry", "--all", "--queue", "billing", "--yes", "--json")[:2] == (0, "null\n")
    assert tasks.state(far[0], "email") is State.DEAD


def test_purge_says_how_to_undo_and_restore_does(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    code, output, _ = here("purge", task_id, "--yes", "--reason", "duplicate")
    assert (code, output) == (0, f"1 task purged. Undo: taskyard restore {task_id}\n")
    assert tasks.inspector.task("billing", task_id).trashed_reason == "duplicate"
    assert here("purge", task_id, "--yes")[::2] == (1, f"1 left alone: trashed ({task_id})\n")
    assert here("restore", task_id, "--yes")[:2] == (0, "1 task restored.\n")
    assert tasks.state(task_id) is State.DEAD
    assert here("restore", task_id, "--yes")[::2] == (1, f"1 left alone: dead, not in the trash ({task_id})\n")


@pytest.mark.parametrize("by", [("--state", "dead"), ("--fault", "")])
def test_purge_and_restore_of_many(by: tuple[str, str], here: Run, tasks: Tasks) -> None:
    dead = tasks.die(count=450)
    (ready,) = tasks.enqueue()
    fault = tasks.inspector.task("billing", dead[0]).fingerprint
    code, output, _ = here("purge", by[0], by[1] or fault, "--queue", "billing", "--yes")
    assert (code, output) == (0, "450 dead letters purged. Undo: taskyard restore --all --queue billing\n")
    assert tasks.state(ready) is State.READY
    assert here("restore", "--all", "--queue", "billing", "--yes")[:2] == (0, "450 tasks restored.\n")
    assert tasks.inspector.queue("billing").counts.dead == 450


def test_many_can_be_left_to_the_workers(here: Run, tasks: Tasks) -> None:
    tasks.die(count=3)
    pace = ("--per-minute", "60", "--first", "1")
    code, output, said = here("retry", "--all", *pace, "--queue", "billing", "--no-wait", "--yes")
    (operation,) = Inspector(client=tasks.yard.client).operations()
    assert (code, output) == (0, f"Operation {operation.id} has begun: 3 dead letters.\n")
    assert (operation.drip, operation.canary, operation.progress) == (1.0, 1, "running")
    assert "  died " in said
    assert tasks.inspector.queue("billing").counts.dead == 3


def test_run_now(here: Run, tasks: Tasks) -> None:
    (scheduled,) = tasks.enqueue(delay=3_600)
    retrying = tasks.retry_later("email")
    assert here("run-now", scheduled, retrying, "--yes")[:2] == (0, "2 tasks ready to run now.\n")
    assert tasks.state(scheduled) is State.READY
    assert here("run-now", scheduled, "--yes")[0] == 1
    tasks.enqueue(delay=3_600, count=2)
    everything = ("run-now", "--state", "scheduled", "--queue", "billing", "--yes")
    assert here(*everything)[:2] == (0, "2 tasks ready to run now.\n")
    assert here(*everything)[:2] == (0, "0 tasks ready to run now.\n")


def test_cancel_ends_what_waits_and_asks_what_runs(here: Run, tasks: Tasks) -> None:
    (dead,) = tasks.die()
    (running,) = tasks.enqueue()
    with tasks.yard.queue("billing").claim(limit=1):
        (ready,) = tasks.enqueue()
        code, output, said = here("cancel", running, ready, dead, "--yes", "--by", "ada")
        assert (code, output) == (1, "1 task cancelled, 1 asked to stop.\n")
        assert said == f"1 left alone: dead: taskyard purge puts it out of the way ({dead})\n"
        assert here("cancel", running, "--yes")[:2] == (0, "0 tasks cancelled, 1 asked to stop.\n")
    assert tasks.state(ready) is State.CANCELLED
    assert here("cancel", ready, "--yes")[::2] == (1, f"1 left alone: cancelled ({ready})\n")


def test_cancel_of_all_in_a_state(here: Run, tasks: Tasks) -> None:
    scheduled = tasks.enqueue(delay=3_600, count=3)
    (ready,) = tasks.enqueue()
    everything = ("cancel", "--state", "scheduled", "--queue", "billing", "--reason", "off", "--yes")
    code, _, said = here(*everything[:-1])
    assert (code, "Cancel 3 scheduled tasks of billing? Nobody can be asked here: add --yes." in said) == (2, True)
    operation = json.loads(here(*everything, "--json")[1])
    assert (operation["done"], operation["progress"], operation["bound"]["verb"]) == (3, "ended", "cancel")
    assert {tasks.state(task_id) for task_id in scheduled} == {State.CANCELLED}
    assert tasks.state(ready) is State.READY
    assert here(*everything)[:2] == (0, "0 scheduled tasks cancelled.\n")


def test_move_of_all_in_a_state_or_of_a_fault(here: Run, tasks: Tasks) -> None:
    scheduled = tasks.enqueue(delay=3_600, count=3)
    dead = tasks.die(count=2)
    (other,) = tasks.die(error="something else")
    everything = ("move", "--state", "scheduled", "--queue", "billing", "--to", "email")
    assert "Move 3 scheduled tasks of billing to email? Nobody can be asked here" in here(*everything)[2]
    assert here(*everything, "--yes")[:2] == (0, "3 scheduled tasks moved to email.\n")
    assert {tasks.state(task_id, "email") for task_id in scheduled} == {State.SCHEDULED}
    (operation,) = Inspector(client=tasks.yard.client).operations()
    assert f"{operation.id} move of scheduled tasks to email in billing" in here("operations", "show", operation.id)[1]
    fault = tasks.inspector.task("billing", dead[0]).fingerprint or ""
    of_fault = (
        "move",
        "--fault",
        fault,
        "--queue",
        "billing",
        "--to",
        "email",
        "--per-minute",
        "600",
        "--yes",
        "--json",
    )
    found = json.loads(here(*of_fault)[1])
    assert (found["done"], found["drip"], found["bound"]["to_queue"]) == (2, 10.0, "email")
    assert tasks.state(other) is State.DEAD


def test_ids_are_read_from_standard_input(here: Run, tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = tasks.die(count=2)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(dead)))
    assert here("retry", "-", "--yes")[1] == "2 dead letters retried.\n"


def test_pause_and_resume(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    assert here("pause", "billing", "--yes", "--by", "bo", "--reason", "maintenance")[:2] == (0, "billing is paused.\n")
    pause = tasks.inspector.queue("billing").pause
    assert pause
    assert (pause.by, pause.reason) == ("bo", "maintenance")
    again = "Nothing was changed: billing was paused by bo just now.\n"
    assert here("pause", "billing", "--yes") == (1, "", again)
    assert here("resume", "billing", "--yes")[:2] == (0, "billing is resumed.\n")
    assert here("resume", "billing", "--yes")[::2] == (1, "Nothing was changed: billing is not paused.\n")
    assert here("pause", "absent", "--yes")[0] == 1


def test_pause_and_resume_of_one_task_name(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    assert here("pause", "billing", "--task", "charge", "--yes")[:2] == (0, "charge is paused.\n")
    (lane,) = tasks.inspector.queue("billing").lanes
    assert lane.lane == "name:charge"
    assert here("pause", "billing", "--task", "charge", "--yes")[0] == 1
    found = json.loads(here("resume", "billing", "--task", "charge", "--yes", "--json")[1])
    assert found == {"verb": "open_lane", "done": ["name:charge"], "skipped": {}}
    assert here("pause", "billing", "--task", "a/b", "--yes")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        "retry", "retry --all", "retry --fault f", "retry mine --all --queue billing",
        "retry --all --fault f --queue billing", "purge", "purge --state dead", "purge --state odd --queue billing",
        "purge --state running --queue billing", "restore", "restore --all", "run-now", "cancel", "pause", "resume",
        "move --to email", "move --state dead --to email", "move --state dead --queue billing",
        "move --state dead --queue billing --to billing", "cancel --state ready",
        "cancel --state dead --queue billing", "cancel mine --state ready --queue billing",
    ],
)  # fmt: skip
def test_unclear_commands_are_refused(arguments: str, here: Run, tasks: Tasks) -> None:
    tasks.die()
    code, output, said = here(*arguments.split(), "--yes")
    assert (code, output) == (2, "")
    assert said.startswith(f"taskyard {arguments.split()[0]}: ")
    assert said.count("\n") == 1


def test_without_a_terminal_nobody_is_asked_and_nothing_done(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    for arguments in (["retry", task_id], ["purge", "--state", "dead", "--queue", "billing"], ["pause", "billing"]):
        code, output, said = here(*arguments)
        assert (code, output) == (2, "")
        assert said.endswith("Nobody can be asked here: add --yes.\n")
    assert tasks.state(task_id) is State.DEAD
    assert tasks.inspector.queue("billing").pause is None


@pytest.mark.parametrize(("answer", "code", "state"), [("y\n", 0, State.READY), ("n\n", 1, State.DEAD)])
def test_on_a_terminal_it_asks(
    answer: str, code: int, state: State, tasks: Tasks, redis_url: str, namespace: str
) -> None:
    (task_id,) = tasks.die()
    terminal, child = pty.openpty()
    os.write(terminal, answer.encode())
    command = [sys.executable, "-m", "queue_core.cli", "retry", task_id]
    environ = {"TASKYARD_REDIS_URL": redis_url, "TASKYARD_NAMESPACE": namespace, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, stdin=child, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    os.close(child)
    os.close(terminal)
    assert "Retry 1 dead letter (1 in billing)? [y/N]: " in ended.stderr
    assert ended.returncode == code
    assert tasks.state(task_id) is state
    assert ended.stderr.endswith("taskyard retry: nothing was done.\n") or code == 0
