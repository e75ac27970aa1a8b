"""Tasks that do nothing, for the workers that are measured."""

from __future__ import annotations

import asyncio

from queue_core import Taskyard

yard = Taskyard()


@yard.task(queue="noop")
async def noop_async(number: int) -> None:
    pass


@yard.task(queue="noop")
def noop_threaded(number: int) -> None:
    pass


@yard.task(queue="work")
async def rest(number: int) -> None:
    await asyncio.sleep(0.01)


@yard.task(queue="email")
def send_email(to: str, subject: str, body: str) -> None:
    pass
