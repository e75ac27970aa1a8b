"""What the demo's terminal shows of each fact."""

from __future__ import annotations

import io
import json
import re

import pytest

from queue_core.demo import facts
from queue_core.demo.facts import Fact, Totals, imbalances
from queue_core.demo.reporter import Output, Reporter, style_of
from queue_core.demo.terminal import Style, brief_lines, json_line, lines, status, status_line
from queue_core.formats import count, duration, elapsed, short_id, shorten
from queue_core.snapshot import Books, Counts, QueueSnapshot

PLAIN = Style()
TERMINAL = Style(is_terminal=True)
TOTALS = Totals(enqueued=371, completed=322, waiting=31, running=10, retrying=7, dead=1)
LETTER = "0kVexampleQexamplkQ7xZ2Lm"
REFUSED = "ConnectionError: warehouse refused the connection"
URL = "http://127.0.0.1:8080"
SUMMARY = facts.Summary(54.2, Totals(371, 331, 32, 0, 7, 1), retried=8, retried_completed=8)


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        (
            facts.DemoStarted("0.1.0"),
            ["Taskyard 0.1.0 demo. Everything runs on this machine and is removed when it ends.", ""],
        ),
        (facts.PortMoved(8080, 8081), ["Port 8080 is in use, so the console is on 8081.", ""]),
        (
            facts.ServerReady("Valkey 9.1.2", 0.31),
            ["  ✓ server     Valkey 9.1.2 with append-only file                            0.3 s"],
        ),
        (
            facts.ServerReady("Valkey 9.1.2", 0.02),
            ["  ✓ server     Valkey 9.1.2 with append-only file                          < 0.1 s"],
        ),
        (
            facts.WorkersReady({"fast": 8, "slow": 2}, ("email", "images", "orders"), 0.6),
            ["  ✓ workers    fast (8 at once) and slow (2 at once): email, images, orders  0.6 s"],
        ),
        (
            facts.LoadEnqueued({"e-mails": 100, "images": 10, "orders": 8, "reports": 1}, 5.0),
            ["  ✓ tasks      119 enqueued: 100 e-mails, 10 images, 8 orders, 1 report; then 5 a second"],
        ),
        (
            facts.LoadEnqueued({"e-mails": 1}, 0.0),
            ["  ✓ tasks      1 enqueued: 1 e-mail; no more after that"],
        ),
        (
            facts.ConsoleReady(URL, 0.4),
            ["  ✓ console    http://127.0.0.1:8080                                         0.4 s"],
        ),
        (
            facts.Died("warehouse_sync", "orders", LETTER, REFUSED),
            [f"00:06  dead       warehouse_sync …kQ7xZ2Lm  {REFUSED}"],
        ),
        (
            facts.Died("monthly_report", "orders", LETTER, "KeyError: 'total'", "a bug: a retry fails again"),
            ["00:06  dead       monthly_report …kQ7xZ2Lm  KeyError: 'total'   (a bug: a retry fails again)"],
        ),
        (
            facts.Died("warehouse_sync", "orders", LETTER, REFUSED, "a note", more=7),
            [f"00:06  dead       7 more of warehouse_sync  {REFUSED}"],
        ),
        (
            facts.WarehouseOpened(8, f"{URL}/dead"),
            ["00:06  warehouse is back. 8 dead letters would now complete: http://127.0.0.1:8080/dead"],
        ),
        (
            facts.WarehouseOpened(1, f"{URL}/dead"),
            ["00:06  warehouse is back. 1 dead letter would now complete: http://127.0.0.1:8080/dead"],
        ),
        (facts.WarehouseOpened(0, f"{URL}/dead"), ["00:06  warehouse is back."]),
        (
            facts.Retried("console", 8, completed=8, failed=0),
            ["00:06  retried    8 dead letters by the console: 8 completed"],
        ),
        (
            facts.Retried("ada", 4, completed=1, failed=2, other=1),
            ["00:06  retried    4 dead letters by ada: 1 completed, 2 failed again, 1 taken elsewhere"],
        ),
        (
            facts.Retried("", 1, completed=0, failed=1),
            ["00:06  retried    1 dead letter by the console: 1 failed again"],
        ),
        (facts.WarehouseClosed("console"), ["00:06  warehouse is closed by the console: orders fail"]),
        (facts.Burst("ada", 200), ["00:06  burst      200 tasks by ada"]),
        (facts.WorkerAdded("ada", "extra-1", 4), ["00:06  worker     extra-1 (4 at once) was added by ada"]),
        (
            facts.WorkerKilled("console", "fast", 1),
            ["00:06  killed     fast by the console, SIGKILL, 1 task in its hands"],
        ),
        (facts.TasksBack("fast", 7, 9.6), ["00:06  back       7 tasks of fast, 10 s after it was killed"]),
        (facts.Purged("console", 2), ["00:06  purged     2 dead letters by the console"]),
        (TOTALS, ["00:06  enqueued 371 · completed 322 · waiting 31 · running 10 · retrying 7 · dead 1"]),
        (facts.Stopping(by_signal=True), ["Stopping (Ctrl-C again to end at once)"]),
        (facts.Stopping(by_signal=False), ["Stopping"]),
        (
            facts.WorkersStopped(10, 9, 1, 2.1),
            ["  ✓ 10 running tasks: 9 finished, 1 handed back                              2.1 s"],
        ),
        (
            facts.WorkersStopped(0, 0, 0, 0.4),
            ["  ✓ no task was running                                                      0.4 s"],
        ),
        (facts.Removed(), ["  ✓ nothing left behind"]),
        (facts.Removed(("/tmp/taskyard-1",)), ["  ✗ left behind: /tmp/taskyard-1"]),
        (facts.Failed("the server ended.", ("one", "two")), ["taskyard demo: the server ended.", "    one", "    two"]),
        (
            SUMMARY,
            [
                "",
                "Ran 54 s. Enqueued 371 = completed 331 + waiting 32 + retrying 7 + dead 1. The books balance.",
                '8 dead letters retried, 8 completed. Next: write your own task, README "Your first task".',
            ],
        ),
        (
            facts.Summary(724.0, Totals(3, 2, 0), 0, 0, ("queue a: +1 tasks that neither left nor are there",)),
            [
                "",
                "Ran 12 min 04 s. Enqueued 3 = completed 2 + waiting 0. The books do not balance:",
                "  queue a: +1 tasks that neither left nor are there",
                'Next: write your own task, README "Your first task".',
            ],
        ),
    ],
)
def test_fact_as_lines(fact: Fact, shown: list[str]) -> None:
    assert lines(fact, 6.4, TERMINAL) == shown
    if all("✗" not in line for line in shown):
        assert lines(fact, 6.4, PLAIN) == [line.replace("✓", "ok") for line in shown]


