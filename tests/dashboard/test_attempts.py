"""How often one may try: to sign in, and to fill the audit stream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard.allowance import Allowance
from dashboard.attempts import ADDRESS, BOTH, KNOWN_SECONDS, NAME, SECONDS, Attempts, network_of
from queue_core.consoles import Consoles

HERE, THERE = "192.0.2.1", "192.0.2.2"


def alone() -> Attempts:
    """Of a console whose server does not answer."""
    return Attempts(Consoles("redis://127.0.0.1:1", "test"))


@pytest.fixture
def consoles(redis_url: str, namespace: str) -> Iterator[Consoles]:
    made = Consoles(redis_url, namespace)
    yield made
    made.close()


def test_allowance_ends_and_begins_again() -> None:
    allowance = Allowance(2, 60)
    assert [allowance.take("a", 100 + second) for second in range(4)] == [0, 0, 58, 57]
    assert allowance.take("b", 103) == 0
    assert allowance.take("a", 160) == 0


def test_what_is_given_back_does_not_count() -> None:
    allowance = Allowance(1, 60)
    for _ in range(3):
        assert allowance.take("a", 0) == 0
        allowance.give_back("a")
    allowance.give_back("a")
    assert allowance.take("a", 0) == 0
    assert allowance.take("a", 0) == 60


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    allowance = Allowance(1, 60)
    assert allowance.take("a", 1_000_000) == 0
    assert allowance.take("a", 10) == 0


def test_keys_that_somebody_makes_up_fill_no_memory() -> None:
    allowance = Allowance(1, 60, most_keys=10)
    for number in range(100):
        assert allowance.take(number, 0) == 0
    assert len(allowance._counts) == 10


def test_a_name_from_one_address_may_be_tried_five_times_in_five_minutes() -> None:
    attempts = alone()
    assert [attempts.begin("ada", HERE, 0) for _ in range(BOTH)] == [0] * 5
    assert attempts.begin("ada", HERE, 1) == SECONDS - 1
    assert attempts.begin("ada", HERE, SECONDS) == 0


def test_nobody_can_keep_a_person_out_from_another_address() -> None:
    attempts = alone()
    for _ in range(1000):
        attempts.begin("ada", HERE, 0)
    assert attempts.begin("ada", THERE, 0) == 0


def test_an_address_cannot_try_names_without_end() -> None:
    attempts = alone()
    answers = [attempts.begin(f"name{number}", HERE, 0) for number in range(ADDRESS + 1)]
    assert answers == [0] * ADDRESS + [SECONDS]


def test_a_name_cannot_be_tried_from_addresses_without_end() -> None:
    attempts = alone()
    answers = [attempts.begin("ada", f"192.0.2.{number}", 0) for number in range(NAME + 1)]
    assert answers == [0] * NAME + [SECONDS]


def test_what_was_right_does_not_count() -> None:
    attempts = alone()
    for _ in range(NAME * 2):
        assert attempts.begin("ada", HERE, 0) == 0
        attempts.was_right("ada", HERE, 0)


def try_from_everywhere(attempts: Attempts) -> list[float]:
    return [attempts.begin("ada", f"198.51.100.{number}", 10) for number in range(NAME + 1)]


def test_where_a_person_signed_in_nobody_can_keep_her_out_and_her_name_may_not_be_guessed_without_end(
    consoles: Consoles,
) -> None:
    attempts = Attempts(consoles)
    attempts.begin("ada", HERE, 0, "first")
    attempts.was_right("ada", HERE, 0, "first")
    assert try_from_everywhere(attempts)[-1] > 0
    assert attempts.begin("ada", THERE, 10) > 0
    assert [attempts.begin("ada", HERE, 10) for _ in range(BOTH)] == [0] * BOTH
    assert attempts.begin("ada", HERE, 10) > 0
    assert attempts.begin("ada", THERE, 10) > 0


def test_where_a_person_signed_in_long_ago_is_a_place_as_any_other() -> None:
    attempts = alone()
    attempts.was_right("ada", HERE, 10 - KNOWN_SECONDS)
    try_from_everywhere(attempts)
    assert attempts.begin("ada", HERE, 10) > 0


def test_what_was_not_looked_at_does_not_count(consoles: Consoles) -> None:
    attempts = Attempts(consoles)
    assert attempts.begin("ada", HERE, 0, "wrong") == 0
    for number in range(NAME * 2):
        assert attempts.begin("ada", HERE, 0, f"a{number}") == 0
        attempts.give_back("ada", HERE, f"a{number}")
    assert [attempts.begin("ada", HERE, 0) > 0 for _ in range(BOTH)] == [False] * (BOTH - 1) + [True]


def test_all_consoles_count_together(consoles: Consoles) -> None:
    assert [Attempts(consoles).begin("ada", HERE, 0) for _ in range(BOTH)] == [0] * BOTH
    assert SECONDS - 5 < Attempts(consoles).begin("ada", HERE, 0) <= SECONDS
    assert Attempts(consoles).begin("ada", THERE, 0) == 0
    assert Attempts(consoles).begin("bo", HERE, 0) == 0


def test_nobody_can_keep_a_person_out_by_asking_one_console_after_another(consoles: Consoles) -> None:
    for _ in range(NAME * 2):
        Attempts(consoles).begin("ada", HERE, 0)
    assert Attempts(consoles).begin("ada", THERE, 0) == 0


def test_what_another_console_found_right_does_not_count(consoles: Consoles) -> None:
    for number in range(NAME * 2):
        assert Attempts(consoles).begin("ada", f"192.0.2.{number % 3}", 0, f"a{number}") == 0
        Attempts(consoles).was_right("ada", f"192.0.2.{number % 3}", 0, f"a{number}")


def test_what_the_others_refuse_does_not_count_here(consoles: Consoles) -> None:
    for _ in range(BOTH):
        Attempts(consoles).begin("ada", HERE, 0)
    attempts = Attempts(consoles)
    for _ in range(NAME):
        assert attempts.begin("ada", HERE, 0) > SECONDS - 5
    assert attempts._both._counts == attempts._name._counts == attempts._address._counts == {}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_addresses_of_one_hand_count_together(address: str, network: str) -> None:
    assert network_of(address) == network
