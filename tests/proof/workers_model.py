"""What a queue does for its workers, in plain Python: claim, settle, recover, expire."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence

from queue_core import ids, protocol
from queue_core.protocol import Claimed, ClaimedTask, Extended, FailedTask, Held, Recovered, ReleasedTask
from queue_core.reading import Outstayed
from tests.proof.places import OVER, Lease, Places, Task, as_written

FAIR_EVERY = 20
PUT_OFF_MS = 10_000
LEVELS = 16
"""Priorities that the fair turn looks at, from the lowest."""


class WorkersModel(Places):
    def claim(
        self, worker: str, limit: int, lease_ms: int, is_fair: bool, lanes: Collection[str], max_bytes: int
    ) -> Claimed:
        """What is due becomes ready; then tasks are leased: from lanes that give out, by priority, by age. What is not
        to begin any more is put off."""
        self._hear(lease_ms)
        for place in (self.scheduled, self.retrying):
            for task_id, due in sorted(place.items(), key=lambda item: (item[1], item[0].encode())):
                if due <= self.now:
                    del place[task_id]
                    self._make_ready(task_id, due)
        fence = max(self.fence + 1, self.now * 1000)
        if self.is_paused:
            return self.report(fence, [], lanes)
        limit = int(min(limit, self.limits.tokens("claim_rate", self.now)))
        taken: list[tuple[str, int]] = []
        giving, shut = self._lanes_of(lanes)

        def has_room(most: int = limit) -> bool:
            return len(taken) < most and sum(len(self.tasks[task_id].envelope) for task_id, _ in taken) < max_bytes

        def give(task_id: str, since: int) -> None:
            """A task of a shut lane is put aside, one whose time is over is put off; any other is given out."""
            if self.is_overdue(task_id):
                self.scheduled[task_id] = self.now + PUT_OFF_MS
                return
            name = self.tasks[task_id].name
            lane = next((lane for lane in (f"name:{name}", f"unknown:{name}") if lane in shut), None)
            if lane:
                self.held[task_id] = lane
            else:
                taken.append((task_id, as_written(task_id, since)))

        def give_from_line(most: int) -> None:
            while self.line and has_room(most):
                task_id, since = self.line.pop(0)
                if task_id in self.struck_out:
                    self.struck_out.remove(task_id)
                else:
                    give(task_id, since)

        def give_by_priority(is_due: Callable[[int], bool]) -> None:
            for task_id in self.in_order():
                if has_room() and is_due(self.tasks[task_id].priority):
                    give(task_id, self.prioritized.pop(task_id))

        for lane in giving:
            if not has_room():
                break
            members = sorted(task_id for task_id, its in self.held.items() if its == lane)[: limit - len(taken)]
            for task_id in members:
                if has_room():
                    del self.held[task_id]
                    if self.is_overdue(task_id):
                        self.scheduled[task_id] = self.now + PUT_OFF_MS
                    else:
                        taken.append((task_id, as_written(task_id, self.now)))
            if not members:
                del self.lanes[lane]
        turns_of_line = 0
        fair_turns = (self.turn + limit) // FAIR_EVERY - self.turn // FAIR_EVERY
        if is_fair and self.prioritized:
            for head in self._longest_waiting(fair_turns):
                if not has_room():
                    break
                if head is None:
                    turns_of_line += 1
                else:
                    give(head, self.prioritized.pop(head))
        give_from_line(min(limit, len(taken) + turns_of_line))
        give_by_priority(lambda priority: priority > 0)
        give_from_line(limit)
        give_by_priority(lambda priority: priority < 0)

        self.turn += len(taken)
        if taken:
            self.fence = fence
        self.limits.take("claim_rate", len(taken), self.now)
        for task_id, since in taken:
            self.leases[task_id] = Lease(fence, self.now + lease_ms, self.now, since, worker)
        return self.report(fence, [task_id for task_id, _ in taken], lanes)

    def report(self, fence: int, task_ids: Iterable[str], lanes: Collection[str]) -> Claimed:
        """What a claim answers, also when it is sent again: of its tasks those that are still leased by it."""
        due = [*self.scheduled.values(), *self.retrying.values()]
        giving, _ = self._lanes_of(lanes)
        has_more = bool(self.ready() or set(giving) & set(self.held.values()))
        return Claimed(
            fence=fence,
            now_ms=self.now,
            next_due_ms=min(due, default=None),
            has_expired=self.has_expired(),
            has_more=has_more,
            is_paused=self.is_paused,
            closed_lanes=tuple(self.lanes),
            tasks=tuple(
                ClaimedTask(
                    task_id,
                    self.tasks[task_id].envelope,
                    self.counters_of(task_id),
                    bool(self.tasks[task_id].events),
                    _digits(task_id, self.leases[task_id].since),
                )
                for task_id in task_ids
                if task_id in self.leases and self.leases[task_id].fence == fence
            ),
            has_overdue=bool(self.overdue()),
            next_token_ms=self.limits.next_token_ms(self.now) if has_more and not self.is_paused else None,
        )

    def complete(self, held: Sequence[Held]) -> list[str]:
        def end(task: Task, claim: Held, _: Lease) -> None:
            if claim.has_history or claim.result:
                self.records[task.id] = "completed"
            self._end(task.id, "completed")

        return self._settle(held, end)

    def fail(self, failed: Sequence[FailedTask]) -> list[str]:
        def end(task: Task, attempt: FailedTask, _: Lease) -> None:
            if attempt.verdict != protocol.CANCEL:
                task.attempts += 1
                self._count_in_fault(task, attempt.failure.fingerprint, "failed")
            if attempt.verdict == protocol.CANCEL or task.id in self.asked:
                self._cancel(task.id)
            elif attempt.verdict == protocol.RETRY:
                self._retry(task.id, self.now + attempt.delay_ms)
            elif attempt.verdict == protocol.DEAD:
                self._bury(task.id)
            else:
                self.records[task.id] = "discarded"
                self._end(task.id, "discarded")

        return self._settle(failed, end)

    def release(self, released: Sequence[ReleasedTask]) -> list[str]:
        """Back to the head, the first of the batch first; or into the lane of a name that the worker does not know."""

        def end(task: Task, given_back: ReleasedTask, lease: Lease) -> None:
            if task.id in self.asked:
                self._cancel(task.id)
                return
            if given_back.facts is not None:
                task.releases += 1
                task.events.append("released")
            if given_back.lane:
                self.lanes[given_back.lane] = "closed"
                self.held[task.id] = given_back.lane
            else:
                self._make_ready(task.id, lease.since, at_head=True)

        return self._settle(list(reversed(released)), end)[::-1]

    def extend(self, held: Sequence[Held], lease_ms: int) -> Extended:
        self._hear(lease_ms)
        lost, asked = [], []
        for claim in held:
            lease = self.leases.get(claim.id)
            if lease and lease.fence == claim.fence:
                self.leases[claim.id] = Lease(
                    lease.fence, self.now + lease_ms, lease.claimed, lease.since, lease.worker
                )
                asked += [claim.id] if claim.id in self.asked else []
            else:
                lost.append(claim.id)
        return Extended(lost, asked)

    def recover(self, lease_ms: int, held: Sequence[Held], limit: int) -> Recovered:
        """Tasks of a dead worker, or whose lease ran out: they crashed once more. After a silence nothing is taken for
        one lease."""
        again: list[str] = []
        buried: list[str] = []
        cancelled: list[str] = []
        flagged: list[Held] = []

        def end(task: Task, _: Held, __: Lease) -> None:
            if task.id in self.asked:
                self._cancel(task.id)
                cancelled.append(task.id)
                return
            task.crashes += 1
            self._count_in_fault(task, _fault_of_crash(task.name), "crashed")
            if task.crashes > task.max_crashes:
                self._bury(task.id)
                buried.append(task.id)
            else:
                self._retry(task.id, self.now + task.crashes**2 * 1000)
                again.append(task.id)

        if not held:
            if self._is_after_silence(lease_ms):
                self._hear(lease_ms)
            if self.now < self.grace:
                return Recovered([], [], [])
            expired = sorted((lease.expires, task_id.encode()) for task_id, lease in self.leases.items())
            taken = [
                Held(task_id.decode(), self.leases[task_id.decode()].fence)
                for expires, task_id in expired[:limit]
                if expires <= self.now
            ]
            flagged = [claim for claim in taken if claim.id in self.asked]
            held = [claim for claim in taken if claim.id not in self.asked]
        return Recovered(again, buried, self._settle(held, end), cancelled, flagged)

    def expire(self, task_ids: Sequence[str]) -> list[str]:
        """What waits and is not to begin any more ends, once: the others are left alone. Of what runs or lies in the
        trash it is noted."""
        left_alone = []
        for task_id in task_ids:
            place = self.place_of(task_id)
            if not self.is_overdue(task_id):
                left_alone.append(task_id)
            elif place in ("running", "trashed"):
                self.expiring[task_id] = OVER
                left_alone.append(task_id)
            else:
                self._leave(task_id, place)
                self.records[task_id] = "expired"
                self._end(task_id, "expired")
        return left_alone

    def list_outstayed(self) -> Outstayed:
        """Tasks that are not to begin any more; and of the dead letters the oldest that are too old, or too many."""
        letters = sorted(self.dead, key=lambda task_id: (self.dead[task_id], task_id.encode()))
        max_age = self.limits.chosen.get("dead_max_age", math.inf)
        max_count = self.limits.chosen.get("dead_max_count", len(letters))
        old = [task_id for task_id in letters if self.dead[task_id] <= self.now - max_age]
        too_many = letters[: max(0, len(letters) - max_count)]
        named = old or too_many
        why = "age" if old else "count" if too_many else ""
        return Outstayed(self.overdue(), named, why, self.dead[named[-1]] if named else 0)

    def _longest_waiting(self, count: int) -> list[str | None]:
        """The `count` heads that have waited longest: ids, and None for the next of the line."""
        heads: list[tuple[int, str | None]] = [(since, None) for _, since in self.line[:count]]
        of_level: dict[int, list[str]] = {}
        for task_id in self.in_order():
            of_level.setdefault(self.tasks[task_id].priority, []).append(task_id)
        for priority in sorted(of_level)[:LEVELS]:
            heads += [(self.prioritized[task_id], task_id) for task_id in of_level[priority][:count]]
        return [head for _, head in sorted(heads, key=lambda head: head[0])][:count]

    def _is_after_silence(self, lease_ms: int) -> bool:
        is_silent = self.seen is not None and self.now - self.seen > lease_ms / 3
        return is_silent and self.now >= self.grace + lease_ms

    def _hear(self, lease_ms: int) -> None:
        if self._is_after_silence(lease_ms):
            self.grace = self.now + lease_ms
        self.seen = self.now


def _digits(task_id: str, since: int) -> str:
    return "" if since == ids.id_time_ms(task_id) else ids.encode_time(since)


def _fault_of_crash(name: str) -> str:
    return hashlib.sha1(f"{name}\nWorkerCrashed".encode()).hexdigest()[:12]
