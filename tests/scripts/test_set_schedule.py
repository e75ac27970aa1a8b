"""set_schedule: what stands in the directory of schedules changes only as somebody has seen it."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import keys, protocol
from tests.engine import Engine

pytestmark = pytest.mark.each_server


@pytest.mark.parametrize(
    ("stands", "seen", "wanted", "is_so", "after"),
    [
        (b"", b"", b"new", True, b"new"),
        (b"old", b"old", b"new", True, b"new"),
        (b"old", b"old", b"", True, b""),
        (b"other", b"old", b"new", False, b"other"),
        (b"other", b"", b"new", False, b"other"),
        (b"", b"old", b"new", False, b""),
        (b"new", b"old", b"new", True, b"new"),  # sent again
        (b"", b"old", b"", True, b""),
    ],
)
def test_schedule_is_changed_as_it_was_seen(
    engine: Engine, stands: bytes, seen: bytes, wanted: bytes, is_so: bool, after: bytes
) -> None:
    key = keys.schedules(engine.client.namespace)
    if stands:
        engine.redis.hset(key, "nightly", stands)
    engine.redis.hset(key, "other", b"kept")
    assert engine.run(protocol.set_schedule(engine.queue, "nightly", seen, wanted)) is is_so
    assert engine.redis.hgetall(key) == {b"other": b"kept", **({b"nightly": after} if after else {})}


def test_schedule_can_be_changed_on_a_full_server(engine: Engine) -> None:
    engine.redis.hset(keys.schedules(engine.client.namespace), "nightly", b"old")
    engine.redis.config_set("maxmemory", 1)
    assert engine.run(protocol.set_schedule(engine.queue, "nightly", b"old", b"paused"))


def test_of_several_callers_at_once_one_changes_it(engine: Engine) -> None:
    def caller(number: int) -> Any:
        call = protocol.set_schedule(engine.queue, "nightly", b"", b"%d" % number)
        return lambda client: client.run(call)

    answers = engine.together([caller(number) for number in range(4)])
    assert sorted(answers) == [False, False, False, True]
    stands = engine.redis.hget(keys.schedules(engine.client.namespace), "nightly")
    assert stands == b"%d" % answers.index(True)
