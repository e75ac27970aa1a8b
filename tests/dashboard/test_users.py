"""The users file: read again when it changes, written whole or not at all, nobody's while it cannot be read."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from dashboard.identity import Role
from dashboard.users import Account, Users, UsersFile, check_name, new_token
from queue_core.errors import ConfigurationError, InvalidArgument
from tests.people import NAMES, TOKENS, new_account, write_users


def put(users: Users, account: Account) -> Users:
    return Users({**users.accounts, account.name: account}, users.tokens)


def test_what_was_written_is_read(file: UsersFile) -> None:
    users = UsersFile(file.path).read()
    assert {name: account.role for name, account in users.accounts.items()} == NAMES
    assert users == file.current()


def test_only_its_owner_may_read_it(file: UsersFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.path.parent.iterdir()] == ["users.json"]


def test_a_file_that_others_may_write_is_not_believed(file: UsersFile, caplog: pytest.LogCaptureFixture) -> None:
    file.path.chmod(0o620)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        file.read()
    with caplog.at_level(logging.ERROR):
        assert UsersFile(file.path).current() == Users()
    assert "nobody can sign in" in caplog.text


def test_a_group_that_may_read_it_still_may(file: UsersFile) -> None:
    file.path.chmod(0o644)
    file.change(lambda users: put(users, new_account("bo", Role.VIEWER)))
    assert file.path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(file: UsersFile, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file.path)
    UsersFile(link).change(lambda users: put(users, new_account("bo", Role.VIEWER)))
    assert link.is_symlink()
    assert "bo" in file.current().accounts


def test_a_change_is_seen_at_once(file: UsersFile) -> None:
    assert "bo" not in file.current().accounts
    UsersFile(file.path).change(lambda users: put(users, new_account("bo", Role.VIEWER)))
    assert "bo" in file.current().accounts
    UsersFile(file.path).change(lambda users: Users())
    assert file.current() == Users()


def test_what_has_not_changed_is_not_read_again(file: UsersFile) -> None:
    assert file.current() is file.current()


def test_nobody_is_known_while_it_cannot_be_read(file: UsersFile, caplog: pytest.LogCaptureFixture) -> None:
    text = file.path.read_text()
    file.current()
    for broken in ("", "{", "[]", "null", '{"format": 2, "users": {}, "tokens": {}}', text.replace("viewer", "boss")):
        file.path.write_text(broken)
        with pytest.raises(ConfigurationError, match=str(file.path)):
            file.read()
        assert file.current() == Users()
    file.path.unlink()
    assert file.current() == Users()
    assert file.current() == Users()
    assert caplog.text.count("No such file") == 1
    file.path.write_text(text)
    file.path.chmod(0o600)
    assert set(file.current().accounts) == set(NAMES)


def test_a_change_that_fails_leaves_it_as_it_was(file: UsersFile) -> None:
    before = file.path.read_text()

    def fail(users: Users) -> Users:
        raise InvalidArgument("no")

    with pytest.raises(InvalidArgument):
        file.change(fail)
    assert file.path.read_text() == before
    assert len(list(file.path.parent.iterdir())) == 1


def test_changes_at_the_same_time_are_all_there(file: UsersFile) -> None:
    def add(number: int) -> None:
        UsersFile(file.path).change(lambda users: put(users, new_account(f"user{number}", Role.VIEWER)))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"user{number}" for number in range(12)} <= set(file.current().accounts)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        write_users(tmp_path / "none" / "users.json")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_stays_its_owners_where_root_changes_it(file: UsersFile) -> None:
    os.chown(file.path, 4711, 4712)
    file.change(lambda users: put(users, new_account("bo", Role.VIEWER)))
    assert (file.path.stat().st_uid, file.path.stat().st_gid) == (4711, 4712)
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_tokens_are_known_by_their_hash_alone(file: UsersFile) -> None:
    text = file.path.read_text()
    users = file.read()
    for role, token in TOKENS.items():
        assert token not in text
        found = users.token(token)
        assert found is not None
        assert found.role is role
        assert users.token(found.hash) is None
    assert users.token("taskyard_") is None
    assert users.token("\ud800") is None


def test_a_token_is_made_by_chance_and_can_be_told_from_others() -> None:
    assert new_token() != new_token()
    assert new_token().startswith("taskyard_")
    assert len(new_token()) == 52


def test_another_password_is_another_mark() -> None:
    assert new_account("ada", Role.ADMIN).mark != new_account("ada", Role.ADMIN).mark


@pytest.mark.parametrize("name", ["", "-x", "a b", "a,b", "a\n", "ä", "x" * 65, "a/b", "<b>", "token x"])
def test_names_that_could_be_taken_for_something_else_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_name(name)


def test_names_of_the_file_are_checked_too(file: UsersFile) -> None:
    document = json.loads(file.path.read_text())
    document["users"]["a b"] = document["users"].pop("ada")
    file.path.write_text(json.dumps(document))
    assert file.current() == Users()


@pytest.mark.parametrize("name", ["ada", "ada@example.com", "a.b-c+d_e", "7"])
def test_usual_names_are_accepted(name: str) -> None:
    assert check_name(name) == name
