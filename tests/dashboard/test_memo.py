"""What is remembered has an end: in number, in bytes, and of what hostile payloads bring."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest

from dashboard.memo import Memo, bytes_of
from dashboard.redaction import Redactor
from dashboard.secret_names import SecretNames


@pytest.fixture
def made() -> list[str]:
    return []


@pytest.fixture
def memo(made: list[str]) -> Memo[str]:
    def make(text: str) -> str:
        made.append(text)
        return text.upper()

    return Memo(make, bytes_of, most=3, most_bytes=1_000)


def test_what_was_asked_for_last_is_made_once(memo: Memo[str], made: list[str]) -> None:
    assert [memo(text) for text in ("a", "b", "a", "c", "d", "a", "b")] == ["A", "B", "A", "C", "D", "A", "B"]
    assert made == ["a", "b", "c", "d", "b"]


def test_bytes_have_an_end_and_what_is_larger_than_all_is_not_kept(memo: Memo[str], made: list[str]) -> None:
    for text in ("x" * 300, "y" * 300, "z" * 2_000, "z" * 2_000, "y" * 300):
        assert memo(text) == text.upper()
    assert (len(memo), memo.bytes <= 1_000) == (1, True)
    assert [text[0] for text in made] == ["x", "y", "z", "z"]


def test_large_payload_that_is_looked_at_again_costs_nothing() -> None:
    redactor = Redactor()
    payload = json.dumps({"a": "pin " * 60_000, "token": "t"})
    looks = []
    for _ in range(2):
        began = time.process_time()
        assert redactor.payload("".join(payload)).hidden == 1
        looks.append(time.process_time() - began)
    assert looks[1] < looks[0] / 10


def test_names_of_any_length_take_no_memory() -> None:
    names = SecretNames()
    tracemalloc.start()
    try:
        for n in range(10):
            assert f"{n}_password_{'k' * 100_000}" in names
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
