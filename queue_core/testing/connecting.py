"""An application's yard, as it is declared in its module, on a test's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from queue_core import settings
from queue_core.yard import Taskyard


@contextmanager
def connected(
    yard: Taskyard, url: str, *, namespace: str | None = None, clock: Callable[[], int] | None = None
) -> Iterator[Taskyard]:
    """Within it, the yard's tasks are queued on that server. A namespace of its own keeps a test apart from others."""
    own = vars(yard)
    before = dict(own)
    own.update(
        url=settings.redis_url(url),
        namespace=settings.namespace(namespace),
        clock=clock,
        _client=None,
        _async_clients=WeakKeyDictionary(),
    )
    try:
        yield yard
    finally:
        yard.close()
        own.update({name: before[name] for name in ("url", "namespace", "clock", "_client", "_async_clients")})
