"""What Prometheus is told: that it reads as its format, keeps to its conventions, and is true."""

from __future__ import annotations

import gzip
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from dashboard import ConsoleSettings, create_app, exposition
from dashboard.identity import Role
from dashboard.metrics import COUNTERS, SHOWN_BOUNDS
from dashboard.problem import Kind
from queue_core.embedded import EmbeddedServer
from queue_core.histogram import Histogram
from queue_core.inspector import Inspector
from queue_core.snapshot import COUNTERS as BOOKS
from queue_core.snapshot import Figures
from tests.console import Tasks, Visitor
from tests.people import TOKENS

ROOT = Path(__file__).parent.parent.parent
BOUNDED = {"queue", "state", "condition", "kind", "progress", "le", "version", "product"}
UNITS = ("_seconds", "_bytes")
OWN_PORT = {"SERVER_PORT": "9091"}


def read(visitor: Visitor) -> dict[str, Metric]:
    answer = visitor.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, (name, labels)
    return found[0]


@pytest.fixture
def busy(tasks: Tasks) -> Tasks:
    """Two queues: one with a dead letter and a pause, one in which something was completed and measured."""
    tasks.die()
    tasks.control.pause("billing", by="bo", action_id="a", reason="x")
    tasks.enqueue("email", 3, name="send")
    with tasks.yard.queue("email").claim(limit=1) as leases:
        leases[0].complete()
    return tasks


