"""Options that several commands have, and the connection that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from queue_core.client import Client
from queue_core.errors import UnknownQueue, UnknownTask
from queue_core.formats import shorten
from queue_core.inspector import Inspector

F = TypeVar("F", bound=Callable[..., Any])

url_option = click.option(
    "--redis-url", "url", help="The server.  [default: $TASKYARD_REDIS_URL, else redis://localhost:6379/0]"
)
namespace_option = click.option(
    "--namespace", "name", help="The prefix of all keys.  [default: $TASKYARD_NAMESPACE, else qc]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs. Times are Unix ms.")
limit_option = click.option(
    "--limit", "-n", type=click.IntRange(1, 200), default=20, show_default=True, help="Rows of the page."
)
after_option = click.option("--after", metavar="CURSOR", help="The next page: as the last one printed it.")


def server_options(command: F) -> F:
    """--redis-url, --namespace and --json."""
    return url_option(namespace_option(json_option(command)))


@contextmanager
def connect(url: str | None, namespace: str | None) -> Iterator[Client]:
    """A client for one command. An unknown queue is told together with the queues that there are."""
    client = Client(url, namespace)
    try:
        yield client
    except UnknownQueue as error:
        asked = getattr(error, "queue", "")
        if not asked:
            raise
        names = shorten(", ".join(Inspector(client=client).queue_names()), 200)
        there = f"there are: {names}" if names else "there are none yet: one begins with its first task"
        raise UnknownQueue(f"there is no queue {asked!r:.150}; {there}", queue=asked) from None
    finally:
        client.close()


def find_queue(inspector: Inspector, task_id: str, queue: str | None) -> str:
    """The queue in which a task is: the one that was named, else the one that knows it. Raises `UnknownTask`."""
    if queue:
        return queue
    found = inspector.find(task_id)
    if not found:
        raise UnknownTask(f"there is no task {task_id} in any queue, or it ended and left no record", task_id=task_id)
    return found[0]
