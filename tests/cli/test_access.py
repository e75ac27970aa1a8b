"""`taskyard console add-user` and the like: who may use the console, told from a terminal and from scripts."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.identity import Role
from dashboard.passwords import is_right
from dashboard.users import UsersFile
from queue_core.cli.access import COMMANDS, ROLES
from tests.cli.harness import Run
from tests.people import PASSWORD, write_users


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input says a password."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))


def test_roles_are_the_consoles() -> None:
    assert [role.word for role in Role] == list(ROLES)


@pytest.mark.usefixtures("typed")
def test_a_user_is_added_with_the_first_line_of_standard_input(run: Run, path: Path) -> None:
    code, output, said = run(
        "console", "add-user", "ada", "--role", "admin", "--password-stdin", "--users-file", str(path)
    )
    assert (code, said) == (0, "")
    assert output == f"ada may sign in as admin, by {path}.\n"
    account = UsersFile(path).read().accounts["ada"]
    assert account.role is Role.ADMIN
    assert is_right(PASSWORD, account.password)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_password_is_asked_for_twice_and_not_shown(path: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "queue_core.cli", "console", "add-user", "ada", "--role", "viewer"]
    process = subprocess.Popen(
        [*command, "--users-file", str(path)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(follower)
    shown = b""
    for question in (b"Password: ", b"Once more: "):
        while question not in shown:
            shown += os.read(leader, 1024)
        os.write(leader, f"{PASSWORD}\n".encode())
    while b"may sign in" not in shown:
        shown += os.read(leader, 1024)
    assert process.wait(10) == 0
    os.close(leader)
    assert PASSWORD.encode() not in shown
    assert is_right(PASSWORD, UsersFile(path).read().accounts["ada"].password)


def test_where_nobody_can_be_asked_it_says_so(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, _, said = run("console", "add-user", "ada", "--role", "admin", "--users-file", str(path))
    assert (code, said) == (
        2,
        "taskyard console add-user: Nobody can be asked for a password here: --password-stdin.\n",
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add-user", "ada", "--role", "admin", "--password-stdin"], "there is a user ada already: --replace"),
        (["add-user", "new", "--role", "admin", "--password-stdin", "--replace"], "there is no user new to replace"),
        (["add-user", "a b", "--role", "admin", "--password-stdin"], "name 'a b' is not accepted"),
        (["add-user", "new", "--role", "boss", "--password-stdin"], "Invalid value for '--role'"),
        (["add-user", "new", "--password-stdin"], "Missing option '--role'"),
        (["add-token", "admin", "--role", "admin"], "there is a token admin already: --replace"),
        (["add-token", "", "--role", "admin"], "it is empty"),
        (["list-users", "--users-file", "none.json"], "users file none.json: No such file or directory"),
        (["list-users", "--users-file", "good.py"], "users file good.py: it is no users file"),
        (["list-users", "--users-file", ""], "it is empty"),
    ],
)
@pytest.mark.usefixtures("typed")
def test_what_cannot_be_is_one_clear_line(run: Run, path: Path, arguments: list[str], complaint: str) -> None:
    before = write_users(path).path.read_text()
    code, output, said = run("console", *arguments, TASKYARD_USERS_FILE=str(path))
    assert (code, output) == (2, "")
    assert complaint in said
    assert said.count("\n") == 1
    assert path.read_text() == before


def test_a_short_password_is_refused(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    code, _, said = run("console", "add-user", "ada", "--role", "admin", "--password-stdin", "--users-file", str(path))
    assert (code, said) == (2, "taskyard console: a password has 12 to 1,024 characters; this one has 5\n")
    assert not path.exists()


def test_without_a_file_it_says_how_to_name_one(run: Run) -> None:
    code, _, said = run("console", "list-users")
    assert code == 2
    assert "--users-file FILE, or TASKYARD_USERS_FILE=FILE" in said


@pytest.mark.usefixtures("typed")
def test_a_password_and_a_role_are_replaced(run: Run, path: Path) -> None:
    before = write_users(path).read().accounts["ada"]
    arguments = ["add-user", "ada", "--role", "viewer", "--replace", "--password-stdin"]
    assert run("console", "--users-file", str(path), *arguments)[0] == 0
    after = UsersFile(path).read().accounts["ada"]
    assert after.role is Role.VIEWER
    assert after.mark != before.mark


def test_a_token_is_printed_once_and_stored_as_a_hash(run: Run, path: Path) -> None:
    code, output, said = run("console", "add-token", "ci", "--role", "operator", TASKYARD_USERS_FILE=str(path))
    assert code == 0
    assert re.fullmatch(r"taskyard_[\w-]{43}\n", output)
    assert "Keep it now" in said
    assert output.strip() not in path.read_text()
    token = UsersFile(path).read().token(output.strip())
    assert token is not None
    assert (token.name, token.role) == ("ci", Role.OPERATOR)


def test_users_and_tokens_are_listed_without_what_is_secret(run: Run, path: Path) -> None:
    users = write_users(path).read()
    code, output, _ = run("console", "list-users", TASKYARD_USERS_FILE=str(path))
    assert code == 0
    lines = [line.split()[:3] for line in output.splitlines()]
    assert lines[0] == ["Name", "Kind", "Role"]
    assert ["otto", "user", "operator"] in lines
    assert ["admin", "token", "admin"] in lines
    _, document, _ = run("console", "list-users", "--json", TASKYARD_USERS_FILE=str(path))
    assert {"name": "vi", "role": "viewer", "added_at": 0} in json.loads(document)["users"]
    for secret in (users.accounts["ada"].password, users.tokens["admin"].hash):
        assert secret not in output + document


def test_users_and_tokens_are_removed(run: Run, path: Path) -> None:
    write_users(path)
    assert run("console", "remove-user", "otto", TASKYARD_USERS_FILE=str(path))[:2] == (
        0,
        f"User otto is removed from {path}.\n",
    )
    assert run("console", "remove-token", "admin", TASKYARD_USERS_FILE=str(path))[0] == 0
    users = UsersFile(path).read()
    assert set(users.accounts) == {"ada", "vi"}
    assert set(users.tokens) == {"viewer", "operator"}
    assert "nobody can sign in" not in run("console", "remove-user", "vi", TASKYARD_USERS_FILE=str(path))[2]
    assert "nobody can sign in" in run("console", "remove-user", "ada", TASKYARD_USERS_FILE=str(path))[2]


@pytest.mark.parametrize("kind", ["user", "token"])
def test_whoever_is_not_there_cannot_be_removed(run: Run, path: Path, kind: str) -> None:
    write_users(path)
    code, _, said = run("console", f"remove-{kind}", "nobody", TASKYARD_USERS_FILE=str(path))
    assert code == 1
    assert said == f"taskyard console remove-{kind}: there is no {kind} 'nobody' in {path}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_help_of_a_subcommand_has_examples(run: Run, command: object) -> None:
    name = str(getattr(command, "name", ""))
    code, output, _ = run("console", name, "--help")
    assert code == 0
    assert re.search(rf"Examples:\n.*taskyard console {name}", output)
    assert re.search(rf"^  {name} +[A-Z].*\.$", run("console", "--help")[1], re.MULTILINE)


def test_subcommands_need_the_consoles_packages_only_when_they_run() -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(('flask', 'gunicorn', 'flask_wtf')));"
    for arguments in (["console", "--help"], ["console", "add-user", "--help"]):
        program = f"{hidden} from queue_core.cli import main; main({arguments})"
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
