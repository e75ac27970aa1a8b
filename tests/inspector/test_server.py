"""The server as whoever runs it sees it: its figures, its slow log without payloads, what each queue takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from queue_core.errors import AccessDenied
from queue_core.inspector import Inspector
from tests.engine import Engine

each_server = pytest.mark.each_server


@pytest.fixture
def slow(engine: Engine) -> Iterator[None]:
    """Every command is a slow one."""
    (_, before) = engine.redis.config_get("slowlog-log-slower-than").popitem()
    engine.redis.config_set("slowlog-log-slower-than", 0)
    engine.redis.slowlog_reset()
    yield
    engine.redis.config_set("slowlog-log-slower-than", before)
    engine.redis.slowlog_reset()


@pytest.fixture
def reader(engine: Engine) -> Iterator[Inspector]:
    """Of a user who may read data, and ask nothing of the server itself."""
    engine.redis.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+time", "-memory")
    address = engine.url.partition("://")
    inspector = Inspector(f"{address[0]}://reader:secret@{address[2]}", engine.client.namespace)
    yield inspector
    inspector.close()
    engine.redis.execute_command("ACL", "DELUSER", "reader")


@each_server
def test_server_tells_its_version_memory_persistence_and_clients(engine: Engine, inspector: Inspector) -> None:
    found = inspector.server_detail()
    assert found.server == inspector.server() or found.server.used_memory
    assert (found.mode, found.role, found.replicas, found.is_save_ok) == ("standalone", "master", 0, True)
    assert found.clients
    assert found.max_clients
    assert found.max_clients > found.clients
    assert found.uptime_seconds is not None
    assert found.peak_memory
    assert found.evicted_keys == 0


@each_server
def test_slow_log_names_our_scripts_and_their_queue_and_nothing_that_was_passed(
    engine: Engine, inspector: Inspector, slow: None
) -> None:
    engine.seed("ready")
    engine.redis.set("other:key", "hunter2")
    engine.redis.hset(f"{engine.prefix}tasks", "x", "hunter2")
    engine.redis.execute_command("CONFIG", "SET", "slowlog-max-len", 128)
    calls = inspector.slow_calls(100)
    commands = [call.command for call in calls]
    assert any(command.startswith(f"enqueue {engine.prefix}") for command in commands)
    assert f"HSET {engine.prefix}tasks" in commands
    assert "SET" in commands  # a key that is not ours may itself be what nobody is to see
    assert "CONFIG" in commands
    assert not any("hunter2" in str(call) for call in calls)
    assert all(call.at and call.microseconds >= 0 and call.client for call in calls)
    assert [call.id for call in calls] == sorted((call.id for call in calls), reverse=True)
    assert len(inspector.slow_calls(2)) == 2


@each_server
def test_memory_of_a_queue_is_that_of_its_tasks(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    small, names = another("small"), ["email", "small", "nowhere"]
    small.seed("ready")
    for _ in range(200):
        engine.seed("ready")
    found = inspector.memory(names)
    assert list(found) == names
    assert found["nowhere"] == 0
    assert found["email"] > 10 * found["small"] > 0
    assert inspector.memory([]) == {}


def test_user_without_the_right_to_ask_is_told_so(reader: Inspector) -> None:
    for read in (reader.server_detail, reader.slow_calls, lambda: reader.memory(["email"])):
        with pytest.raises(AccessDenied):
            read()
