"""The `taskyard` command. Each command is a module of its own, imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from queue_core import __version__

COMMANDS: dict[str, str] = {}
"""Command → its module, which holds it under the name `command`."""


class Commands(click.Group):
    """Finds commands in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[name]).command
        return command


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="taskyard")
def main() -> None:
    """A task queue on Redis and Valkey that you can see into."""
