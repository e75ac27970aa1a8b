"""The second line of a task's page: why it is where it is, made so by its real cause, and what helps, as a button."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dashboard import ConsoleSettings, create_app
from queue_core.inspector import Inspector
from tests.console import Visitor, text_of
from tests.explain import causes
from tests.explain.harness import Yard
from tests.explain.test_tasks import CAUSES

PAUSED_QUEUE = 'href="/queues/email/pause">Resume…'
PAUSED_NAME = 'formaction="/queues/email/resume" name="lane" value="name:send" data-act>Resume send'
COMMAND = "<code>taskyard worker app:yard --queues email</code>"
RUN_NOW = 'formaction="/queues/email/tasks/{id}/promote" data-act>Run now'
HOLDER = 'href="/queues/email/tasks/mine-1">Open mine-1'
REMEDIES: dict[Callable[[Yard], str], tuple[str, ...]] = {
    causes.in_paused_queue: (PAUSED_QUEUE,),
    causes.with_paused_name: (PAUSED_NAME,),
    causes.held_with_paused_name: (PAUSED_NAME,),
    causes.held_with_unknown_and_paused_name: (PAUSED_NAME,),
    causes.without_any_worker: ("Start one:", COMMAND),
    causes.after_the_last_worker: ("Start one:", COMMAND),
    causes.with_a_quiet_worker: ("Start one:", COMMAND),
    causes.of_an_unknown_name: ("Deploy one that knows it:", COMMAND),
    causes.held_of_an_unknown_name: ("Deploy one that knows it:", COMMAND),
    causes.in_a_limited_queue: ('href="/queues/email/limits#claim_rate">Change the limit…',),
    causes.due_later: (RUN_NOW,),
    causes.due_later_in_a_paused_queue: (RUN_NOW, PAUSED_QUEUE),
    causes.due_now_without_a_worker: ("Start one:", COMMAND),
    causes.retrying: (RUN_NOW,),
    causes.retrying_after_a_crash: (RUN_NOW,),
    causes.asked_to_stop: ("Asked to stop",),
    causes.dead: ('formaction="/queues/email/tasks/{id}/requeue"', "data-act data-retry>Retry"),
    causes.dead_while_another_has_its_key: (HOLDER,),
    causes.dead_while_its_key_is_held_for_a_time: (HOLDER,),
    causes.trashed: ('formaction="/queues/email/tasks/{id}/restore" data-act>Restore',),
    causes.trashed_while_another_has_its_key: (HOLDER,),
}
SHOWN = [row for row in CAUSES if row[0] not in (causes.blocked,)]


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Yard]:
    yard = Yard(redis_url, namespace)
    yard.client.register("email")
    yield yard
    yard.close()


@pytest.fixture
def visitor(yard: Yard, settings: ConsoleSettings) -> Visitor:
    """At the yard's own time."""
    app = create_app(settings, inspector=Inspector(client=yard.client))
    app.testing = True
    return Visitor(app.test_client())


@pytest.mark.parametrize(
    ("make", "sentence"), [(row[0], row[2]) for row in SHOWN], ids=[row[0].__name__ for row in SHOWN]
)
def test_a_tasks_page_says_why_and_what_helps(
    make: Callable[[Yard], str], sentence: str, yard: Yard, visitor: Visitor
) -> None:
    task_id = make(yard)
    head = (
        visitor.text(f"/queues/email/tasks/{task_id}")
        .partition('<section id="task-head"')[2]
        .partition("</section>")[0]
    )
    why = text_of(head.partition('<p class="why"')[2].partition(">")[2])
    told = sentence.partition(" The fault: ")[0]
    if make is causes.retrying:
        told = "Attempt 1 of 4 failed."
    assert why.startswith(told), why
    for remedy in REMEDIES.get(make, ()):
        assert remedy.format(id=task_id) in head, remedy
    if make not in REMEDIES:
        assert not any(words in head for words in ("Start one:", "Resume", "Change the limit", "Open mine-1"))


@pytest.mark.parametrize("make", [causes.due_now, causes.due_while_all_slots_are_busy, causes.due_later])
def test_run_now_is_offered_while_it_would_change_something(
    make: Callable[[Yard], str], yard: Yard, visitor: Visitor
) -> None:
    task_id = make(yard)
    state = "retrying" if make is causes.due_while_all_slots_are_busy else "scheduled"
    for page in (f"/queues/email/tasks/{task_id}", f"/queues/email?state={state}"):
        assert (f"/tasks/{task_id}/promote" in visitor.text(page)) == (make is causes.due_later), page
