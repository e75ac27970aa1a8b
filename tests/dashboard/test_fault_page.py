"""One fault: what its box would retry, what a press retries, who is on it, what was done before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from urllib.parse import urlencode

import pytest
from flask import Flask, g

from dashboard.filters import iso
from dashboard.identity import Role, User
from dashboard.views.faults import is_of, spread_words, version_words
from queue_core.operations import CANARY_FROM, Operations
from queue_core.snapshot import Bound, Fault, State, WorkerSnapshot
from tests.console import PARTIAL, Tasks, Visitor, field, text_of
from tests.engine import Engine
from tests.workers import put_worker

FAULT = Fault("billing", "abc", "charge", "KeyError", "total", "app.py:1", 0, 0, 5, 3, 0, versions=("1.9.0",))
WORKER = WorkerSnapshot(
    "web-1:1", "web-1", 1, {"billing": 1}, 4, "running", "1.9.0", 0, 1_000, task_names=("charge", "refund")
)


@pytest.fixture
def address(tasks: Tasks) -> Callable[[], str]:
    return lambda: f"/queues/billing/faults/{tasks.fingerprint()}"


def form_of(page: str, **given: str) -> tuple[str, dict[str, str]]:
    """Where the retry form of a page leads, and what it sends when nothing is changed in it."""
    found = re.search(r'<form id="retry-fault" method="post" action="([^"]*)"', page)
    assert found
    (pace,) = re.findall(r'name="pace" value="(\w+)" form="retry-fault" checked', page)
    names = ("selection", "action_id", "first", "per_minute", "stay")
    return found[1].replace("&amp;", "&"), {**{name: field_of(page, name) for name in names}, "pace": pace, **given}


def field_of(page: str, name: str) -> str:
    inside = page.partition('<form id="retry-fault"')[2]
    found = re.search(rf'name="{name}"[^>]*? value="([^"]*)"', inside)
    assert found, name
    return found[1]


def press(visitor: Visitor, page: str, **given: str) -> str:
    """Returns where that leads."""
    path, form = form_of(page, **given)
    response = visitor.post(path, form)
    assert response.status_code == 303, text_of(response.text)
    return response.location


def box(page: str) -> str:
    return text_of(page.partition('<section id="retry-box"')[2].partition("</section>")[0].partition(">")[2])


# The box is the preview.


def test_the_box_says_what_would_be_retried_and_changes_nothing(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    before = tasks.inspector.queue("billing")
    shown = box(visitor.text(address()))
    assert shown.startswith("3 dead letters : charge 3 · died ")
    assert "what dies later is not touched" in shown
    assert "Retry 3 " in shown
    assert "Purge 3…" in shown
    assert tasks.inspector.queue("billing") == before
    assert tasks.inspector.operations() == ()


def test_a_press_retries_what_was_shown_and_nothing_that_died_later(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    first = tasks.die(count=3)
    page = visitor.text(address())
    (later,) = tasks.die()
    location = press(visitor, page, reason="the partner is back")
    operations.tend()
    (operation,) = tasks.inspector.operations()
    assert location == address()
    assert (operation.bound.count, operation.done, operation.reason) == (3, 3, "the partner is back")
    assert {tasks.state(task_id) for task_id in first} == {State.READY}
    assert tasks.state(later) is State.DEAD
    assert "3 letters, console retried all" in text_of(visitor.text(location))


def test_a_page_that_stays_is_told_what_became_of_its_press(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    page = visitor.text(address())
    headers = {**PARTIAL, "HX-Current-URL": f"http://localhost{address()}"}
    path, form = form_of(page, pace="spread", per_minute="many")
    refused = visitor.post(path, form, headers=headers)
    assert refused.status_code == 422
    assert "it must be a whole number" in text_of(refused.text)
    pressed = visitor.post(path, {**form, "per_minute": "60"}, headers=headers)
    assert (pressed.status_code, "HX-Redirect" in pressed.headers) == (200, False)
    assert pressed.headers["Taskyard-Action-Id"]
    assert "console is retrying : 0 of 3" in text_of(visitor.fragment(address()).text)
    old = visitor.post(path, {**form, "selection": "forged"}, headers=headers)
    assert old.status_code == 409
    assert "is not known any more" in text_of(old.text)
    assert len(tasks.inspector.operations()) == 1


def test_the_form_sent_twice_begins_one_retry(visitor: Visitor, tasks: Tasks, address: Callable[[], str]) -> None:
    tasks.die(count=2)
    page = visitor.text(address())
    assert press(visitor, page) == press(visitor, page)
    assert len(tasks.inspector.operations()) == 1


def test_the_number_in_the_button_is_that_of_the_audit_and_of_the_operation(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(count=4)
    page = visitor.text(address())
    assert "Retry 4<" in page
    press(visitor, page)
    assert (tasks.inspector.audit().rows[0].count, tasks.inspector.operations()[0].bound.count) == (4, 4)


def test_only_the_letters_of_this_fault_are_retried(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    (other,) = tasks.die(error=KeyError("total"), name="refund")
    ids = tasks.die(count=2)
    press(visitor, visitor.text(address()))
    operations.tend()
    assert tasks.state(other) is State.DEAD
    assert {tasks.state(task_id) for task_id in ids} == {State.READY}


@pytest.mark.parametrize(("count", "way"), [(3, "all"), (4, "first")])
def test_up_to_a_thousand_go_all_at_once_of_more_a_few_go_first(
    visitor: Visitor,
    tasks: Tasks,
    address: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    way: str,
) -> None:
    assert CANARY_FROM == 1_000
    monkeypatch.setattr("dashboard.bulk.CANARY_FROM", 3)
    tasks.die(count=count)
    page = visitor.text(address())
    assert form_of(page)[1]["pace"] == way
    press(visitor, page)
    assert tasks.inspector.operations()[0].canary == (5 if way == "first" else 0)


def test_the_pace_that_is_chosen_is_kept(visitor: Visitor, tasks: Tasks, address: Callable[[], str]) -> None:
    tasks.die(count=3)
    press(visitor, visitor.text(address()), pace="spread", per_minute="30")
    assert tasks.inspector.operations()[0].drip == 0.5


@pytest.mark.parametrize(
    ("count", "per_minute", "said"),
    [
        (1_200, "60", "20 min"),
        (1_200, "600", "2 min"),
        (3, "60", "3.0 s"),
        (3, "0", ""),
        (3, "x", ""),
        (3, "9" * 20, ""),
    ],
)
def test_how_long_a_spread_takes_is_said_of_a_rate_that_there_is(count: int, per_minute: str, said: str) -> None:
    assert spread_words(count, per_minute).replace("\u202f", " ").replace(" 00 s", "") == said


def test_the_rate_that_is_typed_is_told_with_the_next_refresh(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    assert "a minute, done in 3.0 s" in text_of(visitor.text(address())).replace("\u202f", " ")
    refreshed = text_of(visitor.fragment(f"{address()}?per_minute=6").text).replace("\u202f", " ")
    assert "a minute, done in 30 s" in refreshed


def test_an_old_form_leads_to_the_preview_of_this_fault_alone(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(error=KeyError("total"), name="refund")
    tasks.die(count=2)
    path, form = form_of(visitor.text(address()), selection="forged")
    response = visitor.post(path, form)
    assert response.status_code == 409
    assert "Retry 2 dead letters" in response.text
    assert tasks.inspector.operations() == ()


def test_the_selection_of_a_box_without_news_stays_the_same(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die(count=2)
    pages = [visitor.text(address()) for _ in range(3)]
    assert len({field(page, "action_id") for page in pages}) == 3
    assert len({field_of(page, "selection") for page in pages}) <= 2  # a minute may end meanwhile


def test_purge_leads_to_its_preview(visitor: Visitor, tasks: Tasks, address: Callable[[], str]) -> None:
    tasks.die(error=KeyError("total"), name="refund")
    tasks.die(count=2)
    (link,) = re.findall(r'<a [^>]*class="button" href="([^"]*)">Purge 2…', visitor.text(address()))
    assert "<h1>Purge 2 dead letters</h1>" in visitor.text(link.replace("&amp;", "&"))


def test_with_none_dead_the_page_says_what_is_retrying(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.retry_later()
    page = visitor.text(address())
    assert "Nothing is dead. 1 task will be tried again by itself" in box(page)
    assert "/queues/billing?state=retrying" in page
    assert 'name="selection"' not in page


# Which letters: the address says it, and the box is bound to it.


def test_the_box_and_the_list_are_those_of_the_times_in_the_address(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    first, second, third = (tasks.die()[0] for _ in range(3) if a_moment_later(tasks))
    at = {task_id: tasks.died_at(task_id) for task_id in (first, second, third)}
    assert at[first] < at[second] < at[third]
    times = urlencode({"since": iso(at[second]), "until": iso(at[second])})
    page = visitor.text(f"{address()}?{times}")
    assert box(page).startswith("1 of 3 dead letters : charge 1 · died ")
    assert (f"row-billing-{second}" in page, f"row-billing-{first}" in page) == (True, False)
    (purge,) = re.findall(r'<a [^>]*class="button" href="([^"]*)">Purge 1…', page)
    assert "<h1>Purge 1 dead letter</h1>" in visitor.text(unescape(purge))
    again = visitor.post(form_of(page)[0], form_of(page, selection="forged")[1])
    assert (again.status_code, "Retry 1 dead letter<" in again.text) == (409, True)
    press(visitor, page)
    operations.tend()
    assert [tasks.state(task_id) for task_id in (first, second, third)] == [State.DEAD, State.READY, State.DEAD]


def a_moment_later(tasks: Tasks) -> bool:
    """The server's clock has gone on."""
    before = tasks.inspector.server_ms()
    while tasks.inspector.server_ms() == before:
        pass
    return True


