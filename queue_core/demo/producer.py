"""What the demo enqueues: a fixed load at first, then a mixture at a steady rate. Makes messages, sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from queue_core.demo.tasks import email, image_processing, monthly_report, warehouse_sync
from queue_core.task import Message

E_MAILS, IMAGES, ORDERS, REPORTS = 100, 10, 8, 1
IMAGES_DUE_WITHIN_SECONDS = 30.0
MAX_BURST = 1_000
"""What is made at once after a standstill, at most."""

HIGH, NORMAL, LOW = 1, 0, -1

_PEOPLE = ("ada", "alan", "barbara", "edsger", "frances", "grace", "katherine", "margaret")
_SUBJECTS = ("Welcome", "Your order is on its way", "Your invoice", "How was it?")


@dataclass
class Producer:
    """`rate`: tasks a second after the first load. `made` counts all messages."""

    rate: float
    random: Random = field(default_factory=Random)
    made: int = 0
    _steady: int = 0
    _last_order: int = 1000

    def first_load(self) -> list[Message]:
        """Orders first: the warehouse is down, and the earlier they fail, the more there is to see."""
        messages = [
            *(self._order() for _ in range(ORDERS)),
            *(self._report() for _ in range(REPORTS)),
            *(self._email(HIGH if number % 10 == 9 else NORMAL) for number in range(E_MAILS)),
            *(self._image(LOW, self.random.uniform(0, IMAGES_DUE_WITHIN_SECONDS)) for _ in range(IMAGES)),
        ]
        self.made += len(messages)
        return messages

    def due(self, steady_seconds: float) -> list[Message]:
        """What the rate asks for by now, so long after the steady part began, and was not made yet."""
        missing = int(steady_seconds * self.rate) - self._steady
        self._steady += max(missing, 0)
        messages = [self._mixed() for _ in range(min(missing, MAX_BURST))]
        self.made += len(messages)
        return messages

    def burst(self, count: int) -> list[Message]:
        """So many at once, of the same mixture; the rate goes on beside them."""
        self.made += count
        return [self._mixed() for _ in range(count)]

    def _mixed(self) -> Message:
        kind = self.random.random()
        if kind < 0.72:
            return self._email(self.random.choices((HIGH, NORMAL, LOW), (1, 8, 1))[0])
        if kind < 0.94:
            return self._image(self.random.choice((NORMAL, LOW)))
        return self._order()

    def _email(self, priority: int) -> Message:
        to = f"{self.random.choice(_PEOPLE)}{self.random.randrange(1000)}@example.com"
        return email.options(priority=priority).message(to=to, subject=self.random.choice(_SUBJECTS))

    def _image(self, priority: int, delay_seconds: float = 0.0) -> Message:
        path = f"products/{self.random.randrange(10_000):04}.jpg"
        return image_processing.options(priority=priority, delay=delay_seconds).message(path=path)

    def _order(self) -> Message:
        self._last_order += 1
        return warehouse_sync.options(priority=HIGH).message(order=self._last_order, items=self.random.randint(1, 5))

    def _report(self) -> Message:
        return monthly_report.options(priority=LOW).message(month="2024-10")
