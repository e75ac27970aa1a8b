"""Would it work now: each verdict from what was counted, with its figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dashboard.chance import Clock, chance
from queue_core import protocol
from queue_core.protocol import Session
from queue_core.snapshot import AttemptsMinute, Fault, Figures, NameAttempts, Period
from queue_core.telemetry import HOUR_MS, MINUTE_MS
from tests.console import Tasks, Visitor, text_of

NOW = 100 * HOUR_MS + 630_000
"""Ten minutes and a half after an hour that is told as `100h`."""
SEEN = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, NOW - 4_000, 5, 3, 0)
LONG_AGO = Fault("billing", "abc", "charge", "KeyError", "total", "", 0, 97 * HOUR_MS, 5, 3, 0)
HOURS = Clock(NOW, lambda at: f"{at // HOUR_MS}h", lambda at: f"{at // HOUR_MS}h")
AGO = Clock(NOW, lambda at: f"{(at - NOW) // 1000} s", lambda at: f"{(at - NOW) // MINUTE_MS + 1} min")


def hour(number: int, completed: int, failed: int, crashed: int = 0) -> Period:
    return Period(number * HOUR_MS, Figures(completed=completed, failed=failed, crashed=crashed))


def attempts(*minutes: tuple[int, int, int], success: int | None = None) -> NameAttempts:
    """Each: how many minutes ago, completed, failed. `success`: how many seconds ago."""
    found = tuple(
        AttemptsMinute(NOW - 30_000 - ago * MINUTE_MS, completed, failed) for ago, completed, failed in minutes
    )
    return NameAttempts(found, None if success is None else NOW - success * 1_000)


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
def test_by_the_hour_the_verdict_is_what_the_figures_allow(fault: Fault, hours: list[Period], said: str) -> None:
    few = attempts((1, 0, 2))  # less than hours tell
    is_more = any(sum(period.figures.counters) > 2 for period in hours if period.at >= 95 * HOUR_MS)
    found = chance(fault, hours, few if is_more else None, HOURS)
    assert f"{found.verdict}: {found.why}" == said
    assert (found.tone == "warn") is (found.verdict == "Probably not")


@pytest.mark.parametrize(
    ("seen", "known", "said"),
    [
        (
            4,
            attempts((0, 0, 7), (1, 0, 53), (2, 90, 0), success=130),
            "Probably not: 0 of the last 60 attempts of charge completed, the last success was at -130 s",
        ),
        (
            4,
            attempts((0, 0, 7), (80, 0, 9)),
            (
                "Probably not: 0 of the last 16 attempts of charge completed since -80 min, "
                "no success was counted since -80 min"
            ),
        ),
        (
            4,
            attempts((0, 2, 500), success=20),
            "Probably not: 2 of the last 502 attempts of charge completed, and this fault was seen at -4 s",
        ),
        (
            4,
            attempts((0, 54, 6), (1, 0, 800), success=9),
            "Not known: 54 of the last 60 attempts of charge completed, but this fault was seen at -4 s",
        ),
        (
            15,  # it may be over, in this very minute
            attempts((0, 3, 40), (1, 0, 40), success=2),
            (
                "Not known: 3 of the last 83 attempts of charge completed, the last success was at -2 s, "
                "after this fault was seen at -15 s"
            ),
        ),
        (
            130,
            attempts((0, 9, 1), (1, 10, 0), (3, 0, 800), success=2),
            "Probably: 19 of the last 20 attempts of charge completed, and this fault was last seen at -130 s",
        ),
        (
            130,  # something else fails now
            attempts((1, 0, 8), (3, 100, 2), success=190),
            "Probably not: 0 of the last 8 attempts of charge completed, the last success was at -190 s",
        ),
        (
            130,
            attempts((1, 1, 0), (4, 0, 8), success=70),
            "Probably: the last attempt of charge completed, and this fault was last seen at -130 s",
        ),
        (
            40_000,
            attempts((600, 3, 5), success=36_030),
            "Not known: no attempt of charge was counted since -599 min, the last success was at -36030 s",
        ),
    ],
)
def test_by_the_minute_the_verdict_is_that_of_the_newest_attempts(seen: int, known: NameAttempts, said: str) -> None:
    found = chance(replace(SEEN, last_seen_at=NOW - seen * 1_000), [hour(100, 3, 0)], known, AGO)
    assert f"{found.verdict}: {found.why}" == said
    assert (found.tone == "warn") is (found.verdict == "Probably not")


@pytest.mark.parametrize("place", ["telemetry", "names", "attempts"])
def test_figures_that_cannot_be_read_stand_in_no_ones_way(visitor: Visitor, tasks: Tasks, place: str) -> None:
    tasks.die(count=2)
    client = tasks.yard.client
    key = getattr(client.queue("billing"), place)
    client.read(("DEL", key), ("SET", key, "x"))
    page = text_of(visitor.text(f"/queues/billing/faults/{tasks.fingerprint()}"))
    assert "Not known : the figures of this queue cannot be read" in page
    assert "Retry 2 " in page


def test_the_page_says_it_of_its_own_task(visitor: Visitor, tasks: Tasks) -> None:
    """And lets a few go first, even of six, where it would probably not work."""
    tasks.die(count=6)
    address = f"/queues/billing/faults/{tasks.fingerprint()}"
    assert "Would it work now? Not known : no attempt of charge was counted since" in text_of(visitor.text(address))
    chosen = 'name="pace" value="first" form="retry-fault" checked'
    assert chosen not in visitor.text(address)
    client, now = tasks.yard.client, tasks.inspector.server_ms()
    measured = {"charge": Figures(completed=1, failed=60), "refund": Figures(completed=900)}
    client.run(protocol.measure(client.queue("billing"), measured, {"charge": 5 * MINUTE_MS}), Session("a worker"))
    assert chosen in visitor.text(address)
    page = text_of(visitor.text(address))
    assert "Probably not : 1 of the last 61 attempts of charge completed, and this fault was seen at" in page
    key = client.queue("billing").attempts
    text = f"{now - 5 * MINUTE_MS} {now // MINUTE_MS} 0 60 5 1 0"
    client.read(("HSET", key, "charge", text))
    at = datetime.fromtimestamp((now - 5 * MINUTE_MS) // 1000, UTC)
    page = text_of(visitor.text(address))
    assert f"0 of the last 60 attempts of charge completed, the last success was at {at:%H:%M:%S}" in page