def test_what_to_try_is_shown_when_everything_runs() -> None:
    shown = lines(facts.Ready(20.0), 1.0, TERMINAL)
    assert shown[1:-1] == [
        '  Try this:  1. Open the console. The "warehouse" is down for the first 20 seconds: orders fail for good.',
        "             2. Open the fault, read the traceback.",
        "             3. When this window says that the warehouse is back, press Retry and watch them complete.",
        "  Ctrl-C stops everything.",
    ]


NARROW = Style(is_terminal=True, width=60)


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        (
            facts.ServerReady("Valkey 9.1.2", 0.31),
            ["  ✓ server     Valkey 9.1.2 with append-only file      0.3 s"],
        ),
        (
            facts.WorkersReady({"fast": 8, "slow": 2}, ("email", "images", "orders"), 0.6),
            ["  ✓ workers    fast (8 at once) and slow (2 at once): email,", "               images, orders"],
        ),
        (
            facts.Died("warehouse_sync", "orders", LETTER, REFUSED),
            [
                "00:06  dead       warehouse_sync …kQ7xZ2Lm  ConnectionError:",
                "                  warehouse refused the connection",
            ],
        ),
        (
            SUMMARY,
            ["", "Ran 54 s. Enqueued 371 = completed 331 + waiting 32 +", "retrying 7 + dead 1. The books balance."],
        ),
    ],
)
def test_narrow_terminal_folds_lines(fact: Fact, shown: list[str]) -> None:
    assert lines(fact, 6.4, NARROW)[: len(shown)] == shown
    assert all(len(line) <= NARROW.width for line in lines(fact, 6.4, NARROW))
    coloured = lines(fact, 6.4, Style(is_terminal=True, has_colour=True, width=60))[: len(shown)]
    assert [re.sub("\x1b\\[[0-9]*m", "", line) for line in coloured] == shown


def test_brief_output_is_address_trouble_and_summary() -> None:
    told = [
        facts.DemoStarted("0.1.0"), facts.PortMoved(8080, 8081), facts.ServerReady("Valkey", 0.1),
        facts.ConsoleReady(URL, 0.4), TOTALS, facts.Removed(), SUMMARY,
    ]  # fmt: skip
    assert [line for fact in told for line in brief_lines(fact, PLAIN)] == [
        "Port 8080 is in use, so the console is on 8081.",
        URL,
        "Ran 54 s. Enqueued 371 = completed 331 + waiting 32 + retrying 7 + dead 1. The books balance.",
    ]


