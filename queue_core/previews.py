"""What an operation would act on, before it begins: how many tasks, which, of what time, about how large they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from queue_core import connection, decoding, ids, keys, reading
from queue_core.client import Client
from queue_core.control import check_ms
from queue_core.errors import InvalidArgument, check_several, shown
from queue_core.inspector import Inspector
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument
from queue_core.snapshot import Bound, Fault, FaultShare, Preview, State, TaskSummary

VERBS: dict[str, frozenset[State]] = {
    "requeue": frozenset({State.DEAD}),
    "trash": frozenset({State.DEAD, State.READY, State.SCHEDULED, State.RETRYING, State.HELD}),
    "restore": frozenset({State.TRASHED}),
    "delete": frozenset({State.TRASHED}),
    "promote": frozenset({State.SCHEDULED, State.RETRYING}),
    "cancel": frozenset({State.READY, State.SCHEDULED, State.RETRYING, State.HELD}),
    "move": frozenset({State.DEAD, State.READY, State.SCHEDULED, State.RETRYING, State.HELD}),
}
"""What can be done to a whole state."""
MAX_FAULTS = 1_200
"""Of one operation; a queue has no more."""
MAX_CHOSEN = 20_000
"""Faults of several queues together."""
SORTED = (State.SCHEDULED, State.RETRYING, State.TRASHED)
"""Whose places are in the order of a time."""
SAMPLES = 5
MOST_SIZED = 200
"""Tasks whose size is asked for, of all that are previewed."""
BYTES_BESIDE: Mapping[State, int] = {State.READY: 90, State.DEAD: 300, State.TRASHED: 280}
"""What a task takes beside its envelope and its history: its id in each place, and the server's own bookkeeping."""
BYTES_BESIDE_OTHERS = 190
"""Of a task in any other state."""


