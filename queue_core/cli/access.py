"""`taskyard console add-user` and the like: who may use the console, and which tokens programs have."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from queue_core.cli.options import json_option
from queue_core.cli.output import note, print_json, say
from queue_core.cli.tables import table
from queue_core.errors import ConfigurationError, InvalidArgument
from queue_core.formats import when

if TYPE_CHECKING:
    from dashboard.users import Users, UsersFile

ROLES = ("viewer", "operator", "admin")
"""As the console has them: each may do what the ones before it may."""
HEADS = ("Name", "Kind", "Role", "Added")

users_file_option = click.option(
    "--users-file", metavar="FILE", help="Who may use the console.  [default: $TASKYARD_USERS_FILE]"
)
role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="viewer looks, operator acts, admin may do everything.",
)
replace_option = click.option("--replace", "is_replaced", is_flag=True, help="Instead of the one that there is.")


@contextmanager
def console_packages() -> Iterator[None]:
    """Around imports from the console, which is installed only where it is wanted."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("dashboard", "queue_core"):
            raise
        raise ConfigurationError(
            f"the console's packages are missing ({package}): pip install 'taskyard[console]'"
        ) from error


@click.command("add-user")
@click.argument("name")
@role_option
@click.option("--password-stdin", is_flag=True, help="The password is the first line of standard input.")
@replace_option
@users_file_option
@click.pass_context
def add_user(
    ctx: click.Context, name: str, role: str, password_stdin: bool, is_replaced: bool, users_file: str | None
) -> int:
    """Let somebody sign in. The password is asked for, twice; the file is made where there is none.

    \b
    Examples:
      taskyard console add-user ada --role admin --users-file users.json
      taskyard console add-user ada --role operator --replace     another password or role; ends her sign-ins
      pass show taskyard/ada | taskyard console add-user ada --role admin --password-stdin
    """
    with console_packages():
        from dashboard.identity import Role
        from dashboard.passwords import hash_password
        from dashboard.users import Account, Users, check_name
    file = _file(ctx, users_file)
    _check_new(check_name(name), file.read().accounts if file.path.exists() else {}, "user", is_replaced)
    account = Account(name, Role.of(role), hash_password(_password(password_stdin)), _now_ms())

    def change(users: Users) -> Users:
        _check_new(name, users.accounts, "user", is_replaced)
        return Users({**users.accounts, name: account}, users.tokens)

    file.change(change)
    say(f"{name} may sign in as {role}, by {file.path}.")
    return 0


@click.command("remove-user")
@click.argument("name")
@users_file_option
@click.pass_context
def remove_user(ctx: click.Context, name: str, users_file: str | None) -> int:
    """Let somebody in no longer. Their sign-ins end at once.

    \b
    Examples:
      taskyard console remove-user ada
    """
    return _remove(ctx, users_file, "user", name)


@click.command("list-users")
@json_option
@users_file_option
@click.pass_context
def list_users(ctx: click.Context, as_json: bool, users_file: str | None) -> int:
    """List users and tokens. No password and no token can be read from the file.

    \b
    Examples:
      taskyard console list-users
      taskyard console list-users --json | jq '.users[].name'
    """
    users = _file(ctx, users_file).read()
    if as_json:
        print_json({"users": _plain(users.accounts), "tokens": _plain(users.tokens)})
        return 0
    now_ms = _now_ms()
    rows = [
        (found.name, kind, found.role.word, when(found.added_at, now_ms))
        for kind, several in (("user", users.accounts), ("token", users.tokens))
        for found in several.values()
    ]
    say(table(HEADS, rows, left=4) if rows else "Nobody yet. Add one with: taskyard console add-user NAME --role admin")
    return 0


@click.command("add-token")
@click.argument("name")
@role_option
@replace_option
@users_file_option
@click.pass_context
def add_token(ctx: click.Context, name: str, role: str, is_replaced: bool, users_file: str | None) -> int:
    """Make a token for a program. It is printed now and never again.

    With it a program may use /api/v1 and /metrics, in the token's role.

    \b
    Examples:
      taskyard console add-token deploy --role operator
      curl -H "Authorization: Bearer taskyard_…" http://127.0.0.1:8080/api/v1/stats
    """
    with console_packages():
        from dashboard.identity import Role
        from dashboard.users import Token, Users, check_name, hash_token, new_token
    file, text = _file(ctx, users_file), new_token()
    token = Token(check_name(name), Role.of(role), hash_token(text), _now_ms())

    def change(users: Users) -> Users:
        _check_new(name, users.tokens, "token", is_replaced)
        return Users(users.accounts, {**users.tokens, name: token})

    file.change(change)
    note(f"Token {name}, {role}, by {file.path}. Keep it now: it is stored as a hash.")
    say(text)
    return 0


@click.command("remove-token")
@click.argument("name")
@users_file_option
@click.pass_context
def remove_token(ctx: click.Context, name: str, users_file: str | None) -> int:
    """Refuse a token from now on.

    \b
    Examples:
      taskyard console remove-token deploy
    """
    return _remove(ctx, users_file, "token", name)


COMMANDS = (add_user, remove_user, list_users, add_token, remove_token)


def _file(ctx: click.Context, given: str | None) -> UsersFile:
    """The one that was named, behind the subcommand or before it, else the environment's."""
    with console_packages():
        from dashboard.users import UsersFile
    before = ctx.parent.params.get("users_file") if ctx.parent else None
    path = given or before or os.environ.get("TASKYARD_USERS_FILE")
    if not path:
        raise ConfigurationError("no users file is named: --users-file FILE, or TASKYARD_USERS_FILE=FILE.")
    return UsersFile(path)


def _remove(ctx: click.Context, users_file: str | None, kind: str, name: str) -> int:
    file, was_there = _file(ctx, users_file), []

    def change(users: Users) -> Users:
        with console_packages():
            from dashboard.users import Users as Changed
        several = users.accounts if kind == "user" else users.tokens
        was_there.append(name in several)
        accounts = {key: found for key, found in users.accounts.items() if kind != "user" or key != name}
        tokens = {key: found for key, found in users.tokens.items() if kind != "token" or key != name}
        return Changed(accounts, tokens)

    left = file.change(change)
    if not was_there[0]:
        note(f"taskyard console remove-{kind}: there is no {kind} {name!r} in {file.path}")
        return 1
    say(f"{kind.capitalize()} {name} is removed from {file.path}.")
    if kind == "user" and not left.accounts:
        note("It was the last one: nobody can sign in now.")
    return 0


def _check_new(name: str, known: Any, kind: str, is_replaced: bool) -> None:
    if (name in known) != is_replaced:
        is_there = f"there is a {kind} {name} already: --replace to change it"
        raise InvalidArgument(f"there is no {kind} {name} to replace" if is_replaced else is_there)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked for a password here: --password-stdin.")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    return entered


def _plain(several: Any) -> list[dict[str, Any]]:
    return [{"name": found.name, "role": found.role.word, "added_at": found.added_at} for found in several.values()]


def _now_ms() -> int:
    return int(time.time() * 1000)
