"""Who did what: written before it is done, once for each form, and readable whatever stands there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from queue_core import keys
from queue_core.control import Control
from queue_core.errors import CorruptQueue, InvalidArgument, TaskyardError, UnknownQueue
from queue_core.inspector import Inspector
from queue_core.protocol.audit import MAX_ENTRIES
from queue_core.snapshot import AuditEntry, Outcome
from tests.engine import START_MS, Engine
from tests.workers import put_worker

pytestmark = pytest.mark.each_server


Act = Callable[[Control, Engine, str], Outcome]
SAID: dict[str, Any] = {"by": "ada", "action_id": "a1", "reason": "fixed"}
ACTS: dict[str, Act] = {
    "requeue": lambda control, engine, task: control.requeue("email", [(task, START_MS)], **SAID),
    "edit": lambda control, engine, task: control.edit(
        "email", task, START_MS, payload=b'{"to":"bo"}', priority=3, max_retries=1, **SAID
    ),
    "mute_fault": lambda control, engine, task: control.mute_fault("email", engine.fault(), attempts=9, **SAID),
    "unmute_fault": lambda control, engine, task: control.unmute_fault("email", engine.fault(), **SAID),
    "note_fault": lambda control, engine, task: control.note_fault("email", engine.fault(), "see #4411", **SAID),
    "trash": lambda control, engine, task: control.trash("email", [task], keep_seconds=60, **SAID),
    "restore": lambda control, engine, task: control.restore("email", [task], **SAID),
    "delete": lambda control, engine, task: control.delete("email", [task], **SAID),
    "promote": lambda control, engine, task: control.promote("email", [task], **SAID),
    "cancel": lambda control, engine, task: control.cancel("email", [task], **SAID),
    "move": lambda control, engine, task: control.move("email", [task], "other", **SAID),
    "limit": lambda control, engine, task: control.limit("email", max_length=9, **SAID),
    "delete_queue": lambda control, engine, task: control.delete_queue("email", force=True, at_most=1, **SAID),
    "pause": lambda control, engine, task: control.pause("email", **SAID),
    "resume": lambda control, engine, task: control.resume("email", **SAID),
    "close_lane": lambda control, engine, task: control.close_lane("email", "name:send", **SAID),
    "open_lane": lambda control, engine, task: control.open_lane("email", "name:send", **SAID),
    "quiet_workers": lambda control, engine, task: control.quiet_workers(["w1:7"], **SAID),
    "resume_workers": lambda control, engine, task: control.resume_workers(["w1:7"], **SAID),
    "refuse": lambda control, engine, task: control.refuse("POST /queues/email/pause", queue="email", **SAID),
    "unmask": lambda control, engine, task: control.unmask("email", task, **SAID),
    "stop_workers": lambda control, engine, task: control.stop_workers(["w1:7"], **SAID),
    "sign_in": lambda control, engine, task: control.sign_in("192.0.2.1", **SAID),
    "sign_out": lambda control, engine, task: control.sign_out("192.0.2.1", **SAID),
}
ON_THE_QUEUE = {
    "pause": "the queue",
    "resume": "the queue",
    "refuse": "POST /queues/email/pause",
    "limit": "max_length=9",
    "delete_queue": "the queue, with what is in it",
    "close_lane": "lane name:send",
    "open_lane": "lane name:send",
    "sign_in": "from 192.0.2.1",
    "sign_out": "from 192.0.2.1",
}


def seeded(engine: Engine, verb: str) -> str:
    if verb in ("restore", "delete"):
        return engine.seed("trashed")
    if verb in ("promote", "cancel"):
        return engine.seed("scheduled")
    task_id = engine.seed("dead")
    if verb.endswith("_workers"):
        put_worker(engine)
    if verb == "resume":
        Control(client=engine.client).pause("email", by="bob", action_id="before")
    if verb == "open_lane":
        Control(client=engine.client).close_lane("email", "name:send", by="bob", action_id="before")
    return task_id


def test_every_action_of_operators_is_here(control: Control) -> None:
    assert set(ACTS) == {name for name in vars(type(control)) if not name.startswith("_")} - {"close"}


@pytest.mark.parametrize("verb", ACTS)
def test_action_is_written_once_however_often_its_form_is_sent(
    engine: Engine, control: Control, inspector: Inspector, verb: str
) -> None:
    task_id = seeded(engine, verb)
    outcome = ACTS[verb](control, engine, task_id)
    after = engine.state()
    assert ACTS[verb](control, engine, task_id) == outcome
    assert engine.state() == after
    entries = [entry for entry in inspector.audit().rows if entry.by == "ada"]
    assert len(entries) == 1
    entry = entries[0]
    queue = "" if verb.endswith("_workers") or verb.startswith("sign_") else "email"
    assert (entry.at, entry.queue, entry.reason, entry.action_id) == (START_MS, queue, "fixed", "a1")
    assert entry.verb == verb.removesuffix("_workers")
    if verb.endswith("_fault"):
        assert entry.target.partition(": ")[0] == f"fault {engine.fault()}"
        return
    assert entry.count == (0 if verb in ON_THE_QUEUE else 1)
    target = f"task {task_id}"
    target += " to other" if verb == "move" else ""
    target = "worker w1:7" if verb.endswith("_workers") else target
    assert entry.target == ON_THE_QUEUE.get(verb, target)


@pytest.mark.parametrize("verb", ACTS)
def test_what_cannot_be_written_down_is_not_done(engine: Engine, control: Control, verb: str) -> None:
    task_id = seeded(engine, verb)
    engine.redis.delete(keys.audit("test"))
    engine.redis.set(keys.audit("test"), "no stream")
    before = engine.state()
    with pytest.raises(CorruptQueue, match="nothing was done, because it cannot be written down: test:audit"):
        ACTS[verb](control, engine, task_id)
    assert engine.state() == before


def test_full_server_takes_entries(engine: Engine, control: Control, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.redis.config_set("maxmemory", 1)
    assert control.trash("email", [task_id], by="ada", action_id="a1").done == (task_id,)
    assert len(inspector.audit().rows) == 1


def test_action_that_is_refused_leaves_no_entry(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    refused: list[Callable[[], Outcome]] = [
        lambda: control.trash("none", ["x"], by="ada", action_id="a1"),
        lambda: control.pause("none", by="ada", action_id="a1"),
        lambda: control.close_lane("email", "x", by="ada", action_id="a1"),
        lambda: control.trash("email", [], by="ada", action_id="a1"),
        lambda: control.trash("email", ["x"], by="ada", action_id=""),
    ]
    for act in refused:
        with pytest.raises((InvalidArgument, UnknownQueue, LookupError)):
            act()
    assert control.trash("email", ["a b"], by="ada", action_id="a1").done == ()
    assert inspector.audit().rows == ()
    assert engine.redis.keys("*none*") == []


@pytest.mark.parametrize("text", ["\ud800", "half \udfff of it"])
def test_halves_of_characters_are_refused(engine: Engine, control: Control, text: str) -> None:
    task_id = engine.seed("dead")
    for wrong in ("by", "reason", "action_id"):
        with pytest.raises(InvalidArgument):
            control.trash("email", [task_id], keep_seconds=60, **{**SAID, wrong: text})
    assert list(engine.state()["dead"]) == [task_id]


def test_pages_follow_one_another_newest_first(engine: Engine, control: Control, inspector: Inspector) -> None:
    engine.seed("ready")
    for number in range(7):
        control.pause("email", by="ada", action_id=f"a{number}")
    seen: list[AuditEntry] = []
    older, pages = None, 0
    while pages == 0 or older:
        page = inspector.audit(3, older)
        seen += page.rows
        older, pages = page.older, pages + 1
    assert ([entry.action_id for entry in seen], pages) == ([f"a{number}" for number in reversed(range(7))], 3)


@pytest.mark.parametrize("before", ["", "x", "1", "1-", "-", "1-1 ", "٣-1", "(1-1"])
def test_entries_that_cannot_be_are_refused(inspector: Inspector, before: str) -> None:
    with pytest.raises(InvalidArgument):
        inspector.audit(3, before)


def test_stream_that_is_not_ours_does_not_break_reading(engine: Engine, inspector: Inspector) -> None:
    key = keys.audit("test")
    engine.redis.xadd(key, {b"\xff": b"\xff\0"})
    engine.redis.xadd(key, {"at": "never", "by": b"\xff" * 5_000, "count": "9" * 400, "reason": "\u202e\n"})
    first, second = inspector.audit().rows
    assert (first.count, second.count, len(first.by)) == (0, 0, 200)
    assert first.at == int(first.id.partition("-")[0])
    engine.redis.delete(key)
    engine.redis.set(key, "x")
    with pytest.raises(CorruptQueue):
        inspector.audit()


def test_oldest_entries_make_room(engine: Engine, control: Control) -> None:
    engine.seed("ready")
    key = keys.audit("test")
    pipeline = engine.redis.pipeline(transaction=False)
    for _ in range(MAX_ENTRIES + 500):
        pipeline.xadd(key, {"by": "x"})
    pipeline.execute()
    control.pause("email", by="ada", action_id="a1")
    assert MAX_ENTRIES <= engine.redis.xlen(key) <= MAX_ENTRIES + 200


def test_entry_is_written_before_the_change(engine: Engine, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = engine.seed("dead")
    written: list[int] = []
    run = type(engine.client).run

    def look(client: object, call: object, *session: object) -> object:
        if call.script.name == "trash":  # type: ignore[attr-defined]
            written.append(engine.redis.xlen(keys.audit("test")))
            raise TaskyardError("died here")
        return run(client, call, *session)  # type: ignore[arg-type]

    monkeypatch.setattr(type(engine.client), "run", look)
    with pytest.raises(TaskyardError, match="died here"):
        control.trash("email", [task_id], by="ada", action_id="a1")
    assert written == [1]
