"""Keys of one queue have a wrong type: what cannot be read is said as that, all else is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from redis import Redis

from dashboard import ConsoleSettings, create_app
from queue_core import keys
from queue_core.embedded import EmbeddedServer
from tests.console import Tasks, Visitor, text_of
from tests.installation import PAGES, QUEUE, furnish

OTHERS = {
    "overview", "queues", "faults", "letters", "trash", "cancel", "workers", "worker", "tell", "schedules", "schedule",
    "schedule-pause", "activity", "operation", "system", "find",
}  # fmt: skip
"""Pages that are not about that queue."""
OF_A_QUEUE = ("?state=dead", "/pause", "/limits", "/figures", "/bulk/trash", "/faults/{fault}", "/tasks/{task}")
OF_NONE = {
    "audit": "activity",
    "queues": "faults",
    "workers": "schedules",
    "schedules": "schedules",
    "operations": "",
    "ended_sign_ins": "",
}
"""Key of no queue → a page that cannot be whole without it; "": nobody misses it."""


@pytest.fixture(scope="module")
def pages(own_server: EmbeddedServer, own_tasks: Tasks) -> dict[str, str]:
    return furnish(own_tasks, own_server.url, "qc")


@pytest.fixture(scope="module")
def others(own_server: EmbeddedServer) -> dict[str, str]:
    """The same in a namespace of which no queue is damaged."""
    made = Tasks(own_server.url, "other")
    furnished = furnish(made, own_server.url, "other")
    made.close()
    return furnished


@pytest.fixture(scope="module", params=["dead", "ready", "tasks", "control", "faults", "telemetry"])
def visitor(request: pytest.FixtureRequest, own_server: EmbeddedServer, pages: dict[str, str]) -> Iterator[Visitor]:
    key, whole = f"qc:{{{QUEUE}}}:{request.param}", f"whole:{request.param}"
    with Redis.from_url(own_server.url) as client:
        client.rename(key, whole)
        client.set(key, "x") if request.param != "ready" else client.sadd(key, "x")
        app: Flask = create_app(ConsoleSettings(redis_url=own_server.url))
        yield Visitor(app.test_client())
        client.delete(key)
        client.rename(whole, key)


def test_every_page_is_shown_or_says_what_cannot_be_read(visitor: Visitor, pages: dict[str, str]) -> None:
    for name in PAGES:
        page, refresh = visitor.get(pages[name]), visitor.fragment(pages[name])
        assert page.status_code in ((200,) if name in OTHERS else (200, 502)), name
        assert refresh.status_code == 200, name
        assert refresh.headers["Taskyard-Problems"] != "0"
        for answer in (page, refresh):
            assert "This part could not be shown" not in answer.text, name
            assert "Traceback (most" not in answer.text, name
        if page.status_code == 502:
            said = text_of(page.text)
            assert "What is stored cannot be read" in said
            assert re.search(rf"qc:\{{{QUEUE}\}}:\w+ is", said), said
            assert f"taskyard fsck {QUEUE}" in said
            assert "What you see is from before" in text_of(refresh.text)


def test_what_is_missing_is_not_said_to_be_none(visitor: Visitor, pages: dict[str, str]) -> None:
    lines = visitor.text("/").partition('<li id="problem-')[2].split("</li>")
    (problem,) = (line for line in lines if f"Unreadable {QUEUE}:" in text_of(line))
    assert "(first seen)" in problem
    assert f'href="/queues/{QUEUE}"' in problem
    row = visitor.text("/queues").partition(f'<tr id="queue-{QUEUE}"')[2].partition("</tr>")[0]
    assert text_of(row.partition(">")[2]).replace("cannot be read", "").split() == [QUEUE, *"?" * 12]
    for name in ("faults", "letters", "trash"):
        assert f"Not all can be read. What is in {QUEUE} is missing here." in text_of(visitor.text(pages[name]))
        assert "Not all can be read" in text_of(visitor.fragment(pages[name]).text)
    assert f'href="/queues/{QUEUE}"' in visitor.text("/find?q=bil")


def test_rows_of_an_open_list_stay_where_their_queue_cannot_be_read(visitor: Visitor, pages: dict[str, str]) -> None:
    task_id = pages["task"].rpartition("/")[2]
    refresh = visitor.fragment(f"/dead/letters?rows={QUEUE}/{task_id}")
    assert refresh.status_code == 200
    row = refresh.text.partition(f'<tr id="row-{QUEUE}-{task_id}"')[2].partition("</tr>")[0]
    assert "cannot be read" in row or "Retry" in row  # by whether that key is asked for it
    assert "ended" not in row


def damage(client: Redis, key: str) -> None:
    """Another type than any key of ours has where it stands."""
    kind = client.type(key)
    client.delete(key)
    client.set(key, "x") if kind != b"string" else client.sadd(key, "x")


def test_each_key_of_a_queue_is_named_where_it_is_damaged_and_other_queues_are_shown(
    own_server: EmbeddedServer,
) -> None:
    made = Tasks(own_server.url, "each")
    dead = {name: made.die(name)[0] for name in (*keys.LASTING, "whole")}
    fault = made.fingerprint("whole")
    made.close()
    with Redis.from_url(own_server.url) as client:
        for name in keys.LASTING:
            damage(client, getattr(keys.QueueKeys("each", name), name))
    app = create_app(ConsoleSettings(redis_url=own_server.url, namespace="each"))
    visitor = Visitor(app.test_client())
    for path in ("/", "/queues", "/dead", "/dead/letters", "/dead/trash", "/workers", "/activity", "/system"):
        page = visitor.text(path)
        assert "This part could not be shown" not in page
        assert path in ("/dead/trash", "/workers", "/activity", "/system") or "whole" in text_of(page), path
    for name in keys.LASTING:
        for end in OF_A_QUEUE:
            answer = visitor.get(f"/queues/{name}{end.format(fault=fault, task=dead[name])}")
            said = text_of(answer.text)
            assert answer.status_code == 502 or (answer.status_code == 200 and end != "?state=dead"), (name, end)
            if answer.status_code == 502:
                assert f"each:{{{name}}}:{name} is a" in said, (end, said)
                assert f"taskyard fsck {name}" in said


@pytest.mark.parametrize("name", OF_NONE)
def test_a_damaged_key_of_no_queue_is_named_and_nothing_is_said_to_be_none(
    own_server: EmbeddedServer, others: dict[str, str], name: str
) -> None:
    key = f"other:{name}"
    with Redis.from_url(own_server.url) as client:
        had = client.exists(key)
        if had:
            client.rename(key, "whole")
        damage(client, key)
        visitor = Visitor(create_app(ConsoleSettings(redis_url=own_server.url, namespace="other")).test_client())
        try:
            for page in PAGES:
                answer = visitor.get(others[page])
                said = text_of(answer.text)
                assert answer.status_code in (200, 502), (page, said)
                assert "This part could not be shown" not in said, page
                assert "No worker is running" not in said, page
                assert "No worker takes" not in said, page
                assert "No queue" not in said, page
                assert "All is well" not in said, page
                assert answer.status_code == 200 or f"{key} has a type that Taskyard did not give it" in said, page
            if name == "schedules":
                assert f"Unreadable schedules: what is stored is damaged: {key}" in text_of(visitor.text("/"))
            if misses := OF_NONE[name]:
                assert f"{key} has a type that Taskyard did not give it" in text_of(visitor.get(others[misses]).text)
        finally:
            client.delete(key)
            if had:
                client.rename("whole", key)
