"""What somebody can do to the running demo from its console, and what comes of it: told on the terminal, too."""

from __future__ import annotations

from dataclasses import dataclass

from queue_core import Taskyard
from queue_core.demo import facts
from queue_core.demo.crew import LEASE_SECONDS, MOST_WORKERS, SLOTS_OF_MORE, Crew
from queue_core.demo.panel import Request, Said
from queue_core.demo.producer import Producer
from queue_core.demo.reporter import Reporter
from queue_core.demo.warehouse import Warehouse
from queue_core.demo.watcher import Watcher
from queue_core.formats import count
from queue_core.inspector import Inspector

BURST = 200
"""Tasks: some ten seconds of work for the workers of the start."""


@dataclass
class Acts:
    """`failures`: the address of the page of dead letters."""

    yard: Taskyard
    inspector: Inspector
    watcher: Watcher
    producer: Producer
    crew: Crew
    warehouse: Warehouse
    reporter: Reporter
    failures: str

    def act(self, request: Request) -> Said:
        match request.act:
            case "burst":
                return self._burst(request.by)
            case "add_worker":
                return self._add_worker(request.by)
            case "kill_worker":
                return self._kill_worker(request.worker, request.by)
            case "open_warehouse" if not self.warehouse.is_open:
                self._open_warehouse()
                return Said("good", "The warehouse is open: orders complete, and dead ones can be retried.")
            case "close_warehouse" if self.warehouse.is_open:
                self.warehouse.close()
                self.reporter.tell(facts.WarehouseClosed(request.by))
                return Said("warn", "The warehouse is closed: orders fail, and die after two retries.")
        return Said("warn", "Nothing to do: somebody was faster.")

    def state(self) -> dict[str, object]:
        """How the demo stands, for the panel. Times are seconds."""
        rescue, opens_at, now = self.crew.rescue, self.warehouse.opens_at, self.reporter.elapsed
        told: dict[str, object] = {
            "workers": [{"name": worker.name, "slots": self.crew.slots[worker.name]} for worker in self.crew.workers],
            "may_add": len(self.crew.workers) < MOST_WORKERS,
            "burst": BURST,
            "is_warehouse_open": self.warehouse.is_open,
            "opens_in": None if opens_at is None else max(0.0, opens_at - now),
            "lease_seconds": LEASE_SECONDS,
        }
        if rescue:
            until = now if rescue.back_at is None else rescue.back_at
            told["rescue"] = {
                "worker": rescue.worker,
                "tasks": len(rescue.letters),
                "held": rescue.held,
                "seconds": until - rescue.killed_at,
            }
        return told

    def tick(self, at_seconds: float) -> None:
        """Look what has happened since the last time, and let happen what is due."""
        if self.warehouse.is_due(at_seconds):
            self._open_warehouse()
        else:
            self._watch()
        rescue = self.crew.rescue
        if rescue and rescue.look(self.inspector, at_seconds) and rescue.letters:
            self.reporter.tell(facts.TasksBack(rescue.worker, len(rescue.letters), at_seconds - rescue.killed_at))

    def _burst(self, by: str) -> Said:
        self.yard.enqueue_many(self.producer.burst(BURST))
        self.reporter.tell(facts.Burst(by, BURST))
        return Said("good", f"{count(BURST, 'task')} enqueued at once.")

    def _add_worker(self, by: str) -> Said:
        name = self.crew.add()
        if name is None:
            return Said("warn", f"There are {MOST_WORKERS} workers already, so none was added.")
        self.reporter.tell(facts.WorkerAdded(by, name, SLOTS_OF_MORE))
        return Said("good", f"Worker {name} starts. It runs {count(SLOTS_OF_MORE, 'task')} at once.")

    def _kill_worker(self, worker: str, by: str) -> Said:
        rescue = self.crew.kill(worker, self.inspector, self.reporter.elapsed)
        if rescue is None:
            return Said("warn", f"There is no worker {worker[:40]} any more.")
        had = len(rescue.letters)
        self.reporter.tell(facts.WorkerKilled(by, worker, had))
        if not had:
            return Said("warn", f"Worker {worker} was killed. It had no task in its hands.")
        return Said(
            "warn",
            f"Worker {worker} was killed with {count(had, 'task')} in its hands. Others run them when its leases end.",
        )

    def _open_warehouse(self) -> None:
        self.warehouse.open()
        self._watch(tells_all=True)
        found = self.inspector.snapshot().faults
        dead = sum(fault.dead for fault in found if fault.task_name == "warehouse_sync")
        self.reporter.tell(facts.WarehouseOpened(dead, self.failures))

    def _watch(self, *, tells_all: bool = False) -> None:
        for fact in self.watcher.look(self.reporter.elapsed, tells_all=tells_all):
            self.reporter.tell(fact)
