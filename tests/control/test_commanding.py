"""What operators tell workers: written for those that are there, and for a while."""

from __future__ import annotations

import pytest

from queue_core import decoding, keys
from queue_core.control import COMMAND_MS, Control
from queue_core.errors import InvalidArgument
from queue_core.snapshot import STALE_MS, WorkerCommand
from tests.engine import START_MS, Engine
from tests.workers import put_worker

each_server = pytest.mark.each_server


def told(engine: Engine, worker_id: str) -> WorkerCommand | None:
    data = engine.redis.get(keys.command("test", worker_id))
    return decoding.worker_command(data) if isinstance(data, bytes) else None


@each_server
@pytest.mark.parametrize("verb", ["quiet", "resume", "stop"])
def test_worker_is_told_who_wants_what_and_for_how_long_it_counts(engine: Engine, verb: str) -> None:
    put_worker(engine, "w1:7", started_at=START_MS - 5_000)
    put_worker(engine, "w2:8")
    listening = engine.redis.pubsub()
    listening.subscribe(keys.command("test", "w1:7"))
    listening.get_message(timeout=5)
    outcome = getattr(Control(client=engine.client), f"{verb}_workers")(
        ["w1:7", "w1:7"], by="ada", action_id="a1", reason="deploy"
    )
    assert (outcome.verb, outcome.done, outcome.skipped) == (verb, ("w1:7",), {})
    assert told(engine, "w1:7") == WorkerCommand(verb, "ada", "deploy", START_MS, START_MS - 5_000, "a1")
    assert 0 < engine.redis.pttl(keys.command("test", "w1:7")) <= COMMAND_MS
    assert listening.get_message(timeout=5)
    assert told(engine, "w2:8") is None
    listening.close()


@each_server
def test_workers_that_would_not_hear_are_left_alone_with_the_reason(engine: Engine) -> None:
    put_worker(engine, "well:1")
    put_worker(engine, "silent:1", heartbeat_at=START_MS - STALE_MS)
    put_worker(engine, "going:1", state="stopping")
    put_worker(engine, "garbled:1", queues="?")
    control = Control(client=engine.client)
    outcome = control.stop_workers(
        ["none:1", "silent:1", "going:1", "garbled:1", "a b\n", "well:1"], by="ada", action_id="a1"
    )
    assert outcome.done == ("well:1",)
    assert outcome.skipped == {
        "none:1": "no such worker",
        "silent:1": "silent for 15 s",
        "going:1": "stopping already",
        "garbled:1": "it says nothing that can be read",
        "a b ": "no such worker",
    }
    assert engine.redis.keys("test:command:*") == [b"test:command:well:1"]


@each_server
def test_nobody_to_tell_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="no worker was named to quiet"):
        Control(client=engine.client).quiet_workers([], by="ada", action_id="a1")


@each_server
def test_full_server_takes_commands(engine: Engine) -> None:
    put_worker(engine, "w1:7")
    engine.redis.config_set("maxmemory", 1)
    assert Control(client=engine.client).stop_workers(["w1:7"], by="ada", action_id="a1").done == ("w1:7",)
    assert told(engine, "w1:7") is not None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"verb":"dance"}', b"\xff", b'{"verb":"stop","by":7e99}'])
def test_command_that_cannot_be_read_is_none(data: bytes) -> None:
    assert decoding.worker_command(data) is None