def test_metrics_keep_to_the_conventions(visitor: Visitor, busy: Tasks) -> None:
    for family in read(visitor).values():
        assert family.name.startswith("taskyard_"), family.name
        assert re.fullmatch(r"[a-z][a-z_]*", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        assert not re.search(r"(milliseconds|_ms|minutes|kib|mib|percent)", family.name), family.name
        for sample in family.samples:
            assert set(sample.labels) <= BOUNDED, sample
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
        if family.type == "histogram":
            assert family.name.endswith(UNITS)


def test_what_is_told_of_queues_is_true(visitor: Visitor, busy: Tasks) -> None:
    families = read(visitor)
    assert value(families, "taskyard_up") == 1
    assert value(families, "taskyard_queue_tasks", queue="billing", state="dead") == 1
    assert value(families, "taskyard_queue_tasks", queue="email", state="ready") == 2
    assert value(families, "taskyard_queue_paused", queue="billing") == 1
    assert value(families, "taskyard_queue_paused", queue="email") == 0
    assert value(families, "taskyard_queue_faults", queue="billing") == 1
    assert value(families, "taskyard_queue_balanced", queue="billing") == 1
    assert value(families, "taskyard_queue_oldest_wait_seconds", queue="billing") == 0
    assert 0 <= value(families, "taskyard_queue_oldest_wait_seconds", queue="email") < 60
    assert value(families, "taskyard_tasks_enqueued_total", queue="email") == 3
    assert value(families, "taskyard_tasks_completed_total", queue="email") == 1
    assert value(families, "taskyard_attempts_failed_total", queue="billing") == 1
    assert value(families, "taskyard_tasks_died_total", queue="billing") == 1
    assert value(families, "taskyard_problems", kind="paused") == 1
    assert value(families, "taskyard_problems", kind="books_off") == 0
    assert value(families, "taskyard_server_memory_used_bytes") > 0


def test_every_counter_and_every_kind_of_problem_is_told(visitor: Visitor, busy: Tasks) -> None:
    assert set(COUNTERS) == set(BOOKS)
    families = read(visitor)
    assert {sample.labels["kind"] for sample in families["taskyard_problems"].samples} == {k.name.lower() for k in Kind}


def test_operations_that_have_not_ended_are_counted(visitor: Visitor, busy: Tasks) -> None:
    bulk = busy.yard.operations
    began = bulk.start(bulk.preview("billing", "requeue").bound, by="ada", action_id="a")
    assert value(read(visitor), "taskyard_operations", progress="running") == 1
    bulk.pause(began.id, "billing", by="ada", action_id="b")
    assert value(read(visitor), "taskyard_operations", progress="paused") == 1


def test_histograms_are_cumulative_and_count_all(
    visitor: Visitor, busy: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Figures(wait=Histogram((1, 0, 2, 4)))
    monkeypatch.setattr(Inspector, "books", lambda self, names, changes: dict.fromkeys(names, told))
    families = read(visitor)
    buckets = [
        (sample.labels["le"], sample.value)
        for sample in families["taskyard_task_wait_seconds"].samples
        if sample.labels["queue"] == "email" and "le" in sample.labels
    ]
    assert buckets[:3] == [("0.005", 3.0), ("0.01", 7.0), ("0.05", 7.0)]
    assert buckets[-1] == ("+Inf", 7.0)
    assert len(buckets) == len(SHOWN_BOUNDS) + 1
    assert [float(le) for le, _ in buckets] == sorted(float(le) for le, _ in buckets)
    assert value(families, "taskyard_task_wait_seconds_count", queue="email") == 7


def test_it_is_told_as_open_metrics_where_that_is_asked_for(visitor: Visitor, busy: Tasks) -> None:
    answer = visitor.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.content_type.startswith("application/openmetrics-text")
    whole = re.sub(r"taskyard_task_\w+_seconds_count.*\n", "", answer.text)  # its reader knows none without a sum
    families = {f.name: f for f in read_open_metrics(whole)}  # type: ignore[no-untyped-call]
    assert families["taskyard_tasks_enqueued"].type == "counter"
    assert families["taskyard_build"].type == "info"
    older = read(visitor)
    assert {s.name for f in families.values() for s in f.samples} <= {s.name for f in older.values() for s in f.samples}


def test_it_goes_compressed_to_whoever_takes_that(visitor: Visitor, busy: Tasks) -> None:
    answer = visitor.get("/metrics", **{"Accept-Encoding": "gzip"})
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert b"taskyard_tasks_enqueued_total" in gzip.decompress(answer.data)


def test_what_a_label_or_a_value_holds_is_escaped() -> None:
    hostile = 'a"b\\c\nd{e="1"} 5'
    told = [
        exposition.info("server", "What.", product=hostile),
        exposition.family("m", "gauge", "What.", [("", math.inf), ('{a="b"}', 0.25)]),
    ]
    for as_open_metrics, reader in ((False, text_string_to_metric_families), (True, read_open_metrics)):
        server, m = reader(exposition.encode(told, as_open_metrics=as_open_metrics).decode())
        assert [sample.labels for sample in server.samples] == [{"product": hostile}]
        assert [sample.value for sample in m.samples] == [math.inf, 0.25]


def test_a_server_that_is_away_leaves_no_old_figures() -> None:
    server = EmbeddedServer()
    server.start()
    try:
        tasks = Tasks(server.url, "qc")
        tasks.enqueue("email")
        visitor = Visitor(create_app(ConsoleSettings(redis_url=server.url)).test_client())
        assert value(read(visitor), "taskyard_up") == 1
        server.kill()
        families = read(visitor)  # the shared snapshot is there still, the counters are not
        assert value(families, "taskyard_up") == 0
        assert set(families) == {"taskyard_build_info", "taskyard_up", "taskyard_snapshot_age_seconds"}
        tasks.close()
    finally:
        server.stop()


# Who may read it.


def test_metrics_need_a_token(closed: ConsoleSettings) -> None:
    client = create_app(closed).test_client()
    refused = client.get("/metrics")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "taskyard_" not in refused.text
    headers = {"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
    assert client.get("/metrics", headers=headers).status_code == 200


@pytest.fixture
def apart(closed: ConsoleSettings) -> Flask:
    return create_app(replace(closed, metrics_port=9091))


def test_at_an_address_of_their_own_they_need_none(apart: Flask) -> None:
    client = apart.test_client()
    for path in ("/metrics", "/healthz", "/readyz"):
        assert client.get(path, environ_overrides=OWN_PORT).status_code == 200, path
        assert client.get(path, environ_overrides=OWN_PORT, headers={"Host": "10.0.0.7:9091"}).status_code == 200, path
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", environ_overrides=OWN_PORT, headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/api/v1/stats", "/queues", "/metrics/", "/static/app.css", "/sign-in"])
def test_nothing_else_is_served_there(apart: Flask, path: str) -> None:
    answer = apart.test_client().get(path, environ_overrides=OWN_PORT)
    assert answer.status_code == 404
    assert "metrics" in answer.text


def test_no_header_leads_there(apart: Flask) -> None:
    for headers in ({"Host": "localhost:9091"}, {"X-Forwarded-Port": "9091"}, {"X-Forwarded-Host": "localhost:9091"}):
        assert apart.test_client().get("/metrics", headers=headers).status_code == 401, headers


def test_changes_are_refused_there(apart: Flask) -> None:
    assert apart.test_client().post("/metrics", environ_overrides=OWN_PORT).status_code in (401, 405)


# What is made of them.


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\btaskyard_[a-z_]+", text))


@pytest.mark.parametrize("document", ["docs/prometheus-alerts.yml", "docs/grafana-dashboard.json"])
def test_alerts_and_dashboard_use_metrics_that_there_are(visitor: Visitor, busy: Tasks, document: str) -> None:
    told = {sample.name for family in read(visitor).values() for sample in family.samples}
    used = names_in((ROOT / document).read_text()) - {
        "taskyard_server_memory_limit_bytes"
    }  # without a limit it is not told
    assert used
    assert used - told == set()


def test_every_metric_stands_in_the_documents(visitor: Visitor, busy: Tasks) -> None:
    operations = (ROOT / "docs/operations.md").read_text()
    told = {
        next(iter(family.samples)).name if family.type == "counter" else family.name
        for family in read(visitor).values()
    }
    assert {name for name in told if f"`{name}`" not in operations} == set()


def test_the_dashboard_is_one() -> None:
    dashboard = json.loads((ROOT / "docs/grafana-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["targets"] for panel in panels if panel["type"] != "row")
