"""What consoles know of one another, on a real server."""

from __future__ import annotations

import pytest

from queue_core import consoles as module
from queue_core import keys
from queue_core.consoles import Consoles
from queue_core.errors import TaskyardError
from tests.engine import Engine

NOW, WEEK = 1_800_000_000.0, 7 * 86_400.0


@pytest.fixture
def consoles(engine: Engine) -> Consoles:
    return Consoles(client=engine.client)


def test_what_one_has_ended_all_know_until_it_would_be_over(engine: Engine, consoles: Consoles) -> None:
    for _ in range(2):
        consoles.end_sign_in("a1", NOW + WEEK, NOW)
    consoles.end_sign_in("b2", NOW + 60, NOW)
    assert Consoles(client=engine.client).ended_sign_ins(NOW) == {"a1", "b2"}
    assert consoles.ended_sign_ins(NOW + 61) == {"a1"}


def test_what_is_over_and_what_is_too_much_is_not_kept(
    engine: Engine, consoles: Consoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ENDED", 3)
    for number in range(5):
        consoles.end_sign_in(f"id{number}", NOW + WEEK + number, NOW)
    stored = keys.ended_sign_ins("test")
    assert engine.redis.zrange(stored, 0, -1) == [b"id2", b"id3", b"id4"]
    consoles.end_sign_in("last", NOW + 3 * WEEK, NOW + 2 * WEEK)
    assert engine.redis.zrange(stored, 0, -1) == [b"last"]


def test_tries_are_counted_together_and_the_one_too_many_is_not(engine: Engine, consoles: Consoles) -> None:
    most = {"address": 3, "name": 2}
    assert [consoles.try_once(most, 60, attempt) for attempt in ("a", "b")] == [0, 0]
    assert 59 < consoles.try_once(most, 60, "c") <= 60
    assert [consoles.try_once({"address": 3}, 60, attempt) for attempt in ("d", "e")] == [0, pytest.approx(60, abs=1)]


def test_one_that_is_sent_again_counts_once(consoles: Consoles) -> None:
    assert [consoles.try_once({"name": 2}, 60, "a") for _ in range(5)] == [0] * 5
    assert [consoles.try_once({"name": 2}, 60, attempt) > 0 for attempt in ("b", "c", "c")] == [False, True, True]
    for _ in range(2):
        consoles.give_back(["name"], "b")
    assert [consoles.try_once({"name": 2}, 60, attempt) > 0 for attempt in ("d", "e")] == [False, True]


def test_what_is_given_back_does_not_count(consoles: Consoles) -> None:
    for number in range(5):
        assert consoles.try_once({"address": 1, "both": 3}, 60, f"a{number}") == 0
        consoles.give_back(["address"], f"a{number}")
        assert consoles.try_once({"both": 3}, 60, f"b{number}") == 0
        consoles.give_back([], f"b{number}", all_of="both")


def test_every_count_expires_and_names_nobody(engine: Engine, consoles: Consoles) -> None:
    consoles.try_once({"name ada": 5, "address 192.0.2.1": 5}, 60, "a1")
    consoles.give_back(["name of nobody"], "a1")
    found = engine.redis.keys("test:tries:*")
    assert len(found) == 2
    for key in found:
        assert 0 < engine.redis.pttl(key) <= 60_000
        assert b"ada" not in key
        assert b"192" not in key


def test_damage_is_told(engine: Engine, consoles: Consoles) -> None:
    engine.redis.set(keys.ended_sign_ins("test"), "no set")
    with pytest.raises(TaskyardError):
        consoles.ended_sign_ins(NOW)
    with pytest.raises(TaskyardError):
        consoles.end_sign_in("a1", NOW + WEEK, NOW)
