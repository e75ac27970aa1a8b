"""`taskyard enqueue`."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import Run
from tests.console import Tasks


def payload(tasks: Tasks, queue: str, task_id: str) -> object:
    return json.loads(tasks.inspector.task(queue, task_id).payload_json)


def test_prints_the_id_of_a_task_whose_arguments_fit_its_handler(here: Run, tasks: Tasks) -> None:
    code, output, said = here("enqueue", "shop:yard", "send", "to=88121", "copies=2")
    assert (code, said) == (0, "")
    task_id = output.strip()
    assert payload(tasks, "email", task_id) == {"to": "88121", "copies": 2}  # `to` is declared as text
    code, output, said = here("enqueue", "shop:yard", "send", "copies=2")
    assert (code, output) == (2, "")
    assert "missing a required argument: 'to'" in said


def test_without_the_yard_it_goes_by_name(here: Run, tasks: Tasks) -> None:
    arguments = ["name=ada", "width=640", "ratio=1.5", "exact=true", "none=null", 'list=[1,"a"]', "zip=01234", "eq=a=b"]
    output = here("enqueue", "images:resize", "--queue", "images", *arguments)[1]
    assert payload(tasks, "images", output.strip()) == {
        "name": "ada", "width": 640, "ratio": 1.5, "exact": True, "none": None, "list": [1, "a"], "zip": "01234",
        "eq": "a=b",
    }  # fmt: skip
    assert tasks.inspector.task("images", output.strip()).name == "images:resize"


def test_arguments_as_json_and_options(here: Run, tasks: Tasks) -> None:
    command = ["enqueue", "report", "--id", "r-1", "--priority", "5", "--delay", "60", "--json-args", '{"days": [1]}']
    found = json.loads(here(*command, "--json")[1])
    assert found == {"id": "r-1", "queue": "default", "name": "report", "is_new": True, "met": None}
    task = tasks.inspector.task("default", "r-1")
    assert (task.state, task.priority) == ("scheduled", 5)
    code, output, said = here(*command)
    assert (code, output) == (0, "r-1\n")
    assert said == "No second task was made: r-1 is in default already, scheduled.\n"


def test_a_key_that_another_task_has_makes_no_second_one(here: Run, tasks: Tasks) -> None:
    first = here("enqueue", "report", "--unique-key", "daily", "--expires", "3600")[1].strip()
    assert tasks.inspector.task("default", first).options["expires"] == 3600
    said = f"No second task was made: {first} has this unique key, ready.\n"
    assert here("enqueue", "report", "--unique-key", "daily", "--unique-for", "60") == (0, f"{first}\n", said)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a=b"], "'a=b' is an argument: say the task's name first."),
        (["report", "day"], "'day' is no argument: say key=value."),
        (["report", "=1"], "'=1' is no argument"),
        (["report", "a=1", "a=2"], "'a' is given twice."),
        (["report", "a=1", "--json-args", "{}"], "Say the arguments once"),
        (["report", "--json-args", "[1]"], "--json-args '[1]' is no JSON object"),
        (["report", "--json-args", "{"], "--json-args '{' is no JSON object"),
        (["report/x"], "task name 'report/x' is not allowed"),
        (["report", "--queue", "{a}"], "queue name '{a}' is not allowed"),
        (["report", "--id", "a/b"], "task id 'a/b' is not accepted"),
        (["report", "--priority", "99999"], "priority 99999 is not accepted"),
        (["report", "--delay", "nan"], "delay of nan s is not accepted"),
        (["report", "--unique-for", "60"], "unique_for was given without a unique_key"),
        (["report", "--expires", "0"], "expires"),
        (["shop:yard", "absent"], "shop:yard declares no task 'absent'; there are: send."),
        (["absent:yard", "send"], "module 'absent' cannot be imported"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], complaint: str, here: Run, tasks: Tasks) -> None:
    code, output, said = here("enqueue", *arguments)
    assert (code, output) == (2, "")
    assert said.startswith(f"taskyard enqueue: {complaint}")
    assert tasks.inspector.queue_names() == ()
