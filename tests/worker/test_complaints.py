"""What is wrong with a queue is said when it is news, by whichever chore."""

from __future__ import annotations

import pytest

from queue_core.worker.complaints import Complaints


def test_each_thing_is_said_once_whoever_meets_it_and_again_when_it_was_over(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    damaged, full = ValueError("damaged"), ValueError("full")
    complaints.say("email", "recover", damaged)
    for _ in range(3):  # one chore has no part in what another one meets
        complaints.withdraw("email", "heartbeat")
        complaints.say("email", "recover", damaged)
        complaints.say("email", "trash", damaged)
    complaints.say("email", "heartbeat", full)
    complaints.say("images", "heartbeat", full)
    complaints.withdraw("email", "recover")
    complaints.say("email", "recover", damaged)  # the trash has it still
    assert caplog.messages == ["queue email: damaged", "queue email: full", "queue images: full"]
    for chore in ("recover", "trash"):
        complaints.withdraw("email", chore)
    complaints.say("email", "trash", damaged)
    assert caplog.messages[3:] == ["queue email: damaged"]
