"""When a failed task runs again: pure arithmetic."""

from __future__ import annotations

MAX_DELAY_SECONDS = 3_600.0
JITTER = 0.1


def retry_delay_seconds(attempt: int, jitter: float) -> float:
    """attempt² seconds, up to 10 % longer, at most an hour: 1, 4, 9 … `jitter`: 0 to 1, by chance.

    The jitter keeps tasks that failed together from coming back together.
    """
    return min(float(attempt * attempt), MAX_DELAY_SECONDS) * (1 + JITTER * jitter)
