"""What a worker says of itself, and what it was told."""

from __future__ import annotations

from typing import Literal

import msgspec

from queue_core.decoding.values import line, moment, number, text
from queue_core.snapshot import ProcessSnapshot, RunningTask, WorkerCommand, WorkerSnapshot


class _Running(msgspec.Struct):
    queue: str
    task_id: str
    task_name: str = ""
    started_at: int = 0


class _Process(msgspec.Struct):
    pid: int = 0
    state: str = ""
    busy: int = 0
    completed: int = 0
    failed: int = 0
    memory_bytes: int = 0
    started_at: int = 0


class _Command(msgspec.Struct):
    verb: Literal["quiet", "resume", "stop"]
    by: str = ""
    reason: str = ""
    at: int = 0
    started_at: int = 0
    action_id: str = ""


class _Worker(msgspec.Struct):
    host: str = ""
    pid: int = 0
    queues: dict[str, int] = {}
    concurrency: int = 0
    state: str = ""
    version: str = ""
    started_at: int = 0
    busy: int = 0
    completed: int = 0
    failed: int = 0
    memory_bytes: int = 0
    task_names: list[str] = []
    running: list[_Running] = []
    processes: list[_Process] = []
    complaint: str = ""
    command: _Command | None = None
    version_since: int = 0


_command_decoder = msgspec.json.Decoder(_Command, strict=False)
_worker_decoder = msgspec.json.Decoder(_Worker, strict=False)


def worker_name(worker_id: bytes) -> str:
    return line(text(worker_id), 128)


def worker(worker_id: bytes, heartbeat_at: int, data: bytes | None) -> WorkerSnapshot:
    """A worker by its own description; what cannot be read leaves one whose state is `unreadable`."""
    name = worker_name(worker_id)
    try:
        found = _worker_decoder.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _Worker(host=name, state="unreadable")
    return WorkerSnapshot(
        id=name,
        host=line(found.host, 255),
        pid=number(found.pid),
        queues={line(queue, 128): number(weight) for queue, weight in found.queues.items()},
        concurrency=number(found.concurrency),
        state=line(found.state, 40) or "unreadable",
        version=line(found.version, 64),
        started_at=moment(found.started_at) or 0,
        heartbeat_at=heartbeat_at,
        busy=number(found.busy),
        completed=number(found.completed),
        failed=number(found.failed),
        memory_bytes=number(found.memory_bytes),
        task_names=tuple(line(task_name, 128) for task_name in found.task_names),
        running=tuple(
            RunningTask(line(task.queue, 128), line(task.task_id, 128), line(task.task_name, 128), at)
            for task in found.running
            if (at := moment(task.started_at)) is not None
        ),
        processes=tuple(
            ProcessSnapshot(
                pid=number(process.pid),
                state=line(process.state, 40),
                busy=number(process.busy),
                completed=number(process.completed),
                failed=number(process.failed),
                memory_bytes=number(process.memory_bytes),
                started_at=moment(process.started_at) or 0,
            )
            for process in found.processes
        ),
        complaint=line(found.complaint, 500),
        command=_command(found.command) if found.command else None,
        version_since=moment(found.version_since) or 0,
    )


def worker_command(data: bytes) -> WorkerCommand | None:
    """`None` where it cannot be read."""
    try:
        return _command(_command_decoder.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _command(found: _Command) -> WorkerCommand:
    return WorkerCommand(
        verb=found.verb,
        by=line(found.by, 200),
        reason=line(found.reason, 500),
        at=moment(found.at) or 0,
        started_at=moment(found.started_at) or 0,
        action_id=line(found.action_id, 200),
    )
