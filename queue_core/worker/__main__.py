"""A worker's process, started by its supervisor and ended with it.

`python -m queue_core.worker JSON`: its orders, and in them the numbers of three open files: the lease table, the pipe
on which it introduces itself, and the one on which the supervisor speaks. When that closes the supervisor is gone, and
this process ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from queue_core.errors import ConfigurationError
from queue_core.worker import record
from queue_core.worker.foresight import foresee
from queue_core.worker.leases import LeaseTable
from queue_core.worker.loading import load_yard
from queue_core.worker.orders import DRAIN, STOP, Introduction, Orders
from queue_core.worker.output import set_up_logging
from queue_core.worker.parentage import end_with_parent
from queue_core.worker.process import Process
from queue_core.worker.watching import folders
from queue_core.yard import Taskyard

log = logging.getLogger("taskyard.worker")

USER_ERROR = 2
"""Exit code: the application cannot be loaded."""


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    end_with_parent(orders.parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to both; the supervisor decides
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    set_up_logging(orders.log_level)
    table = LeaseTable(orders.table_fd, orders.table_size, len(orders.queues))
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    run(_main(orders, table))


async def _main(orders: Orders, table: LeaseTable) -> None:
    loop = asyncio.get_running_loop()
    yard = _load(orders)
    process = Process(yard, orders, table, loop)
    loop.add_signal_handler(signal.SIGTERM, process.obey, STOP)

    def listen() -> None:
        while order := os.read(orders.orders_fd, 1):
            if order == DRAIN:
                process.write_will()
            loop.call_soon_threadsafe(process.obey, order)
        os._exit(1)

    threading.Thread(target=listen, name="taskyard-orders", daemon=True).start()
    queues = tuple({definition.queue: 1 for definition in yard.tasks.values()})
    names = tuple(sorted(yard.tasks)[: record.MAX_NAMES])
    where = folders() if orders.tells_folders else ()
    schedules, foresights = tuple(yard.timetable.values()), foresee(yard.tasks.values())
    _introduce(orders, Introduction(yard.version, names, queues, schedules, folders=where, foresights=foresights))
    try:
        await process.run()
    except Exception:
        log.exception("the worker's process cannot go on")
        _exit(1)
    _exit(0)


def _load(orders: Orders) -> Taskyard:
    """The application; where there is none the supervisor hears why, and this process ends."""
    try:
        return load_yard(orders.app)
    except ConfigurationError as error:
        _introduce(orders, Introduction(complaint=str(error), folders=folders(error) if orders.tells_folders else ()))
        _exit(USER_ERROR)


def _introduce(orders: Orders, introduction: Introduction) -> None:
    with contextlib.suppress(OSError), os.fdopen(orders.introduction_fd, "wb") as pipe:
        pipe.write(introduction.written())


def _exit(code: int) -> NoReturn:
    """At once: threads that hang in a handler do not keep the process. What they hold is left to the supervisor."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
