"""What a worker says of itself: one JSON object, written with each heartbeat and read by `inspector`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from queue_core.worker import leases
from queue_core.worker.child import Child, memory_bytes
from queue_core.worker.condition import trouble_of
from queue_core.worker.keeper import Keeper
from queue_core.worker.leases import HeldTask

MAX_NAMES = 200
"""Of tasks that the worker knows."""
MAX_RUNNING = 100
_STATES = {
    leases.STARTING: "starting",
    leases.RUNNING: "running",
    leases.QUIET: "quiet",
    leases.IDLE: "quiet",
    leases.STOPPING: "stopping",
}

_STATES_OF_ALL = ("running", "quiet", "refused", "reconnecting", "stuck")

Held = Mapping[Child, Sequence[HeldTask]]


def describe(
    facts: Mapping[str, object], keepers: Sequence[Keeper], held: Held, names: Sequence[str], now_ms: int
) -> str:
    """`facts`: what the worker is, whatever its processes do; a `state` among them is one that it was told to take, and
    goes before theirs. `names`: its queues, in the order of its lease tables."""
    children = [child for keeper in keepers for child in keeper.children]
    processes = [process(child, held.get(child, ()), now_ms) for child in children]
    running = [task for tasks in held.values() for task in tasks if task.is_started and task.queue_index < len(names)]
    record = {
        "state": state([told["state"] for told in processes]),
        "heartbeat_at": now_ms,
        "busy": len(running),
        "completed": sum(keeper.completed for keeper in keepers) + sum(told["completed"] for told in processes),
        "failed": sum(keeper.failed for keeper in keepers) + sum(told["failed"] for told in processes),
        "memory_bytes": memory_bytes(os.getpid()) + sum(told["memory_bytes"] for told in processes),
        "processes": processes,
        "running": [
            {
                "queue": names[task.queue_index],
                "task_id": task.id,
                "task_name": task.name,
                "started_at": _since(task, now_ms),
            }
            for task in running[:MAX_RUNNING]
        ],
    }
    return json.dumps({**record, **facts})


def process(child: Child, held: Sequence[HeldTask], now_ms: int) -> dict[str, Any]:
    completed, failed, state, _ = child.table.read_header()
    busy = sum(task.is_started for task in held)
    trouble = trouble_of(child.table, is_computing=busy > 0 and not child.is_suspended)
    return {
        "pid": child.pid,
        "state": "stopping" if child.is_leaving else trouble or _STATES.get(state, "running"),
        "busy": busy,
        "completed": completed,
        "failed": failed,
        "memory_bytes": child.memory_bytes,
        "started_at": now_ms - round(child.age_seconds * 1000),
    }


def state(of_processes: Sequence[str]) -> str:
    """What a worker is whose processes are in these states: it runs as long as one of them does."""
    told = [state for state in of_processes if state != "stopping"]
    return next((state for state in _STATES_OF_ALL if state in told), "starting")


def _since(task: HeldTask, now_ms: int) -> int:
    """When it was started by the server's clock."""
    return now_ms - max(time.monotonic_ns() // 1_000_000 - task.since_ms, 0)
