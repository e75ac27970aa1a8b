"""The `taskyard` command. Each command is a module of its own, imported only when it is asked for."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from queue_core import ConfigurationError, InvalidArgument, TaskyardError, UnsafeServer, __version__
from queue_core.formats import visible

SECTIONS = {
    "Run": ("demo", "worker", "console"),
    "Watch": (
        "queues", "workers", "tasks", "task", "dead", "faults", "peek", "stats", "explain", "schedules", "operations",
    ),
    "Act": ("enqueue", "retry", "run-now", "cancel", "purge", "restore", "move", "pause", "resume", "limit",
        "mute", "unmute", "note"),
    "Look after the server": ("delete-queue", "fsck"),
}  # fmt: skip
"""The commands as `--help` lists them."""
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)
"""Each is a module here (`run-now`: run_now.py), which holds it under the name `command`."""

MAY_BE_EMPTY = frozenset({"by", "reason", "words", "json_args"})
"""Texts that name nothing; the last two are looked at by their command."""

NOT_DONE = 1
"""Exit code: what was asked for is not there, was refused, or the server does not answer."""
USER_ERROR = 2
"""Exit code: bad input, or a bad setting."""
INTERRUPTED = 130


class Commands(click.Group):
    """Loads commands when they are asked for, and says in one line what a user did wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            for parameter in one.params:
                if isinstance(parameter.type, click.types.StringParamType) and parameter.name not in MAY_BE_EMPTY:
                    parameter.callback = _refuse_empty
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            room = formatter.width - 4 - max(map(len, names))
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, found.get_short_help_str(room)) for name, found in commands if found])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Does not return: exits with 0, with what the command returned, 1 where it was not done, 2 for bad input."""
        sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()  # none where closed: `>&-`
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character gets its number
        arguments = list(sys.argv[1:] if args is None else args)
        name = prog_name or "taskyard"
        try:
            code = super().main(arguments, name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help() if error.ctx else "")
            code = 0
        except click.ClickException as error:
            ctx = getattr(error, "ctx", None)
            command = ctx.command_path if ctx else _command_name(name, arguments)
            message = " ".join(line.strip() for line in error.format_message().splitlines())  # choices come in several
            code = _complain(command, message, error.exit_code)
        except (InvalidArgument, ConfigurationError, UnsafeServer) as error:
            code = _complain(_command_name(name, arguments), str(error), USER_ERROR)
        except TaskyardError as error:
            code = _complain(_command_name(name, arguments), str(error), NOT_DONE)
        except (KeyboardInterrupt, click.Abort):
            code = INTERRUPTED
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
                raise
            if error.errno != errno.EPIPE:  # who closed a pipe has read enough; the others miss something
                _complain(_command_name(name, arguments), f"the answer cannot be written: {error.strerror}", NOT_DONE)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails once more at its end
            code = 1
        sys.exit(code or 0)


def _refuse_empty(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """An empty word is not the same as none: `taskyard tasks "$QUEUE"` must not mean all queues."""
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("it is empty; leave it out or say which.", ctx, parameter)
    return value


def _complain(command: str, message: str, code: int) -> int:
    click.echo(f"{command}: {visible(message)}", err=True)
    return code


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
