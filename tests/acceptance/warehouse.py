"""An application whose only task fails until the file named in WAREHOUSE exists."""

from __future__ import annotations

import os
from pathlib import Path

from queue_core import Taskyard

yard = Taskyard()


@yard.task(queue="orders", max_retries=0)
def sync(order: int) -> None:
    if not Path(os.environ["WAREHOUSE"]).exists():
        raise ConnectionError("the warehouse is closed")
