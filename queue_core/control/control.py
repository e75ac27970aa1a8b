"""What others call to act on queues, tasks and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from queue_core import audit, codec, connection, decoding, limits, protocol, settings
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.control.commanding import command_workers
from queue_core.control.faults import mute_fault, note_fault, unmute_fault
from queue_core.control.given import Seen, check_keep_seconds, check_ms, edit_facts, facts_of
from queue_core.errors import (
    InvalidArgument,
    QueueNotEmpty,
    UnknownQueue,
    check_several,
    shown,
)
from queue_core.ids import is_task_id
from queue_core.inspector import Inspector
from queue_core.keys import MAX_PRIORITY, QueueKeys
from queue_core.limits import KEEP, Age, Count, Rate
from queue_core.moving import BATCH, Move
from queue_core.protocol import Acted, Call, QueueDeleted, Session, Switched
from queue_core.schedules import Schedules
from queue_core.snapshot import Outcome, State
from queue_core.task import MAX_ALLOWED_RETRIES, check_integer

MAX_TASKS = 10**12
"""More than any queue has."""
MAX_IDS = 10_000
"""In one action."""
NO_ID = "no task has such an id"
MOVING = "being moved to "
"""And the name of a queue: why the trash leaves a task alone that a mover has put there (scripts/lib/origin.lua)."""


class Control:
    """Operators' actions on queues; threads may share one.

    Raises `UnknownQueue`, and then nothing was written; `InvalidArgument`, `ServerUnavailable`, `ServerRefused`,
    `ServerFull`, `FormatMismatch`, `CorruptQueue`. `by`: who acts; `reason`: why, in free words; `action_id`: the form.
    """

    def __init__(self, url: str | None = None, namespace: str | None = None, *, client: Client | None = None) -> None:
        self._client = client or Client(url, namespace)

    def close(self) -> None:
        self._client.close()

    # Tasks.

    def requeue(
        self, queue: str, letters: Sequence[tuple[str, int]], *, by: str, action_id: str, reason: str = ""
    ) -> Outcome:
        """Dead letters (id, time of death) become ready. Skipped: `changed` (it died again since), `not dead`, `its
        unique key is held by <id>`."""
        act = Act.check("requeue", by, action_id, reason)
        facts = facts_of(act)
        died: dict[str, int] = {}
        check_several("letters", letters)
        for letter in letters:
            if not isinstance(letter, tuple | list) or len(letter) != 2 or not isinstance(letter[0], str):
                raise InvalidArgument(f"letter {shown(letter, 80)} is not accepted: an id and its time of death")
            task_id, died_at = letter
            died[task_id] = max(check_ms("time of death", died_at), died.get(task_id, 0))

        def call(keys: QueueKeys, ids: Sequence[str]) -> Call[Acted]:
            return protocol.requeue(keys, [(task_id, died[task_id]) for task_id in ids], facts)

        return self._act(act, queue, list(died), call)

    def edit(
        self,
        queue: str,
        task_id: str,
        died_at: int,
        *,
        payload: bytes,
        priority: int,
        max_retries: int,
        by: str,
        action_id: str,
        reason: str = "",
        changes: str = "",
    ) -> Outcome:
        """A dead letter becomes ready with other arguments (JSON, as they are stored), under the same id.

        `changes`: what was changed, in words, for the audit and the history. Skipped: `changed` (it died again since),
        `not dead`, `its unique key is held by <id>`. Raises `InvalidPayload`, and `UnreadableEnvelope` where what is
        stored is none.
        """
        act = Act.check("edit", by, action_id, reason)
        changes = audit.check_text("changes", changes, audit.MAX_TARGET)
        check_ms("time of death", died_at)
        check_integer("priority", priority, -MAX_PRIORITY, MAX_PRIORITY)
        check_integer("max_retries", max_retries, 0, MAX_ALLOWED_RETRIES)
        keys = self._client.queue(queue)
        stored = self._read(("HGET", keys.tasks, task_id))[0] if is_task_id(task_id) else None
        envelope = codec.edited(stored, payload, priority, max_retries) if isinstance(stored, bytes) else b""
        facts = {**facts_of(act), **edit_facts(changes)}
        told = f": {changes}" if changes else ""
        return self._act(
            act, queue, [task_id], lambda keys, some: protocol.edit(keys, some[0], died_at, envelope, facts), told
        )

    def trash(
        self,
        queue: str,
        ids: Sequence[str],
        *,
        by: str,
        action_id: str,
        reason: str = "",
        keep_seconds: float = settings.TRASH_SECONDS,
        state: State | None = None,
        died: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Tasks are put out of the way, restorable for a while. `state`: in which they were seen; `died`: when the
        letters among them had died. Skipped: `running`, `in the trash`, `gone`; `<state> now`, `changed` (it died again
        since)."""
        act = Act.check("trash", by, action_id, reason)
        keep_ms = check_keep_seconds(keep_seconds)
        seen = Seen.check(ids, state, died)
        return self._act(
            act,
            queue,
            ids,
            lambda keys, some: protocol.trash(keys, seen.named(some), keep_ms, act.by, act.reason, act=act.action_id),
        )

    def cancel(
        self,
        queue: str,
        ids: Sequence[str],
        *,
        by: str,
        action_id: str,
        reason: str = "",
        state: State | None = None,
    ) -> Outcome:
        """Tasks end before their time: those that wait at once; `asked`: those that run, and stop when their worker has
        heard of it. `state`: in which they were seen. Skipped: `dead` (those are purged), `in the trash`, `gone`;
        `<state> now`."""
        act = Act.check("cancel", by, action_id, reason)
        facts, seen = facts_of(act), Seen.check(ids, state, None)
        return self._act(act, queue, ids, lambda keys, some: protocol.cancel(keys, seen.named(some), facts))

    def restore(self, queue: str, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks leave the trash for where they were; one that a mover left there is called back first.

        Skipped: `not in the trash`; `its unique key is held by <id>`; `moved to <queue>`, where it has arrived already.
        """
        act = Act.check("restore", by, action_id, reason)
        return self._call_back(act, queue, self._act(act, queue, ids, protocol.restore))

    def move(
        self,
        queue: str,
        ids: Sequence[str],
        to_queue: str,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        state: State | None = None,
        died: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Tasks go to another queue as they are: a dead letter is one there, of the same fault; what was held is ready.

        Skipped: `running`, `gone`, `in the trash`, `being moved to <another queue>`, `in that queue already, <state>`,
        `its unique key is held by <id>` (there), `called back` (restored meanwhile); with `state` and `died`, which are
        as in `trash`, `<state> now` and `changed`. Where its runner died midway,
        tasks are in the trash, from where they can be restored; the same move again goes on with them. The target's
        limits do not hold a move up.
        """
        act = Act.check("move", by, action_id, reason)
        if self._client.queue(to_queue).queue == queue:
            raise InvalidArgument(f"tasks of {queue} cannot be moved to {to_queue}: it is the same queue")
        seen = Seen.check(ids, state, died)
        skipped, wanted = self._wanted(act, queue, ids, f" to {to_queue}")
        move = Move(self._client, queue, to_queue, act.by, act.reason, facts_of(act))
        done: list[str] = []
        server_ms = number = 0
        while wanted:
            moved = move.move(seen.named(wanted[:BATCH]), f"{act.action_id}.{number}")
            wanted = [*moved.later, *wanted[BATCH:]]
            done += moved.done
            skipped |= moved.skipped
            server_ms, number = max(server_ms, moved.now_ms), number + 1
        return Outcome(act.verb, tuple(done), skipped, server_ms)

    def promote(self, queue: str, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Scheduled and retrying tasks become ready now. Skipped: `not waiting for a time`."""
        return self._act(Act.check("promote", by, action_id, reason), queue, ids, protocol.promote)

    def delete(self, queue: str, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks in the trash are deleted for good. Skipped: `not in the trash`, `being moved to <queue>`."""
        return self._act(Act.check("delete", by, action_id, reason), queue, ids, protocol.delete)

    # A fault.

    def mute_fault(
        self,
        queue: str,
        fingerprint: str,
        *,
        until: int | None = None,
        attempts: int | None = None,
        by: str,
        action_id: str,
        reason: str = "",
    ) -> Outcome:
        """The fault is no problem until then, or until so many `attempts` more have failed, whichever is first; it
        counts on all the same. Skipped: `that time is over`, `no such fault` (any more). Raises `UnknownFault`."""
        act = Act.check("mute_fault", by, action_id, reason)
        return mute_fault(self._client, act, queue, fingerprint, until, attempts)

    def unmute_fault(self, queue: str, fingerprint: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """The fault is a problem again, where it is one. Skipped: `not muted`. Raises `UnknownFault`."""
        return unmute_fault(self._client, Act.check("unmute_fault", by, action_id, reason), queue, fingerprint)

    def note_fault(
        self, queue: str, fingerprint: str, text: str, *, by: str, action_id: str, reason: str = ""
    ) -> Outcome:
        """The words stand beside the fault, for whoever looks next; it keeps the newest ten. Skipped: `no such fault`
        (any more). Raises `UnknownFault`."""
        return note_fault(self._client, Act.check("note_fault", by, action_id, reason), queue, fingerprint, text)

    # The queue.

    def pause(self, queue: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Nothing is given out until `resume`. Skipped: `paused already`; who paused it first, and why, stays."""
        act = Act.check("pause", by, action_id, reason)
        return self._switch(act, queue, "", "paused already", lambda keys: protocol.pause(keys, act.by, act.reason))

    def resume(self, queue: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks are given out again. Skipped: `not paused`."""
        return self._switch(Act.check("resume", by, action_id, reason), queue, "", "not paused", protocol.resume)

    def limit(
        self,
        queue: str,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        max_length: Count = KEEP,
        enqueue_rate: Rate = KEEP,
        claim_rate: Rate = KEEP,
        dead_max_age: Age = KEEP,
        dead_max_count: Count = KEEP,
        dead_warning: Count = KEEP,
        wait_target: Age = KEEP,
    ) -> Outcome:
        """Limit what the queue takes, gives out and keeps; `None`: not any more; what is not named stays as it is.

        `max_length`: tasks, without dead letters and the trash, beyond which `enqueue` raises `QueueFull`. Rates are
        (tasks, seconds), as many at once: of `enqueue`, which raises `RateLimited`, and of what is given out to all
        workers together. Dead letters older than `dead_max_age` (seconds or a timedelta) and the oldest of them beyond
        `dead_max_count` go into the trash; more than `dead_warning` are a problem, and so is a ready task that has
        waited for longer than `wait_target` (seconds or a timedelta; default 5 min). Skipped: `limited so already`.
        """
        act = Act.check("limit", by, action_id, reason)
        changes = limits.changes(
            max_length=max_length,
            enqueue_rate=enqueue_rate,
            claim_rate=claim_rate,
            dead_max_age=dead_max_age,
            dead_max_count=dead_max_count,
            dead_warning=dead_warning,
            wait_target=wait_target,
        )
        return self._switch(
            act,
            queue,
            "",
            "limited so already",
            lambda keys: protocol.limit(keys, changes, act.by),
            limits.told(changes),
        )

    def close_lane(self, queue: str, lane: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks of a lane (`name:<task>`) are held. Skipped: `closed already`."""
        act = Act.check("close_lane", by, action_id, reason)
        return self._switch(
            act, queue, lane, "closed already", lambda keys: protocol.close_lane(keys, lane, act.by, act.reason)
        )

    def open_lane(self, queue: str, lane: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks of a lane are given out again. Skipped: `not closed`."""
        act = Act.check("open_lane", by, action_id, reason)
        return self._switch(act, queue, lane, "not closed", lambda keys: protocol.open_lane(keys, lane, act.by))

    def delete_queue(
        self,
        queue: str,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        force: bool = False,
        at_most: int | None = None,
    ) -> Outcome:
        """The queue is gone, with its faults, books and pauses. Raises `QueueNotEmpty` (`counts`) unless it is empty.

        `force`: every task in it is deleted for good, also those in the trash; refused only while tasks run, or where
        there are more than `at_most`, which is how many somebody was shown. `served_by`: workers that listen to it
        still; with their next claim it is there again, empty.
        """
        act = Act.check("delete_queue", by, action_id, reason)
        if at_most is not None:
            check_integer("at_most", at_most, 0, MAX_TASKS)
        keys = self._client.queue(queue)
        (exists,) = self._read(("EXISTS", keys.control))
        if exists:
            audit.record(self._client, queue, act, "the queue, with what is in it" if force else "the queue")
            Schedules(client=self._client).begin_anew(queue)
        try:
            deleted = self._client.run(
                protocol.delete_queue(keys, is_forced=force, at_most=at_most), Session(f"{act.action_id}.0")
            )
        except UnknownQueue:
            raise _unknown(queue) from None
        if not deleted.is_gone:
            raise QueueNotEmpty(_why_not_deleted(queue, deleted, force), queue=queue, counts=deleted.counts)
        self._client.unregister(queue)
        listening = Inspector(client=self._client).workers_of(queue)
        return Outcome(act.verb, (queue,), {}, deleted.now_ms, served_by=tuple(worker.id for worker in listening))

    # Workers.

    def quiet_workers(self, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Workers claim nothing more and go on with what runs, until they are resumed or stopped.

        They hear of it at once or with their next heartbeats, and say so themselves (`WorkerSnapshot.command`); what a
        worker has not read within a minute it does not do, and of what it was told since it last read, the last one.
        Skipped: `no such worker`, `silent for …`, `stopping already`, `it says nothing that can be read`.
        """
        return command_workers(self._client, Act.check("quiet", by, action_id, reason), ids)

    def resume_workers(self, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Workers claim again. As `quiet_workers`."""
        return command_workers(self._client, Act.check("resume", by, action_id, reason), ids)

    def stop_workers(self, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Workers end, as on SIGTERM: what runs has their grace time. As `quiet_workers`."""
        return command_workers(self._client, Act.check("stop", by, action_id, reason), ids)

    # What is only written down.

    def unmask(self, queue: str, task_id: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Somebody is about to see what is hidden of a task: that stands in the audit stream, or they do not see it."""
        act = Act.check("unmask", by, action_id, reason)
        self._known(queue)
        audit.record(self._client, queue, act, audit.target_of([task_id]), 1)
        return Outcome(act.verb, (task_id,), {}, 0)

    def refuse(self, what: str, *, by: str, action_id: str, reason: str = "", queue: str = "") -> Outcome:
        """Nothing is done: that somebody wanted it, and why they may not, stands in the audit stream."""
        act = Act.check("refuse", by, action_id, reason)
        audit.record(self._client, queue, act, what)
        return Outcome(act.verb, (), {decoding.line(what, audit.MAX_TARGET): act.reason}, 0)

    def sign_in(self, address: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Somebody has signed in to a console, from that address: that stands in the audit stream."""
        return self._came_or_went("sign_in", address, by, action_id, reason)

    def sign_out(self, address: str, *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Somebody has signed out of a console. As `sign_in`."""
        return self._came_or_went("sign_out", address, by, action_id, reason)

    def _came_or_went(self, verb: str, address: str, by: str, action_id: str, reason: str) -> Outcome:
        act = Act.check(verb, by, action_id, reason)
        audit.record(self._client, "", act, f"from {audit.check_text('address', address, audit.MAX_TARGET - 5)}")
        return Outcome(act.verb, (), {}, 0)

    # How it is done.

    def _act(
        self,
        act: Act,
        queue: str,
        ids: Sequence[str],
        call: Callable[[QueueKeys, Sequence[str]], Call[Acted]],
        how: str = "",
    ) -> Outcome:
        """Send the ids in batches, each in a session of its own. `how`: more for the audit."""
        skipped, wanted = self._wanted(act, queue, ids, how)
        keys = self._client.queue(queue)
        done: list[str] = []
        acted: list[Acted] = []
        for number, batch in enumerate(_batches(wanted)):
            acted.append(self._client.run(call(keys, batch), Session(f"{act.action_id}.{number}")))
            skipped.update(acted[-1].skipped)
            left = {*acted[-1].skipped, *acted[-1].asked}
            done += [task_id for task_id in batch if task_id not in left]
        until = [a.until_ms for a in acted if a.until_ms is not None]
        server_ms = max((a.now_ms for a in acted), default=0)
        return Outcome(
            act.verb,
            tuple(done),
            skipped,
            server_ms,
            restorable_until=min(until, default=None) if done else None,
            asked=tuple(task_id for answer in acted for task_id in answer.asked),
        )

    def _wanted(self, act: Act, queue: str, ids: Sequence[str], where: str = "") -> tuple[dict[str, str], list[str]]:
        """Those that can be no ids, with why; and the others, each once, of which the audit stream has heard."""
        check_several("ids", ids)
        if not ids:
            raise InvalidArgument(f"no id was given to {act.verb}")
        if len(ids) > MAX_IDS:
            raise InvalidArgument(f"{len(ids):,} ids are not accepted: at most {MAX_IDS:,} in one action")
        self._known(queue)
        for task_id in ids:
            if not isinstance(task_id, str):
                raise InvalidArgument(f"id {shown(task_id, 80)} is not accepted: a text")
        skipped = {decoding.line(task_id, 300): NO_ID for task_id in ids if not is_task_id(task_id)}
        wanted = [task_id for task_id in dict.fromkeys(ids) if is_task_id(task_id)]
        if wanted:
            audit.record(self._client, queue, act, audit.target_of(wanted) + where, len(wanted))
        return skipped, wanted

    def _call_back(self, act: Act, queue: str, outcome: Outcome) -> Outcome:
        """What was left alone because it was on its way to another queue is restored, if it has not arrived there."""
        targets: dict[str, list[str]] = {}
        for task_id, why in outcome.skipped.items():
            if why.startswith(MOVING):
                targets.setdefault(why.removeprefix(MOVING), []).append(task_id)
        done, skipped, server_ms = list(outcome.done), dict(outcome.skipped), outcome.server_ms
        for to_queue, moving in targets.items():
            move, number = Move(self._client, queue, to_queue, act.by), 0
            while moving:
                moved = move.call_back(moving[:BATCH], f"{act.action_id}.{to_queue}.{number}")
                moving = [*moved.later, *moving[BATCH:]]
                skipped = {task_id: why for task_id, why in skipped.items() if task_id not in moved.done}
                skipped |= moved.skipped
                done += moved.done
                server_ms, number = max(server_ms, moved.now_ms), number + 1
        return replace(outcome, done=tuple(done), skipped=skipped, server_ms=server_ms)

    def _switch(
        self,
        act: Act,
        queue: str,
        lane: str,
        why_not: str,
        call: Callable[[QueueKeys], Call[Switched]],
        about: str = "",
    ) -> Outcome:
        made = call(self._client.queue(queue))  # checks the lane before anything is sent
        self._known(queue)
        audit.record(self._client, queue, act, about or (f"lane {lane}" if lane else "the queue"))
        switched = self._client.run(made, Session(f"{act.action_id}.0"))
        what = lane or queue
        done = (what,) if switched.has_changed else ()
        return Outcome(act.verb, done, {} if done else {what: why_not}, switched.now_ms)

    def _known(self, queue: str) -> QueueKeys:
        """The keys of a queue that there is: acting on another one would make it."""
        keys = self._client.queue(queue)
        (exists,) = self._read(("EXISTS", keys.control))
        if not exists:
            raise _unknown(queue)
        return keys

    def _read(self, *commands: Sequence[Any]) -> Sequence[Any]:
        return connection.checked(self._client.read(*commands), self._client.url)


def _why_not_deleted(queue: str, deleted: QueueDeleted, force: bool) -> str:
    found = ", ".join(f"{count:,} {state}" for state, count in deleted.counts.items()) or f"{deleted.tasks:,} tasks"
    if not force:
        return f"queue {queue} is not empty: {found}. Move or purge them, or insist with force"
    if deleted.counts.get("running"):
        return f"tasks of queue {queue} run now: {found}. Pause it and let them end"
    return f"there are more tasks in queue {queue} than were to be deleted: {found}"


def _unknown(queue: str) -> UnknownQueue:
    return UnknownQueue(f"there is no queue {queue}", queue=queue)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), settings.MAX_BATCH):
        yield ids[start : start + settings.MAX_BATCH]
