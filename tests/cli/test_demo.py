"""`taskyard demo`: when it does not start."""

from __future__ import annotations

from tests.cli.harness import Run


def test_demo_without_a_server_binary_says_what_to_do(run: Run) -> None:
    code, _, said = run("demo", "--quiet", TASKYARD_SERVER_BINARY="/nowhere")
    assert code == 1
    assert said.startswith("taskyard demo: TASKYARD_SERVER_BINARY is '/nowhere', which is not a program.")
