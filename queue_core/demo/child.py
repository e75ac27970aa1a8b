"""Runs one `taskyard` command so that it cannot outlive the demo: `python -m queue_core.demo.child FD worker …`.

FD is the reading end of a pipe whose only writing end is the demo's. When it closes, because the demo is gone in
whatever way, this process and all that it has started are killed. The demo gives each child a session of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from importlib import import_module

_PR_SET_PDEATHSIG = 1


def main() -> None:
    lifeline, *arguments = sys.argv[1:]
    threading.Thread(target=_end_with, args=(int(lifeline),), name="lifeline", daemon=True).start()
    if sys.platform == "linux":  # a stopped process would not notice: let it go on when the demo is gone, and end
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
    import_module("queue_core.cli").main(arguments, prog_name="taskyard")  # by name: commands stand above the demo


def _end_with(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
