"""`taskyard tasks`, `dead` and `peek`: pages of tasks."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import Run
from tests.console import Tasks


def test_first_line_counts_and_rows_follow_in_the_order_of_claims(here: Run, tasks: Tasks) -> None:
    first, second = tasks.enqueue(count=2)
    code, output, _ = here("tasks", "billing")
    lines = output.splitlines()
    assert code == 0
    assert lines[0] == "2 ready tasks in billing"
    assert lines[2].split() == ["Id", "Task", "Waits", "Attempts", "Payload"]
    assert [line.split()[0] for line in lines[3:]] == [first, second]
    assert lines[3].endswith('{"order":0}')


@pytest.mark.parametrize(
    ("state", "head"),
    [("scheduled", "Due"), ("retrying", "Due"), ("running", "Runs for"), ("dead", "Died"), ("trashed", "Deleted")],
)
def test_each_state_has_its_own_time(state: str, head: str, here: Run, tasks: Tasks) -> None:
    task_id = tasks.retry_later() if state == "retrying" else ""
    if state in ("dead", "trashed"):
        (task_id,) = tasks.die()
    elif not task_id:
        (task_id,) = tasks.enqueue(delay=3_600) if state == "scheduled" else tasks.enqueue()
    if state == "trashed":
        tasks.control.trash("billing", [task_id], by="ada", action_id="a")
    lease = tasks.yard.queue("billing").claim(limit=1)
    with lease:
        output = here("tasks", "billing", "--state", state)[1]
    assert head in output.splitlines()[2]
    assert task_id in output


def test_a_page_without_rows_says_where_the_tasks_are(here: Run, tasks: Tasks) -> None:
    tasks.enqueue(delay=3_600, count=3)
    assert here("tasks", "billing")[1] == "0 ready tasks in billing (3 scheduled)\n"
    assert here("peek", "billing")[1] == "0 ready tasks in billing (3 scheduled)\n"


def test_pages_follow_each_other(here: Run, tasks: Tasks) -> None:
    ids = tasks.enqueue(count=5)
    seen, after = [], None
    while True:
        page = json.loads(here("tasks", "billing", "--limit", "2", "--json", *(["--after", after] if after else []))[1])
        seen += [task["id"] for task in page["tasks"]]
        after = page["next"]
        if not after:
            break
    assert seen == ids
    cursor = json.loads(here("tasks", "billing", "-n", "2", "--json")[1])["next"]
    assert here("tasks", "billing", "-n", "2")[1].endswith(f"\nNext page: --after {cursor}\n")


def test_json_has_a_stable_shape(here: Run, tasks: Tasks) -> None:
    tasks.die()
    page = json.loads(here("tasks", "billing", "--state", "dead", "--json")[1])
    assert page.keys() == {"queue", "state", "total", "next", "tasks"}
    assert page["tasks"][0].keys() >= {
        "queue", "id", "name", "state", "payload", "priority", "at", "attempts", "crashes", "error", "fingerprint",
        "worker", "lane", "trashed_from",
    }  # fmt: skip
    assert isinstance(page["tasks"][0]["at"], int)


def test_the_queue_may_be_left_out_where_there_is_only_one(here: Run, tasks: Tasks) -> None:
    assert here("tasks") == (1, "", "taskyard tasks: there are no queues yet: one begins with its first task\n")
    tasks.enqueue()
    assert here("tasks")[1].startswith("1 ready task in billing\n")
    tasks.enqueue("email")
    assert here("tasks") == (2, "", "taskyard tasks: Say which queue: billing, email.\n")


def test_what_cannot_be_listed_is_refused_with_what_there_is(here: Run, tasks: Tasks) -> None:
    tasks.enqueue()
    assert here("tasks", "email") == (1, "", "taskyard tasks: there is no queue 'email'; there are: billing\n")
    code, _, said = here("tasks", "billing", "--state", "odd")
    assert code == 2
    assert "is not one of 'scheduled', 'blocked', 'ready', 'held', 'running', 'retrying', 'dead', 'trashed'." in said
    assert here("tasks", "billing", "--limit", "0")[0] == 2
    assert here("tasks", "billing", "--after", "x")[0] == 2
    assert here("tasks", "a/b")[0] == 2
    assert here("peek", "email")[0] == 1


def test_peek_shows_the_next_ones(here: Run, tasks: Tasks) -> None:
    tasks.enqueue(count=2)
    (urgent,) = tasks.enqueue(priority=1)
    assert [task["id"] for task in json.loads(here("peek", "billing", "-n", "1", "--json")[1])["tasks"]] == [urgent]
    assert here("peek", "billing")[1].startswith("3 ready tasks in billing\n")


def test_dead_letters_of_all_queues_of_one_and_of_a_fault(here: Run, tasks: Tasks) -> None:
    (old,) = tasks.die()
    (other,) = tasks.die(error="something else")
    (far,) = tasks.die("email")
    output = here("dead")[1]
    assert output.startswith("3 dead letters in all queues\n")
    assert [line.split()[0] for line in output.splitlines()[3:]] == [far, other, old]
    assert "Queue" in output.splitlines()[2]
    assert here("dead", "billing")[1].startswith("2 dead letters in billing\n")
    fault = next(f for f in tasks.inspector.faults("billing") if "refused" in f.message).fingerprint
    assert [t["id"] for t in json.loads(here("dead", "billing", "--fault", fault, "--json")[1])["tasks"]] == [old]
    assert here("dead", "billing", "--fault", "absent")[0] == 1
    assert here("dead", "--fault", fault)[0] == 2


def test_hostile_text_is_harmless_in_lists(here: Run, tasks: Tasks) -> None:
    tasks.die(error="\x1b]0;title\x07\u202eevil\nline")
    output = here("dead")[1]
    assert "␛]0;title␇\\u202eevil" in output or "]0;title" in output
    assert not set(output) & {"\x1b", "\x07", "\u202e", "\r"}
    assert len(output.splitlines()) == 4
