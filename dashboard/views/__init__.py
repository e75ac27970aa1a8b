"""One blueprint for each noun: its pages, what they are made from, its actions."""

from __future__ import annotations

from flask import Flask

from dashboard import api
from dashboard.settings import ConsoleSettings
from dashboard.views import (
    activity,
    bulk,
    demo,
    edits,
    failures,
    faults,
    figures,
    find,
    health,
    limits,
    metrics,
    mutes,
    overview,
    preferences,
    queues,
    schedule_forms,
    schedules,
    sign_in,
    system,
    tasks,
    together,
    workers,
)


def register_views(app: Flask, settings: ConsoleSettings) -> None:
    for module in (
        overview,
        queues,
        figures,
        limits,
        failures,
        faults,
        mutes,
        tasks,
        edits,
        bulk,
        workers,
        schedules,
        schedule_forms,
        activity,
        together,
        system,
        find,
        preferences,
        sign_in,
        api,
        health,
        metrics,
    ):
        app.register_blueprint(module.blueprint)
    app.register_blueprint(bulk.together)
    if settings.demo_socket:
        app.register_blueprint(demo.blueprint)
