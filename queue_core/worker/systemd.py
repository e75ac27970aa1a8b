"""What systemd is told of a worker that it has started with `Type=notify` or `Type=notify-reload` (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Systemd:
    """Tells nobody where there is nobody. The variables are taken out of the environment: they are not for handlers."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        micros, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", str(os.getpid()))
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_watched = bool(address) and micros.isdecimal() and pid == str(os.getpid())
        self.watchdog_seconds = int(micros) / 1_000_000 if is_watched else None
        """As often, at the least, it wants to hear that the supervisor goes on."""

    def tell(self, state: str) -> None:
        """READY=1, STOPPING=1, WATCHDOG=1, STATUS=…"""
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.sendto(state.encode(), self._address)

    def tell_reloading(self) -> None:
        """The time says which order to reload is meant."""
        self.tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def tell_reloaded(self, complaint: str) -> None:
        """`complaint`: why the old code stays at work; "" where the new one is."""
        self.tell(f"READY=1\nSTATUS={' '.join(complaint.split())}")

    async def tell_alive(self) -> None:
        self.tell("WATCHDOG=1")
