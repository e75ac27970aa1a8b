"""What buttons, titles and sentences call that which code, keys and the audit name otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.filters import exact, plural
from queue_core.snapshot import Bound, Operation, State, TaskDetail


@dataclass(frozen=True, slots=True)
class Words:
    """`name`: in buttons; `done`: `3 dead letters retried`; `effect`: what becomes of them, `{It}` for it or them."""

    name: str
    done: str
    effect: str = ""


VERBS: Mapping[str, Words] = {
    "requeue": Words(
        "Retry", "retried", "{It} {is} ready again, with a fresh allowance of attempts. The history stays."
    ),
    "recall": Words("Pull back", "pulled back"),
    "trash": Words("Purge", "purged"),
    "restore": Words("Restore", "restored", "{It} {goes} back to where {it} {was}: the same place, the same order."),
    "delete": Words("Delete for good", "deleted for good", "Nothing is kept of {them}. There is no way back."),
    "promote": Words("Run now", "made ready", "{It} {is} ready at once, whatever time {it} {waits} for."),
    "cancel": Words("Cancel", "cancelled", "{It} {ends} here and {does} not run. There is no way back."),
    "move": Words(
        "Move", "moved", "{It} {goes} there as {it} {is}: dead letters stay dead, what is due later is due then."
    ),
}
"""What is done to many tasks. Of a purge it depends on when what becomes of them; a recall has a page that tells."""

ACTS: Mapping[str, str] = {
    **{verb: words.name for verb, words in VERBS.items()},
    "pause": "Pause",
    "resume": "Resume",
    "close_lane": "Pause",
    "open_lane": "Resume",
    "limit": "Limit",
    "edit": "Edit and retry",
    "unmask": "Show hidden values",
    "delete_queue": "Delete",
    "quiet": "Quiet",
    "stop": "Stop",
    "pause_operation": "Pause",
    "resume_operation": "Resume",
    "cancel_operation": "Cancel",
    "add_schedule": "Add",
    "change_schedule": "Change",
    "remove_schedule": "Remove",
    "pause_schedule": "Pause",
    "resume_schedule": "Resume",
    "run_schedule": "Run now",
    "refuse": "Refused",
    "sign_in": "Sign in",
    "sign_out": "Sign out",
}
"""Everything that stands in the audit."""

_SEVERAL = {"It": "They", "it": "they", "is": "are", "was": "were", "goes": "go", "ends": "end", "does": "do"}
_SEVERAL |= {"waits": "wait", "them": "them"}
_ONE = {word: word for word in _SEVERAL} | {"them": "it"}


def act(verb: str) -> str:
    return ACTS.get(verb) or verb.replace("_", " ").capitalize()


def effect(verb: str, count: int) -> str:
    return VERBS[verb].effect.format(**(_ONE if count == 1 else _SEVERAL))


def tasks(count: int, state: State) -> str:
    """`1,187 dead letters`, `1 ready task`, `12 tasks in the trash`."""
    if state is State.DEAD:
        return plural(count, "dead letter")
    if state is State.TRASHED:
        return plural(count, "task in the trash", "tasks in the trash")
    return plural(count, f"{state.value} task")


def meant(bound: Bound, count: int | None = None) -> str:
    """So many of the tasks of an operation, else all."""
    count = bound.count if count is None else count
    return plural(count, "retried task") if bound.verb == "recall" else tasks(count, bound.state)


def title(bound: Bound) -> str:
    """`Retry 1,187 dead letters`."""
    to = f" to {bound.to_queue}" if bound.to_queue else ""
    return f"{act(bound.verb)} {meant(bound)}{to}"


SKIPPED = {
    "gone": "gone before it was their turn",
    "not dead": "retried or purged already",
    "changed": "died again since",
    "running": "running",
    "in the trash": "in the trash already",
    "not in the trash": "restored or deleted already",
    "not waiting for a time": "not waiting any more",
}


HOLDS_BACK = ("one of the first failed again", "one of the first ended without completing")
"""Why an operation pauses itself, as it is stored."""


def skipped(why: str, bound: Bound) -> str:
    """Of an undo those are gone that had left the trash before; of what is pulled back, those that had started."""
    if bound.verb == "recall" and why == "gone":
        return "started, purged or cancelled before it was their turn"
    return "restored or deleted already" if bound.undoes and why == "gone" else SKIPPED.get(why, why)


def as_seen(task: TaskDetail) -> str:
    """What a form on one task carries, so that it acts on that and not on what became of it since: `dead/1795…`."""
    return f"{task.state.value}/{task.at}" if task.state is State.DEAD and task.at else task.state.value


def held_back(operation: Operation) -> str:
    """`2 of the first 5 ended without completing (…)`: why it paused itself; "" where it did not."""
    if operation.why not in HOLDS_BACK:
        return ""
    first = exact(operation.canary)
    told = [f"{exact(operation.failed)} of the first {first} failed again"] if operation.failed else []
    if operation.left:
        where = "" if told else f" of the first {first}"
        told.append(f"{exact(operation.left)}{where} ended without completing (discarded, cancelled, expired, deleted)")
    what = ", ".join(told) or operation.why
    return f"{what[:1].upper()}{what[1:]}. The rest was not touched."


def handled(operation: Operation) -> int:
    """Tasks that it has come to. One that has ended by itself has come to all: what it did not find was gone."""
    is_over = operation.progress == "ended" and operation.bound.queue
    return operation.bound.count if is_over else operation.looked_at


def outcome(operation: Operation) -> str:
    """`1,180 completed, 24 failed again, 3 skipped`: what became of what was retried; of all else what was done."""
    done, left_alone = operation.done, sum(operation.skipped.values())
    if operation.bound.verb == "requeue":
        counts = {
            "completed": operation.completed,
            "failed again": operation.failed,
            "ended otherwise": operation.left,
            "pulled back": operation.recalled,
            "still under way": operation.under_way,
        }
        told = [f"{exact(count)} {what}" for what, count in counts.items() if count]
    else:
        words = VERBS.get(operation.bound.verb)
        told = [f"{exact(done)} {words.done if words else 'done'}"] if done else []
    if left_alone:
        told.append(f"{exact(left_alone)} skipped")
    return ", ".join(told) or ("nothing done" if operation.has_ended else "nothing yet")


def ended_as(operation: Operation, *, is_undone: bool = False) -> str:
    """`cancelled after 4`, `undone`, `392 failed again`: what came of it; "" where all of it was done."""
    if is_undone:
        return "undone"
    if operation.progress in ("cancelled", "paused"):
        return f"{operation.progress} after {exact(operation.done)}"
    if operation.progress != "ended":
        return ""
    return outcome(operation) if operation.bound.verb == "requeue" or operation.skipped else ""
