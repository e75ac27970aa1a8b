"""Random walks over all transitions, with several workers, passing time and resent commands: after every step the
books balance and every task is in one place."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from queue_core import protocol
from queue_core.protocol import Call, Held, ReleasedTask, Result, Session
from tests.engine import KEEP_MS, LEASE_MS, Engine

pytestmark = pytest.mark.each_server

WALKS, STEPS = 30, 60
NAMES = ("send", "resize", "a.b:c")
CHOSEN_IDS = ("order-1", "list", "1", "A" * 22, "0000000000000000000001", "b" * 29, "x" * 128, "-1", "XX")


class Walker:
    """Takes steps at random and remembers what it has seen, also what no longer holds."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.chance = random.Random(seed)
        self.known = list(CHOSEN_IDS)
        self.claims: list[Held] = []
        self.sessions = {worker: Session(worker) for worker in ("w1", "w2", "w3")}
        self.log: list[str] = []

    def step(self) -> None:
        steps: list[tuple[int, Callable[[], Call[Any] | None]]] = [
            (9, self.enqueue), (9, self.claim), (5, self.complete), (6, self.fail), (3, self.release), (2, self.extend),
            (2, self.recover_expired), (2, self.recover_held), (3, self.requeue), (5, self.trash), (3, self.cancel),
            (4, self.restore), (2, self.delete), (2, self.promote), (1, self.pause), (2, self.resume),
            (2, self.close_lane), (2, self.open_lane), (4, self.let_time_pass),
        ]  # fmt: skip
        take = self.chance.choices([step for _, step in steps], [weight for weight, _ in steps])[0]
        call = take()
        self.log.append(f"{take.__name__} {call.arguments if call else self.engine.now}")
        if call is None:
            return
        command = self.engine.command(call, self.chance.choice(list(self.sessions.values())))
        answer = self.engine.send(command)
        if call.script.name == "claim":
            claimed = call.read(answer)
            self.claims += [Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
        if self.chance.random() < 0.3 and call.has_session:
            before = self.engine.state()
            again = self.engine.send(command)
            assert self.engine.state() == before, "a resent command changed something"
            if call.script.name == "claim":  # what is known of the queue beside may be another by now
                assert call.read(again).tasks == call.read(answer).tasks
            else:
                assert again == answer

    def some(self, items: list[Any], most: int = 4) -> list[Any]:
        return self.chance.sample(items, min(len(items), self.chance.randint(1, most)))

    def enqueue(self) -> Call[Any]:
        tasks = []
        for _ in range(self.chance.randint(1, 5)):
            task_id = self.chance.choice(CHOSEN_IDS) if self.chance.random() < 0.3 else self.engine.new_id()
            tasks.append(
                self.engine.new_task(
                    task_id,
                    name=self.chance.choice(NAMES),
                    priority=self.chance.choice((0, 0, 0, 1, -1, 2000, -2000)),
                    delay_ms=self.chance.choice((0, 0, 0, 500, 5_000)),
                    max_crashes=self.chance.choice((None, 0, 1)),
                )
            )
            self.known.append(task_id)
        return protocol.enqueue(self.engine.queue, tasks)

    def claim(self) -> Call[Any]:
        return protocol.claim(
            self.engine.queue,
            "w1",
            self.chance.choice((1, 2, 3, 20)),
            LEASE_MS,
            is_fair=self.chance.random() < 0.7,
            lanes=[f"unknown:{name}" for name in NAMES if self.chance.random() < 0.3],
            max_bytes=self.chance.choice((1, 30, 1 << 20)),
        )

    def complete(self) -> Call[Any]:
        results = (None, None, Result(b"1", 60_000))
        held = [replace(held, result=self.chance.choice(results)) for held in self.some(self.claims)]
        return protocol.complete(self.engine.queue, held)

    def fail(self) -> Call[Any]:
        failed = [
            self.engine.failed(
                held,
                self.chance.choice((protocol.RETRY, protocol.DEAD, protocol.DISCARD, protocol.CANCEL)),
                delay_ms=self.chance.choice((0, 1_000)),
                message=self.chance.choice(("no answer", "refused", "bad")),
                digest=self.chance.choice(("d1", "d2")),
                trace=self.chance.choice(("", "Traceback")),
            )
            for held in self.some(self.claims)
        ]
        return protocol.fail(self.engine.queue, failed, self.chance.choice(("", "1.0", "1.1")))

    def release(self) -> Call[Any]:
        tasks = self.engine.state().get("tasks", {})
        released = []
        for held in self.some(self.claims):
            name = tasks.get(held.id, "gone").split("\n")[0].split(" ")[0]
            lane = f"unknown:{name}" if self.chance.random() < 0.4 else ""
            released.append(ReleasedTask(held.id, held.fence, lane, self.chance.choice((None, {"why": "stop"}))))
        return protocol.release(self.engine.queue, released)

    def extend(self) -> Call[Any]:
        return protocol.extend(self.engine.queue, self.some(self.claims), LEASE_MS)

    def recover_expired(self) -> Call[Any]:
        return protocol.recover(self.engine.queue, LEASE_MS, seed=1)

    def recover_held(self) -> Call[Any]:
        return protocol.recover(self.engine.queue, LEASE_MS, held=self.some(self.claims), seed=1)

    def requeue(self) -> Call[Any]:
        letters = list(self.engine.state().get("dead", {}).items())
        chosen = [(task_id, died - self.chance.choice((0, 0, 0, 1))) for task_id, died in self.some(letters)]
        return protocol.requeue(self.engine.queue, [*chosen, (self.chance.choice(self.known), 1)], {"by": "ada"})

    def trash(self) -> Call[Any]:
        return protocol.trash(self.engine.queue, self.some(self.known), KEEP_MS, "ada", "walk")

    def cancel(self) -> Call[Any]:
        chosen = self.some(self.known) + [held.id for held in self.some(self.claims[-4:])]
        return protocol.cancel(self.engine.queue, chosen, {"by": "ada"})

    def restore(self) -> Call[Any]:
        trashed = list(self.engine.state().get("trash", {})) or self.known
        return protocol.restore(self.engine.queue, self.some(trashed))

    def delete(self) -> Call[Any]:
        if self.chance.random() < 0.3:
            return protocol.delete(self.engine.queue, due_limit=10)
        return protocol.delete(self.engine.queue, self.some(list(self.engine.state().get("trash", {})) or self.known))

    def promote(self) -> Call[Any]:
        return protocol.promote(self.engine.queue, self.some(self.known))

    def pause(self) -> Call[Any]:
        return protocol.pause(self.engine.queue, "ada", "walk")

    def resume(self) -> Call[Any]:
        return protocol.resume(self.engine.queue)

    def lane(self) -> str:
        return f"{self.chance.choice(('name', 'unknown'))}:{self.chance.choice(NAMES)}"

    def close_lane(self) -> Call[Any]:
        return protocol.close_lane(self.engine.queue, self.lane(), "ada", "walk")

    def open_lane(self) -> Call[Any]:
        return protocol.open_lane(self.engine.queue, self.lane(), "ada")

    def let_time_pass(self) -> None:
        self.engine.later(self.chance.choice((1, 700, 2_000, 5_000, LEASE_MS, KEEP_MS)))


@pytest.mark.parametrize("seed", range(WALKS))
def test_books_balance_after_every_step(engine: Engine, seed: int) -> None:
    walker = Walker(engine, seed)
    for _ in range(STEPS):
        walker.step()
        try:
            engine.check_books()
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter\n" + "\n".join(walker.log[-12:])) from None
