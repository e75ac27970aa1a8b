"""Defaults, and what the environment may say."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import settings
from queue_core.errors import ConfigurationError, InvalidName


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TASKYARD_REDIS_URL", "TASKYARD_NAMESPACE", "TASKYARD_VERSION"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_hold_where_nothing_is_said() -> None:
    assert settings.redis_url() == "redis://localhost:6379/0"
    assert settings.namespace() == "qc"
    assert settings.application_version() == ""


def test_environment_is_used_and_an_argument_is_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_REDIS_URL", "redis://one")
    monkeypatch.setenv("TASKYARD_NAMESPACE", "one")
    monkeypatch.setenv("TASKYARD_VERSION", "1.0")
    assert (settings.redis_url(), settings.namespace(), settings.application_version()) == ("redis://one", "one", "1.0")
    assert settings.redis_url("redis://two") == "redis://two"
    assert (settings.namespace("two"), settings.application_version("2.0")) == ("two", "2.0")


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:1",
        "redis://h:1/",
        "redis://h/15",
        "rediss://u:p@h:1/0?ssl_cert_reqs=none",
        "unix:///a/b?db=3",
    ],
)
def test_addresses_that_are_accepted(url: str) -> None:
    assert settings.redis_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "http://u:hidden@h",
        "redis:/h",
        "redis://h/x",
        "redis://h/1/2",
        "redis://u:hid/den@h",
        " redis://h",
        "REDIS://h",
    ],
)
def test_addresses_that_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not accepted") as refused:
        settings.redis_url(url)
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:hidden@h", "redis://:***@h"),
        ("redis://ada:hidden@h:1/2", "redis://ada:***@h:1/2"),
        ("redis://ada:hid@den@h", "redis://ada:***@h"),
        ("redis://ada:hid:den@h", "redis://ada:***@h"),
        ("redis://ada:hid/den@h", "redis://ada:***@h"),
        ("redis://ada:hid?den@h", "redis://ada:***"),
        ("unix:///tmp/socket?password=hidden", "unix:///tmp/socket"),
        ("redis://h/0?username=ada&password=hidden", "redis://h/0"),
        ("redis://ada@h", "redis://ada@h"),
    ],
)
def test_password_is_masked_wherever_it_stands(url: str, masked: str) -> None:
    assert settings.mask_url(url) == masked


@pytest.mark.parametrize("version", ["x" * 65, "1\n0", "\x00", "1\u20280", 3, b"1"])
def test_versions_that_are_refused(version: Any) -> None:
    with pytest.raises(ConfigurationError, match="64 printable"):
        settings.application_version(version)


@pytest.mark.parametrize("url", [6379, b"redis://localhost", True])
def test_address_that_is_no_text_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError, match="it is a text, such as redis://"):
        settings.redis_url(url)


def test_namespace_is_a_name() -> None:
    with pytest.raises(InvalidName):
        settings.namespace("a b")


def test_heartbeat_is_well_below_a_third_of_the_lease() -> None:
    assert settings.HEARTBEAT_SECONDS < settings.LEASE_SECONDS / 3
