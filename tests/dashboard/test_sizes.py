"""No page grows with the installation: what each weighs with 300 queues, 200 workers and 1,000 faults."""

from __future__ import annotations

import re

from queue_core import protocol
from queue_core.protocol import Session
from queue_core.snapshot import Figures
from tests.console import Tasks, Visitor
from tests.large_installation import BUSIEST, FAULTS, QUEUES, WORKERS, install

KILOBYTES = 100
"""Of HTML, at most."""
_ROW = re.compile('<tr id="(?:queue|fault|row|worker-row|schedule|entry|name)-')
"""Of the list that the page is about."""
STATES = ("ready", "scheduled", "retrying", "dead", "trashed")


def test_every_list_of_a_large_installation_is_a_page_and_small(
    visitor: Visitor, tasks: Tasks, redis_url: str, namespace: str
) -> None:
    install(redis_url, namespace)
    snapshot = tasks.inspector.snapshot()
    faults = tasks.inspector.faults(BUSIEST)
    assert (len(snapshot.queues), len(snapshot.workers), len(faults)) == (QUEUES, WORKERS, FAULTS)
    queue = snapshot.queues[0].name
    fault = tasks.inspector.faults(queue)[0].fingerprint
    names = [f"shop.orders.recalculate_the_totals_of_region_{number}" for number in range(60)]
    told = protocol.measure(
        tasks.yard.client.queue(queue),
        {name: Figures(completed=12_345, failed=678) for name in names},
        dict.fromkeys(names, 5_000),
    )
    tasks.yard.client.run(told, Session("web-1"))
    rows = {
        "/": 50, "/?page=2": 50,
        "/queues": 50, "/queues?page=6": 50, "/queues?q=billing": 50, "/queues?sort=-ready": 50,
        "/dead": 50, "/dead?q=refused&sort=fault": 50, f"/dead?queue={BUSIEST}&page=3": 50,
        "/dead/letters": 50, f"/dead/letters?queue={queue}": 50, "/dead/trash": 50,
        "/workers": 25, "/workers?page=8": 25, "/workers?q=billing": 25, "/schedules": 50, "/activity": 50,
        f"/queues/{queue}/figures": 25, f"/queues/{queue}/figures?page=2": 25,
        f"/queues/{queue}/faults/{fault}": 50, **{f"/queues/{queue}?state={state}": 50 for state in STATES},
    }  # fmt: skip
    pages = {path: visitor.text(path) for path in rows}
    shown = {path: len(_ROW.findall(page)) for path, page in pages.items()}
    assert shown == rows
    sizes = {path: len(page.encode()) / 1000 for path, page in pages.items()}
    assert {path: size for path, size in sizes.items() if size > KILOBYTES} == {}
