"""`taskyard faults`."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import Run
from tests.console import Tasks


def test_those_with_the_most_dead_letters_come_first(here: Run, tasks: Tasks) -> None:
    tasks.die(error="one thing")
    tasks.die("email", count=3, error="another thing")
    code, output, _ = here("faults")
    lines = output.splitlines()
    assert code == 0
    assert lines[0] == "2 faults, 4 dead letters in all queues"
    assert [line.split()[1:4] for line in lines[3:5]] == [["email", "charge", "3"], ["billing", "charge", "1"]]
    fingerprint = tasks.fingerprint("email")
    assert lines[-1] == f"Retry one: taskyard retry --fault {fingerprint} --queue email"
    assert here("faults", "billing")[1].startswith("1 fault, 1 dead letter in billing\n")


def test_past_ones_are_left_out_and_counted(here: Run, tasks: Tasks) -> None:
    ids = tasks.die()
    tasks.control.requeue("billing", [(i, tasks.died_at(i)) for i in ids], by="ada", action_id="a")
    expected = "0 faults, 0 dead letters in billing; 1 more of which nothing is left: --all\n"
    assert here("faults", "billing")[1] == expected
    assert here("faults", "--all")[1].startswith("1 fault, 0 dead letters in all queues\n")


def test_json_has_a_stable_shape(here: Run, tasks: Tasks) -> None:
    tasks.die()
    found = json.loads(here("faults", "--json")[1])
    assert found.keys() == {"queue", "faults"}
    assert found["faults"][0].keys() >= {
        "queue", "fingerprint", "task_name", "error_class", "message", "frame", "first_seen_at", "last_seen_at",
        "attempts", "dead", "retrying", "versions", "is_overflow",
    }  # fmt: skip
    assert here("faults", "absent")[0] == 1


@pytest.mark.parametrize("command", ["faults", "dead", "stats"])
@pytest.mark.parametrize("damage", ["wrong type", "unknown format"])
def test_queue_that_cannot_be_read_is_named_and_the_others_are_shown(
    here: Run, tasks: Tasks, command: str, damage: str
) -> None:
    tasks.die("billing", name="charge")
    tasks.die("email", name="charge")
    keys, redis = tasks.yard.client.queue("billing"), tasks.yard.client.redis
    if damage == "wrong type":
        for key in (keys.dead, keys.faults, keys.stats):
            redis.delete(key)
            redis.set(key, "text")
    else:
        redis.hset(keys.control, "format", "9")
    code, output, said = here(command)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"taskyard {command}: queue billing cannot be read: ")
    assert "email" in output
    assert "billing" not in output
    code, output, again = here(command, "--json")
    assert (code, again) == (1, said)
    assert "email" in output
    assert "billing" not in output
    code, output, said = here(command, "billing")
    assert (code, output) == (1, "")
    assert said.startswith(f"taskyard {command}: the queue")
