"""How commands tell workers what to do, and wait until it is done."""

from __future__ import annotations

import time
from collections.abc import Sequence

from queue_core.cli.actions import ask, new_action_id, tell_skipped
from queue_core.cli.output import Progress, note, print_json, progress, safe, say
from queue_core.client import Client
from queue_core.control import Control, why_not_told
from queue_core.formats import count, duration
from queue_core.inspector import Inspector
from queue_core.snapshot import WorkerSnapshot, is_live

TOLD = {"quiet": "told to be quiet", "resume": "told to resume", "stop": "told to stop"}
LOOK_SECONDS = 0.2


class Telling:
    """`verb`: one of TOLD."""

    def __init__(self, client: Client, verb: str, *, wait: bool, as_json: bool) -> None:
        self._client = client
        self._verb = verb
        self._wait = wait
        self._as_json = as_json

    def tell(
        self, ids: Sequence[str], workers: Sequence[WorkerSnapshot], now_ms: int, *, by: str, reason: str, yes: bool
    ) -> int:
        """`workers`: all that are known. Returns the exit code."""
        if not ids:
            note("No worker is there.")
            return 1
        able = [worker for worker in workers if worker.id in ids and not why_not_told(worker, now_ms)]
        if able:
            which = able[0].id if len(able) == 1 else count(len(able), "worker")
            ask(f"{self._verb.capitalize()} {which} ({count(sum(w.busy for w in able), 'task')} running)", yes)
        act = getattr(Control(client=self._client), f"{self._verb}_workers")
        outcome = act(ids, by=by, reason=reason, action_id=new_action_id())
        skipped = dict(outcome.skipped)
        if self._wait:
            with progress(not self._as_json) as line:
                skipped.update(self._wait_for(outcome.done, line))
        if self._as_json:
            print_json({"verb": self._verb, "done": outcome.done, "skipped": skipped})
        elif outcome.done:
            say(f"{', '.join(map(safe, outcome.done))}: {TOLD[self._verb]}.")
        tell_skipped(skipped)
        return int(bool(skipped))

    def _wait_for(self, ids: Sequence[str], line: Progress) -> dict[str, str]:
        """Until all of them have done it. Shape: those that never did, with why."""
        inspector, left, failed = Inspector(client=self._client), set(ids), dict[str, str]()
        while True:
            workers, now_ms = {worker.id: worker for worker in inspector.workers()}, inspector.server_ms()
            for worker_id in sorted(left):
                why = self._why_not(workers.get(worker_id), now_ms)
                if why is not None:
                    left.discard(worker_id)
                    failed.update({worker_id: why} if why else {})
            if not left:
                return failed
            running = sum(workers[worker_id].busy for worker_id in left)
            line.show(f"waiting for {count(len(left), 'worker')}, {count(running, 'task')} running")
            time.sleep(LOOK_SECONDS)

    def _why_not(self, worker: WorkerSnapshot | None, now_ms: int) -> str | None:
        """Why it will not do it; "" where it has, `None` where it may yet."""
        if worker is None:
            return "" if self._verb == "stop" else "it has ended"
        if not is_live(worker, now_ms):
            return f"silent for {duration((now_ms - worker.heartbeat_at) / 1000)}"
        is_done = {"quiet": is_at_rest(worker), "resume": worker.state != "quiet"}
        return "" if is_done.get(self._verb) else None


def is_at_rest(worker: WorkerSnapshot) -> bool:
    """It was told to be quiet, all of its processes have heard of it, and nothing runs."""
    has_heard = all(process.state not in ("starting", "running", "stuck") for process in worker.processes)
    return worker.state == "quiet" and has_heard and not worker.busy