@dataclass(frozen=True, slots=True)
class Previews:
    """Threads may share one. Raises what `Operations` does."""

    client: Client
    inspector: Inspector

    def one(
        self,
        queue: str,
        verb: str,
        state: State,
        faults: Sequence[str],
        since: int | None,
        until: int | None,
        to_queue: str,
    ) -> Preview:
        """Of one queue. Raises `UnknownQueue`."""
        check_target(verb, state, faults, since, until)
        check_way(verb, queue, to_queue)
        self.client.queue(queue)
        now = self.inspector.server_ms()  # first: what arrives while this looks is later, though it may be counted
        seen = self.inspector.queue(queue)
        if state is State.DEAD:
            found = self._letters(verb, {queue: faults}, self.inspector.faults(queue), since, until, now)[0]
        elif state in SORTED:
            found = self._sorted(verb, state, [queue], now)[0]
        else:
            found = self._unsorted(queue, verb, state, now, int(getattr(seen.counts, state.value)))
            found = replace(found, oldest_at=seen.oldest_ready_at if state is State.READY else None)
        return replace(found, bound=replace(found.bound, to_queue=to_queue))

    def several(
        self, verb: str, queues: Mapping[str, Sequence[str]], state: State, since: int | None, until: int | None
    ) -> tuple[Preview, ...]:
        """Of several queues, of each with the faults that are named, in five or six round trips; those with nothing
        to do, or that there are not, are missing."""
        if state not in (State.DEAD, State.TRASHED):
            raise InvalidArgument(f"state {shown(str(state))} is not accepted: of several queues dead or trashed tasks")
        for queue, faults in queues.items():
            check_target(verb, state, faults, since, until)
            self.client.queue(queue)
        if sum(map(len, queues.values())) > MAX_CHOSEN:
            raise InvalidArgument(f"more than {MAX_CHOSEN:,} faults are not accepted at once")
        now = self.inspector.server_ms()
        if state is State.DEAD:
            found = self._letters(verb, queues, self.inspector.faults(), since, until, now)
        else:
            found = self._sorted(verb, state, list(queues), now)
        return tuple(preview for preview in found if preview.count)

    def _letters(
        self,
        verb: str,
        queues: Mapping[str, Sequence[str]],
        faults: Iterable[Fault],
        since: int | None,
        until: int | None,
        now: int,
    ) -> list[Preview]:
        until = min(now, until or now)
        known = {(fault.queue, fault.fingerprint): fault for fault in faults}
        chosen = {queue: tuple(sorted(set(named))) for queue, named in queues.items()}
        names = [(queue, name) for queue, named in chosen.items() for name in named]
        names += [at for at, fault in known.items() if fault.dead and chosen.get(at[0]) == ()]
        commands: list[Sequence[Argument]] = []
        for queue, name in names:
            place = self.client.queue(queue).dead_by_fault
            first, last = f"[{name}:{since or 0:013}", b"[%b:%013d:\xff" % (name.encode(), until)
            commands += [
                ("ZLEXCOUNT", place, first, last),
                ("ZRANGEBYLEX", place, first, last, "LIMIT", 0, SAMPLES),
                ("ZREVRANGEBYLEX", place, last, first, "LIMIT", 0, 1),
            ]
        answers = self._read(*commands)
        counts = dict(zip(names, answers[::3], strict=True))
        heads = {at: [_letter(member) for member in found] for at, found in zip(names, answers[1::3], strict=True)}
        tails = {at: [_letter(member)[0] for member in found] for at, found in zip(names, answers[2::3], strict=True)}
        oldest = sorted((*letter, queue) for (queue, _), found in heads.items() for letter in found)[:SAMPLES]
        samples = self._samples([(queue, task_id) for _, task_id, queue in oldest])
        sizes = self._sizes(State.DEAD, {at: [one for _, one in heads[at]] for at in names}, counts)
        present: dict[str, list[tuple[str, str]]] = {queue: [] for queue in chosen}
        for at in names:
            if counts[at]:
                present[at[0]].append(at)
        previews = []
        for queue, own in present.items():
            shares = [_share(name, counts[queue, name], known.get((queue, name))) for _, name in own]
            count = sum(share.count for share in shares)
            previews.append(
                Preview(
                    bound=Bound(queue, verb, State.DEAD, now, count, chosen[queue], since, until),
                    by_fault=tuple(sorted(shares, key=lambda share: (-share.count, share.fingerprint))),
                    oldest_at=min((died for at in own for died, _ in heads[at]), default=None),
                    newest_at=max((died for at in own for died in tails[at]), default=None),
                    samples=tuple(task for task in samples if task.queue == queue),
                    size=None if sizes is None else sum(sizes[at] for at in own),
                )
            )
        return previews

    def _sorted(self, verb: str, state: State, queues: Sequence[str], now: int) -> list[Preview]:
        """Of a place in the order of its own times."""
        commands: list[Sequence[Argument]] = []
        sized = MOST_SIZED // min(10, len(queues) or 1)
        for queue in queues:
            place = _place(self.client.queue(queue), state)
            commands += [
                ("ZCARD", place),
                ("ZRANGE", place, 0, SAMPLES - 1, "WITHSCORES"),
                ("ZRANGE", place, -1, -1, "WITHSCORES"),
                ("ZRANDMEMBER", place, sized),
            ]
        answers = self._read(*commands)
        counts = dict(zip(queues, answers[::4], strict=True))
        heads = {
            queue: [(decoding.moment(score), decoding.text(member)) for member, score in found]
            for queue, found in zip(queues, answers[1::4], strict=True)
        }
        last = {
            queue: decoding.moment(found[0][1]) if found else None
            for queue, found in zip(queues, answers[2::4], strict=True)
        }
        oldest = sorted((at or 0, task_id, queue) for queue, found in heads.items() for at, task_id in found)[:SAMPLES]
        samples = self._samples([(queue, task_id) for _, task_id, queue in oldest])
        groups = {
            (queue, ""): list(map(decoding.text, found)) for queue, found in zip(queues, answers[3::4], strict=True)
        }
        sizes = self._sizes(state, groups, {(queue, ""): counts[queue] for queue in queues})
        return [
            Preview(
                bound=Bound(queue, verb, state, now, counts[queue], highest=last[queue]),
                by_fault=self._retrying(queue) if state is State.RETRYING else (),
                oldest_at=heads[queue][0][0] if heads[queue] else None,
                newest_at=last[queue],
                samples=tuple(task for task in samples if task.queue == queue),
                size=None if sizes is None else sizes[queue, ""],
            )
            for queue in queues
        ]

    def _unsorted(self, queue: str, verb: str, state: State, now: int, count: int) -> Preview:
        """Of ready or held tasks."""
        newest = None
        if state is State.READY:
            (tail,) = self._read(("LRANGE", self.client.queue(queue).ready, -1, -1))
            task_id, at = ids.read_ready_element(decoding.text(tail[0])) if tail else ("", None)
            newest = at if at is not None else ids.id_time_ms(task_id)
        samples = self.inspector.tasks(queue, state, limit=SAMPLES).rows
        sizes = self._sizes(state, {(queue, ""): [task.id for task in samples]}, {(queue, ""): count})
        size = None if sizes is None else sizes[queue, ""]
        return Preview(Bound(queue, verb, state, now, count, highest=newest), (), None, newest, samples, size)

    def _retrying(self, queue: str) -> tuple[FaultShare, ...]:
        faults = self.inspector.faults(queue)
        return tuple(_share(fault.fingerprint, fault.retrying, fault) for fault in faults if fault.retrying)

    def _samples(self, wanted: Sequence[tuple[str, str]]) -> tuple[TaskSummary, ...]:
        found = self.inspector.tasks_named(wanted) if wanted else {}
        return tuple(found[at] for at in wanted if at in found)

    def _sizes(
        self, state: State, groups: Mapping[tuple[str, str], Sequence[str]], counts: Mapping[tuple[str, str], int]
    ) -> dict[tuple[str, str], int] | None:
        """About how many bytes the tasks of each group take: as many as its samples do, or, without any, those of all
        others. `None` where the server does not tell. One round trip."""
        wanted: list[tuple[tuple[str, str], str]] = []
        for at in sorted(groups, key=lambda at: -counts[at]):
            wanted += [(at, task_id) for task_id in groups[at]][: max(0, MOST_SIZED - len(wanted))]
        answers = self.client.read(*(c for at, task_id in wanted for c in _lengths(self.client.queue(at[0]), task_id)))
        if any(isinstance(answer, Exception) for answer in answers):
            return None
        beside = BYTES_BESIDE.get(state, BYTES_BESIDE_OTHERS)
        of_group: dict[tuple[str, str], list[int]] = {}
        for i, (at, _) in enumerate(wanted):
            of_group.setdefault(at, []).append(sum(answers[4 * i : 4 * i + 4]) + beside)
        means = {at: sum(found) / len(found) for at, found in of_group.items()}
        seen = sum(counts[at] for at in means)
        usual = sum(means[at] * counts[at] for at in means) / seen if seen else beside
        return {at: round(counts[at] * means.get(at, usual)) for at in groups}

    def _read(self, *commands: Sequence[Any]) -> Sequence[Any]:
        return connection.checked(self.client.read(*commands), self.client.url) if commands else []


