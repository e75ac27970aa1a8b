"""What an operation is bound to and how fast it may go, checked before it begins, as what its HASH says of it."""

from __future__ import annotations

import math

from queue_core import audit
from queue_core.control import check_ms
from queue_core.errors import InvalidArgument, shown
from queue_core.inspector import is_operation_id
from queue_core.previews import check_target, check_way
from queue_core.protocol import Argument
from queue_core.snapshot import Bound, State

DRIPPING = frozenset({"requeue", "restore", "promote", "move"})
"""Verbs that give workers something to do."""
MIN_DRIP, MAX_DRIP = 0.01, 100_000.0
"""Tasks per second."""
MAX_CANARY = 1_000


def describe(bound: Bound) -> str:
    to = f" to {bound.to_queue}" if bound.to_queue else ""
    if bound.verb == "recall":
        return f"operation {bound.undoes}"
    if bound.undoes:
        return f"what {bound.undoes} put into the trash"
    if bound.state is not State.DEAD:
        return f"all {bound.state.value} tasks{to}"
    faults = f"of {len(bound.faults):,} faults" if len(bound.faults) > 1 else f"of fault {''.join(bound.faults)}"
    since = f" since {bound.since}" if bound.since else ""
    return f"dead letters {faults if bound.faults else 'of all faults'}{since} until {bound.until}{to}"


def check_bound(bound: Bound) -> dict[str, Argument]:
    """The facts of an operation's HASH, as operation.lua reads them."""
    if bound.verb == "recall":
        _check_recall(bound)
    else:
        check_target(bound.verb, bound.state, bound.faults, None if bound.undoes else bound.since, bound.until)
        if bound.undoes:
            _check_undoing(bound)
    check_way(bound.verb, bound.queue, bound.to_queue)
    for what, ms in (("taken_at", bound.taken_at), ("highest", bound.highest)):
        if ms is not None or what == "taken_at":
            check_ms(what, ms)
    if not isinstance(bound.count, int) or isinstance(bound.count, bool) or not 1 <= bound.count <= 10**12:
        raise InvalidArgument(f"count {shown(bound.count)} is not accepted: there is something to do from 1 task on")
    until = min(bound.taken_at, bound.taken_at if bound.until is None else bound.until)
    top = until if bound.state is State.DEAD else bound.highest
    facts: dict[str, Argument] = {
        "verb": bound.verb,
        "of": bound.state.value,
        "place": "faults" if bound.faults else "waiting" if bound.verb == "recall" else bound.state.value,
        "faults": " ".join(bound.faults),
        "since": "" if bound.since is None else bound.since,
        "until": until,
        "top": "" if top is None else top,
        "count": bound.count,
    }
    if bound.to_queue:
        facts["to"] = bound.to_queue
    if bound.undoes:
        facts["undoes"] = bound.undoes
    return facts


def _check_undoing(bound: Bound) -> None:
    audit.check_action_id(bound.undoes)
    if bound.verb != "restore":
        raise InvalidArgument(f"undoes {shown(bound.undoes)} is not accepted: {bound.verb} undoes nothing")
    for what, ms in (("since", bound.since), ("until", bound.highest)):
        check_ms(what, ms)


def _check_recall(bound: Bound) -> None:
    if not is_operation_id(bound.undoes):
        raise InvalidArgument(f"undoes {shown(bound.undoes, 80)} is not accepted: no operation's id looks like that")
    if bound.state is not State.READY or bound.faults or (bound.since, bound.until, bound.highest) != (None,) * 3:
        raise InvalidArgument("a recall is of what waits, of any fault and time: its operation says of which tasks")


def check_pace(bound: Bound, drip: float | None, canary: int) -> dict[str, Argument]:
    if drip is not None:
        if bound.verb not in DRIPPING:
            raise InvalidArgument(f"a drip is not accepted: {bound.verb} gives workers nothing to do")
        if not isinstance(drip, int | float) or not MIN_DRIP <= drip <= MAX_DRIP or math.isnan(drip):
            raise InvalidArgument(f"drip {shown(drip)} is not accepted: {MIN_DRIP} to {MAX_DRIP:,.0f} tasks per second")
    if not isinstance(canary, int) or isinstance(canary, bool) or not 0 <= canary <= MAX_CANARY:
        raise InvalidArgument(f"canary {shown(canary)} is not accepted: 0 to {MAX_CANARY:,} tasks")
    if canary and bound.verb != "requeue":
        raise InvalidArgument(f"a canary is not accepted: what becomes of tasks after {bound.verb} is not counted")
    return {"drip": "" if drip is None else float(drip), "canary": canary, "canary_size": canary}
