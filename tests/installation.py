"""An installation in which every page of the console has something on it."""

from __future__ import annotations

from tests.console import Tasks
from tests.engine import Engine
from tests.workers import put_worker

QUEUE = "billing"


def furnish(tasks: Tasks, redis_url: str, namespace: str) -> dict[str, str]:
    """What the page is → its address. All that is about one queue is about `billing`; `exports` is another one."""
    engine, now_ms = Engine(redis_url, namespace), tasks.inspector.server_ms()
    told = {"queues": {QUEUE: 1, "exports": 1}, "task_names": ["charge", "export"]}
    runs = {"queue": "exports", "task_id": "a1", "task_name": "export", "started_at": now_ms}
    put_worker(engine, "web-1:7", now_ms + 60_000, busy=1, running=[runs], version="1.9.0", **told)
    engine.close()
    dead = tasks.die(count=3)
    tasks.enqueue(count=2)
    (waits,) = tasks.enqueue("exports", name="export")
    tasks.yard.schedules.add("nightly-report", "report", queue="exports", cron="0 3 * * *", by="ada", action_id="s")
    tasks.control.trash(QUEUE, dead[:1], by="ada", action_id="t")
    tasks.enqueue("email", name="send")
    operations = tasks.yard.operations
    operation = operations.start(operations.preview(QUEUE, "requeue").bound, by="ada", action_id="o")
    operations.pause(operation.id, QUEUE, by="ada", action_id="p")
    return {
        "overview": "/",
        "queues": "/queues",
        "queue": f"/queues/{QUEUE}?state=dead",
        "ready": f"/queues/{QUEUE}?state=ready",
        "pause": f"/queues/{QUEUE}/pause",
        "limits": f"/queues/{QUEUE}/limits",
        "figures": f"/queues/{QUEUE}/figures",
        "faults": "/dead",
        "letters": "/dead/letters",
        "trash": "/dead/trash",
        "fault": f"/queues/{QUEUE}/faults/{tasks.fingerprint()}",
        "task": f"/queues/{QUEUE}/tasks/{dead[1]}",
        "edit": f"/queues/{QUEUE}/tasks/{dead[1]}/edit",
        "cancel": f"/queues/exports/tasks/{waits}/cancel",
        "preview": f"/queues/{QUEUE}/bulk/trash",
        "workers": "/workers",
        "worker": "/workers/web-1:7",
        "tell": "/workers/tell/stop",
        "schedules": "/schedules",
        "schedule": "/schedules/nightly-report",
        "schedule-pause": "/schedules/nightly-report/pause",
        "activity": "/activity",
        "operation": f"/activity/{operation.id}?queue={QUEUE}",
        "system": "/system",
        "find": "/find?q=b",
    }


PAGES = (
    "overview", "queues", "queue", "ready", "pause", "limits", "figures", "faults", "letters", "trash", "fault", "task",
    "edit", "cancel", "preview", "workers", "worker", "tell", "schedules", "schedule", "schedule-pause", "activity",
    "operation", "system", "find",
)  # fmt: skip
"""The names that `furnish` gives."""
