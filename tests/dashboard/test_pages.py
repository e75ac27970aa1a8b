"""Pages as a whole: hostile data, sizes, what is not there, and a server that is away."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape

import pytest
from flask import Flask
from redis import Redis

from dashboard import ConsoleSettings, create_app, live
from dashboard.rendering import FIRST_TEMPLATES, load_templates
from queue_core.embedded import EmbeddedServer
from queue_core.ids import new_id
from queue_core.snapshot import State
from tests.console import Tasks, Visitor, text_of
from tests.hostile import TEXTS, Elements


def pages_of(tasks: Tasks, task_id: str) -> Iterator[str]:
    yield from ("/", "/queues", "/queues/billing", "/queues/billing?state=dead", "/queues/billing/pause", "/workers")
    yield from ("/queues/billing/figures", "/queues/billing/figures?span=24h", "/queues/billing/limits")
    yield from ("/dead", "/dead/letters", "/dead/trash", f"/queues/billing/tasks/{task_id}")
    yield f"/queues/billing/faults/{tasks.fingerprint()}"
    yield f"/dead/requeue?letter=billing/{task_id}/{tasks.died_at(task_id)}"


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_stays_text_on_every_page(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, namespace: str, text: str
) -> None:
    (task_id,) = tasks.die(error=RuntimeError(text))
    tasks.enqueue()
    tasks.control.pause("billing", by="console", action_id="a", reason=text[:200].replace("\ud83d", "?"))
    envelope = f"charge\n{json.dumps({'order': text, text: 1})}".encode()
    redis_client.hset(f"{namespace}:{{billing}}:tasks", task_id, envelope)
    for path in pages_of(tasks, task_id):
        page = visitor.text(path)
        seen = Elements(page)
        assert not {"img", "textarea"} & set(seen.tags), path
        assert seen.tags.count("script") == 2, path
        assert seen.tags.count("title") == 1, path
        assert not [name for name, _ in seen.attributes if name.startswith("on")], path
        assert [value for name, value in seen.attributes if name == "hx-get"] == [path], path
        assert not [v for n, v in seen.attributes if n in ("href", "action", "formaction") and "script:" in v], path
        assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202e\ufeff]", page), path
        assert len(page) < 100_000, path
        fragment = visitor.fragment(path).text
        assert not re.search("hx-target=.body", fragment), path


@pytest.mark.parametrize("envelope", [b"", b"\xff\xfe", b"charge", b"charge\n{broken", b"<b>\n{}", b"charge {x}\n{}"])
def test_a_corrupt_envelope_breaks_no_page(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, namespace: str, envelope: bytes
) -> None:
    (task_id,) = tasks.die()
    redis_client.hset(f"{namespace}:{{billing}}:tasks", task_id, envelope)
    for path in pages_of(tasks, task_id):
        visitor.text(path)


def test_pages_stay_small_and_cost_the_same_with_many_letters(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)  # each page pays for its snapshot

    def commands() -> int:
        return sum(stat["calls"] for name, stat in redis_client.info("commandstats").items() if "info" not in name)

    paths = ["/", "/dead", "/dead/letters", "/queues/billing?state=dead"]
    costs = []
    for count in (100, 1_900):
        tasks.die(count=count)
        paths.append(f"/queues/billing/faults/{tasks.fingerprint()}")
        for path in paths:
            visitor.text(path)  # scripts are known to the server
        before = commands()
        for path in paths:
            assert len(visitor.text(path).encode()) <= 100_000, path
        costs.append(commands() - before)
        paths.pop()
    assert costs[1] <= costs[0]


def test_lists_are_paged(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=60)
    seen: list[str] = []
    path = "/dead/letters"
    for _ in range(2):
        page = visitor.text(path)
        seen += re.findall(r'<tr id="row-billing-([^"]*)"', page)
        older = re.search(r'href="([^"]*)" rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert sorted(seen) == sorted(ids)
    assert path == ""


def test_letters_are_listed_oldest_first_where_the_address_says_so(visitor: Visitor, tasks: Tasks) -> None:
    ids = tasks.die(count=60)
    tasks.control.trash("billing", ids[:2], by="ada", action_id="t")
    letters, fault = ids[2:], f"/queues/billing/faults/{tasks.fingerprint()}"
    timed = "since=2020-01-01T00:00:00Z"
    for path in ("/dead/letters", "/queues/billing?state=dead", fault, f"{fault}?{timed}", f"/dead/letters?{timed}"):
        page = visitor.text(path)
        turn = re.search(r'<a class="order" id="order" href="([^"]*)">newest first', page)
        assert turn, path
        seen: list[str] = []
        address = unescape(turn[1])
        while address:
            page = visitor.text(address)
            assert "oldest first" in text_of(page)
            seen += re.findall(r'<tr id="row-billing-([^"]*)"', page)
            newer = re.search(r'href="([^"]*)" rel="next">Newer', page)
            address = unescape(newer[1]) if newer else ""
        assert seen == letters, path
        assert re.search(r">« Oldest</a>", page), path
    newest = re.findall(r'<tr id="row-billing-([^"]*)"', visitor.text("/dead/trash"))
    assert re.findall(r'<tr id="row-billing-([^"]*)"', visitor.text("/dead/trash?order=oldest")) == newest[::-1]
    assert 'type="hidden" name="order" value="oldest"' in visitor.text("/dead/letters?order=oldest")
    moved = visitor.get(f"{fault}?order=oldest&since=2025-01-01T00:00:00").headers["Location"]
    assert "order=oldest" in moved


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "There is no such page."),
        ("/queues/nowhere", 404, "There is no queue nowhere."),
        ("/queues/nowhere/pause", 404, "There is no queue nowhere."),
        ("/queues/a%20b", 400, "a b"),
        ("/queues/billing?state=lost", 400, "state is 'lost'; it must be ready, "),
        ("/queues/billing?state=dead&order=sideways", 400, "order is 'sideways'; it must be newest or oldest."),
        ("/queues/billing?cursor=x", 404, "it is not one of a page's own"),
        ("/queues/billing/faults/0123abcd", 404, "There is no fault 0123abcd"),
        ("/queues/billing/tasks/some-task", 404, "No task some-task in any queue"),
        ("/dead/letters?cursor=%00", 404, "it is not one of a page's own"),
        ("/dead?queue=nowhere", 404, "There is no queue nowhere."),
        ("/dead/requeue?letter=x", 400, "does not name a dead letter"),
        ("/api/v1/failed?limit=1000", 400, "limit is '1000'; it must be a whole number from 1 to 200."),
        ("/api/v1/nowhere", 404, "There is no such page."),
        ("/queues/billing/tasks/x/requeue", 405, "Nothing was done."),
    ],
)
def test_what_is_not_there_is_said_with_a_way_back(
    visitor: Visitor, tasks: Tasks, path: str, status: int, said: str
) -> None:
    tasks.enqueue()
    response = visitor.get(path)
    assert response.status_code == status
    if path.startswith("/api/"):
        assert said in response.get_json()["detail"]
        return
    assert said in text_of(response.text)
    assert 'href="/queues"' in response.text
    assert "Traceback" not in response.text


def test_a_missing_task_says_when_its_id_was_made(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue()
    shown = text_of(visitor.get(f"/queues/billing/tasks/{new_id()}").text)
    assert re.search(r"Its id was made at \d\d:\d\d:\d\d", shown)
    assert "leaves no record" in shown


def test_search_finds_a_task_by_its_whole_id_and_queues_by_a_part(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.enqueue("shop.orders")
    tasks.enqueue("shop.mail", name="send")
    assert visitor.get(f"/find?q={task_id}").location == f"/queues/shop.orders/tasks/{task_id}"
    assert visitor.get("/find?q=shop.mail").location == "/queues/shop.mail"
    assert "2 queues with" in text_of(visitor.text("/find?q=SHOP"))
    missing = visitor.get("/find?q=nothing-of-that-kind")
    assert missing.status_code == 404
    assert "in any queue" in text_of(missing.text)


@pytest.mark.parametrize("name", ["_scheme", "_anchor", "_method", "_external", "endpoint", "name", "self", "values"])
def test_a_query_with_any_name_breaks_no_page_and_leads_nowhere_else(visitor: Visitor, tasks: Tasks, name: str) -> None:
    tasks.die(count=2)
    paths = ("/", "/queues", "/queues/billing?state=dead", "/dead", "/dead/letters", "/workers")
    for path in (*paths, f"/queues/billing/faults/{tasks.fingerprint()}"):
        page = visitor.text(f"{path}{'&' if '?' in path else '?'}{name}=evil")
        sorted_by = re.findall(r'href="([^"]*[?&;]sort=[^"]*)"', page)
        assert all(address.startswith(f"{path}?{name}=evil") for address in sorted_by), sorted_by


def test_a_queue_with_nothing_but_held_tasks_shows_them(visitor: Visitor, tasks: Tasks) -> None:
    for lane in ("unknown:charge", "name:charge"):
        tasks.enqueue(count=2)
        tasks.control.close_lane("billing", lane, by="bo", reason="bad release", action_id=lane)
        with tasks.yard.queue("billing").claim(limit=4) as leases:
            assert not list(leases)
    page = text_of(visitor.text("/queues/billing"))
    assert "charge is paused by bo" in page
    assert ": “bad release”, and no present worker knows it. 4 tasks held." in page
    assert page.count("tasks held") == 1
    assert 'data-kind="held"' in visitor.text("/queues/billing")
    assert "task paused 4 held" in text_of(visitor.text("/queues"))


def test_what_is_no_task_is_listed_without_a_button_and_without_an_age(
    visitor: Visitor, tasks: Tasks, redis_client: Redis, namespace: str
) -> None:
    (dead,) = tasks.die()
    redis_client.zadd(f"{namespace}:{{billing}}:dead", {"no id, no task": 5, new_id(): 6})
    page = visitor.text("/dead/letters")
    body = page.partition('<tbody id="rows">')[2].partition("</tbody>")[0]
    rows = [text_of(row) for row in body.split("<tr")[1:]]
    assert [("unreadable" in row, "Retry" in row, " ago" in row) for row in rows] == [
        (False, True, "now" not in rows[0]),
        (True, False, False),
        (True, False, False),
    ]
    keys = re.search(r'name="rows" value="([^"]*)"', page)
    assert keys
    assert dead in keys[1]
    refreshed = visitor.fragment(f"/dead/letters?rows={keys[1]}").text
    assert "no id, no task" in refreshed
    assert "new row" not in refreshed


def test_a_row_that_left_shows_its_state_with_its_time_and_nothing_old(visitor: Visitor, tasks: Tasks) -> None:
    (dead,) = tasks.die()
    tasks.control.requeue("billing", [(dead, tasks.died_at(dead))], by="bo", reason="", action_id="a")
    row = visitor.fragment(f"/dead/letters?rows=billing/{dead}").text.partition('<tr id="row-billing')[2]
    assert re.search(r"<span>Ready</span></span> <span class=\"dim\"><time", row)
    assert re.search(r'<td class="num p2 c-failed"></td>', row)
    assert re.search(r'<td class="num c-when"></td>', row)


def test_a_registry_that_is_none_is_an_error_of_the_server_not_its_absence(
    visitor: Visitor, redis_client: Redis, namespace: str
) -> None:
    redis_client.set(f"{namespace}:queues", "x")
    response = visitor.get("/api/v1/queues")
    assert response.status_code == 502
    assert response.json
    assert response.json["title"] == "Redis answered with an error"
    assert "Redis refused: " in response.json["detail"]
    assert "Redis answers with an error since" in text_of(visitor.text("/"))


def test_all_is_not_well_while_tasks_wait_and_no_worker_lives(visitor: Visitor, tasks: Tasks) -> None:
    tasks.enqueue(count=2)
    page = text_of(visitor.text("/"))
    assert "All is well" not in page
    assert "No worker yet · 2 tasks wait, no live worker takes them" in page


def test_every_state_has_its_page(visitor: Visitor, tasks: Tasks) -> None:
    (running,) = tasks.enqueue()
    with tasks.yard.queue("billing").claim(limit=1):
        assert "It has been running" in text_of(visitor.text(f"/queues/billing/tasks/{running}"))
        assert "Running for" in text_of(visitor.text("/queues/billing?state=running"))
    assert "No worker takes billing" in text_of(visitor.text(f"/queues/billing/tasks/{running}"))
    (scheduled,) = tasks.enqueue(delay=3_600)
    assert "It is due in" in text_of(visitor.text(f"/queues/billing/tasks/{scheduled}"))
    (dead,) = tasks.die("email", name="send")
    shown = text_of(visitor.text(f"/queues/email/tasks/{dead}"))
    assert "It will not run again by itself: its only attempt failed" in shown
    for state in ("ready", "scheduled", "retrying", "held", "blocked", "dead", "trashed", "running"):
        visitor.text(f"/queues/billing?state={state}")


def test_a_retried_task_is_shown_after_its_end(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    tasks.control.requeue("billing", [(task_id, tasks.died_at(task_id))], by="console", action_id="a")
    with tasks.yard.queue("billing").claim(limit=1) as leases:
        for lease in leases:
            lease.complete()
    assert tasks.state(task_id) is State.COMPLETED
    shown = text_of(visitor.text(f"/queues/billing/tasks/{task_id}"))
    assert "It was completed" in shown
    assert "retried by console" in shown


def test_a_task_tells_from_which_schedule_it_came(visitor: Visitor, tasks: Tasks) -> None:
    schedules = tasks.yard.schedules
    schedules.add("nightly", "charge", queue="billing", cron="@daily", by="ada", action_id="a")
    (task_id,) = schedules.run_now("nightly", by="ada", action_id="b").done
    shown = text_of(visitor.text(f"/queues/billing/tasks/{task_id}"))
    assert re.search(r"Schedule nightly, for \d\d:\d\d:\d\d ", shown)
    assert "scheduled for" not in shown


def test_an_empty_server_shows_three_steps(visitor: Visitor) -> None:
    shown = text_of(visitor.text("/"))
    assert "Nothing has been enqueued yet" in shown
    assert "taskyard worker app:yard --queues email" in shown
    for path in ("/queues", "/dead", "/dead/letters", "/dead/trash", "/workers"):
        visitor.text(path)


def test_many_queues_are_grouped_and_quiet_ones_folded(visitor: Visitor, tasks: Tasks) -> None:
    for number in range(25):
        tasks.enqueue(f"shop.part-{number:02}", name="work")
    tasks.die("crm.sync", name="sync")
    for number in range(5):
        with tasks.yard.queue(f"shop.part-{number:02}").claim(limit=1) as leases:
            for lease in leases:
                lease.complete()
    shown = text_of(visitor.text("/queues"))
    assert "shop 25, 5 not shown" in shown
    assert "5 quiet queues" in shown
    assert "shop.part-01" not in shown
    assert "shop.part-01" in text_of(visitor.text("/queues?quiet=1"))
    assert "crm.sync" not in text_of(visitor.text("/queues?q=shop")).partition("Queue")[2]


def test_the_api_tells_what_the_pages_show(visitor: Visitor, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    tasks.enqueue("email", 3, name="send")
    stats = visitor.get("/api/v1/stats").get_json()
    assert (stats["counts"]["ready"], stats["counts"]["dead"], stats["queues"]) == (3, 1, 2)
    queues = {queue["name"]: queue for queue in visitor.get("/api/v1/queues").get_json()["queues"]}
    assert queues["email"]["counts"]["ready"] == 3
    assert queues["billing"]["is_balanced"] is True
    failed = visitor.get("/api/v1/failed").get_json()
    assert [letter["id"] for letter in failed["letters"]] == [task_id]
    assert failed["faults"][0]["error"].startswith("ConnectionError")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", failed["letters"][0]["died_at"])
    assert visitor.get("/healthz").get_json() == {"status": "ok"}


def test_below_a_prefix_every_address_begins_with_it(settings: ConsoleSettings, tasks: Tasks) -> None:
    (task_id,) = tasks.die()
    client = create_app(replace(settings, url_prefix="/taskyard")).test_client()
    for path in ("/taskyard/", "/taskyard/dead/letters", f"/taskyard/queues/billing/tasks/{task_id}"):
        page = client.get(path).text
        addresses = re.findall(r'\b(?:href|src|action|formaction|hx-get)="(/[^"]*)"', page)
        assert addresses
        assert [address for address in addresses if not address.startswith("/taskyard/")] == []


@pytest.fixture
def make_app() -> Callable[[str], Flask]:
    def make(url: str) -> Flask:
        return create_app(ConsoleSettings(redis_url=url))

    return make


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def test_a_server_that_is_away_is_said_and_comes_back(
    own_server: EmbeddedServer, make_app: Callable[[str], Flask]
) -> None:
    app = make_app(own_server.url)
    visitor, tasks = Visitor(app.test_client()), Tasks(own_server.url, "qc")
    (task_id,) = tasks.die()
    page = f"/queues/billing/tasks/{task_id}"
    assert "ConnectionError" in visitor.text(page)
    token = visitor.token()
    own_server.kill()
    wait_until(lambda: "Redis has not answered since" in text_of(visitor.text("/")))
    overview = visitor.get("/")
    assert "These numbers are from" in text_of(overview.text)
    assert "billing" in overview.text
    assert visitor.get(page).status_code == 503
    fragment = visitor.fragment(page)
    assert (fragment.status_code, "data-away" in fragment.text) == (200, True)
    assert "task-head" not in fragment.text
    refused = visitor.client.post(f"{page}/trash", data={"csrf_token": token, "action_id": "a", "next": page})
    assert refused.status_code == 503
    assert "Nothing was done." in text_of(refused.text)
    assert visitor.get("/api/v1/stats").status_code == 503
    assert visitor.get("/healthz").status_code == 200
    own_server.restart()
    wait_until(lambda: "data-away" not in visitor.text("/"))
    assert tasks.state(task_id) is State.DEAD
    tasks.close()


def test_a_server_that_never_answered_is_said(make_app: Callable[[str], Flask]) -> None:
    shown = text_of(make_app("redis://127.0.0.1:1/0").test_client().get("/").text)
    assert "Nothing has been read yet from redis://127.0.0.1:1/0" in shown


@pytest.mark.parametrize("text", [*TEXTS, "plain"])
def test_result_progress_and_who_cancelled_are_shown_as_text(visitor: Visitor, tasks: Tasks, text: str) -> None:
    task = tasks.yard.task(queue="billing", name="keep", result_ttl=60)(lambda: None)
    kept, asked = task.enqueue(), task.enqueue()
    with tasks.yard.queue("billing").claim(limit=2) as leases:
        leases[1].progress(420, 1_000, text)
        tasks.control.cancel("billing", [asked.id], by="console", action_id="a", reason="not needed")
        running = visitor.text(f"/queues/billing/tasks/{asked.id}")
        leases[0].complete({"said": text.encode("utf-8", "replace").decode()})
    done = visitor.text(f"/queues/billing/tasks/{kept.id}")
    assert "420 of 1,000" in text_of(running)
    assert "by console: not needed" in text_of(running)
    assert "kept until" in text_of(done)
    assert '"said"' in text_of(done)
    for page in (running, done):
        assert not {"img", "textarea"} & set(Elements(page).tags)
    assert "cancelled by console" in text_of(visitor.text(f"/queues/billing/tasks/{asked.id}"))


def test_the_first_look_at_the_overview_finds_its_templates_compiled(
    app: Flask, visitor: Visitor, tasks: Tasks
) -> None:
    def loaded() -> set[str]:
        assert app.jinja_env.cache is not None
        return {name for _, name in app.jinja_env.cache}

    tasks.die(count=3)
    load_templates(app, FIRST_TEMPLATES)
    before = loaded()
    assert "New fault" in visitor.text("/")
    assert loaded() - before == set()
    load_templates(app)
    assert len(loaded()) == len(app.jinja_env.list_templates(extensions=("html",)))
