"""The demo's processes: each `taskyard` command in a session of its own, none of which outlives the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

KEPT_LINES = 20
_POLL_SECONDS = 0.02


class Lifeline:
    """A pipe of which only this process holds the writing end: children see it close when this process is gone."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    def close(self) -> None:
        os.close(self.reading)
        os.close(self._writing)


class Child:
    """`taskyard ARGUMENTS` as a process, with the last lines that it wrote."""

    def __init__(
        self, name: str, arguments: Sequence[str], lifeline: Lifeline, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "queue_core.demo.child", str(lifeline.reading), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            cwd=folder,
            pass_fds=(lifeline.reading,),
            start_new_session=True,  # Ctrl-C is the demo's affair, which ends its children in order
        )
        self._has_group = True
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        """Leaves it to be reaped where the system can: until then nobody else gets its id, by which `end` kills."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self) -> None:
        if not self.has_ended():
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, deadline: float) -> bool:
        """Whether it ended by then; `deadline` is of `time.monotonic`."""
        while not self.has_ended():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def end(self) -> None:
        """Kill it with all that it has started."""
        if self._has_group:
            self._has_group = False
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: of a group whose members have ended
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def last_lines(self) -> tuple[str, ...]:
        self._reader.join(0.5)
        return tuple(self._lines)

    def how_it_ended(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in self._process.stdout:
                self._lines.append(line.rstrip("\n"))