@pytest.mark.parametrize(
    ("times", "since", "until", "count"),
    [
        ("until=2020-01-01T00:00Z", None, 1_577_836_800_999, 0),
        ("since=2020-01-01T00:00Z", 1_577_836_800_000, None, 2),
        ("since=2100-01-01T00:00Z", 4_102_444_800_000, None, 0),
    ],
)
def test_what_is_bound_is_what_is_shown(
    visitor: Visitor,
    tasks: Tasks,
    address: Callable[[], str],
    times: str,
    since: int | None,
    until: int | None,
    count: int,
) -> None:
    tasks.die(count=2)
    page = visitor.text(f"{address()}?{times}")
    if not count:
        assert "None of the 2 dead letters died in that time. All of them" in box(page)
        assert "No letter matches." in page
        return
    press(visitor, page)
    bound = tasks.inspector.operations()[0].bound
    assert (bound.count, bound.since) == (count, since)
    assert bound.until == max(tasks.inspector.letter_ends("billing", tasks.fingerprint())[1:], key=lambda at: at or 0)


def test_times_of_the_form_are_the_readers_and_lead_to_an_address_for_everybody(
    visitor: Visitor, tasks: Tasks, address: Callable[[], str]
) -> None:
    tasks.die()
    response = visitor.get(f"{address()}?since=2026-01-01T10:00&until=")
    assert response.status_code == 303
    assert response.location == f"{address()}?since=2026-01-01T10%3A00%3A00.000Z"
    assert visitor.get(f"{address()}?since=soon").status_code == 400


