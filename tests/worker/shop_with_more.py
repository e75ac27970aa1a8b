"""A later version of the application: it knows one more task."""

from __future__ import annotations

from tests.worker.shop import leave, yard

__all__ = ["yard"]


@yard.task(queue="fast")
def newcomer(what: str) -> None:
    leave(what)
