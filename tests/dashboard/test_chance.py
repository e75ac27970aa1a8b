"""Would it work now: each verdict from what was counted, with its figures."""

from __future__ import annotations

import pytest

from dashboard.chance import chance
from queue_core import protocol
from queue_core.protocol import Session
from queue_core.snapshot import Fault, Figures, Period
from queue_core.telemetry import HOUR_MS
from tests.console import Tasks, Visitor, text_of

NOW = 100 * HOUR_MS + 600_000
"""Ten minutes after an hour that is told as `100h`."""
SEEN = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, NOW - 4_000, 5, 3, 0)
LONG_AGO = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, 97 * HOUR_MS, 5, 3, 0)


def hour(number: int, completed: int, failed: int, crashed: int = 0) -> Period:
    return Period(number * HOUR_MS, Figures(completed=completed, failed=failed, crashed=crashed))


@pytest.mark.parametrize(
    ("fault", "hours", "said"),
    [
        (SEEN, [], "Not known: no attempt of charge was counted since 95h"),
        (SEEN, [hour(94, 9, 9)], "Not known: no attempt of charge was counted since 95h"),
        (SEEN, [hour(100, 0, 0)], "Not known: no attempt of charge was counted since 95h"),
        (
            SEEN,
            [hour(100, 0, 60)],
            "Probably not: 0 of the 60 attempts of charge since 100h completed, no success was counted since 95h",
        ),
        (
            SEEN,
            [hour(97, 5, 0), hour(98, 0, 9), hour(100, 0, 5_000, 480)],
            (
                "Probably not: 0 of the 5,480 attempts of charge since 100h completed, "
                "the last success was between 97h and 98h"
            ),
        ),
        (
            SEEN,
            [hour(99, 2, 500), hour(100, 0, 3)],
            "Probably not: 2 of the 505 attempts of charge since 99h completed, and this fault was seen at 100h",
        ),
        (
            SEEN,
            [hour(99, 500, 0), hour(100, 54, 6)],
            "Not known: 54 of the 60 attempts of charge since 100h completed, but this fault was seen at 100h",
        ),
        (
            LONG_AGO,
            [hour(98, 0, 900), hour(100, 59, 1)],
            "Probably: 59 of the 60 attempts of charge since 100h completed, and this fault was last seen at 97h",
        ),
        (
            LONG_AGO,
            [hour(100, 1, 0)],
            "Probably: the one attempt of charge since 100h completed, and this fault was last seen at 97h",
        ),
    ],
)
def test_the_verdict_is_what_the_figures_allow(fault: Fault, hours: list[Period], said: str) -> None:
    found = chance(fault, hours, NOW, lambda at: f"{at // HOUR_MS}h")
    assert f"{found.verdict}: {found.why}" == said
    assert (found.tone == "warn") is (found.verdict == "Probably not")


@pytest.mark.parametrize("place", ["telemetry", "names"])
def test_figures_that_cannot_be_read_stand_in_no_ones_way(visitor: Visitor, tasks: Tasks, place: str) -> None:
    tasks.die(count=2)
    client = tasks.yard.client
    key = getattr(client.queue("billing"), place)
    client.read(("DEL", key), ("SET", key, "x"))
    page = text_of(visitor.text(f"/queues/billing/faults/{tasks.fingerprint()}"))
    assert "Not known : the figures of this queue cannot be read" in page
    assert "Retry 2 " in page


def test_the_page_says_it_of_its_own_task(visitor: Visitor, tasks: Tasks) -> None:
    tasks.die(count=2)
    address = f"/queues/billing/faults/{tasks.fingerprint()}"
    assert "Would it work now? Not known : no attempt of charge was counted since" in text_of(visitor.text(address))
    client, measured = tasks.yard.client, {"charge": Figures(failed=60), "refund": Figures(completed=900)}
    client.run(protocol.measure(client.queue("billing"), measured), Session("a worker"))
    assert "Probably not : 0 of the 60 attempts of charge since" in text_of(visitor.text(address))
