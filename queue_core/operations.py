"""Actions on all tasks that match: previewed, bound to what was shown, done in the background in small chunks.

A chunk is one call of the verb's script, which finds the next tasks, changes them and counts the progress in one.
Whoever runs chunks (`tend`) may stop at any moment: another takes over when nothing was heard for 15 seconds.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from queue_core import audit, connection, decoding, keys, protocol, settings
from queue_core.audit import Act
from queue_core.bounds import check_bound, check_pace, describe
from queue_core.client import Client
from queue_core.control import check_keep_seconds, history_facts
from queue_core.errors import (
    InvalidArgument,
    OperationEnded,
    ServerUnavailable,
    TaskyardError,
    UnknownOperation,
    UnknownQueue,
    shown,
)
from queue_core.inspector import MAX_ROWS, Inspector, is_operation_id
from queue_core.keys import QueueKeys
from queue_core.moving import Move
from queue_core.previews import Previews
from queue_core.protocol import Acted, Call, Chunk, ChunkDone, Session
from queue_core.protocol.operations import MAX_UNDER_WAY
from queue_core.snapshot import Bound, Operation, Preview, State

CANARY, CANARY_FROM = 10, 1_000
MAX_QUEUES = 1_000
"""That are looked at for operations that nobody runs."""
MOST_RECALLS = 5
"""Of one operation: another follows one that was cancelled."""
HINT_MS = 8 * 86_400_000
WAIT_SECONDS = 0.5
MOST_REST_SECONDS = 0.01
"""Behind a chunk those have their turn who work meanwhile, for as long as it took; it takes the server 3 ms or so."""


def suggest_canary(count: int) -> int:
    """How many of so many tasks should go first, when nobody said: 10 of more than 1,000, else none."""
    return CANARY if count > CANARY_FROM else 0


def operation_id(queue: str, action_id: str) -> str:
    """The same form begins the same operation."""
    return hashlib.sha256(f"{queue}\n{action_id}".encode()).hexdigest()[:12]


def recall_forms(operation_id: str) -> tuple[str, ...]:
    """Whoever presses, it is the same form, and another one only where what the one before began was cancelled."""
    return tuple(f"recall {operation_id} {number}" for number in range(1, MOST_RECALLS + 1))


class Operations:
    """Operators' actions on many tasks; threads may share one.

    Raises what `Control` does; `UnknownOperation`, `OperationEnded`, `TooManyOperations`.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        client: Client | None = None,
        patience_seconds: float = settings.PATIENCE_SECONDS,
    ) -> None:
        self._client = client or Client(url, namespace, patience_seconds=patience_seconds)
        self._inspector = Inspector(client=self._client)
        self._previews = Previews(self._client, self._inspector)
        self._runner = secrets.token_urlsafe(9)
        self._is_closing = threading.Event()

    def close(self) -> None:
        """A `tend` that runs in another thread ends before its next chunk."""
        self._is_closing.set()
        self._client.close()

    # Before.

    def preview(
        self,
        queue: str,
        verb: str,
        *,
        state: State = State.DEAD,
        faults: Sequence[str] = (),
        since: int | None = None,
        until: int | None = None,
        to_queue: str = "",
    ) -> Preview:
        """What the operation would act on: a whole state, or the dead letters of some faults (none named: of all) that
        died from `since` to `until`; `to_queue`: where a move takes them. At most six round trips, each as long as what
        is shown."""
        return self._previews.one(queue, verb, state, faults, since, until, to_queue)

    def preview_several(
        self,
        verb: str,
        queues: Mapping[str, Sequence[str]],
        *,
        state: State = State.DEAD,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Preview, ...]:
        """Of several queues at once, of each with its faults (none named: all); only of dead and trashed tasks. Each is
        begun as an operation of its own. Those in which there is nothing to do are missing. At most six round trips."""
        return self._previews.several(verb, queues, state, since, until)

    def undoing(self, queue: str, act: str, count: int, *, since: int, until: int) -> Bound:
        """What restores those of `count` tasks that one act has put into the trash and that are there still: an
        operation, by its id, or another action, by its form's. `since`, `until`: between these times, ms, they are
        deleted for good. One round trip. Raises `InvalidArgument`."""
        self._client.queue(queue)
        now = self._inspector.server_ms()
        bound = Bound(queue, "restore", State.TRASHED, now, count, since=since, highest=until, undoes=act)
        check_bound(bound)
        return bound

    def recalling(self, queue: str, operation_id: str) -> Bound:
        """What makes dead letters again of those tasks that an operation has requeued and nobody has begun since. One
        that is still under way ends when this is started, and what it requeues until then is meant, too. Four round
        trips. Raises `UnknownOperation`, and `InvalidArgument` where there is nothing to recall."""
        found = self._inspector.operation(operation_id, queue)
        if found.bound.verb != "requeue":
            raise InvalidArgument(f"operation {operation_id} is to {found.bound.verb}: what was requeued is recalled")
        now, count = self._inspector.server_ms(), self._inspector.recallable([found])[0]
        if not count:
            raise InvalidArgument(f"operation {operation_id} has requeued nothing that has not begun")
        return Bound(queue, "recall", State.READY, now, count, undoes=operation_id)

    # Beginning and steering.

    def start(
        self,
        bound: Bound,
        *,
        by: str,
        action_id: str,
        reason: str = "",
        drip: float | None = None,
        canary: int = 0,
        keep_seconds: float = settings.TRASH_SECONDS,
    ) -> Operation:
        """Begin what was previewed; `tend` does it. The same form sent again begins nothing more.

        `drip`: at most so many tasks a second; `canary`: so many go first, and the others when all of those have
        completed; where one fails again or ends without completing, it pauses.
        """
        if not isinstance(bound, Bound):
            raise InvalidArgument(f"bound {shown(bound, 80)} is not accepted: that of a preview")
        act = Act.check(bound.verb, by, action_id, reason)
        facts = check_bound(bound) | check_pace(bound, drip, canary)
        facts |= {"by": act.by, "reason": act.reason, "action": act.action_id}
        facts["keep"] = check_keep_seconds(keep_seconds)
        queue = self._client.queue(bound.queue)
        name = operation_id(bound.queue, action_id)
        exists, began, server_time = self._read(("EXISTS", queue.control), ("EXISTS", queue.operation(name)), ("TIME",))
        if not exists:
            raise UnknownQueue(f"there is no queue {bound.queue}", queue=bound.queue)
        if not began:
            audit.record(self._client, bound.queue, act, describe(bound), bound.count)
            self._hint(bound.queue, server_time)
            if bound.verb == "recall":
                facts["count"] = self._end_requeue(bound, act)
            counts_outcome = bound.verb == "requeue"
            self._client.run(protocol.start_operation(queue, name, facts, counts_outcome=counts_outcome))
        return self._inspector.operation(name, bound.queue)

    def recall(self, operation_id: str, queue: str, *, by: str, reason: str = "") -> Operation:
        """Begin to recall what an operation has requeued (`recalling`), once, whoever asks: it tells what was begun
        before, unless that was cancelled. Raises `InvalidArgument` where there is nothing to recall."""
        begun = self.recalls([(queue, operation_id)]).get((queue, operation_id), ())
        if begun and (begun[-1].progress != "cancelled" or len(begun) == MOST_RECALLS):
            return begun[-1]
        form = recall_forms(operation_id)[len(begun)]
        return self.start(self.recalling(queue, operation_id), by=by, action_id=form, reason=reason)

    def recalls(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Operation, ...]]:
        """What was begun to recall these operations (queue, id), in its order. A round trip for 40 of them."""
        forms = {at: [(at[0], operation_id(at[0], form)) for form in recall_forms(at[1])] for at in wanted}
        named: list[tuple[str, str]] = list(itertools.chain(*forms.values()))
        found: dict[tuple[str, str], Operation] = {}
        for first in range(0, len(named), MAX_ROWS):
            found |= self._inspector.operations_named(named[first : first + MAX_ROWS])
        return {at: tuple(found[one] for one in of if one in found) for at, of in forms.items()}

    def pause(self, operation_id: str, queue: str, *, by: str, action_id: str, reason: str = "") -> Operation:
        """Nothing more is done until `resume`; what was done stays. Takes effect before the next chunk."""
        return self._switch("pause", operation_id, queue, Act.check("pause_operation", by, action_id, reason))

    def resume(self, operation_id: str, queue: str, *, by: str, action_id: str, reason: str = "") -> Operation:
        """It goes on; one that waits for what becomes of its first tasks no longer does."""
        return self._switch("resume", operation_id, queue, Act.check("resume_operation", by, action_id, reason))

    def cancel(self, operation_id: str, queue: str, *, by: str, action_id: str, reason: str = "") -> Operation:
        """It ends here; what was done stays."""
        return self._switch("cancel", operation_id, queue, Act.check("cancel_operation", by, action_id, reason))

    def _end_requeue(self, bound: Bound, act: Act) -> int:
        """What is recalled is requeued no further. Shape: how many tasks there are to recall."""
        queue = self._client.queue(bound.queue)
        session = Session(f"{act.form(bound.queue)}.{bound.undoes}")
        call = protocol.switch_operation(queue, bound.undoes, "cancel", f"{act.by}, who pulled it back")
        try:
            self._client.run(call, session)
            return max(bound.count, *self._inspector.recallable([self._inspector.operation(bound.undoes, bound.queue)]))
        except (OperationEnded, UnknownOperation):
            return bound.count

    def _switch(self, verb: str, name: str, queue: str, act: Act) -> Operation:
        self._inspector.operation(name, queue)  # raises where there is none
        audit.record(self._client, queue, act, f"operation {name}")
        known = self._client.queue(queue)
        why = f"{act.by}: {act.reason}" if act.reason else act.by
        session = Session(f"{act.form(queue)}.{name}")
        try:
            switched = self._client.run(protocol.switch_operation(known, name, verb, why), session)
        except (OperationEnded, UnknownOperation) as error:
            raise type(error)(f"operation {name}: {error}", operation_id=name) from None
        if verb == "resume" and switched.has_changed:
            self._hint(queue, (switched.now_ms // 1000, 0))
        return self._inspector.operation(name, queue)

    def _hint(self, queue: str, server_time: Sequence[Any]) -> None:
        """Tell whoever looks after operations where to look. Sent twice it says the same, and on a full server nothing:
        the workers of the queue look there anyway."""
        now = int(server_time[0]) * 1000
        directory = keys.operations(self._client.namespace)
        self._client.read(("ZADD", directory, now, queue), ("ZREMRANGEBYSCORE", directory, "-inf", now - HINT_MS))

    # Running.

    def tend(self, queues: Iterable[str] = (), *, seconds: float = 1.0) -> int | None:
        """Run chunks of the operations that nobody else runs, a chunk of each in turn, for so long at most.

        Those of `queues` and of wherever else one was begun. Shape: when the next chunk is due, ms; `None`: nothing
        waits for its time.
        """
        ends = time.monotonic() + seconds
        running = self._running(queues)
        next_ms: list[int] = []
        while running:
            still: list[tuple[QueueKeys, str, dict[bytes, bytes]]] = []
            for queue, name, facts in running:
                if self._is_closing.is_set() or time.monotonic() >= ends:
                    return None
                begun = time.monotonic()
                done = self._run_chunk(queue, name, facts)
                if done and done.word == "more":
                    still.append((queue, name, facts))
                    self._is_closing.wait(min(time.monotonic() - begun, MOST_REST_SECONDS))
                elif done and done.next_ms:
                    next_ms.append(done.next_ms)
            running = still
        return min(next_ms, default=None)

    def run_chunk(self, operation_id: str, queue: str) -> ChunkDone:
        """One chunk of one operation, where nobody else runs it. Raises `UnknownOperation`, `InvalidArgument`."""
        known = self._client.queue(queue)
        (facts,) = self._read(("HGETALL", known.operation(_check_id(operation_id))))
        done = self._send_chunk(known, operation_id, facts)
        if done.word == "gone":
            raise UnknownOperation(f"there is no operation {operation_id} in {queue}", operation_id=operation_id)
        return done

    def wait(
        self,
        operation_id: str,
        queue: str,
        on_progress: Callable[[Operation], None] = lambda operation: None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Operation:
        """Run the operation until it has ended or is paused, or watch how somebody else does."""
        while True:
            begun = time.monotonic()
            word, next_ms = "more", None
            while word == "more" and time.monotonic() - begun < WAIT_SECONDS:
                done = self.run_chunk(operation_id, queue)
                word, next_ms = done.word, done.next_ms
            found = self._inspector.operation(operation_id, queue)
            on_progress(found)
            if found.has_ended or found.progress == "paused":
                return found
            if word != "more":
                wait_ms = next_ms - self._inspector.server_ms() if next_ms else 0
                sleep(min(max(wait_ms / 1000, 0.01), WAIT_SECONDS) if word == "due" else WAIT_SECONDS)

    def _running(self, queues: Iterable[str]) -> list[tuple[QueueKeys, str, dict[bytes, bytes]]]:
        (directory,) = self._client.read(("ZRANGE", keys.operations(self._client.namespace), 0, MAX_QUEUES - 1, "REV"))
        # A directory that cannot be read is no reason to leave what was begun: then all queues are asked.
        begun = map(decoding.text, directory) if isinstance(directory, list) else self._inspector.queue_names()
        names = dict.fromkeys([*queues, *begun])
        known = [self._client.queue(name) for name in names if keys.is_name(name)]
        if not known:
            return []
        listed = self._client.read(
            *(("ZRANGEBYSCORE", queue.operations, "-inf", "(0", "LIMIT", 0, MAX_UNDER_WAY) for queue in known)
        )
        found = [
            (queue, name)
            for queue, answer in zip(known, listed, strict=True)
            if not isinstance(answer, Exception)
            for name in map(decoding.text, answer)
            if is_operation_id(name)
        ]
        if not found:
            return []
        answers = self._client.read(*(("HGETALL", queue.operation(name)) for queue, name in found))
        return [
            (queue, name, facts)
            for (queue, name), facts in zip(found, answers, strict=True)
            if not isinstance(facts, Exception) and _goes_on(facts)
        ]

    def _run_chunk(self, queue: QueueKeys, name: str, facts: dict[bytes, bytes]) -> ChunkDone | None:
        """One that cannot go on pauses, and says why."""
        try:
            return self._send_chunk(queue, name, facts)
        except ServerUnavailable:
            raise
        except TaskyardError as error:
            why = decoding.line(f"it cannot go on: {error}", 300)
            self._client.run(protocol.switch_operation(queue, name, "pause", why))
            return None

    def _send_chunk(self, queue: QueueKeys, name: str, facts: dict[bytes, bytes]) -> ChunkDone:
        chunk = Chunk(name, self._runner)
        if facts.get(b"verb") == b"move":
            return _move(self._client, queue.queue, facts, chunk).run_chunk(chunk)
        done = self._client.run(_chunk_call(queue, facts, chunk)).chunk
        if done and done.ids:
            done = self._client.run(_chunk_call(queue, facts, chunk, done.ids)).chunk
        assert done is not None
        return done

    def _read(self, *commands: Sequence[Any]) -> Sequence[Any]:
        return connection.checked(self._client.read(*commands), self._client.url)


def _goes_on(facts: dict[bytes, bytes]) -> bool:
    """Also one that was paused or cancelled while tasks of it were on their way to another queue."""
    return facts.get(b"state") == b"running" or bool(facts.get(b"aside") or facts.get(b"confirm"))


def _move(client: Client, queue: str, facts: dict[bytes, bytes], chunk: Chunk) -> Move:
    to_queue, by, reason = (decoding.line(decoding.text(facts.get(name)), 500) for name in (b"to", b"by", b"reason"))
    return Move(client, queue, to_queue, by, reason, history_facts(by, chunk.operation_id, reason))


def _chunk_call(queue: QueueKeys, facts: dict[bytes, bytes], chunk: Chunk, next_ids: Sequence[str] = ()) -> Call[Acted]:
    """`next_ids`: as the same chunk has named them, where it has to be told."""
    verb = decoding.text(facts.get(b"verb"))
    by, reason = (decoding.line(decoding.text(facts.get(name)), 500) for name in (b"by", b"reason"))
    if verb == "trash":
        return protocol.trash(
            queue, (), decoding.number(facts.get(b"keep", 0)), by, reason, chunk, act=chunk.operation_id
        )
    if verb == "restore":
        return protocol.restore(queue, (), chunk)
    if verb == "delete":
        return protocol.delete(queue, (), chunk=chunk)
    if verb == "promote":
        return protocol.promote(queue, (), chunk)
    about = history_facts(by, chunk.operation_id, reason)
    if verb == "recall":
        return protocol.recall(queue, about, chunk)
    if verb == "cancel":
        return protocol.cancel(queue, next_ids, about, chunk)
    return protocol.requeue(queue, (), about, chunk)


def _check_id(name: str) -> str:
    if not is_operation_id(name):
        raise UnknownOperation(f"there is no operation {shown(name, 80)}: no id looks like that", operation_id=name)
    return name
