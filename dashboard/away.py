"""While the server is known to be away, one request at a time asks it whether it is back, for the shared snapshot.

Nobody else does: a server that hangs would hold up every thread of the console, and an action that waits for it could
be done when nobody expects it any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from queue_core.errors import ServerUnavailable

if TYPE_CHECKING:
    from dashboard.live import Live

T = TypeVar("T")


class KnownAway(ServerUnavailable):
    """The Redis server does not answer, so it was not asked."""


class _UnlessAway:
    def __init__(self, whole: Any, live: Live) -> None:
        self._whole, self._live = whole, live

    def __getattr__(self, name: str) -> Any:
        if self._live.is_away:
            raise KnownAway
        return getattr(self._whole, name)


def unless_away(whole: T, live: Live) -> T:
    """For whoever asks the server: it looks as what it stands for, and raises `KnownAway` instead of asking."""
    return cast(T, _UnlessAway(whole, live))