def test_json_is_one_object_a_line() -> None:
    assert json.loads(json_line(SUMMARY, 54.2)) == {
        "event": "summary",
        "at": 54.2,
        "seconds": 54.2,
        "totals": {
            "enqueued": 371, "completed": 331, "waiting": 32, "running": 0, "retrying": 7, "dead": 1, "trashed": 0,
            "otherwise_ended": 0,
        },
        "retried": 8,
        "retried_completed": 8,
        "imbalance": [],
        "is_balanced": True,
    }  # fmt: skip
    assert "\n" not in json_line(facts.Failed("a\nb", ("c\nd",)), 0.0)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_status_line_is_narrower_than_the_terminal(width: int) -> None:
    line = status_line(TOTALS, 52.0, Style(is_terminal=True, width=width))
    assert len(line) < width
    assert line.startswith("00:52  ")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (None, "enqueued 371 · completed 322 · waiting 31 · running 10 · retrying 7 · dead 1"),
        (76, "enqueued 371 · completed 322 · waiting 31 · running 10 · retrying 7 · dead 1"),
        (75, "enqueued 371 · completed 322 · waiting 31 · retrying 7 · dead 1"),
        (40, "enqueued 371 · completed 322 · dead 1"),
        (8, "dead 1"),
        (3, "de…"),
    ],
)
def test_narrow_status_leaves_out_what_matters_least(width: int | None, shown: str) -> None:
    assert status(TOTALS, width) == shown


def test_narrow_status_leaves_out_what_is_not_there_first() -> None:
    assert status(Totals(371, 322, 0, 10, 0, 1), 60) == "enqueued 371 · completed 322 · running 10 · dead 1"


def test_colour_is_for_terminals_that_want_it() -> None:
    coloured = Style(is_terminal=True, has_colour=True)
    assert lines(facts.Removed(), 0.0, coloured) == ["  \x1b[32m✓\x1b[0m nothing left behind"]

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    assert style_of(Terminal(), {"TERM": "xterm"}).has_colour
    assert not style_of(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}).has_colour
    assert not style_of(Terminal(), {"TERM": "dumb"}).is_terminal
    assert not style_of(io.StringIO(), {"TERM": "xterm"}).is_terminal


def test_status_is_rewritten_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    stream = Terminal()
    reporter = Reporter(Output.TEXT, stream, {"TERM": "xterm", "NO_COLOR": "1"})
    reporter.count(TOTALS)
    reporter.count(TOTALS)  # less than a second later: nothing
    reporter.tell(facts.Purged("console", 2))
    reporter.keep_status()
    clear = "\r\x1b[2K"
    counted = f"00:00  {status(TOTALS)}"
    purged = "00:00  purged     2 dead letters by the console\n"
    assert stream.getvalue() == f"{clear}{counted}{clear}{purged}{counted}{clear}{counted}\n"


def test_reader_that_went_away_is_noticed() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    reporter = Reporter(Output.TEXT, Closed(), {})
    reporter.tell(facts.Removed())
    assert reporter.is_broken
    reporter.tell(facts.Removed())


# The books.


def queue(name: str, counts: Counts, books: Books) -> QueueSnapshot:
    return QueueSnapshot(name=name, counts=counts, books=books)


BALANCED = queue("a", Counts(ready=2, dead=1), Books(tasks=3, enqueued=10, completed=6, deleted=1))


def test_totals_add_up_over_queues() -> None:
    other = queue("b", Counts(held=1, scheduled=2, running=3), Books(tasks=6, enqueued=6))
    totals = Totals.of((BALANCED, other))
    assert totals == Totals(enqueued=16, completed=6, waiting=5, running=3, dead=1, otherwise_ended=1)
    assert sum(number for _, number in totals.parts) == totals.enqueued


@pytest.mark.parametrize(
    ("queues", "unreadable", "made", "expected"),
    [
        ((BALANCED,), {}, 10, ()),
        ((), {}, 0, ()),
        ((BALANCED,), {}, 11, ("11 tasks were enqueued, the queues know of 10",)),
        ((BALANCED,), {"b": "damaged"}, 10, ("queue b cannot be read: damaged",)),
        (
            (queue("a", Counts(ready=1), Books(tasks=1, enqueued=3, completed=1)),),
            {},
            3,
            ("queue a: +1 tasks that neither left nor are there",),
        ),
        (
            (queue("a", Counts(ready=1), Books(tasks=2, enqueued=2)),),
            {},
            2,
            ("queue a: 1 tasks in its places, 2 in all",),
        ),
    ],
)
def test_imbalance_is_said(
    queues: tuple[QueueSnapshot, ...], unreadable: dict[str, str], made: int, expected: tuple[str, ...]
) -> None:
    assert imbalances(queues, unreadable, made) == expected


# Formats.


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"), (0.0004, "< 1 ms"), (0.312, "312 ms"), (0.9996, "999 ms"), (4.2, "4.2 s"), (9.96, "9.9 s"),
        (58, "58 s"), (59.6, "59 s"), (724, "12 min 04 s"), (18_240, "5 h 04 min"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0, "00:00"), (52.9, "00:52"), (3_599, "59:59"), (3_726, "1:02:06")])
def test_clock(seconds: float, shown: str) -> None:
    assert elapsed(seconds) == shown


def test_counts_ids_and_cuts() -> None:
    assert (count(1_238), count(1, "letter"), count(2, "letter")) == ("1,238", "1 letter", "2 letters")
    assert (short_id(LETTER), short_id("order-1")) == ("…kQ7xZ2Lm", "order-1")
    assert (shorten("abcdef", 6), shorten("abcdef", 4), shorten("abc", 0)) == ("abcdef", "abc…", "…")
