"""What a worker says on its standard error."""

from __future__ import annotations

import logging
import sys
import time


def set_up_logging(level: str) -> None:
    """One line an event: time in UTC, level, what happened."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
