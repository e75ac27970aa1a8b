"""Each formatting rule as a table of cases."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dashboard import filters


def plain(text: str) -> str:
    """Narrow spaces are a matter of looks."""
    return text.replace(filters.THIN, " ")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (1_238, "1,238"),
        (99_999, "99,999"),
        (100_000, "100 k"),
        (128_400, "128 k"),
        (999_999, "999 k"),
        (1_000_000, "1.00 M"),
        (1_239_999, "1.23 M"),
        (999_999_999, "999.99 M"),
        (2_500_000_000, "2.50 G"),
        (-128_400, "-128 k"),
    ],
)
def test_counts_are_exact_up_to_five_digits(count: int, shown: str) -> None:
    assert plain(filters.short_count(count)) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "–"),
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 100_000, "< 0.1 %"),
        (6, 1_000, "0.6 %"),
        (97, 100, "97 %"),
        (99_999, 100_000, "> 99 %"),
        (9_999, 100_000, "9.9 %"),
        (1, 10, "10 %"),
    ],
)
def test_shares_never_round_to_none_or_all(part: int, whole: int, shown: str) -> None:
    assert plain(filters.share(part, whole)) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.4, "< 1 ms"),
        (312, "312 ms"),
        (999, "999 ms"),
        (4_200, "4.2 s"),
        (9_999, "9.9 s"),
        (58_400, "58 s"),
        (59_999, "59 s"),
        (724_000, "12 min 04 s"),
        (18_240_000, "5 h 04 min"),
        (86_400_000, "1 d"),
        (273_600_000, "3 d 4 h"),
        (-5_000, "0 s"),
    ],
)
def test_durations_have_two_units_at_most(milliseconds: float | None, shown: str) -> None:
    assert plain(filters.duration(milliseconds)) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (None, "–"),
        (1_000_000, "now"),
        (1_000_500, "now"),  # newer than now: clocks differ, an age does not
        (996_000, "4 s ago"),
        (1_000_000 - 16 * 60_000, "16 min ago"),
        (1_000_000 - 47 * 3_600_000, "47 h ago"),
        (1_000_000 - 49 * 3_600_000, "2 d ago"),
    ],
)
def test_ages_are_never_in_the_future(at: int | None, shown: str) -> None:
    assert plain(filters.ago(at, 1_000_000)) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (None, "–"),
        (1_180_000, "in 3 min"),
        (1_000_100, "now"),
        (900_000, "now"),
        (1_000_000 + 24 * 3_600_000 - 10, "in 24 h"),  # just purged for a day: what is begun counts
        (1_000_000 + 59_500, "in 1 min"),
        (1_000_000 + 48 * 3_600_000 - 10, "in 2 d"),
    ],
)
def test_times_to_come_are_never_in_the_past(at: int | None, shown: str) -> None:
    assert plain(filters.until(at, 1_000_000)) == shown


@pytest.mark.parametrize(
    ("at", "with_ms", "shown"),
    [
        ("2024-11-21T03:14:07", False, "03:14:07"),
        ("2024-11-20T03:14:07", False, "20 Nov 03:14"),
        ("2023-11-20T03:14:07", False, "2023-11-20 03:14"),
        ("2024-11-21T03:14:07.120", True, "03:14:07.120"),
        ("2024-11-20T03:14:07.120", True, "20 Nov 03:14:07.120"),
    ],
)
def test_clock_says_as_much_of_the_date_as_is_needed(at: str, with_ms: bool, shown: str) -> None:
    assert filters.clock(ms(at), ms("2024-11-21T23:59:00"), UTC, with_ms=with_ms) == shown


def test_clock_is_in_the_readers_zone() -> None:
    zone = timezone(timedelta(hours=2))
    assert filters.clock(ms("2024-11-20T23:30:00"), ms("2024-11-21T01:00:00"), zone) == "01:30:00"


@pytest.mark.parametrize("at", [10**18, -(10**18)])
def test_an_impossible_time_is_unknown(at: int) -> None:
    assert filters.clock(at, 0) == "?"
    assert filters.iso(at) == ""


def test_iso_is_utc_with_milliseconds() -> None:
    assert filters.iso(ms("2024-11-21T03:14:07.120")) == "2024-11-21T03:14:07.120Z"
    assert filters.iso(None) == ""


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "?"),
        (412, "412 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (222_298_112, "212.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
    ],
)
def test_sizes_have_one_decimal(count: int | None, shown: str) -> None:
    assert plain(filters.size(count)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("charge_card", "charge_card"),
        ("naïve – 日本", "naïve – 日本"),
        ("a\x00b\x1b[31m", "a␀b␛[31m"),
        ("\x7f", "␡"),
        ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\nnext\ttab", "line\nnext\ttab"),
        ("\u2028", "\\u2028"),
        ("\u3164", "\\u3164"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80", "\\udc80"),
        ("\r", "␍"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, shown: str) -> None:
    assert filters.visible(text) == shown


@pytest.mark.parametrize(
    ("text", "most", "shown"), [("short", 8, "short"), ("abcdefghij", 7, "abc…hij"), ("abcdefghij", 8, "abc…ghij")]
)
def test_names_are_cut_in_the_middle(text: str, most: int, shown: str) -> None:
    assert filters.middle(text, most) == shown


@pytest.mark.parametrize(
    ("identifier", "shown"), [("0kV3mQrvgYBGjfebBMu30d", "…ebBMu30d"), ("mine-1", "mine-1"), ("nine_char", "nine_char")]
)
def test_of_an_id_the_end_is_shown(identifier: str, shown: str) -> None:
    assert filters.short_id(identifier) == shown


@pytest.mark.parametrize(
    ("per_minute", "shown"),
    [(None, "–"), (0.0, "0"), (0.01, "0.1"), (0.44, "0.4"), (1.4, "1"), (4120.2, "4,120"), (250_000.0, "250 k")],
)
def test_rates_are_per_minute_and_below_one_have_a_decimal(per_minute: float | None, shown: str) -> None:
    assert plain(filters.rate(per_minute)) == shown


@pytest.mark.parametrize(("ms", "shown"), [(None, "–"), (math.inf, "growing"), (480_000.0, "8 min 00 s")])
def test_what_never_clears_is_growing(ms: float | None, shown: str) -> None:
    assert plain(filters.time_to_clear(ms)) == shown


def test_plural_counts_exactly() -> None:
    assert filters.plural(1, "dead letter") == "1 dead letter"
    assert filters.plural(1_187, "dead letter") == "1,187 dead letters"
    assert filters.plural(2, "crash", "crashes") == "2 crashes"
