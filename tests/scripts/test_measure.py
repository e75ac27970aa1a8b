"""What workers measure, and what is counted of each task name."""

from __future__ import annotations

import msgspec
import pytest

from queue_core import protocol
from queue_core.errors import CorruptQueue, InvalidArgument, InvalidName
from queue_core.histogram import Histogram
from queue_core.protocol import Call, Session
from queue_core.snapshot import Figures
from tests.engine import START_MS, Engine, counted

pytestmark = pytest.mark.each_server

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOUR = START_MS // HOUR_MS
SENT = Figures(completed=3, failed=1, retried=1, wait=Histogram((0, 4)), run=Histogram((1, 0, 3)))


def measure(engine: Engine, **measured: Figures) -> int:
    return engine.run(protocol.measure(engine.queue, measured))


def running_names(engine: Engine) -> dict[str, bytes]:
    return {name.decode(): value for name, value in engine.redis.hgetall(engine.queue.names).items()}


def test_durations_are_added_to_the_books_and_figures_to_the_name(engine: Engine) -> None:
    engine.enqueue()
    before = engine.check_books()
    assert measure(engine, send=SENT, resize=Figures(completed=1, run=Histogram((0, 0, 0, 0, 1)))) == 2
    after = engine.check_books()
    assert after["stats"] == {**counted(before), "wait": "0 4", "run": "1 0 3 0 1"}
    assert {name: value for name, value in after.items() if name != "stats"} == {
        name: value for name, value in before.items() if name != "stats"
    }
    assert set(running_names(engine)) == {"enqueued:send", ":send", ":resize"}
    assert measure(engine, send=SENT) == 1
    assert engine.state()["stats"]["wait"] == "0 8"


def test_durations_belong_to_the_minute_in_which_they_were_sent(engine: Engine) -> None:
    engine.enqueue()
    engine.later(MINUTE_MS)
    measure(engine, send=SENT)
    engine.later(MINUTE_MS)
    engine.enqueue()
    minute = START_MS // MINUTE_MS
    assert engine.telemetry().minutes[minute + 1] == Figures(wait=SENT.wait, run=SENT.run)


def test_hour_of_a_name_is_what_was_enqueued_and_what_was_measured(engine: Engine) -> None:
    engine.enqueue_many(3)
    engine.enqueue(name="resize")
    measure(engine, send=SENT)
    measure(engine, send=SENT)
    engine.later(HOUR_MS)
    assert engine.telemetry().names == {}
    engine.enqueue()
    assert engine.telemetry().names == {
        HOUR: {"send": Figures(enqueued=3) + SENT + SENT, "resize": Figures(enqueued=1), "": Figures()}
    }
    assert running_names(engine) == {"enqueued:send": b"1"}


def test_first_call_of_an_hour_counts_each_of_its_names(engine: Engine) -> None:
    engine.enqueue()
    engine.later(HOUR_MS)
    tasks = [engine.new_task(name=name) for name in ("send", "resize", "shrink", "send")]
    engine.run(protocol.enqueue(engine.queue, tasks))
    assert running_names(engine) == {"enqueued:send": b"2", "enqueued:resize": b"1", "enqueued:shrink": b"1"}
    assert engine.telemetry().names == {HOUR: {"send": Figures(enqueued=1), "": Figures()}}


def test_what_is_cancelled_before_it_runs_counts_in_its_name(engine: Engine) -> None:
    engine.cancel(engine.enqueue())
    engine.later(HOUR_MS)
    engine.enqueue()
    assert engine.telemetry().names == {HOUR: {"send": Figures(enqueued=1, cancelled=1), "": Figures()}}


def test_met_ids_and_resent_calls_are_counted_once(engine: Engine) -> None:
    engine.enqueue("order-1")
    engine.run(protocol.enqueue(engine.queue, [engine.new_task("order-1"), engine.new_task("order-2")]))
    command = engine.command(protocol.measure(engine.queue, {"send": SENT}))
    assert engine.send(command) == engine.send(command) == 1
    engine.later(HOUR_MS)
    engine.send(command)
    measure(engine, send=SENT)
    assert engine.telemetry().names[HOUR]["send"] == Figures(enqueued=2) + SENT


def test_twenty_busiest_names_are_kept_and_the_rest_is_one(engine: Engine) -> None:
    for number in range(30):
        engine.enqueue_many(number + 1, name=f"task-{number:02}")
    engine.later(HOUR_MS)
    engine.enqueue()
    kept = engine.telemetry().names[HOUR]
    assert list(kept) == [*(f"task-{number:02}" for number in range(29, 9, -1)), ""]
    assert kept[""] == Figures(enqueued=sum(range(1, 11)))


