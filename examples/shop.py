"""A small shop: tasks as functions, priorities, delays, many at once.

python examples/shop.py                                        enqueue
cd examples && taskyard worker shop:yard                       run
taskyard console                                               see
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from queue_core import DeadLetter, Taskyard

yard = Taskyard()  # redis://localhost:6379/0, or what TASKYARD_REDIS_URL says


@yard.task(queue="email", max_retries=3)
async def send_email(to: str, subject: str) -> None:
    """`async def` handlers run on the worker's event loop. One that raises runs again after 1, 4 and 9 seconds."""
    if "@" not in to:
        raise DeadLetter(f"{to!r} is no address")  # no retry would help
    await asyncio.sleep(0.1)
    print(f"sent {subject!r} to {to}")


@yard.task(queue="reports")
def add_up(numbers: list[int]) -> None:
    """`def` handlers run on threads, as many as the worker's concurrency."""
    print(f"the sum is {sum(numbers)}")


if __name__ == "__main__":
    send_email.enqueue(to="ada@example.com", subject="Welcome")
    send_email.options(priority=1).enqueue(to="bo@example.com", subject="This one first")
    send_email.options(delay=timedelta(seconds=10)).enqueue(to="cy@example.com", subject="In ten seconds")
    send_email.options(task_id="newsletter-7").enqueue(to="dee@example.com", subject="Only once")
    handles = yard.enqueue_many(add_up.message([n, n + 1]) for n in range(100))
    print(f"{len(handles)} sums and 4 e-mails are in the queues")