# When it fails.


def test_head_says_when_the_next_retry_is(visitor: Visitor, tasks: Tasks, address: Callable[[], str]) -> None:
    assert "next" not in head(visitor, tasks, address)
    tasks.retry_later()
    assert re.search(r"Retrying 1 \(next (in \d.s|now) \)", head(visitor, tasks, address))


def head(visitor: Visitor, tasks: Tasks, address: Callable[[], str]) -> str:
    if not tasks.inspector.queue_names():
        tasks.die()
    return text_of(visitor.text(address()).partition('<section id="fault-head"')[2].partition("</section>")[0])


def test_attempts_of_the_last_hour_are_bars_with_their_figures(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    operations.start(operations.preview("billing", "requeue").bound, by="ada", action_id="a")
    page = visitor.text(address())
    panel = page.partition('<section id="attempts"')[2].partition("</section>")[0]
    assert "Last hour: 3 failed attempts, peak" in text_of(panel)
    assert "Retry 3 by ada" in text_of(panel)
    assert panel.count("<tr>") == 61
    assert 'class="chart-mark"' in panel


# Who is on it.


def test_the_progress_of_a_retry_takes_the_place_of_the_box(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    bound = operations.preview("billing", "requeue").bound
    began = operations.start(bound, by="ada", action_id="a", drip=0.01)
    operations.tend()
    page = visitor.text(address())
    assert box(page).startswith("ada is retrying : 1 of 3 letters of all faults · 1 still under way")
    assert f"/activity/{began.id}/pause?queue=billing" in page
    assert f"/activity/{began.id}/cancel?queue=billing" in page
    assert 'name="selection"' not in page
    operations.pause(began.id, "billing", by="bo", action_id="b")
    assert "ada was retrying, and it is paused" in box(visitor.text(address()))
    assert "Resume" in box(visitor.text(address()))
    assert "Try" not in box(visitor.text(address()))
    operations.cancel(began.id, "billing", by="bo", action_id="c")
    assert "2 dead letters" in box(visitor.text(address()))


def test_those_who_may_only_look_see_the_box_without_its_form(
    visitor: Visitor, tasks: Tasks, operations: Operations, app: Flask, address: Callable[[], str]
) -> None:
    tasks.die(count=2)
    app.before_request(lambda: setattr(g, "user", User("bo", Role.VIEWER)))
    page = visitor.text(address())
    assert "2 dead letters : charge 2" in box(page)
    assert not re.findall('name="selection"|name="pace"', page)
    operations.start(operations.preview("billing", "requeue").bound, by="ada", action_id="a", drip=0.01)
    assert not re.findall("/pause\\?|/cancel\\?", visitor.text(address()))


def test_another_faults_operation_is_none_of_this_one() -> None:
    bound = Bound("billing", "requeue", State.DEAD, 0, 1, ("abc",))
    assert is_of(bound, "abc")
    assert is_of(replace(bound, faults=()), "abc")
    assert not is_of(bound, "abd")
    assert not is_of(replace(bound, faults=(), state=State.READY), "abc")


def test_what_was_done_before_is_told_with_its_outcome(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    tasks.die(count=3)
    bound = operations.preview("billing", "requeue", faults=(tasks.fingerprint(),)).bound
    operations.start(bound, by="<b>bo", action_id="a", reason="the\u202e partner")
    operations.tend()
    with tasks.yard.queue("billing").claim(limit=2) as (first, second):
        first.complete()
        second.fail(ConnectionError("payments.internal refused the connection"))
    page = visitor.text(address())
    told = text_of(page.partition('<section id="before"')[2])
    assert "3 letters, <b>bo retried all" in told
    assert "1 completed, 1 failed again, 1 still under way" in told
    assert "<b>bo" not in page
    assert "\u202e" not in page


def test_the_newest_note_and_what_was_done_last_stand_under_the_title(
    visitor: Visitor, tasks: Tasks, operations: Operations, address: Callable[[], str]
) -> None:
    """And what came of it, at its mark on the chart, too."""
    tasks.die(count=3)
    for number, text in enumerate(("an older one", "<i>ask " + "them " * 60)):
        tasks.control.note_fault("billing", tasks.fingerprint(), text, by="<b>bo", action_id=f"n{number}")
    bound = operations.preview("billing", "requeue").bound
    retry = operations.start(bound, by="ada", action_id="a", drip=0.01)
    operations.tend()
    operations.cancel(retry.id, "billing", by="ada", action_id="c")
    page, shown = visitor.text(address()), head(visitor, tasks, address)
    assert re.search(
        r"Note by <b>bo, .*: “<i>ask (them ){20,30}.*…” · .* Retry 3 by ada, cancelled after 1 · Before", shown
    )
    assert "an older one" not in shown
    assert '<section id="before"' in page
    assert 'href="#before"' in page
    assert "Retry 3 by ada, cancelled after 1" in marks(page)
    purge = operations.start(operations.preview("billing", "trash").bound, by="ada", action_id="p")
    operations.tend()
    visitor.post(f"/activity/{purge.id}/undo?queue=billing")
    operations.tend()
    assert "Purge 2 by ada, undone" in marks(visitor.text(address()))
    assert "Purge 2 by ada, undone" in head(visitor, tasks, address)


def marks(page: str) -> str:
    return text_of(page.partition('<ul class="marks">')[2].partition("</ul>")[0])


@pytest.mark.parametrize(
    ("versions", "workers", "said"),
    [
        ((), [WORKER], ""),
        (("1.9.0",), [], "worker version 1.9.0"),
        (("1.9.0",), [WORKER], "worker version 1.9.0"),
        (("1.9.0",), [WORKER, replace(WORKER, version="1.8.4")], "worker version 1.9.0 only (1.8.4: none)"),
        (("1.8.4", "1.9.0"), [WORKER, replace(WORKER, version="1.8.4")], "worker versions 1.8.4, 1.9.0"),
        (("1.9.0",), [replace(WORKER, version="1.8.4", heartbeat_at=-60_000)], "worker version 1.9.0"),
        (("1.9.0",), [replace(WORKER, version="1.8.4", task_names=("refund",))], "worker version 1.9.0"),
        (("1.9.0",), [replace(WORKER, version="1.8.4", queues={"email": 1})], "worker version 1.9.0"),
        (tuple("abcdefgh"), [WORKER], "worker versions a, b, c, d, e, f, g, h"),
    ],
)
def test_versions_that_fail_are_told_beside_those_that_do_not(
    versions: tuple[str, ...], workers: list[WorkerSnapshot], said: str
) -> None:
    assert version_words(replace(FAULT, versions=versions), workers, 2_000) == said


def test_before_a_retry_it_is_said_that_no_worker_takes_the_queue(
    visitor: Visitor, tasks: Tasks, redis_url: str, namespace: str
) -> None:
    engine = Engine(redis_url, namespace)
    put_worker(engine, heartbeat_at=tasks.inspector.server_ms())  # takes email
    engine.close()
    for queue in ("billing", "email"):
        tasks.die(queue, count=2)
        of_fault = box(visitor.text(f"/queues/{queue}/faults/{tasks.fingerprint(queue)}"))
        for page in (of_fault, text_of(visitor.text(f"/queues/{queue}/bulk/requeue"))):
            said = f"No worker takes {queue} : what is retried waits until one does. Start one:"
            assert (f"{said} taskyard worker app:yard --queues {queue}" in page) == (queue == "billing"), page
        assert queue == "email" or of_fault.index("No worker takes") < of_fault.index("Would it work now?")
    assert "No worker takes billing : what is retried waits" in text_of(visitor.text("/bulk/requeue"))
