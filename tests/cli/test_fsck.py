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
    breaches = [json.loads(line) for line in output.splitlines()]
    assert breaches[0]["task_id"] == handle.id
    assert breaches[0]["repaired"] == "stood nowhere: ready again"
    assert redis_client.llen(keys.ready) == 1
    assert run("fsck", **environ) == (0, "email: all is well\n", "")
    assert run("fsck", "absent", **environ) == (1, "", "taskyard fsck: there is no queue 'absent'; there are: email\n")
