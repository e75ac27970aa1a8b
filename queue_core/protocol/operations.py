"""What begins an operation, and what steers it. Its chunks are calls of the verb that it is to do."""

from __future__ import annotations

from collections.abc import Mapping

from queue_core import scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.actions import Switched, read_switched
from queue_core.protocol.call import Argument, Call

KEPT_MS = 7 * 86_400_000
"""How long one that has ended can be looked at."""
MAX_KEPT, MAX_UNDER_WAY = 1_000, 100
"""Operations of one queue."""


def start_operation(
    queue: QueueKeys, operation_id: str, facts: Mapping[str, Argument], *, counts_outcome: bool
) -> Call[Switched]:
    """An operation begins, once. Source: start_operation.lua."""
    arguments: list[Argument] = [operation_id, KEPT_MS, MAX_KEPT, MAX_UNDER_WAY, "1" if counts_outcome else ""]
    for name, fact in facts.items():
        arguments += (name, fact)
    keys = (queue.operation(operation_id),)
    return Call(scripts.load("start_operation"), queue, arguments, read_switched, keys)


def switch_operation(queue: QueueKeys, operation_id: str, verb: str, why: str) -> Call[Switched]:
    """`verb`: pause, resume or cancel. Source: switch_operation.lua."""
    keys = (queue.operation(operation_id),)
    return Call(scripts.load("switch_operation"), queue, (operation_id, verb, why, KEPT_MS), read_switched, keys)
