"""Whether the state of a queue is its model's: both in the same words."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

from queue_core import ids
from queue_core.keys import SENTINEL
from tests.engine import score_of
from tests.invariants import State
from tests.proof.model import Model

WATCHED = (
    "tasks", "ready", "removed", "prioritized", "held", "closed", "scheduled", "retrying", "blocked", "dead",
    "dead_by_fault", "trash", "faults", "faults_seen", "stats", "operations",
)  # fmt: skip
RATES = ("enqueue_rate", "claim_rate")


def watched(state: State) -> dict[str, Any]:
    """What whoever looks at the whole queue is told of: when it changes, the queue tells so."""
    control = state.get("control", {})
    own = {"running": set(state.get("leases", {})), "paused": control.get("paused"), "limits": control.get("limits")}
    return own | {name: state.get(name) for name in WATCHED}


def differences_of(state: State, model: Model) -> list[str]:
    """What is not as it should be, a paragraph each."""
    is_so, should_be = seen(state, model.now), expected(model)
    return [
        f"{name} is\n{is_so.get(name)}\nand should be\n{should_be.get(name)}"
        for name in is_so | should_be
        if is_so.get(name) != should_be.get(name)
    ]


def seen(state: State, now: int) -> dict[str, Any]:
    """A state in the model's words."""
    control: dict[str, Any] = state.get("control", {})
    running: dict[str, Any] = {}
    for task_id, claim in state.get("running", {}).items():
        if task_id != SENTINEL:
            fence, claimed, digits, worker = claim.split(" ", 4)[:4]
            since = ids.decode_time(digits) if digits else ids.id_time_ms(task_id)
            running[task_id] = (int(fence), state["leases"][task_id], int(claimed), since, worker)
    histories = {task_id: text for task_id, text in state.get("history", {}).items() if task_id[0] != ":"}
    return {
        "tasks": state.get("tasks", {}),
        "line": [ids.read_ready_element(element) for element in state.get("ready", [])],
        "struck out": state.get("removed", set()),
        "prioritized": state.get("prioritized", {}),
        "held": {member.rpartition("/")[2]: member.rpartition("/")[0] for member in state.get("held", {})},
        "scheduled": state.get("scheduled", {}),
        "retrying": state.get("retrying", {}),
        "running": running,
        "asked to stop": set(state.get("cancelling", {})),
        "dead": state.get("dead", {}),
        "trash": state.get("trash", {}),
        "origins": {task_id: origin["from"] for task_id, origin in state.get("trashed", {}).items()},
        "lanes": {lane: word for lane, (word, _) in state.get("closed", {}).items()},
        "unique keys": _keys_of(
            {key: (holder.split(" ")[0], int(holder.split(" ")[1])) for key, holder in state.get("unique", {}).items()},
            now,
        ),
        "expiring": state.get("expiring", {}),
        "books": {name: int(n) for name, n in state.get("stats", {}).items() if name not in ("wait", "run")},
        "faults": {name: int(state["faults"].get(f"{name}:attempts", 0)) for name in state.get("faults_seen", {})},
        "faults seen": state.get("faults_seen", {}),
        "attempts by minute": {name: _minutes_of(text) for name, text in _about_faults(state, "recent").items()},
        "mutes": {
            name: tuple(json.loads(text).get(what) for what in ("by", "reason", "at", "until", "attempts"))
            for name, text in _about_faults(state, "mute").items()
        },
        "notes": {
            name: [tuple(json.loads(line)[what] for what in ("by", "text", "at")) for line in text.split("\n")]
            for name, text in _about_faults(state, "notes").items()
        },
        "histories": {task_id: text.split("\n")[0] for task_id, text in histories.items()},
        "last events": {task_id: _kinds(text)[-2:] for task_id, text in histories.items()},
        "records": {
            name.split(":")[1]: record["state"] for name, record in state.items() if name.startswith("record:")
        },
        "limits": control.get("limits", {}),
        "full buckets": {rate: float(control[f"{rate}_full"]) for rate in RATES if f"{rate}_full" in control},
        "is paused": "paused" in control,
        "fence": int(control.get("fence", 0)),
        "turn": int(control.get("turn", 0)),
        "last sign of life": int(control["seen"]) if "seen" in control else None,
        "grace": int(control.get("grace", 0)),
    }


def expected(model: Model) -> dict[str, Any]:
    happened = {task.id: task for task in model.tasks.values() if task.events}
    lines = {task_id: model.counters_of(task_id) for task_id in happened}
    return {
        "tasks": {task.id: task.envelope.decode() for task in model.tasks.values()},
        "line": model.line,
        "struck out": model.struck_out,
        "prioritized": {i: score_of(model.tasks[i].priority, since) for i, since in model.prioritized.items()},
        "held": model.held,
        "scheduled": model.scheduled,
        "retrying": model.retrying,
        "running": {
            i: (lease.fence, lease.expires, lease.claimed, lease.since, lease.worker)
            for i, lease in model.leases.items()
        },
        "asked to stop": model.asked,
        "dead": model.dead,
        "trash": {task_id: was.until for task_id, was in model.trashed.items()},
        "origins": {task_id: was.origin for task_id, was in model.trashed.items()},
        "lanes": model.lanes,
        "unique keys": _keys_of(model.keys, model.now),
        "expiring": model.expiring,
        "books": dict(model.books),
        "faults": dict(model.faults),
        "faults seen": model.seen_faults,
        "attempts by minute": {name: dict(minutes) for name, minutes in model.attempts_by_minute.items()},
        "mutes": model.mutes,
        "notes": model.fault_notes,
        "histories": {
            i: f"{c.attempts} {c.crashes} {c.releases} {c.attempts_before} {c.fingerprint} {c.operation}".rstrip()
            for i, c in lines.items()
        },
        "last events": {task_id: task.events[-2:] for task_id, task in happened.items()},
        "records": model.records,
        "limits": model.limits.chosen,
        "full buckets": model.limits.full,
        "is paused": model.is_paused,
        "fence": model.fence,
        "turn": model.turn,
        "last sign of life": model.seen,
        "grace": model.grace,
    }


def _keys_of(keys: dict[str, tuple[str, int]], now: int) -> dict[str, tuple[str, int]]:
    """Without those whose time is over: they are swept at leisure."""
    return {key: (holder, until) for key, (holder, until) in keys.items() if not until or until > now}


def _about_faults(state: State, what: str) -> dict[str, str]:
    """Fault → what stands beside it under that word."""
    fields: dict[str, str] = state.get("faults", {})
    return {name.removesuffix(f":{what}"): text for name, text in fields.items() if name.endswith(f":{what}")}


def _minutes_of(text: str) -> dict[int, int]:
    """Minute → failed attempts. A life is too short for more than minutes."""
    numbers = list(map(int, text.split()))
    minutes = accumulate(numbers[2::2], lambda minute, gap: minute - gap, initial=numbers[0])
    return dict(zip(minutes, numbers[1::2], strict=True))


def _kinds(history: str) -> list[str]:
    return [line.split(" ")[1] for line in history.split("\n")[1:-1]]
