"""One snapshot a second for everybody, and what is shown while the server is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from dashboard.live import Live
from dashboard.problem import Kind
from queue_core.errors import ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.snapshot import ServerSnapshot, Snapshot

SERVER = ServerSnapshot("Valkey", "9.1.2", None, None, "noeviction", True, True)


class Source:
    """Counts how often it is asked; `taken_at` is its time."""

    def __init__(self) -> None:
        self.asked = 0
        self.taken_at = 1_000_000
        self.seconds = 50.0
        self.is_away = False
        self.server = SERVER
        self.before_answer: Callable[[], object] = lambda: None

    def snapshot(self) -> Snapshot:
        self.asked += 1
        self.before_answer()
        if self.is_away:
            raise ServerUnavailable
        return Snapshot(self.taken_at, self.server, (), (), ())

    def live(self) -> Live:
        return Live(cast(Inspector, cast(Any, self)), clock=lambda: self.seconds, wall=lambda: 900.0)


def test_within_a_second_all_get_the_same_snapshot() -> None:
    source = Source()
    live = source.live()
    views = [live.view() for _ in range(5)]
    assert source.asked == 1
    assert {id(view.snapshot) for view in views} == {id(views[0].snapshot)}
    source.seconds += 1.0
    live.view()
    assert source.asked == 2


def test_what_is_wrong_is_found_once_for_a_snapshot() -> None:
    source = Source()
    source.server = replace(SERVER, eviction_policy="allkeys-lru")
    live = source.live()
    first = live.view()
    source.seconds += 0.9
    assert [problem.kind for problem in first.problems] == [Kind.REDIS_UNSAFE]
    assert live.view().problems is first.problems


def test_nothing_is_asked_while_nobody_looks() -> None:
    source = Source()
    source.live()
    assert source.asked == 0


def test_no_snapshot_older_than_the_readers_own_action() -> None:
    source = Source()
    live = source.live()
    live.view()
    source.taken_at = 1_000_400
    view = live.view(not_before=1_000_300)
    assert view.snapshot
    assert (source.asked, view.snapshot.taken_at) == (2, 1_000_400)
    live.view(not_before=1_000_300)
    assert source.asked == 2


def test_the_servers_time_goes_on_between_snapshots() -> None:
    source = Source()
    live = source.live()
    assert live.view().now_ms == 1_000_000
    source.seconds += 0.7
    assert live.view().now_ms == 1_000_700


def test_while_the_server_is_away_the_last_snapshot_stays_with_its_age() -> None:
    source = Source()
    live = source.live()
    before = live.view()
    source.is_away = True
    source.seconds += 3
    first = live.view()
    assert (first.is_away, first.away_since, first.snapshot) == (True, 1_003_000, before.snapshot)
    source.seconds += 5
    assert live.view().away_since == 1_003_000
    source.is_away, source.taken_at = False, 1_020_000
    source.seconds += 1
    back = live.view()
    assert back.snapshot
    assert (back.is_away, back.snapshot.taken_at) == (False, 1_020_000)


def test_a_failure_is_believed_for_a_second() -> None:
    source = Source()
    source.is_away = True
    live = source.live()
    for _ in range(3):
        assert live.view().snapshot is None
    assert source.asked == 1


def test_only_one_request_waits_for_a_slow_server() -> None:
    source = Source()
    live = source.live()
    live.view()
    asked, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        go_on.wait(5)

    source.before_answer = wait
    source.seconds += 2
    waiting = threading.Thread(target=live.view)
    waiting.start()
    assert asked.wait(5)
    assert live.view().snapshot is not None  # at once, though the server has not answered
    go_on.set()
    waiting.join(5)
    assert source.asked == 2
