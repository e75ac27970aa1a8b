"""The directory: which queues there are."""

from __future__ import annotations

from queue_core import keys, scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Call


def register(queue: QueueKeys) -> Call[int]:
    """A queue is in the directory, also of a full server. Shape: 1 where it was not, else 0. Source: register.lua."""
    own = (keys.queues(queue.namespace),)
    return Call(scripts.load("register"), queue, (queue.queue,), int, own, has_session=False, is_global=True)
