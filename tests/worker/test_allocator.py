"""Slots and weights: pure arithmetic."""

from __future__ import annotations

import random

import pytest

from queue_core.worker.allocator import Allocator


@pytest.mark.parametrize(
    ("weights", "slots", "shares"),
    [
        ({"a": 3, "b": 1}, 400, {"a": 300, "b": 100}),
        ({"a": 1, "b": 1}, 100, {"a": 50, "b": 50}),
        ({"a": 5, "b": 3, "c": 2}, 1_000, {"a": 500, "b": 300, "c": 200}),
        ({"a": 1_000, "b": 1}, 2_002, {"a": 2_000, "b": 2}),
        ({"a": 7}, 30, {"a": 30}),
    ],
)
def test_backlogged_queues_get_slots_by_weight(weights: dict[str, int], slots: int, shares: dict[str, int]) -> None:
    allocator = Allocator(slots, weights)
    assert {queue: allocator.grant(queue, slots) for queue in weights} == shares
    assert allocator.free == 0


@pytest.mark.parametrize("freed", [1, 2, 3, 7, 16])
def test_shares_hold_over_time_however_many_slots_become_free_at_once(freed: int) -> None:
    allocator, got = Allocator(16, {"a": 3, "b": 1}), {"a": 0, "b": 0}
    for _ in range(1_000):
        for queue in got:
            got[queue] += allocator.grant(queue, 256)
        allocator.give_back(freed)
    assert got["a"] / got["b"] == pytest.approx(3, rel=0.02)


def test_idle_queue_leaves_its_share_to_the_others() -> None:
    allocator = Allocator(10, {"a": 1, "b": 9})
    allocator.set_hungry("b", False)
    assert allocator.grant("a", 256) == 10


def test_queue_that_was_idle_starts_beside_the_others_not_ahead_of_them() -> None:
    allocator, got = Allocator(10, {"a": 1, "b": 1}), {"a": 0, "b": 0}
    allocator.set_hungry("b", False)
    for _ in range(100):
        allocator.give_back(allocator.grant("a", 10))
    allocator.set_hungry("b", True)
    for queue in ("a", "b"):
        got[queue] += allocator.grant(queue, 10)
    assert got == {"a": 5, "b": 5}


def test_slots_that_a_queue_has_no_tasks_for_do_not_count_as_its_share() -> None:
    allocator, got = Allocator(8, {"a": 1, "b": 1}), {"a": 0, "b": 0}
    for _ in range(200):
        allocator.set_hungry("a", True)
        allocator.return_unused("a", allocator.grant("a", 8) - 1)  # a has one task at a time
        allocator.set_hungry("a", False)
        granted = allocator.grant("b", 8)
        got["a"] += 1
        got["b"] += granted
        allocator.give_back(1 + granted)
    assert got == {"a": 200, "b": 200 * 7}


def test_what_was_granted_and_not_fetched_goes_back_when_the_queue_is_idle() -> None:
    allocator = Allocator(8, {"a": 1, "b": 1})
    assert allocator.grant("a", 256) == 4  # four more are kept for b
    assert allocator.free == 0
    allocator.set_hungry("b", False)
    assert allocator.free == 4
    assert allocator.grant("a", 256) == 4


def test_grant_is_no_more_than_asked_for_and_the_rest_is_kept() -> None:
    allocator = Allocator(600, {"a": 1})
    assert [allocator.grant("a", 256) for _ in range(4)] == [256, 256, 88, 0]


def test_fewer_slots_are_granted_only_when_enough_have_come_back() -> None:
    allocator = Allocator(10, {"a": 1})
    assert allocator.grant("a", 10) == 10
    allocator.resize(-6)
    allocator.give_back(6)
    assert allocator.grant("a", 10) == 0
    allocator.give_back(1)
    assert allocator.grant("a", 10) == 1
    allocator.resize(2)
    assert allocator.grant("a", 10) == 2


@pytest.mark.parametrize("seed", range(20))
def test_grants_never_exceed_slots_and_all_come_back(seed: int) -> None:
    chance = random.Random(seed)
    weights = {f"q{i}": chance.randint(1, 9) for i in range(chance.randint(1, 5))}
    slots, ahead = chance.randint(1, 50), 0
    allocator, held = Allocator(slots, weights), 0
    for _ in range(2_000):
        queue = chance.choice(list(weights))
        match chance.randint(0, 4):
            case 0:
                allocator.set_hungry(queue, chance.random() < 0.6)
            case 1 | 2 if allocator.is_hungry(queue):
                granted = allocator.grant(queue, chance.randint(1, 20))
                unused = chance.randint(0, granted)
                allocator.return_unused(queue, unused)
                held += granted - unused
            case 3 if held:
                back = chance.randint(1, held)
                allocator.give_back(back)
                held -= back
            case 4:
                wanted = chance.randint(0, 30)
                allocator.resize(wanted - ahead)
                ahead = wanted
        assert held <= slots + 30
    for queue in weights:
        allocator.set_hungry(queue, False)
    assert not allocator.is_anyone_hungry
    assert allocator.free == slots + ahead - held


def test_queue_that_had_all_slots_offered_while_it_was_alone_gets_its_share_and_no_more_beside_another() -> None:
    allocator = Allocator(528, {"a": 1, "b": 1})
    allocator.set_hungry("b", False)
    for _ in range(100):
        allocator.return_unused("a", allocator.grant("a", 256))
    allocator.set_hungry("a", False)
    for queue in ("a", "b"):
        allocator.set_hungry(queue, True)
    assert {queue: allocator.grant(queue, 528) for queue in ("a", "b")} == {"a": 264, "b": 264}
