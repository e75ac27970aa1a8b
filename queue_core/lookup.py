"""Looks up the name of a server on a thread of its own.

asyncio asks on the few threads that it has for everything, uvloop on two of four: where a resolver leaves them without
an answer for a while all of them hang, and a name that is known again is not asked for; and asyncio, as it ends, waits
for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any

import redis.asyncio


async def addresses_of(host: str, port: int) -> list[str]:
    """Shape: its addresses, the preferred one first. Raises `OSError`. One that is given up ends when it likes."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look() -> None:
        addresses: list[str] = []
        problem = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(address[0]) for *_, address in infos))
        except OSError as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, addresses, problem)

    threading.Thread(target=look, name="taskyard-lookup", daemon=True).start()
    return await found


class Connection(redis.asyncio.Connection):
    """To the first of its host's addresses that can be reached."""

    _address = ""

    async def _connect(self) -> None:
        unreachable = OSError("no address")
        addresses = await asyncio.wait_for(addresses_of(self.host, self.port), self.socket_connect_timeout)
        for address in addresses:
            self._address = address
            try:
                await super()._connect()  # type: ignore[no-untyped-call]
            except OSError as error:
                unreachable = error
            else:
                return
        raise unreachable

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "host": self._address}


class SecureConnection(Connection, redis.asyncio.SSLConnection):
    """The certificate is still that of the name."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self.host}
