"""The demo's warehouse: closed while its sign hangs at the door, a file that every worker of the demo can see."""

from __future__ import annotations

from pathlib import Path

OPENS_BY_ITSELF_SECONDS = 20.0
"""After the demo's start, unless somebody has opened or closed it before."""


class Warehouse:
    """`sign`: where the file is. `opens_at`: seconds after the demo's start; `None`: it stays as it is."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign
        self.sign.touch()
        self.opens_at: float | None = OPENS_BY_ITSELF_SECONDS

    @property
    def is_open(self) -> bool:
        return not self.sign.exists()

    def open(self) -> None:
        self.sign.unlink(missing_ok=True)
        self.opens_at = None

    def close(self) -> None:
        self.sign.touch()
        self.opens_at = None

    def is_due(self, at_seconds: float) -> bool:
        """Whether it is time that it opens by itself."""
        return self.opens_at is not None and at_seconds >= self.opens_at
