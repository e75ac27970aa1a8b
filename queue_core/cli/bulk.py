"""All that match: previewed, asked about, done as an operation while one watches, or left to the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from queue_core.cli.actions import ask, new_action_id
from queue_core.cli.by_ids import Verb
from queue_core.cli.fault_ids import whole_id
from queue_core.cli.output import note, print_json, progress, safe, say
from queue_core.client import Client
from queue_core.formats import clock, count, shorten
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from queue_core.snapshot import Operation, Preview, State

SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Bulk:
    """What is done to all that match. `verb`: as operations name it; `words`: as people do."""

    verb: str
    words: Verb
    state: State
    fault: str | None = None
    drip: float | None = None
    canary: int = 0
    to_queue: str = ""
    hint: str = ""
    """What to say where all of it is done."""


def act_on_all(
    bulk: Bulk, queue: str, client: Client, *, by: str, reason: str, yes: bool, no_wait: bool, as_json: bool
) -> int:
    """Preview, ask, begin, watch. Returns the exit code: 1 where it was paused or cancelled before its end."""
    inspector, operations = Inspector(client=client), Operations(client=client)
    faults = [whole_id(inspector, queue, bulk.fault)] if bulk.fault else []
    preview = operations.preview(queue, bulk.verb, state=bulk.state, faults=faults, to_queue=bulk.to_queue)
    words = bulk.words
    if not preview.count:
        if as_json:
            print_json(None)
        else:
            say(f"0 {words.many} {words.participle}.")
        return 0
    to = f" to {bulk.to_queue}" if bulk.to_queue else ""
    question = f"{words.name} {count(preview.count, words.one, words.many)} of {queue}{to}"
    ask(question, yes, details=_details(preview, inspector.server_ms()))
    found = operations.start(
        preview.bound,
        by=by,
        reason=reason,
        action_id=new_action_id(),
        drip=bulk.drip,
        canary=bulk.canary,
    )
    if not no_wait:
        found = _watch(operations, found, words, is_shown=not as_json)
    if as_json:
        print_json(found)
    else:
        _tell(found, bulk)
    return int(not no_wait and found.progress != "ended")


def _watch(operations: Operations, begun: Operation, words: Verb, *, is_shown: bool) -> Operation:
    def show(found: Operation) -> None:
        looked_at = f"{count(found.looked_at)} of {count(found.bound.count, words.one, words.many)}"
        waits = " · waiting for what becomes of the first ones" if found.progress == "waiting" else ""
        line.show(f"{looked_at}, {count(found.done)} {words.participle}{waits}")

    with progress(is_shown) as line:
        try:
            return operations.wait(begun.id, begun.bound.queue, show)
        except KeyboardInterrupt:
            line.clear()
            note(f"Operation {begun.id} is left to the workers, which go on with it.")
            raise


def _tell(found: Operation, bulk: Bulk) -> None:
    words = bulk.words
    if found.progress == "running":
        say(f"Operation {found.id} has begun: {count(found.bound.count, words.one, words.many)}.")
        return
    done = f"{count(found.done, words.one, words.many)} {words.participle}"
    if found.progress == "ended":
        say(f"{done}.{f' {bulk.hint}' if bulk.hint and found.done else ''}")
    else:
        say(f"Operation {found.id} is {found.progress} after {done}{f': {safe(found.why)}' if found.why else ''}.")
    for why, number in found.skipped.items():
        ids = ", ".join(task_id for task_id, reason in found.skipped_ids if reason == why)
        note(f"{count(number)} left alone: {why}{f' ({shorten(ids, 120)})' if ids else ''}")


def _details(preview: Preview, now_ms: int) -> Sequence[str]:
    """What a person wants to know before they say yes."""
    lines = []
    for share in preview.by_fault[:SHOWN_FAULTS]:
        title = f"{share.error_class}: {share.message}" if share.message else share.error_class
        lines.append(f"  {count(share.count)} × {safe(shorten(title, 90)) or share.fingerprint}")
    if len(preview.by_fault) > SHOWN_FAULTS:
        lines.append(f"  and {count(len(preview.by_fault) - SHOWN_FAULTS, 'more fault')}")
    if preview.bound.state is State.DEAD and preview.oldest_at is not None and preview.newest_at is not None:
        oldest, newest = clock(preview.oldest_at, now_ms), clock(preview.newest_at, now_ms)
        lines.append(f"  died {oldest} to {newest} (UTC); what dies later is not touched")
    return lines


def of_state(verb: Verb, state: State) -> Verb:
    """The verb, with the words for tasks in that state."""
    one = "dead letter" if state is State.DEAD else f"{state.value} task"
    return replace(verb, one=one, many=f"{one}s")


def pace(per_minute: float | None) -> float | None:
    """Tasks per second."""
    return None if per_minute is None else per_minute / 60
