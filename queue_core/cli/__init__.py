"""The `taskyard` command. Each command is a module of its own, imported only when it is asked for."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from queue_core import TaskyardError, __version__

COMMANDS = ("demo", "worker", "console", "queues", "workers", "fsck")
"""Each is a module here, which holds it under the name `command`."""

USER_ERROR = 2
INTERRUPTED = 130


class Commands(click.Group):
    """Loads commands when they are asked for, and says in one line what a user did wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Does not return: exits with 0, with what the command returned, with 2 for bad input or a bad setting."""
        arguments = list(sys.argv[1:] if args is None else args)
        name = prog_name or "taskyard"
        try:
            code = super().main(arguments, name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help() if error.ctx else "")
            code = 0
        except click.ClickException as error:
            ctx = getattr(error, "ctx", None)
            code = _complain(ctx.command_path if ctx else name, error.format_message())
        except TaskyardError as error:
            code = _complain(_command_name(name, arguments), str(error))
        except (KeyboardInterrupt, click.Abort):
            code = INTERRUPTED
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails once more at its end
            code = 1
        sys.exit(code or 0)


def _complain(command: str, message: str) -> int:
    click.echo(f"{command}: {message}", err=True)
    return USER_ERROR


def _command_name(name: str, arguments: Sequence[str]) -> str:
    command = next((argument for argument in arguments if argument in COMMANDS), "")
    return f"{name} {command}".strip()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="taskyard", message="%(prog)s %(version)s")
def main() -> None:
    """A task queue on Redis and Valkey that you can see into.

    \b
    Examples:
      taskyard demo                         look around: everything in one terminal
      taskyard worker shop.tasks:yard       run the tasks that shop/tasks.py declares
      taskyard console                      open the operations console on port 8080
    """
