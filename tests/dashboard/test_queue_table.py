"""The table of queues: what the last hour was like, sorted by any column."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from dashboard import ConsoleSettings, create_app
from dashboard.queue_table import COLUMNS
from queue_core import protocol
from queue_core.histogram import Histogram
from queue_core.snapshot import Figures
from tests.console import Tasks, Visitor, text_of
from tests.engine import Engine


def test_the_table_of_queues_tells_the_last_hour(settings: ConsoleSettings, tasks: Tasks) -> None:
    with closing(Engine(settings.redis_url, settings.namespace, "email")) as past:
        past.client.register("email")
        past.now = tasks.inspector.server_ms() - 10 * 60_000
        for _ in range(10):
            past.enqueue_many(8)
            claimed = past.claim(8)
            held = [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]
            past.run(protocol.complete(past.queue, held[:-1]))
            past.fail(held[-1], protocol.DEAD)
            past.run(protocol.measure(past.queue, {"send": Figures(run=Histogram((0,) * 7 + (8,)))}))
            past.later(60_000)
        past.enqueue_many(5)
        visitor = Visitor(create_app(settings).test_client())
        for path in ("/", "/queues"):
            page = visitor.text(path)
            row = text_of(page.partition('<tr id="queue-email"')[2].partition("</tr>")[0])
            assert "12 %" in row  # failed attempts of all
            assert "195 ms" in row  # p95 of the run
            assert "no worker" in row
            assert '<span role="img" title="Last hour: 70 completed, 10 failed">' in page
            assert re.search(r'<path class="chart-failed" d="m\d+.5 \d+v', page)


@pytest.mark.parametrize("column", COLUMNS)
def test_queues_are_sorted_by_every_column_and_the_url_says_by_which(
    visitor: Visitor, tasks: Tasks, column: str
) -> None:
    tasks.enqueue("email")
    tasks.enqueue("images", 3)
    for sort in (column, f"-{column}"):
        page = visitor.text(f"/queues?sort={sort}")
        assert column == "trouble" or f"sort={'' if sort.startswith('-') else '-'}{column}" in page
