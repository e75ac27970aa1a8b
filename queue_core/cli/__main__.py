"""`python -m queue_core.cli` is `taskyard`."""

from queue_core.cli import main

if __name__ == "__main__":
    main(prog_name="taskyard")
