"""The demo's tasks: what a small shop does behind its pages. Sleeping stands for the work.

`taskyard worker queue_core.demo.tasks:yard` runs them against any server.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

from queue_core import DeadLetter, Taskyard

WAREHOUSE_SIGN = "TASKYARD_DEMO_WAREHOUSE_SIGN"
"""Environment variable of the workers: the path of a file. While it is there the warehouse refuses every connection."""

SMTP_FAILS = 0.05
IMAGE_IS_CORRUPT = 0.03

yard = Taskyard()


@yard.task(queue="email")
async def email(to: str = "", subject: str = "") -> None:
    """Send an e-mail. One in twenty attempts meets a mail server that is down; a missing address stays missing."""
    if not to:
        raise DeadLetter("an e-mail needs a recipient: `to` is missing")
    await asyncio.sleep(random.uniform(0.1, 0.5))
    if random.random() < SMTP_FAILS:
        raise ConnectionError("SMTP server temporarily unavailable")


@yard.task(queue="images")
def image_processing(path: str, width: int = 1200) -> None:
    """Scale a picture, on a thread. Three in a hundred attempts fail."""
    time.sleep(random.uniform(0.5, 2.5))
    if random.random() < IMAGE_IS_CORRUPT:
        raise ValueError("corrupt image data")


@yard.task(queue="orders", max_retries=2)
async def warehouse_sync(order: int, items: int = 1) -> None:
    """Tell the warehouse of an order. While the warehouse is down, every attempt fails."""
    await _connect_to_warehouse()
    await asyncio.sleep(random.uniform(0.05, 0.2))


@yard.task(queue="orders", max_retries=2)
def monthly_report(month: str) -> float:
    """Add up a month. It has a bug, so a retry fails again: this is what a real one looks like in the console."""
    figures = _figures_of(month)
    return figures["total"]


yard.schedule("newsletter", email, every=20, arguments={"to": "readers@example.com", "subject": "What is new"})
yard.schedule("month-end", monthly_report, cron="0 6 1 * *", time_zone="Europe/Vienna", arguments={"month": "2024-11"})


async def _connect_to_warehouse() -> None:
    await asyncio.sleep(0.05)
    sign = os.environ.get(WAREHOUSE_SIGN)
    if sign and Path(sign).exists():
        raise ConnectionError("warehouse refused the connection")


def _figures_of(month: str) -> dict[str, float]:
    time.sleep(random.uniform(0.3, 0.8))
    return {"net": 48_212.10, "tax": 9_160.30}
