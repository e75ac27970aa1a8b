"""Tables and what surrounds them: aligned in every script, cut to the terminal, safe in every terminal."""

from __future__ import annotations

from queue_core.cli.output import safe
from queue_core.cli.tables import fit, table


def test_table_without_rows_is_its_heads() -> None:
    assert table(("Queue", "Ready"), []) == "Queue   Ready"


def test_columns_are_aligned_with_wide_and_combining_characters() -> None:
    rows = [("日本", "1"), ("nai\u0308ve", "22"), ("plain", "333")]
    assert table(("Task", "n"), rows).splitlines() == [
        "Task      n",
        "日本      1",
        "nai\u0308ve    22",
        "plain   333",
    ]


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    hostile = "a\x1b[31mred\u202etxt\u200b\rb\nc\x07\x9b2J"
    assert safe(hostile) == "a␛[31mred\\u202etxt\\u200b b c␇\\u009b2J"
    shown = table(("Task",), [(hostile,)])
    assert shown.splitlines()[1] == safe(hostile)


def test_last_column_is_cut_to_the_terminal() -> None:
    rows = [("id", "a long error message"), ("id", "short"), ("id", "日本語日本語日本語")]
    shown = table(("Id", "Error"), rows, text=True, most=20).splitlines()
    assert shown == ["Id   Error", "id   a long error m…", "id   short", "id   日本語日本語日…"]
    assert table(("Id", "Error"), rows, text=True).splitlines()[1] == "id   a long error message"


def test_a_text_is_cut_by_its_columns() -> None:
    assert fit("日本語", 6) == "日本語"
    assert fit("日本語", 5) == "日本…"
    assert fit("日本語", 4) == "日…"
