"""`taskyard move` and `taskyard delete-queue`."""

from __future__ import annotations

import json

from queue_core import keys, protocol
from queue_core.client import Client
from queue_core.snapshot import State
from tests.cli.harness import Run
from tests.console import Tasks


def test_move_says_what_was_moved_and_what_was_left_alone(here: Run, tasks: Tasks) -> None:
    dead = tasks.die(count=2)
    (far,) = tasks.enqueue("email")
    code, output, said = here("move", *dead, far, "mine", "--to", "email", "--yes", "--by", "ada", "--reason", "test")
    assert (code, output) == (1, "2 tasks moved to email.\n")
    assert said.splitlines() == [
        "1 left alone: no such task, or it ended and left no record (mine)",
        f"1 left alone: in email already ({far})",
    ]
    assert [tasks.state(task_id, "email") for task_id in dead] == [State.DEAD, State.DEAD]
    facts = tasks.inspector.task("email", dead[0]).history[-1].facts
    assert (facts["from"], facts["by"], facts["reason"]) == ("billing", "ada", "test")
    assert here("move", dead[0], "--to", "billing", "--yes", "--json")[0] == 0


def test_what_a_dead_mover_left_is_moved_on(here: Run, tasks: Tasks, redis_url: str, namespace: str) -> None:
    (task_id,) = tasks.enqueue()
    client = Client(redis_url, namespace)
    client.run(protocol.export(client.queue("billing"), [task_id], "email", "t1", "ada", "moving to email"))
    client.close()
    assert tasks.inspector.task("billing", task_id).trashed_reason == "moving to email"
    assert here("move", task_id, "--to", "email", "--yes")[:2] == (0, "1 task moved to email.\n")
    assert tasks.state(task_id, "email") is State.READY


def test_bad_input_of_a_move_changes_nothing(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue()
    assert here("move", task_id)[0] == 2
    assert here("move", task_id, "--to", "{email}", "--yes")[0] == 2
    code, _, said = here("move", task_id, "--to", "email")
    assert (code, said.count("\n")) == (2, 1)
    assert "add --yes" in said
    assert tasks.state(task_id) is State.READY


def test_empty_queue_is_deleted(here: Run, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue("email")
    with tasks.yard.queue("email").claim() as (lease,):
        lease.complete()
    assert task_id
    assert here("delete-queue", "email", "--yes") == (0, "email is deleted.\n", "")
    code, _, said = here("delete-queue", "email", "--yes")
    assert code == 1
    assert "there is no queue 'email'" in said


def test_queue_with_tasks_is_deleted_by_force_only(here: Run, tasks: Tasks) -> None:
    tasks.die(count=2)
    code, _, said = here("delete-queue", "billing", "--yes")
    assert code == 1
    assert "queue billing is not empty: 2 dead" in said
    code, _, said = here("delete-queue", "billing", "--force")
    assert code == 2
    assert "Delete the queue billing and for good 2 tasks (2 dead)? Nobody can be asked here: add --yes." in said
    output = here("delete-queue", "billing", "--force", "--yes", "--json")[1]
    assert json.loads(output) == {"verb": "delete_queue", "done": ["billing"], "served_by": []}


def test_workers_that_will_make_it_again_are_named(here: Run, tasks: Tasks, redis_url: str, namespace: str) -> None:
    tasks.enqueue("email")
    client = Client(redis_url, namespace)
    client.redis.zadd(keys.workers(namespace), {"w1": tasks.inspector.server_ms()})
    client.redis.set(keys.worker(namespace, "w1"), json.dumps({"host": "h", "queues": {"email": 1}}))
    code, output, said = here("delete-queue", "email", "--force", "--yes")
    assert (code, output) == (0, "email is deleted. 1 worker will make it again.\n")
    assert said == "  listens to it and will make it again: w1\n"
    client.close()
