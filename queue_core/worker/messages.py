"""What a process of a worker and the children that run its isolated tasks tell each other: MessagePack, framed."""

from __future__ import annotations

import msgspec

from queue_core.protocol import FailedTask, Result

HEAD_BYTES = 4
"""Before each message: its length, big-endian."""


class Setup(msgspec.Struct):
    """What a child is told when it is started."""

    app: str
    worker_id: str
    socket_fd: int
    parent_pid: int
    log_level: str


# To the child.


class Job(msgspec.Struct, tag=True):
    queue: str
    id: str
    fence: int
    attempts: int
    """Before this one."""
    envelope: bytes


class Stop(msgspec.Struct, tag=True):
    """The task was asked to stop: its context says so, and an `async def` handler is cancelled."""

    fence: int


class Interrupt(msgspec.Struct, tag=True):
    """Raise `Cancelled` in a `def` handler, or `SoftTimeout` in any."""

    fence: int
    is_timeout: bool


class Overdue(msgspec.Struct, tag=True):
    """The child is about to be killed: it may say where its handler is, with `Ended`."""

    fence: int


# To the process.


class Ready(msgspec.Struct, tag=True):
    """The application is loaded; `complaint`: or why it is not."""

    complaint: str = ""


class Progress(msgspec.Struct, tag=True):
    fence: int
    said: bytes


class Ended(msgspec.Struct, tag=True):
    """`failed`: where the handler raised; `is_stopped`: what somebody does who was asked to."""

    fence: int
    seconds: float
    result: Result | None = None
    failed: FailedTask | None = None
    is_stopped: bool = False


ToChild = Job | Stop | Interrupt | Overdue
ToProcess = Ready | Progress | Ended
_encoder = msgspec.msgpack.Encoder()
for_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
for_process: msgspec.msgpack.Decoder[ToProcess] = msgspec.msgpack.Decoder(ToProcess)


def frame(message: ToChild | ToProcess) -> bytes:
    data = _encoder.encode(message)
    return len(data).to_bytes(HEAD_BYTES, "big") + data
