"""Whatever a page shows or does, a program can read or do: a page that gets more is named here with where that is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from flask import Flask

from dashboard.api.table import ENDPOINTS
from tests.places import READS, changing_endpoints

BULK = ("operations_start",)
STEER: dict[str, tuple[str, ...]] = {
    f"{page}.{verb}": (f"{name}{verb}",)
    for page, name in (("activity", "operations_"), ("together", "together_together_"))
    for verb in ("pause", "resume", "cancel", "undo", "recall")
}
ACTS: Mapping[str, tuple[str, ...]] = {
    **STEER,
    "activity.try_more": ("operations_cancel", "operations_start"),
    "bulk.start": BULK,
    "bulk_together.start": ("together_together_start",),
    "edits.edit": ("edits_edit",),
    "edits.preview": ("edits_edit_preview",),
    "failures.purge": ("tasks_trash",),
    "failures.requeue": ("tasks_requeue",),
    "failures.undo": ("tasks_restore",),
    "limits.change": ("queues_limit",),
    "mutes.mute": ("failed_mute",),
    "mutes.note": ("failed_note",),
    "mutes.unmute": ("failed_unmute",),
    "queues.pause": ("queues_pause",),
    "queues.resume": ("queues_resume",),
    "schedule_forms.add": ("schedules_add",),
    "schedule_forms.change": ("schedules_change",),
    "schedule_forms.check_change": ("schedules_check",),
    "schedule_forms.check_new": ("schedules_check",),
    "schedule_forms.remove": ("schedules_remove",),
    "schedules.pause": ("schedules_pause",),
    "schedules.resume": ("schedules_resume",),
    "schedules.run": ("schedules_run",),
    **{
        f"tasks.{verb}": (f"tasks_{verb}",)
        for verb in ("cancel", "move", "promote", "requeue", "restore", "trash", "unmask")
    },
    "workers.cancel": ("tasks_cancel",),
    "workers.tell": ("workers_quiet", "workers_resume", "workers_stop"),
}
"""What a form does → what a program does it by."""
NO_ACTS: Mapping[str, str] = {
    "preferences.save": "how times and colours are shown to this browser",
    "sign_in.enter": "a program has a token",
    "sign_in.leave": "a program has a token",
}
SHOWN: Mapping[str, tuple[str, ...]] = {
    "activity.index": ("audit_audit", "operations_operations"),
    "activity.show": ("operations_operation",),
    "bulk.preview": ("operations_preview", "together_together_preview"),
    "bulk_together.preview": ("together_together_preview",),
    "edits.form": ("tasks_task",),
    "failures.index": ("failed_faults",),
    "failures.letters": ("failed_failed",),
    "failures.preview_requeue": ("tasks_task",),
    "failures.preview_trash": ("tasks_task",),
    "failures.trash": ("failed_trash",),
    "faults.show": ("failed_fault", "failed_failed", "operations_preview"),
    "figures.show": ("figures_statistics",),
    "find.index": ("tasks_find", "queues_queues"),
    "limits.form": ("queues_queue",),
    "mutes.mute_form": ("failed_fault",),
    "mutes.note_form": ("failed_fault",),
    "overview.index": ("overview_stats", "overview_problems", "queues_queues", "workers_workers", "figures_trend"),
    "queues.index": ("queues_queues", "figures_trend"),
    "queues.pause_form": ("queues_queue",),
    "queues.show": ("queues_queue", "tasks_tasks"),
    "schedule_forms.add_form": ("schedules_check",),
    "schedule_forms.change_form": ("schedules_schedule",),
    "schedule_forms.remove_form": ("schedules_schedule",),
    "schedules.index": ("schedules_schedules",),
    "schedules.pause_form": ("schedules_schedule",),
    "schedules.show": ("schedules_schedule",),
    "system.index": ("system_whole",),
    "tasks.cancel_form": ("tasks_task",),
    "tasks.download": ("tasks_task",),
    "tasks.move_form": ("tasks_task", "queues_queue"),
    "tasks.show": ("tasks_task", "failed_fault"),
    "activity.cancel_form": ("operations_operation",),
    "activity.recall_form": ("operations_operation",),
    "together.cancel_form": ("together_together",),
    "together.recall_form": ("together_together",),
    "together.show": ("together_together",),
    "workers.cancel_form": ("tasks_task",),
    "workers.index": ("workers_workers",),
    "workers.preview": ("workers_tell_preview",),
    "workers.show": ("workers_worker",),
}
"""What a page shows → where a program reads it."""
NOT_SHOWN: Mapping[str, str] = {
    "sign_in.show": "a program has a token",
}
FOR_MACHINES = ("health.", "metrics.", "api.")
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def test_whatever_a_form_does_a_program_can_do(app: Flask) -> None:
    """But for the panel of a demo, which no other console has."""
    assert changing_endpoints(app) == ACTS.keys() | NO_ACTS.keys()


def test_whatever_a_page_shows_a_program_can_read(app: Flask) -> None:
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) <= READS and rule.endpoint != "static" and not rule.endpoint.startswith(FOR_MACHINES)
    }
    assert pages == SHOWN.keys() | NOT_SHOWN.keys()


@pytest.mark.parametrize(("table", "methods"), [(ACTS, {"POST"}), (SHOWN, {"GET", "POST"})], ids=["acts", "shown"])
def test_what_is_named_is_there(table: Mapping[str, tuple[str, ...]], methods: set[str]) -> None:
    named = {name for names in table.values() for name in names}
    assert named <= BY_NAME.keys()
    assert {BY_NAME[name].method for name in named} <= methods


def test_a_program_needs_the_role_that_a_person_needs(app: Flask) -> None:
    for form, names in ACTS.items():
        for name in names:
            assert getattr(app.view_functions[form], "needed_role", None) is BY_NAME[name].role, form


def test_nothing_that_programs_do_is_out_of_reach_of_people() -> None:
    named = {name for names in ACTS.values() for name in names}
    assert {name for name, endpoint in BY_NAME.items() if endpoint.body} - named == {"tasks_delete"}  # a bulk act there
