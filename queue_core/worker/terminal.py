"""The terminal that a worker was started in."""

from __future__ import annotations

import os
import signal


class Terminal:
    """A signal that says that it has closed (SIGHUP) is also how a restart is asked for: so it is looked for."""

    def __init__(self) -> None:
        is_heard = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # nohup: it is to go on
        self._was_there = is_heard and _is_there()

    def has_closed(self) -> bool:
        return self._was_there and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
