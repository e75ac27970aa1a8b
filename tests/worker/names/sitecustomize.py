"""Loaded by Python as it starts, where this folder is on its path: names that end in `.test` are looked up in the file
that HOSTS names, `name address…` a line, and each lookup is noted in the file beside it, `.asked`.

`name -`: nobody answers, as where the network to the resolver is gone. It stands in for a resolver, of which a test has
none of its own.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

HOSTS = Path(os.environ["HOSTS"])
AGAIN_SECONDS, MOST_SECONDS = 5.0, 10.0
"""Where nobody answers, a resolver asks again after the first, and gives up after the second."""

getaddrinfo: Any = socket.getaddrinfo


def addresses_of(host: str) -> list[str]:
    asked = time.monotonic()
    with HOSTS.with_suffix(".asked").open("a") as notes:
        notes.write(f"{asked}\n")
    while asked + MOST_SECONDS > time.monotonic():
        known = {name: addresses for name, *addresses in map(str.split, HOSTS.read_text().splitlines())}
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if known[host] != ["-"]:
            return known[host]
        time.sleep(AGAIN_SECONDS)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def find(host: Any, *args: Any, **kwargs: Any) -> Any:
    hosts = addresses_of(host) if isinstance(host, str) and host.endswith(".test") else [host]
    return [info for address in hosts for info in getaddrinfo(address, *args, **kwargs)]


socket.getaddrinfo = find
