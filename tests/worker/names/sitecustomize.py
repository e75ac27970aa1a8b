"""Loaded by Python as it starts, where this folder is on its path: names that end in `.test` are looked up in the file
that HOSTS names, `name address` a line, and each lookup is noted in the file beside it, `.asked`.

`name -`: nobody answers, as where the network to the resolver is gone. It stands in for a resolver, of which a test has
none of its own. asyncio asks `socket.getaddrinfo` on a thread; uvloop asks in C, so it is given an address instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOSTS = Path(os.environ["HOSTS"])
AGAIN_SECONDS, MOST_SECONDS = 5.0, 10.0
"""Where nobody answers, a resolver asks again after the first, and gives up after the second."""


def look_up(host: str) -> Iterator[str]:
    """Its address; empty where nobody has answered: it is to be asked for again."""
    asked = time.monotonic()
    with HOSTS.with_suffix(".asked").open("a") as notes:
        notes.write(f"{asked}\n")
    while asked + MOST_SECONDS > time.monotonic():
        known = dict(line.split() for line in HOSTS.read_text().splitlines())
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        yield "" if known[host] == "-" else known[host]
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def is_ours(host: object) -> bool:
    return isinstance(host, str) and host.endswith(".test")


getaddrinfo: Any = socket.getaddrinfo


def find(host: Any, *args: Any, **kwargs: Any) -> Any:
    if is_ours(host):
        for address in look_up(host):
            if address:
                return getaddrinfo(address, *args, **kwargs)
            time.sleep(AGAIN_SECONDS)
    return getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = find

with contextlib.suppress(ImportError):
    loop: Any = importlib.import_module("uvloop").Loop
    connect = loop.create_connection

    async def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **how: Any) -> Any:
        if is_ours(host):
            for address in look_up(host):
                if address:
                    host = address
                    break
                await asyncio.sleep(AGAIN_SECONDS)
        return await connect(self, factory, host, port, **how)

    loop.create_connection = create_connection
