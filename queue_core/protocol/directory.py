"""Which queues and workers there are, and which sign-ins to consoles have ended: what notes them on a full server,
which refuses plain commands. And what workers are told."""

from __future__ import annotations

from collections.abc import Mapping

from queue_core import keys, scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Call, text, to_json


def register(queue: QueueKeys) -> Call[int]:
    """A queue is in the directory. Shape: 1 where it was not, else 0. Source: register.lua."""
    own = (keys.queues(queue.namespace),)
    return Call(scripts.load("register"), queue, (queue.queue,), int, own, has_session=False, is_global=True)


def note_worker(queue: QueueKeys, worker_id: str, beat_ms: int, forget_ms: int) -> Call[int]:
    """A worker of the queue was there at `beat_ms`. Shape: how many have gone, not heard of since `forget_ms`. Source:
    note_worker.lua."""
    own = (keys.workers(queue.namespace),)
    arguments = (worker_id, beat_ms, forget_ms)
    return Call(scripts.load("note_worker"), queue, arguments, int, own, has_session=False, is_global=True)


def command_worker(queue: QueueKeys, worker_id: str, command: Mapping[str, object], keep_ms: int) -> Call[str]:
    """A worker of the queue is told what to do. Source: command_worker.lua."""
    own = (keys.command(queue.namespace, worker_id),)
    arguments = (to_json(command), keep_ms)
    return Call(scripts.load("command_worker"), queue, arguments, text, own, has_session=False, is_global=True)


def describe_worker(queue: QueueKeys, worker_id: str, description: str, keep_seconds: int) -> Call[str]:
    """What a worker of the queue says of itself. Source: describe_worker.lua."""
    own = (keys.worker(queue.namespace, worker_id),)
    arguments = (description, keep_seconds)
    return Call(scripts.load("describe_worker"), queue, arguments, text, own, has_session=False, is_global=True)


def end_sign_in(queue: QueueKeys, sign_in_id: str, until: float, now: float, most: int) -> Call[int]:
    """No console lets that sign-in in again. Units: seconds, by the console's clock. Shape: how many others have gone.
    Source: end_sign_in.lua."""
    own = (keys.ended_sign_ins(queue.namespace),)
    arguments = (sign_in_id, repr(float(until)), repr(float(now)), most)
    return Call(scripts.load("end_sign_in"), queue, arguments, int, own, has_session=False, is_global=True)
