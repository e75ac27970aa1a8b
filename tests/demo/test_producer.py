"""What the demo enqueues, and what its tasks do."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from queue_core import DeadLetter
from queue_core.codec import name_of
from queue_core.demo import tasks
from queue_core.demo.browser import may_open
from queue_core.demo.producer import MAX_BURST, Producer
from queue_core.demo.warehouse import OPENS_BY_ITSELF_SECONDS, Warehouse
from queue_core.task import Message


def names(messages: list[Message]) -> Counter[str]:
    return Counter(name_of(message.new_task.envelope) for message in messages)


def test_first_load_is_fixed() -> None:
    producer = Producer(5.0, Random(1))
    load = producer.first_load()
    assert names(load) == {"email": 100, "image_processing": 10, "warehouse_sync": 8, "monthly_report": 1}
    emails = [message.new_task for message in load if message.queue == "email"]
    assert [task.priority for task in emails] == [*[0] * 9, 1] * 10
    delays = [message.new_task.delay_ms for message in load if message.queue == "images"]
    assert all(0 <= delay <= 30_000 for delay in delays)
    assert len(set(delays)) == 10
    assert {message.new_task.priority for message in load} == {1, 0, -1}
    assert producer.made == 119


def test_mixture_follows_the_rate() -> None:
    producer = Producer(5.0, Random(1))
    assert producer.due(0.0) == []
    assert len(producer.due(1.0)) == 5
    assert producer.due(1.1) == []
    assert len(producer.due(1.25)) == 1
    mixture = names(producer.due(201.25))
    assert set(mixture) == {"email", "image_processing", "warehouse_sync"}
    assert mixture["email"] > mixture["image_processing"] > mixture["warehouse_sync"] > 0
    assert producer.made == 1006


def test_standstill_is_not_made_up_for_at_once() -> None:
    producer = Producer(1_000.0, Random(1))
    assert len(producer.due(60.0)) == MAX_BURST
    assert producer.due(60.0) == []
    assert Producer(0.0).due(60.0) == []


def test_email_needs_a_recipient() -> None:
    with pytest.raises(DeadLetter, match="`to` is missing"):
        asyncio.run(tasks.email(subject="Welcome"))


def test_warehouse_refuses_until_it_opens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "sign")
    monkeypatch.setenv(tasks.WAREHOUSE_SIGN, str(tmp_path / "sign"))
    with pytest.raises(ConnectionError, match=r"^warehouse refused the connection$"):
        asyncio.run(tasks.warehouse_sync(order=1))
    warehouse.open()
    asyncio.run(tasks.warehouse_sync(order=1))
    warehouse.close()
    with pytest.raises(ConnectionError):
        asyncio.run(tasks.warehouse_sync(order=1))


def test_warehouse_opens_by_itself_unless_somebody_was_there_before(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "sign")
    assert not warehouse.is_open
    assert not warehouse.is_due(OPENS_BY_ITSELF_SECONDS - 0.1)
    assert warehouse.is_due(OPENS_BY_ITSELF_SECONDS)
    warehouse.close()
    assert not warehouse.is_due(OPENS_BY_ITSELF_SECONDS)
    opened = Warehouse(tmp_path / "another")
    opened.open()
    assert opened.is_open
    assert not opened.is_due(OPENS_BY_ITSELF_SECONDS)


def test_burst_is_made_at_once_and_counted_and_the_rate_goes_on_beside_it() -> None:
    producer = Producer(5.0, Random(1))
    assert len(producer.burst(200)) == 200
    assert producer.made == 200
    assert len(producer.due(2.0)) == 10


def test_report_has_its_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(KeyError, match="'total'"):
        tasks.monthly_report(month="2024-10")


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, "linux", False),
        ({"SSH_TTY": "/dev/pts/0"}, "darwin", False),
    ],
)
def test_browser_opens_only_where_somebody_sees_it(environ: dict[str, str], platform: str, expected: bool) -> None:
    assert may_open(environ, platform) is expected
