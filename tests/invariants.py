"""What must hold of any state of a queue."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from queue_core import ids, keys
from queue_core.keys import SENTINEL

State = dict[str, Any]
"""Last part of a key → its value: a dict (HASH, ZSET), a list (LIST), a set (SET) or a text."""

BOOKS_LEFT = ("completed", "discarded", "cancelled", "expired", "deleted", "exported")
"""The books' counters of tasks that left the queue."""


def places_of(state: State) -> dict[str, list[str]]:
    """Place → ids in it, an id as often as it stands there."""
    removed = state.get("removed", set())
    elements = [ids.read_ready_element(element)[0] for element in state.get("ready", [])]
    places = {
        "ready": [task_id for task_id in elements if task_id not in removed],
        "held": [member.rpartition("/")[2] for member in state.get("held", {})],
        "running": [task_id for task_id in state.get("leases", {}) if task_id != SENTINEL],
        "trashed": list(state.get("trash", {})),
    }
    for place in ("prioritized", "scheduled", "retrying", "blocked", "dead"):
        places[place] = list(state.get(place, {}))
    return places


def problems_of(state: State) -> list[str]:
    """What is wrong with a state, a line each: the invariants of the architecture that a state alone can show."""
    problems: list[str] = []

    def hold(condition: object, problem: str) -> None:
        if not condition:
            problems.append(problem)

    tasks: dict[str, str] = state.get("tasks", {})
    places = places_of(state)
    counted = Counter(task_id for members in places.values() for task_id in members)
    for task_id, times in counted.items():
        hold(
            times == 1,
            f"{task_id} stands in {[p for p, members in places.items() if task_id in members]}, {times} times",
        )
        hold(task_id in tasks, f"{task_id} has a place and no envelope")
    for task_id in tasks:
        hold(counted[task_id], f"{task_id} has an envelope and no place")

    elements = Counter(ids.read_ready_element(element)[0] for element in state.get("ready", []))
    removed: set[str] = state.get("removed", set())
    hold(all(times == 1 for times in elements.values()), "an id stands twice in the list")
    hold(removed <= elements.keys(), f"struck out, but not in the list: {removed - elements.keys()}")

    leases, running = state.get("leases", {}), state.get("running", {})
    hold(leases.keys() == running.keys(), f"leases and running differ: {leases.keys() ^ running.keys()}")
    if leases:
        hold(leases.get(SENTINEL) == math.inf and running.get(SENTINEL) == SENTINEL, "no sentinel")
    control = state.get("control", {})
    hold(not state or control.get("format") == str(keys.FORMAT), f"format {control.get('format')}")
    for task_id in running.keys() & set(places["running"]):
        fence, claimed_ms, _, worker = running[task_id].split(" ", 4)[:4]
        hold(int(fence) <= int(control["fence"]) and int(claimed_ms) and worker, f"claim {running[task_id]}")

    cancelling = state.get("cancelling", {})
    hold(cancelling.keys() <= leases.keys(), f"asked to stop and does not run: {cancelling.keys() - leases.keys()}")

    problems += _problems_of_faults(state)
    problems += _problems_of_gates(state, places)
    problems += _problems_of_operations(state)
    hold(state.get("trash", {}).keys() == state.get("trashed", {}).keys(), "trash and trashed differ")
    for task_id, origin in state.get("trashed", {}).items():
        hold(("token" in origin) == ("to" in origin), f"{task_id} is on its way, to nowhere: {origin}")
    for mark, gone_at in state.get("imported", {}).items():
        hold(mark.count(":") in (1, 2) and gone_at > 0, f"mark {mark} {gone_at}")
    closed = state.get("closed", {})
    for member in state.get("held", {}):
        lane, _, task_id = member.rpartition("/")
        hold(lane in closed, f"{member} is held by no lane")
        hold(
            lane.partition(":")[2] == tasks.get(task_id, "").split("\n")[0].split(" ")[0],
            f"{member} is in another's lane",
        )

    stats: dict[str, str] = state.get("stats", {})
    came = sum(int(stats.get(name, 0)) for name in ("enqueued", "imported", "repaired"))
    left = sum(int(stats.get(name, 0)) for name in BOOKS_LEFT)
    hold(came == len(tasks) + left, f"{came} came, {len(tasks)} are there, {stats}")

    tokens = len(state.get("notify", []))
    hold(tokens <= 16, f"{tokens} tokens")
    is_giving = places["ready"] or places["prioritized"]
    if "paused" in control:
        hold(tokens == 0, "tokens while paused")
    elif "claim_rate" not in control.get("limits", {}):  # else a worker comes back by its own timer
        hold(tokens or not is_giving, "ready tasks and no token: nobody wakes")
    return problems