def _place(queue: QueueKeys, state: State) -> str:
    return {State.SCHEDULED: queue.scheduled, State.RETRYING: queue.retrying}.get(state, queue.trash)


def _lengths(queue: QueueKeys, task_id: str) -> tuple[Sequence[Argument], ...]:
    """Of its envelope, its history, the traceback behind that, and what the trash knows of it."""
    return (
        ("HSTRLEN", queue.tasks, task_id),
        ("HSTRLEN", queue.history, task_id),
        ("HSTRLEN", queue.history, f":{task_id}"),
        ("HSTRLEN", queue.trashed, task_id),
    )


def _share(fingerprint: str, count: int, fault: Fault | None) -> FaultShare:
    """One that was forgotten has nothing but its fingerprint."""
    if fault is None:
        return FaultShare(fingerprint, count, "", "")
    return FaultShare(fingerprint, count, fault.error_class, fault.message, fault.task_name)


def _letter(member: bytes) -> tuple[int, str]:
    """Time of death and id, of a member of `dead_by_fault`."""
    before, _, task_id = member.rpartition(b":")
    return decoding.number(before.rpartition(b":")[2]), decoding.text(task_id)


# What can be asked for.


def check_target(verb: str, state: State, faults: Sequence[str], since: int | None, until: int | None) -> None:
    if not isinstance(verb, str) or verb not in VERBS:
        raise InvalidArgument(f"verb {shown(verb)} is not accepted: it is one of {', '.join(VERBS)}")
    if not isinstance(state, State) or state not in VERBS[verb]:
        states = ", ".join(sorted(VERBS[verb]))
        given = shown(str(state) if isinstance(state, State) else state)
        raise InvalidArgument(f"state {given} is not accepted: {verb} is for {states} tasks")
    check_several("faults", faults)
    if state is not State.DEAD and (faults or since is not None or until is not None):
        raise InvalidArgument("faults and times are accepted for dead letters only")
    if len(faults) > MAX_FAULTS:
        raise InvalidArgument(f"{len(faults):,} faults are not accepted: at most {MAX_FAULTS:,}")
    for fault in faults:
        if not reading.is_fingerprint(fault):
            raise InvalidArgument(f"fault {shown(fault, 80)} is not accepted: no fingerprint looks like that")
    for what, ms in (("since", since), ("until", until)):
        if ms is not None:
            check_ms(what, ms)


def check_way(verb: str, queue: str, to_queue: str) -> None:
    if verb != "move" and to_queue:
        raise InvalidArgument(f"to_queue {to_queue!r:.80} is not accepted: {verb} takes tasks to no other queue")
    if verb == "move" and keys.check_name("queue", to_queue) == queue:
        raise InvalidArgument(f"tasks of {queue} cannot be moved to {to_queue}: it is the same queue")
