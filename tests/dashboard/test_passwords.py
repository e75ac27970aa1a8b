"""Passwords: what is kept of one, and what checking one costs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from dashboard.passwords import COST, LEAST, MOST, Cost, decoy, hash_password, is_right
from queue_core.errors import InvalidArgument
from tests.people import CHEAP, PASSWORD


def test_right_password_is_right_and_no_other_is() -> None:
    stored = hash_password(PASSWORD, CHEAP)
    assert PASSWORD not in stored
    assert is_right(PASSWORD, stored)
    for wrong in ("", PASSWORD[:-1], f"{PASSWORD} ", PASSWORD.upper(), PASSWORD * 100, "\0", "\ud800"):
        assert not is_right(wrong, stored)


def test_same_password_is_never_stored_alike() -> None:
    assert hash_password(PASSWORD, CHEAP) != hash_password(PASSWORD, CHEAP)


def test_same_character_in_another_coding_is_the_same() -> None:
    assert is_right("pa\u0308sswords are ha\u0308rd", hash_password("p\u00e4sswords are h\u00e4rd", CHEAP))


def test_password_is_checked_at_the_cost_that_stands_beside_it() -> None:
    assert hash_password(PASSWORD).startswith(f"scrypt${COST.n}$8$3$")
    assert is_right(PASSWORD, hash_password(PASSWORD, Cost(n=4, r=2, p=2)))


@pytest.mark.parametrize("length", [0, LEAST - 1, MOST + 1])
def test_password_is_neither_short_nor_endless(length: int) -> None:
    with pytest.raises(InvalidArgument, match="12 to 1,024 characters"):
        hash_password("x" * length, CHEAP)


@pytest.mark.parametrize(
    "stored",
    [
        "", "x", "scrypt$16$1$1$AA==", "scrypt$16$1$1$AA==$", "scrypt$16$1$1$AA==$AA==", "scrypt$0$1$1$AA==$AA==",
        "scrypt$16$1$1$??$??", "scrypt$a$b$c$d$e", f"scrypt${2**40}$8$1$AA==$AA==", f"scrypt${10**30}$8$1$AA==$AA==",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_nobodys_password(stored: str) -> None:
    assert not is_right("", stored)
    assert not is_right(PASSWORD, stored)


def test_another_kind_of_hash_is_not_taken_for_this_one() -> None:
    assert not is_right(PASSWORD, hash_password(PASSWORD, CHEAP).replace("scrypt", "plain"))


def test_names_that_nobody_has_cost_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    scrypt = hashlib.scrypt

    def look(*args: Any, **given: Any) -> bytes:
        asked.append((given["n"], given["r"], given["p"]))
        return scrypt(*args, **given)

    monkeypatch.setattr(hashlib, "scrypt", look)
    real = hash_password(PASSWORD)
    asked.clear()
    assert is_right(PASSWORD, real)
    assert not is_right(PASSWORD, decoy())
    assert asked == [(COST.n, COST.r, COST.p)] * 2