def _problems_of_gates(state: State, places: Mapping[str, list[str]]) -> Iterable[str]:
    tasks, unique = state.get("tasks", {}), state.get("unique", {})
    kept = {*places["dead"], *places["trashed"]}
    for task_id, at in state.get("expiring", {}).items():
        if task_id not in tasks or task_id in places["dead"]:
            yield f"{task_id} can expire, and has ended or is dead"
        if at == math.inf and task_id not in (*places["running"], *places["trashed"]):
            yield f"{task_id} waits, its time is over, and nothing ends it"
    windows = {}
    for key, holder in unique.items():
        task_id, until_ms = holder.split(" ")
        if until_ms != "0":
            windows[key] = int(until_ms)
        elif _options_of(tasks.get(task_id, "")).get("unique_key") != key:
            yield f"the unique key {key} is held by {task_id}, which has not got it"
    if windows != state.get("unique_expiring", {}):
        yield f"windows of unique keys differ: {windows} and {state.get('unique_expiring')}"
    for task_id, envelope in tasks.items():
        options = _options_of(envelope)
        key = options.get("unique_key")
        if key and "unique_for" not in options and task_id not in kept and unique.get(key) != f"{task_id} 0":
            yield f"{task_id} has the unique key {key}, which is held by {unique.get(key)}"


def _options_of(envelope: str) -> dict[str, Any]:
    _, _, options = envelope.partition("\n")[0].partition(" ")
    try:
        found = json.loads(options)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _problems_of_operations(state: State) -> Iterable[str]:
    for key, facts in state.items():
        word, _, name = key.partition(":")
        if word != "operation":
            continue
        is_on_the_way = facts.get("aside") or facts.get("confirm")
        is_over = facts["state"] in ("ended", "cancelled") and not is_on_the_way
        if name in state.get("operations", {}) and (state["operations"][name] > 0) != is_over:
            yield f"operation {name} is {facts['state']}, and its score is {state['operations'][name]}"
        count, looked, done = (int(facts.get(what, 0)) for what in ("count", "looked", "done"))
        skipped = sum(int(number) for what, number in facts.items() if what.startswith("skipped:"))
        if not done <= looked <= count or (facts["state"] == "ended" and done + skipped != count):
            yield f"operation {name} of {count} has looked at {looked}, done {done}, skipped {skipped}"
        outcomes = state.get("outcomes", {})
        settled = [int(outcomes.get(f"{name}:{what}", 0)) for what in ("completed", "failed", "ended", "recalled")]
        if min(settled) < 0 or sum(settled) > done:
            yield f"operation {name} has done {done}, of which are settled {settled}"


def _problems_of_faults(state: State) -> Iterable[str]:
    faults, seen, history = state.get("faults", {}), state.get("faults_seen", {}), state.get("history", {})
    known = {name for name in faults if ":" not in name}
    if known != seen.keys():
        yield f"faults and faults_seen differ: {known ^ seen.keys()}"
    if len(known) > 1_101:
        yield f"{len(known)} faults"
    for fingerprint in known:
        if json.loads(faults[fingerprint]).keys() < {"task", "class", "message", "frame", "first"}:
            yield f"fault {faults[fingerprint]}"
    fault_of = {task_id: text.split("\n")[0].split(" ")[4] for task_id, text in history.items() if task_id[0] != ":"}
    retrying = Counter(fault_of.get(task_id, "-") for task_id in state.get("retrying", {}))
    for fingerprint in known | retrying.keys():
        count = int(faults.get(f"{fingerprint}:retrying", 0))
        if count != retrying[fingerprint]:
            yield f"fault {fingerprint} counts {count} of {retrying[fingerprint]} retries"
    trashed = Counter(
        fault_of.get(task_id, "-")
        for task_id, origin in state.get("trashed", {}).items()
        if origin["from"] in ("dead", "retrying")
    )
    for fingerprint in known | trashed.keys():
        count = int(faults.get(f"{fingerprint}:trashed", 0))
        if count != trashed[fingerprint]:
            yield f"fault {fingerprint} counts {count} of {trashed[fingerprint]} tasks in the trash"
    letters = {
        f"{fault_of.get(task_id, '-')}:{died:013.0f}:{task_id}" for task_id, died in state.get("dead", {}).items()
    }
    if letters != state.get("dead_by_fault", {}).keys():
        yield f"dead and dead_by_fault differ: {letters ^ state.get('dead_by_fault', {}).keys()}"
    if not {fault_of.get(task_id, "-") for task_id in state.get("dead", {})} <= known:
        yield "a letter's fault is unknown"
    for task_id, text in history.items():
        if task_id.removeprefix(":") not in state.get("tasks", {}):
            yield f"history of {task_id}, which has ended"
        if task_id[0] != ":" and len(text.encode()) > 1_000 + 60 and text.count("\n") > 2:
            yield f"history of {task_id} is too long"
