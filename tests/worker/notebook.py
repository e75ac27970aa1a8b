"""An application whose tasks need no server: each writes a line into the file that NOTEBOOK names."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from queue_core import Taskyard

QUEUE = "notes"

yard = Taskyard(namespace="test")


def write(line: str) -> None:
    file = os.open(os.environ["NOTEBOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def read() -> list[str]:
    path = Path(os.environ["NOTEBOOK"])
    return path.read_text().splitlines() if path.exists() else []


@yard.task(queue=QUEUE)
async def note(what: str) -> None:
    write(what)


@yard.task(queue=QUEUE)
async def work(what: str, seconds: float) -> None:
    write(f"{what} began")
    await asyncio.sleep(seconds)
    write(f"{what} ended")
