"""Every form of every page, sent twice: it acts once and gives the same answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Flask
from werkzeug.test import TestResponse

from tests.console import Tasks, Visitor, toasts_of
from tests.engine import Engine
from tests.forms import Form, forms_of
from tests.places import Places, changing_endpoints

ELSEWHERE = {
    "sign_in.enter",
    "sign_in.leave",
    "preferences.save",
    "demo.burst",
    "demo.add_worker",
    "demo.kill_worker",
    "demo.open_warehouse",
    "demo.close_warehouse",
}
"""Act on nothing of the queues; those of the demo: `test_demo`."""
CHANGES_NOTHING = {"edits.preview", "schedule_forms.check_new", "schedule_forms.check_change"}
TOLD_EACH_TIME = {"tasks.unmask"}
"""Whoever sees a secret once more is written down once more."""
TYPED = {"reason": "why", "to": "email", "max_length": "5", "typed": "1", "priority": "3"}
TYPED |= {"attempts": "5", "text": "it is known"}


class Pressing:
    def __init__(self, app: Flask, visitor: Visitor, tasks: Tasks) -> None:
        self._adapter, self._visitor, self._tasks = app.url_map.bind("localhost"), visitor, tasks
        self.pressed: set[str] = set()

    def twice(self, endpoint: str, page: str | TestResponse, **typed: str) -> TestResponse:
        """Press the button that leads to `endpoint`, on a page or on what followed another press, and once more."""
        form = self._find(endpoint, page)
        fields = {**form.fields, **{name: text for name, text in TYPED.items() if name in form.fields}, **typed}
        before = self._entries()
        first, shown, said = self._press(form.action, fields)
        between = self._entries()
        second, _, said_again = self._press(form.action, fields)
        assert (second.status_code, second.location, said_again) == (first.status_code, first.location, said), endpoint
        assert (between > before) is (endpoint not in CHANGES_NOTHING), f"{endpoint}: {said or first.text}"
        assert (self._entries() > between) is (endpoint in TOLD_EACH_TIME), endpoint
        self.pressed.add(endpoint)
        return shown

    def _find(self, endpoint: str, page: str | TestResponse) -> Form:
        answer = self._visitor.get(page) if isinstance(page, str) else page
        found = [form for form in forms_of(answer.text, answer.request.full_path) if self._leads_to(endpoint, form)]
        assert found, f"no form for {endpoint} on {page}"
        return found[-1]

    def _leads_to(self, endpoint: str, form: Form) -> bool:
        path = form.action.partition("?")[0]
        may_be = form.method == "post" and self._adapter.test(path, "POST")
        return may_be and self._adapter.match(path, "POST")[0] == endpoint

    def _press(self, action: str, fields: Mapping[str, str]) -> tuple[TestResponse, TestResponse, str]:
        """The answer, the page that is then shown, and what its toasts say."""
        answer = self._visitor.client.post(action, data=fields)
        shown = self._visitor.get(answer.location) if answer.location else answer
        assert shown.status_code == 200, (action, fields)
        return answer, shown, toasts_of(shown.text)

    def _entries(self) -> int:
        return len(self._tasks.inspector.audit(200).rows)


def a_purge(tasks: Tasks) -> str:
    """The id of one that has been brought to its end."""
    tasks.die("images", name="resize")
    operations = tasks.yard.operations
    begun = operations.start(operations.preview("images", "trash").bound, by="ada", action_id="images")
    operations.wait(begun.id, "images")
    return begun.id


def in_two(tasks: Tasks, verb: str, form: str) -> str:
    """A form that has begun something in two queues."""
    operations = tasks.yard.operations
    for queue in ("images", "letters"):
        tasks.die(queue, name="resize")
        begun = operations.start(operations.preview(queue, verb).bound, by="ada", action_id=form)
        if verb == "trash":
            operations.wait(begun.id, queue)
    return form


def a_retry(tasks: Tasks) -> str:
    """Of what nobody has begun."""
    tasks.die("exports", name="resize")
    operations = tasks.yard.operations
    begun = operations.start(operations.preview("exports", "requeue").bound, by="ada", action_id="retry")
    return operations.wait(begun.id, "exports").id


def a_held_retry(tasks: Tasks) -> str:
    """The first of which has failed again."""
    tasks.die("films", count=2, name="resize")
    operations = tasks.yard.operations
    begun = operations.start(operations.preview("films", "requeue").bound, by="ada", action_id="held", canary=1)
    operations.tend(["films"])
    with tasks.yard.queue("films").claim(limit=1) as leases:
        leases[0].fail(ConnectionError("closed"))
    operations.tend(["films"])
    return begun.id


def test_every_form_acts_once(app: Flask, visitor: Visitor, tasks: Tasks, engine: Engine) -> None:
    places = Places(tasks, engine)
    dead = tasks.die(count=5)
    letters = tasks.letters(dead)
    (scheduled,), (waits,) = tasks.enqueue(delay=3_600), tasks.enqueue(count=1)
    secret = tasks.enqueue("vault", name="store")[0]
    key = f"{engine.client.namespace}:{{vault}}:tasks"
    engine.redis.hset(key, secret, b"store\n" + json.dumps({"password": "hunter2"}).encode())
    pressing = Pressing(app, visitor, tasks)

    pressing.twice("tasks.requeue", f"/queues/billing/tasks/{dead[0]}")
    pressing.twice("tasks.trash", f"/queues/billing/tasks/{dead[1]}")
    pressing.twice("tasks.restore", f"/queues/billing/tasks/{dead[1]}")
    pressing.twice("edits.edit", pressing.twice("edits.preview", f"/queues/billing/tasks/{dead[2]}/edit"))
    pressing.twice("failures.requeue", f"/dead/requeue?letter={letters[3]}")
    pressing.twice("failures.undo", pressing.twice("failures.purge", f"/dead/purge?letter={letters[4]}"))
    pressing.twice("tasks.promote", f"/queues/billing/tasks/{scheduled}")
    pressing.twice("tasks.move", f"/queues/billing/tasks/{scheduled}/move")
    pressing.twice("tasks.cancel", f"/queues/billing/tasks/{waits}/cancel")
    pressing.twice("tasks.unmask", f"/queues/vault/tasks/{secret}")
    pressing.twice("queues.pause", "/queues/billing/pause")
    pressing.twice("queues.resume", "/queues/billing/pause")
    pressing.twice("limits.change", "/queues/billing/limits")
    pressing.twice("schedules.run", "/schedules/billing")
    pressing.twice("schedules.pause", "/schedules/billing/pause")
    pressing.twice("schedules.resume", "/schedules/billing/pause")
    added = pressing.twice("schedule_forms.check_new", "/schedules/-/add", name="nightly", task="charge", cron="@daily")
    pressing.twice("schedule_forms.add", added)
    changed = pressing.twice("schedule_forms.check_change", "/schedules/billing/change")
    pressing.twice("schedule_forms.change", changed)
    pressing.twice("schedule_forms.remove", "/schedules/billing/remove")
    pressing.twice("workers.cancel", f"/workers/web-1:7/cancel/billing/{places.running}")
    pressing.twice("workers.tell", "/workers/tell/quiet")
    pressing.twice("activity.pause", f"/activity/{places.operation}")
    pressing.twice("activity.resume", f"/activity/{places.operation}")
    pressing.twice("activity.cancel", f"/activity/{places.operation}/cancel")
    fault = f"/queues/billing/faults/{tasks.fingerprint()}"
    pressing.twice("mutes.mute", f"{fault}/mute")
    pressing.twice("mutes.unmute", fault)
    pressing.twice("mutes.note", f"{fault}/note")
    pressing.twice("bulk.start", "/queues/billing/bulk/requeue")
    pressing.twice("activity.undo", f"/activity/{a_purge(tasks)}")
    pressing.twice("bulk_together.start", "/bulk/requeue")
    pressing.twice("together.pause", f"/activity/together/{in_two(tasks, 'requeue', 'two')}")
    pressing.twice("together.resume", "/activity/together/two")
    pressing.twice("together.cancel", "/activity/together/two/cancel")
    pressing.twice("together.undo", f"/activity/together/{in_two(tasks, 'trash', 'three')}")
    pressing.twice("activity.recall", f"/activity/{a_retry(tasks)}/recall")
    pressing.twice("activity.try_more", f"/activity/{a_held_retry(tasks)}")
    in_two(tasks, "requeue", "four")
    for queue in ("images", "letters"):
        tasks.yard.operations.tend([queue])
    pressing.twice("together.recall", "/activity/together/four/recall")
    assert pressing.pressed == changing_endpoints(app) - ELSEWHERE
