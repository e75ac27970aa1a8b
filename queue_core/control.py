"""What operators do: each action acts once however often its form is sent, and says what it did and what it left alone.

What somebody is about to do is written into the audit stream first, or it is not done. An action has an id of its own.
The calls that it takes are numbered under it, so that the same form sent again within ten minutes gets the same answers
from the server and changes nothing more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from queue_core import audit, connection, decoding, limits, protocol, reading, scripts, settings
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.errors import (
    ActionUnderWay,
    InvalidArgument,
    QueueNotEmpty,
    ServerUnavailable,
    TaskyardError,
    UnknownFault,
    UnknownQueue,
    check_several,
    shown,
)
from queue_core.formats import duration
from queue_core.ids import is_task_id
from queue_core.inspector import Inspector
from queue_core.keys import NO_QUEUE, QueueKeys
from queue_core.limits import KEEP, Age, Count, Rate
from queue_core.moving import BATCH, Move
from queue_core.protocol import Acted, Argument, Call, QueueDeleted, Session, Switched
from queue_core.schedules import Schedules
from queue_core.snapshot import STALE_MS, Outcome, WorkerCommand, WorkerSnapshot
from queue_core.task import check_integer

MAX_TASKS = 10**12
"""More than any queue has."""
MAX_IDS = 10_000
"""In one action."""
HISTORY_BYTES = 240
"""Of an actor's name, or of a reason, in the histories of the tasks: what happened before has to stay there, too."""
MARK_MS = 30_000
"""How long an action that takes several calls counts as under way after its last sign of life."""
OUTCOME_MS = 600_000
NO_ID = "no task has such an id"
NO_WORKER = "no such worker"
COMMAND_MS = 60_000
"""What a worker has not read by then it does not do."""
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
        facts = _facts(act)
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

    def trash(
        self,
        queue: str,
        ids: Sequence[str],
        *,
        by: str,
        action_id: str,
        reason: str = "",
        keep_seconds: float = settings.TRASH_SECONDS,
    ) -> Outcome:
        """Tasks are put out of the way, restorable for a while. Skipped: `running`, `in the trash`, `gone`."""
        act = Act.check("trash", by, action_id, reason)
        keep_ms = check_keep_seconds(keep_seconds)
        return self._act(act, queue, ids, lambda keys, some: protocol.trash(keys, some, keep_ms, act.by, act.reason))

    def cancel(self, queue: str, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks end before their time: those that wait at once; `asked`: those that run, and stop when their worker has
        heard of it. Skipped: `dead` (those are purged), `in the trash`, `gone`."""
        act = Act.check("cancel", by, action_id, reason)
        facts = _facts(act)
        return self._act(act, queue, ids, lambda keys, some: protocol.cancel(keys, some, facts))

    def restore(self, queue: str, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Tasks leave the trash for where they were; one that a mover left there is called back first.

        Skipped: `not in the trash`; `its unique key is held by <id>`; `moved to <queue>`, where it has arrived already.
        """
        act = Act.check("restore", by, action_id, reason)
        return self._call_back(act, queue, self._act(act, queue, ids, protocol.restore))

    def move(
        self, queue: str, ids: Sequence[str], to_queue: str, *, by: str, action_id: str, reason: str = ""
    ) -> Outcome:
        """Tasks go to another queue as they are: a dead letter is one there, of the same fault; what was held is ready.

        Skipped: `running`, `gone`, `in the trash`, `being moved to <another queue>`, `in that queue already, <state>`,
        `its unique key is held by <id>` (there), `called back` (restored meanwhile). Where its runner died midway,
        tasks are in the trash, from where they can be restored; the same move again goes on with them. The target's
        limits do not hold a move up.
        """
        act = Act.check("move", by, action_id, reason)
        if self._client.queue(to_queue).queue == queue:
            raise InvalidArgument(f"tasks of {queue} cannot be moved to {to_queue}: it is the same queue")
        skipped, wanted = self._wanted(act, queue, ids, f" to {to_queue}")
        move = Move(self._client, queue, to_queue, act.by, act.reason, _facts(act))
        done: list[str] = []
        server_ms = number = 0
        while wanted:
            moved = move.move(wanted[:BATCH], f"{act.action_id}.{number}")
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

    def requeue_fault(
        self,
        queue: str,
        fingerprint: str,
        *,
        until: int,
        by: str,
        action_id: str,
        reason: str = "",
        limit: int = MAX_IDS,
    ) -> Outcome:
        """The fault's letters that died at or before `until` become ready, the oldest first, at most `limit`.

        `remaining`: how many of those are left. The same form sent again gets the same outcome; while it is under way,
        `ActionUnderWay`. Where its runner died in the midst, a form sent half a minute later goes on with what is left.
        Raises `UnknownFault`.
        """
        act, until = Act.check("requeue", by, action_id, reason), check_ms("until", until)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_IDS:
            raise InvalidArgument(f"limit {shown(limit, 20)} is not accepted: 1 to {MAX_IDS:,} letters")
        keys = self._client.queue(queue)
        if not reading.is_fingerprint(fingerprint):
            raise UnknownFault(f"there is no fault {shown(fingerprint, 80)} in {queue}: no fingerprint looks like that")
        letters = _Letters(keys, fingerprint, until)
        exists, stored, is_known, count = self._read(
            ("EXISTS", keys.control),
            ("GET", keys.action(action_id)),
            ("HEXISTS", keys.faults, fingerprint),
            letters.count(),
        )
        if not exists:
            raise _unknown(queue)
        if stored is None and not is_known and not count:
            raise UnknownFault(f"there is no fault {fingerprint} in {queue}")
        if stored is None:
            audit.record(self._client, queue, act, f"fault {fingerprint}", min(count, limit))
        run = _Run(secrets.token_urlsafe(9), action_id)
        found = self._mark(keys, run)
        if found:
            return found
        try:
            outcome = self._requeue_letters(keys, letters, run, _facts(act), limit)
        except ServerUnavailable:
            raise
        except TaskyardError:
            self._mark(keys, run, keep_ms=1)
            raise
        self._mark(keys, run, outcome, keep_ms=OUTCOME_MS)
        return outcome

    def _requeue_letters(
        self, keys: QueueKeys, letters: _Letters, run: _Run, facts: dict[str, object], limit: int
    ) -> Outcome:
        """Batch by batch, with a sign of life after each."""
        done: list[str] = []
        skipped: dict[str, str] = {}
        server_ms = looked_at = 0
        while looked_at < limit:
            (members,) = self._read(letters.next(min(settings.MAX_BATCH, limit - looked_at)))
            if not members:
                break
            batch = letters.advance(members)
            acted = self._client.run(protocol.requeue(keys, batch, facts), run.session(looked_at))
            done += [task_id for task_id, _ in batch if task_id not in acted.skipped]
            skipped.update(acted.skipped)
            server_ms, looked_at = max(server_ms, acted.now_ms), looked_at + len(members)
            self._mark(keys, run)
        remaining, (seconds, micros) = self._read(letters.count(), ("TIME",))
        if not server_ms:
            server_ms = self._client.clock() if self._client.clock else seconds * 1000 + micros // 1000
        return Outcome("requeue", tuple(done), skipped, server_ms, remaining=remaining)

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
    ) -> Outcome:
        """Limit what the queue takes, gives out and keeps; `None`: not any more; what is not named stays as it is.

        `max_length`: tasks, without dead letters and the trash, beyond which `enqueue` raises `QueueFull`. Rates are
        (tasks, seconds), as many at once: of `enqueue`, which raises `RateLimited`, and of what is given out to all
        workers together. Dead letters older than `dead_max_age` (seconds or a timedelta) and the oldest of them beyond
        `dead_max_count` go into the trash; more than `dead_warning` are a problem. Skipped: `limited so already`.
        """
        act = Act.check("limit", by, action_id, reason)
        changes = limits.changes(
            max_length=max_length,
            enqueue_rate=enqueue_rate,
            claim_rate=claim_rate,
            dead_max_age=dead_max_age,
            dead_max_count=dead_max_count,
            dead_warning=dead_warning,
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
        return self._command(Act.check("quiet", by, action_id, reason), ids)

    def resume_workers(self, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Workers claim again. As `quiet_workers`."""
        return self._command(Act.check("resume", by, action_id, reason), ids)

    def stop_workers(self, ids: Sequence[str], *, by: str, action_id: str, reason: str = "") -> Outcome:
        """Workers end, as on SIGTERM: what runs has their grace time. As `quiet_workers`."""
        return self._command(Act.check("stop", by, action_id, reason), ids)

    # How it is done.

    def _command(self, act: Act, ids: Sequence[str]) -> Outcome:
        if not ids:
            raise InvalidArgument(f"no worker was named to {act.verb}")
        inspector = Inspector(client=self._client)
        known, now_ms = {worker.id: worker for worker in inspector.workers()}, inspector.server_ms()
        found = {worker_id: known.get(worker_id) for worker_id in dict.fromkeys(map(str, ids))}
        told = [worker for worker in found.values() if worker and not why_not_told(worker, now_ms)]
        skipped = {
            decoding.line(worker_id, 128): why_not_told(worker, now_ms) if worker else NO_WORKER
            for worker_id, worker in found.items()
            if worker not in told
        }
        if told:
            audit.record(self._client, "", act, _target([worker.id for worker in told], "worker"), len(told))
        for worker in told:
            command = WorkerCommand(act.verb, act.by, act.reason, now_ms, worker.started_at, act.action_id)
            place = self._client.queue(NO_QUEUE)
            self._client.run(protocol.command_worker(place, worker.id, asdict(command), COMMAND_MS))
        return Outcome(act.verb, tuple(worker.id for worker in told), skipped, now_ms)

    def _act(
        self, act: Act, queue: str, ids: Sequence[str], call: Callable[[QueueKeys, Sequence[str]], Call[Acted]]
    ) -> Outcome:
        """Send the ids in batches, each in a session of its own."""
        skipped, wanted = self._wanted(act, queue, ids)
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
            audit.record(self._client, queue, act, _target(wanted) + where, len(wanted))
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

    def _mark(
        self, keys: QueueKeys, run: _Run, outcome: Outcome | None = None, keep_ms: int = MARK_MS
    ) -> Outcome | None:
        """Say that the action is under way, or what came of it. Returns the outcome that somebody else's run had."""
        text = b"" if outcome is None else msgspec.json.encode(outcome)
        standing = self._client.run(_mark(keys, run, text, keep_ms))
        if not standing:
            return None
        try:
            return msgspec.json.decode(standing.partition(b" ")[2], type=Outcome)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ActionUnderWay from None

    def _read(self, *commands: Sequence[Any]) -> list[Any]:
        answers = self._client.read(*commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise connection.translate(answer, self._client.url) from answer
        return answers


@dataclass(frozen=True, slots=True)
class _Run:
    """One runner of an action, who goes by `token`. Its calls are its own: another runner's letters are other ones."""

    token: str
    action_id: str

    def session(self, number: int) -> Session:
        return Session(f"{self.action_id}.{self.token}.{number}")


def _mark(keys: QueueKeys, run: _Run, outcome: bytes, keep_ms: int) -> Call[bytes]:
    """Shape: empty, or what another runner's mark says. Source: mark.lua."""
    arguments = (run.token, outcome, keep_ms)
    return Call(scripts.load("mark"), keys, arguments, bytes, (keys.action(run.action_id),), has_session=False)


class _Letters:
    """A fault's letters that died at or before a time, oldest first, each once."""

    def __init__(self, keys: QueueKeys, fingerprint: str, until: int) -> None:
        self._key = keys.dead_by_fault
        self._first = b"[%b:" % fingerprint.encode()
        self._from = self._first
        self._to = b"[%b:%013d:\xff" % (fingerprint.encode(), until)

    def count(self) -> Sequence[Argument]:
        """The command that counts all of them."""
        return "ZLEXCOUNT", self._key, self._first, self._to

    def next(self, limit: int) -> Sequence[Argument]:
        """The command that lists those behind the last ones."""
        return "ZRANGEBYLEX", self._key, self._from, self._to, "LIMIT", 0, limit

    def advance(self, members: Sequence[bytes]) -> list[tuple[str, int]]:
        """What was listed, as letters, is done with. What is no letter is left where it is."""
        self._from = b"(" + members[-1]
        letters = []
        for member in members:
            before, _, task_id = member.rpartition(b":")
            died_at = before.rpartition(b":")[2]
            if died_at.isdigit() and is_task_id(decoding.text(task_id)):
                letters.append((task_id.decode(), int(died_at)))
        return letters


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


def _target(ids: Sequence[str], what: str = "task") -> str:
    return f"{what} {ids[0]}" if len(ids) == 1 else f"{len(ids):,} {what}s, {ids[0]} the first"


def why_not_told(worker: WorkerSnapshot, now_ms: int) -> str:
    """Why a worker would do nothing that it is told; "" where it would."""
    if not worker.queues or not worker.started_at:
        return "it says nothing that can be read"
    if worker.state in ("stopping", "stopped"):
        return "stopping already"
    silent_ms = now_ms - worker.heartbeat_at
    return f"silent for {duration(silent_ms / 1000)}" if silent_ms >= STALE_MS else ""


def _facts(act: Act) -> dict[str, object]:
    return history_facts(act.by, act.action_id, act.reason)


def history_facts(by: str, operation: str, reason: str) -> dict[str, object]:
    """What the histories of requeued tasks say about it."""
    facts = {"by": _shorten(by), "operation": _shorten(operation), "reason": _shorten(reason)}
    return {name: fact for name, fact in facts.items() if fact}


def _shorten(text: str) -> str:
    data = text.encode()
    return text if len(data) <= HISTORY_BYTES else data[: HISTORY_BYTES - 3].decode("utf-8", "ignore") + "…"


def check_keep_seconds(keep_seconds: float) -> int:
    """How long the trash is to keep something, in ms."""
    is_number = isinstance(keep_seconds, int | float) and not isinstance(keep_seconds, bool)
    if not is_number or not 1 <= keep_seconds <= 366 * 86_400:
        raise InvalidArgument(f"keep_seconds {shown(keep_seconds)} is not accepted: 1 second to a year")
    return int(keep_seconds * 1000)


def check_ms(what: str, ms: int | None) -> int:
    if not isinstance(ms, int) or isinstance(ms, bool) or not 0 <= ms < 10**13:
        raise InvalidArgument(f"{what} {shown(ms)} is not accepted: it is in milliseconds since 1970")
    return ms
