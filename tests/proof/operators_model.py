"""What a queue does for its operators, in plain Python: with its tasks, with itself, with its faults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from queue_core import ids
from queue_core.protocol import Acted, Switched
from tests.proof.places import Places

MAX_NOTES = 10


class OperatorsModel(Places):
    def requeue(self, letters: Sequence[tuple[str, int]]) -> Acted:
        """Dead letters are ready again, at the end, with a fresh allowance."""
        return self._act(lambda task_id, died: self._put_back(task_id, died, "requeued"), letters)

    def edit(self, task_id: str, died: int, envelope: bytes, priority: int, *, is_another: bool) -> Acted:
        """As a requeue, with another envelope; one of another task is refused."""

        def act(task_id: str) -> str:
            if is_another and task_id in self.dead:
                return "changed"
            before = self.tasks.get(task_id)
            was = before and (before.envelope, before.priority)
            if before:
                before.envelope, before.priority = envelope, priority
            refusal = self._put_back(task_id, died, "edited")
            if before and was and refusal:
                before.envelope, before.priority = was
            return refusal

        return self._act(act, [(task_id,)])

    def _put_back(self, task_id: str, died: int, how: str) -> str:
        if task_id not in self.dead:
            return "not dead"
        if self.dead[task_id] != died:
            return "changed"
        task = self.tasks[task_id]
        refusal = self._take_key_again(task)
        if refusal:
            return refusal
        del self.dead[task_id]
        task.before += task.attempts
        task.attempts = task.crashes = 0
        task.operation = ""
        task.events.append(how)
        self.books["requeued"] += 1
        self._make_ready(task_id, self.now)
        return ""

    def trash(self, task_ids: Sequence[str], keep_ms: int, died_by: int | None = None) -> Acted:
        """`died_by`: only what is dead since then, or longer."""
        until = self.now + keep_ms

        def act(task_id: str) -> str:
            if task_id not in self.tasks:
                return "gone"
            place = self.place_of(task_id)
            if place in ("running", "trashed"):
                return "running" if place == "running" else "in the trash"
            if died_by is not None and self.dead.get(task_id, math.inf) > died_by:
                return "changed"
            self._put_in_trash(task_id, place, until)
            return ""

        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, until_ms=until)

    def cancel(self, task_ids: Sequence[str]) -> Acted:
        """What waits ends, what runs is asked to stop."""
        asked = []

        def act(task_id: str) -> str:
            if task_id not in self.tasks:
                return "gone"
            place = self.place_of(task_id)
            if place in ("dead", "trashed"):
                return "dead" if place == "dead" else "in the trash"
            if place == "running":
                self.asked.add(task_id)
                asked.append(task_id)
                return ""
            self._leave(task_id, place)
            self._cancel(task_id)
            return ""

        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, asked=tuple(asked))

    def restore(self, task_ids: Sequence[str]) -> Acted:
        """Back to where it was, in its order. Where its turn has passed meanwhile, the head is its place."""

        def act(task_id: str) -> str:
            if task_id not in self.trashed:
                return "not in the trash"
            was = self.trashed[task_id]
            refusal = self._take_key_again(self.tasks[task_id]) if was.origin != "dead" else ""
            if refusal:
                return refusal
            del self.trashed[task_id]
            if was.origin == "ready":
                self._make_ready(task_id, was.score or ids.id_time_ms(task_id) or self.now, at_head=True)
            elif was.origin == "held":
                self.held[task_id] = was.lane
                self.lanes.setdefault(was.lane, "open")
            else:
                getattr(self, was.origin)[task_id] = was.score
            self._wait_again(task_id)
            return ""

        return self._act(act, [(task_id,) for task_id in task_ids])

    def delete(self, task_ids: Sequence[str], due_limit: int) -> Acted:
        def act(task_id: str) -> str:
            if task_id not in self.trashed:
                return "not in the trash"
            del self.trashed[task_id]
            self._end(task_id, "deleted")
            return ""

        if due_limit:
            due = sorted((was.until, task_id.encode()) for task_id, was in self.trashed.items())
            task_ids = [task_id.decode() for until, task_id in due[:due_limit] if until <= self.now]
        there = len(self.trashed)
        acted = self._act(act, [(task_id,) for task_id in task_ids])
        return Acted(acted.now_ms, acted.skipped, count=there - len(self.trashed))

    def promote(self, task_ids: Sequence[str]) -> Acted:
        def act(task_id: str) -> str:
            if self.scheduled.pop(task_id, None) is None and self.retrying.pop(task_id, None) is None:
                return "not waiting for a time"
            self._make_ready(task_id, self.now)
            return ""

        return self._act(act, [(task_id,) for task_id in task_ids])

    def limit(self, changes: Mapping[str, Any], by: str) -> Switched:
        return Switched(self.now, self.limits.change(changes, by, self.now))

    def pause(self) -> Switched:
        self.is_paused, was_paused = True, self.is_paused
        return Switched(self.now, not was_paused)

    def resume(self) -> Switched:
        self.is_paused, was_paused = False, self.is_paused
        return Switched(self.now, was_paused)

    def close_lane(self, lane: str) -> Switched:
        was = self.lanes.get(lane)
        self.lanes[lane] = "closed"
        return Switched(self.now, was != "closed")

    def open_lane(self, lane: str) -> Switched:
        """An empty one is forgotten at once, another one when a claim has emptied it."""
        was = self.lanes.get(lane)
        if was == "closed" and lane in self.held.values():
            self.lanes[lane] = "open"
        elif was == "closed":
            del self.lanes[lane]
        return Switched(self.now, was == "closed")

    def mute_fault(self, fault: str, until: int | None, attempts: int | None, by: str, reason: str) -> Acted:
        refusal = self._refusal_of(fault) or ("that time is over" if until is not None and until <= self.now else "")
        if not refusal:
            total = None if attempts is None else self.faults[fault] + attempts
            self.mutes[fault] = (by, reason, self.now, until, total)
        return Acted(self.now, {fault: refusal} if refusal else {})

    def unmute_fault(self, fault: str) -> Switched:
        return Switched(self.now, self.mutes.pop(fault, None) is not None)

    def note_fault(self, fault: str, by: str, text: str) -> Acted:
        refusal = self._refusal_of(fault)
        if not refusal:
            self.fault_notes[fault] = [(by, text, self.now), *self.fault_notes.get(fault, [])][:MAX_NOTES]
        return Acted(self.now, {fault: refusal} if refusal else {})

    def _refusal_of(self, fault: str) -> str:
        return "" if fault in self.seen_faults else "no such fault"
