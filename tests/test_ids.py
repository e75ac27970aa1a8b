"""Task ids: their form, their time, and how they stand in `ready`."""

from __future__ import annotations

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from queue_core import ids

NOW = 1_763_770_000_123


def test_ids_are_unique_and_have_their_form() -> None:
    made = {ids.new_id() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(len(one) == ids.ID_LENGTH and ids.is_timed(one) and ids.is_task_id(one) for one in made)


def test_id_is_a_uuid_of_version_seven() -> None:
    for ms in (0, NOW, (1 << 48) - 1):
        number = 0
        for character in ids.new_id(ms):
            number = number * 62 + ids.ALPHABET.index(character)
        assert number < 1 << 128
        assert (number >> 80, number >> 76 & 15, number >> 62 & 3) == (ms, 7, 2)


@pytest.mark.parametrize("ms", [0, 1, ids.EPOCH_MS, NOW, (1 << 48) - 1])
def test_id_tells_the_time_at_which_it_was_made(ms: int) -> None:
    assert ids.id_time_ms(ids.new_id(ms)) == ms


def test_ids_sort_by_time() -> None:
    made = [ids.new_id(NOW + step) for step in range(1_000)]
    assert made == sorted(made)


def test_ids_of_a_process_sort_in_the_order_of_their_making() -> None:
    made = [ids.new_id() for _ in range(10_000)]
    assert made == sorted(made)


def test_threads_share_no_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: [ids.new_id() for _ in range(5_000)], range(8)))
    assert len({one for part in parts for one in part}) == 40_000


def test_fork_begins_a_series_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same millisecond parent and child would else count on from the same number."""
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000_000)
    ids.new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(ids.new_id() for _ in range(10)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = set(os.read(reading, 1_000).decode().split())
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 10
    assert not theirs & {ids.new_id() for _ in range(10)}


def test_series_that_is_used_up_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1_000_000)
    head = ids.new_id()[:-4]
    monkeypatch.setattr(ids, "_series", (NOW, head, itertools.count(62**4 - 1)))
    assert ids.new_id() == head + "zzzz"
    following = ids.new_id()
    assert following[:-4] != head
    assert ids.id_time_ms(following) == NOW


def test_id_of_now_is_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = ids.id_time_ms(ids.new_id())
    assert made is not None
    assert before <= made <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("text", ["a", "-", "_", "0", "order-1", "x" * 128, "A" * 22])
def test_ids_that_a_user_may_choose(text: str) -> None:
    assert ids.is_task_id(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "a:b", "a/b", "é", "a\n", "\na", "x" * 129, "a.b", "{a}", "\0", "٣", ":" * 65, 7, b"a", None, []],
)
def test_ids_that_a_user_may_not_choose(text: object) -> None:
    assert not ids.is_task_id(text)


@pytest.mark.parametrize("text", ["", "order-1", "A" * 21, "A" * 23, "_" * 22, "é" * 22, "٣" * 22])
def test_id_of_another_form_has_no_time(text: str) -> None:
    assert ids.id_time_ms(text) is None


def test_number_beyond_all_times_is_no_time() -> None:
    assert ids.is_timed("z" * 22)
    assert ids.id_time_ms("z" * 22) is None


@pytest.mark.parametrize("ms", [ids.EPOCH_MS, ids.EPOCH_MS + 1, NOW, ids.EPOCH_MS + 62**7 - 1])
def test_ready_time_takes_seven_digits_and_comes_back(ms: int) -> None:
    assert len(ids.encode_time(ms)) == 7
    assert ids.decode_time(ids.encode_time(ms)) == ms


@pytest.mark.parametrize(("ms", "digits"), [(0, "0000000"), (-5, "0000000"), (1 << 60, "zzzzzzz")])
def test_ready_time_outside_of_its_range_is_the_nearest(ms: int, digits: str) -> None:
    assert ids.encode_time(ms) == digits


@pytest.mark.parametrize("digits", ["", "abc-", "é"])
def test_digits_that_are_none_are_refused(digits: str) -> None:
    if digits:
        with pytest.raises(KeyError):
            ids.decode_time(digits)
    else:
        assert ids.decode_time(digits) == ids.EPOCH_MS


OURS = "031ffCfEMUGaQUSkoccVgt"  # made at NOW
LATER = ids.encode_time(NOW + 60_000)


@pytest.mark.parametrize(
    ("element", "task_id", "ms"),
    [
        (OURS, OURS, NOW),
        (OURS + LATER, OURS, NOW + 60_000),
        (":order-1" + LATER, "order-1", NOW + 60_000),
        (":" + "b" * 29 + LATER, "b" * 29, NOW + 60_000),
        (":" + "x" * 128 + LATER, "x" * 128, NOW + 60_000),
        (":" + "a" + LATER, "a", NOW + 60_000),
        ("z" * 22 + LATER, "z" * 22, NOW + 60_000),
    ],
)
def test_element_of_ready_is_an_id_and_its_ready_time(element: str, task_id: str, ms: int) -> None:
    assert ids.read_ready_element(element) == (task_id, ms)
