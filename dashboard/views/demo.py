"""The demo's panel on the first page: only where a demo has started this console."""

from __future__ import annotations

from flask import Blueprint, Response, request

from dashboard.actions import action_id, done
from dashboard.demo import DemoAway, Request, ask
from dashboard.identity import Role, actor, needs
from dashboard.parts import parts
from dashboard.toasts import say

blueprint = Blueprint("demo", __name__, url_prefix="/demo")


@blueprint.post("/burst")
@needs(Role.OPERATOR)
def burst() -> Response:
    return _act("burst")


@blueprint.post("/workers")
@needs(Role.OPERATOR)
def add_worker() -> Response:
    return _act("add_worker")


@blueprint.post("/workers/kill")
@needs(Role.OPERATOR)
def kill_worker() -> Response:
    return _act("kill_worker", request.form.get("worker", "")[:128])


@blueprint.post("/warehouse/open")
@needs(Role.OPERATOR)
def open_warehouse() -> Response:
    return _act("open_warehouse")


@blueprint.post("/warehouse/close")
@needs(Role.OPERATOR)
def close_warehouse() -> Response:
    return _act("close_warehouse")


def _act(act: str, worker: str = "") -> Response:
    wanted = Request(act, actor(), action_id(worker), worker)
    try:
        answer = ask(parts().settings.demo_socket, wanted)
    except DemoAway:
        say("The demo did not answer, so it is not known whether this was done. Press again: it acts once.", kind="bad")
    else:
        say(answer.said, kind=answer.kind)
    return done()
