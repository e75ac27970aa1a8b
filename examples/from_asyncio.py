"""Enqueueing from an application that runs on asyncio, such as a web application: nothing blocks its loop.

python examples/from_asyncio.py
"""

from __future__ import annotations

import asyncio

from shop import send_email, yard


async def sign_up(address: str) -> str:
    handle = await send_email.aenqueue(to=address, subject="Welcome")
    return handle.id


async def main() -> None:
    ids = await asyncio.gather(*(sign_up(f"reader{number}@example.com") for number in range(10)))
    print(f"enqueued: {', '.join(ids)}")
    await yard.aclose()


if __name__ == "__main__":
    asyncio.run(main())
