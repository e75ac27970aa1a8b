"""What is queued in the benchmarks."""

from __future__ import annotations

from queue_core import codec
from queue_core.ids import new_id
from queue_core.protocol import NewTask

EMAIL = {
    "to": "ada@example.com",
    "subject": "Welcome",
    "body": "Dear Ada, your account is ready.",
}


def email_tasks(count: int) -> list[NewTask]:
    envelope = codec.encode_envelope("send_email", codec.DEFAULT_OPTIONS, codec.encode_payload((), EMAIL))
    return [NewTask(new_id(), envelope) for _ in range(count)]


def in_batches(tasks: list[NewTask], size: int = 256) -> list[list[NewTask]]:
    return [tasks[i : i + size] for i in range(0, len(tasks), size)]