def test_names_of_one_hour_are_bounded(engine: Engine) -> None:
    measure(engine, first=SENT)
    for start in (0, 250):
        measure(engine, **{f"m{number}": SENT for number in range(start, start + 250)})
    for number in range(10):
        engine.enqueue_many(2, name=f"e{number}")
    measure(engine, first=SENT)
    names = running_names(engine)
    assert len(names) == 402  # ":", "enqueued:", and 400 others
    assert (names["enqueued:"], engine.state()["stats"]["enqueued"]) == (b"20", "20")
    engine.later(HOUR_MS)
    engine.enqueue()
    kept = engine.telemetry().names[HOUR]
    assert kept["first"] == SENT + SENT
    assert sum(kept.values(), Figures()).completed == 3 * 502
    assert len(kept) == 21


def test_names_are_kept_for_seven_days(engine: Engine) -> None:
    for hours in (0, 1, 1, 160, 5, 1, 1, 1, 400, 1):
        engine.later(hours * HOUR_MS)
        engine.enqueue()
        now = engine.now // HOUR_MS
        assert all(now - 168 < hour < now for hour in engine.telemetry().names)
    assert engine.telemetry().names.keys() == {now - 1}


def test_hour_in_which_nothing_happened_is_not_there(engine: Engine) -> None:
    engine.enqueue()
    engine.later(5 * HOUR_MS)
    engine.enqueue()
    assert engine.telemetry().names.keys() == {HOUR}


def test_clock_that_goes_back_stays_in_its_hour(engine: Engine) -> None:
    engine.enqueue()
    engine.later(-HOUR_MS)
    engine.enqueue()
    engine.later(2 * HOUR_MS)
    engine.enqueue()
    assert engine.telemetry().names == {HOUR: {"send": Figures(enqueued=2), "": Figures()}}


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"many", b"\x93\x01\x02\x03", b"9223372036854775807"])
def test_absurd_figures_of_names_cost_no_more_than_themselves(engine: Engine, junk: bytes) -> None:
    engine.enqueue()
    for field in (":send", "enqueued:send", "nonsense", "absurd:send", ":", "\xff:x"):
        engine.redis.hset(engine.queue.names, field, junk)
    engine.redis.hset(engine.queue.stats, "wait", junk)
    measure(engine, send=SENT)
    engine.enqueue()
    engine.later(HOUR_MS)
    engine.enqueue()
    found = engine.telemetry().names[HOUR]["send"]
    assert (found.completed, found.wait) == (3, SENT.wait)
    engine.check_books()


def test_damaged_names_stand_in_no_task_s_way(engine: Engine) -> None:
    engine.enqueue()
    engine.redis.delete(engine.queue.names)
    engine.redis.set(engine.queue.names, "not a hash")
    engine.enqueue()
    assert engine.check_books()["stats"]["enqueued"] == "2"
    with pytest.raises(CorruptQueue, match="names is a string and should be a hash"):
        measure(engine, send=SENT)


def test_what_no_worker_of_ours_sends_is_left_out(engine: Engine) -> None:
    engine.enqueue()
    before = engine.check_books()
    nothing = msgspec.msgpack.encode({"a": 1})
    arguments = ("send", b"\xc1", "", "resize", b"many", "soon", "shrink", nothing, "-1e400", "odd")
    call: Call[int] = Call(protocol.measure(engine.queue, {}).script, engine.queue, arguments, int)
    assert engine.run(call) == 1  # a map without figures counts nothing
    assert engine.check_books()["stats"] == {**before["stats"], "wait": "", "run": ""}


def test_nothing_measured_changes_nothing(engine: Engine) -> None:
    engine.enqueue()
    before = engine.state()
    assert measure(engine) == 0
    assert engine.state() == before


def test_bad_names_and_too_many_are_refused_before_anything_is_sent(engine: Engine) -> None:
    with pytest.raises(InvalidName):
        protocol.measure(engine.queue, {"no name": SENT})
    with pytest.raises(InvalidArgument, match="at most 256"):
        protocol.measure(engine.queue, {f"task-{number}": SENT for number in range(257)})


def test_workers_at_once_are_all_counted(engine: Engine) -> None:
    engine.at_once([lambda: protocol.measure(engine.queue, {"send": SENT})] * 8)
    assert engine.state()["stats"] == {"wait": "0 32", "run": "8 0 24"}
    engine.run(protocol.measure(engine.queue, {"send": SENT}))
    engine.client.run(protocol.measure(engine.queue, {"send": SENT}), Session("other"))
    assert engine.state()["stats"]["wait"] == "0 40"
