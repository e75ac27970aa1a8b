"""`taskyard fsck`: what it prints. What it finds and repairs is tested in `tests/test_fsck.py`."""

from __future__ import annotations

import json

from redis import Redis

from queue_core import Taskyard
from tests.cli.harness import Run


def test_fsck_names_what_is_wrong_and_repairs_it_when_asked(run: Run, redis_url: str, redis_client: Redis) -> None:
    yard = Taskyard(redis_url)

    @yard.task(queue="email")
    def greet() -> None: ...

    handle = greet.enqueue()
    keys = yard.client.queue("email")
    yard.close()
    environ = {"TASKYARD_REDIS_URL": redis_url}
    assert run("fsck", **environ) == (0, "email: all is well\n", "")
    redis_client.delete(keys.ready)
    code, output, _ = run("fsck", "email", **environ)
    assert code == 1
    assert f"  task {handle.id} is a task and stands nowhere\n" in output
    assert output.endswith("Nothing was changed. Repair with: taskyard fsck --repair\n")
    assert not redis_client.exists(keys.ready)
    code, output, _ = run("fsck", "--repair", "--json", **environ)
    answer = json.loads(output)
    assert answer["queues"] == ["email"]
    assert answer["breaches"][0]["queue"] == "email"
    assert answer["breaches"][0]["task_id"] == handle.id
    assert answer["breaches"][0]["repaired"] == "stood nowhere: ready again"
    assert redis_client.llen(keys.ready) == 1
    assert run("fsck", **environ) == (0, "email: all is well\n", "")
    code, output, _ = run("fsck", "--json", **environ)
    assert (code, json.loads(output)) == (0, {"queues": ["email"], "breaches": []})
    assert run("fsck", "absent", **environ) == (1, "", "taskyard fsck: there is no queue 'absent'; there are: email\n")


def test_fsck_says_where_there_is_nothing_to_check(run: Run, redis_url: str) -> None:
    assert run("fsck", TASKYARD_REDIS_URL=redis_url) == (0, "There are no queues yet: nothing to check.\n", "")


def test_fsck_names_a_queue_that_cannot_be_read_and_looks_at_the_others(
    run: Run, redis_url: str, redis_client: Redis
) -> None:
    yard = Taskyard(redis_url)
    for queue in ("broken", "email"):
        yard.send("greet", queue=queue)
    key = yard.client.queue("broken").dead
    yard.close()
    redis_client.set(key, "not a sorted set")
    code, output, said = run("queues", TASKYARD_REDIS_URL=redis_url)
    assert "email" in output
    assert "queue broken cannot be read" in said
    code, output, said = run("fsck", TASKYARD_REDIS_URL=redis_url)
    assert (code, said) == (1, "")
    assert "broken: 1 thing is wrong\n" in output
    assert "email: all is well\n" in output
    code, output, _ = run("fsck", "--json", TASKYARD_REDIS_URL=redis_url)
    assert code == 1
    assert [breach["queue"] for breach in json.loads(output)["breaches"]] == ["broken"]


def test_queues_that_are_all_damaged_are_not_taken_for_none(run: Run, redis_url: str, redis_client: Redis) -> None:
    yard = Taskyard(redis_url)
    yard.send("greet", queue="broken")
    redis_client.set(yard.client.queue("broken").dead, "not a sorted set")
    yard.close()
    code, output, said = run("queues", TASKYARD_REDIS_URL=redis_url)
    assert (code, output) == (0, "No queue can be read.\n")
    assert "queue broken cannot be read" in said
