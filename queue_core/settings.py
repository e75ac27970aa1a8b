"""Defaults and limits, each once, with its unit."""

from __future__ import annotations

import os
import re

from queue_core.errors import ConfigurationError, shown
from queue_core.keys import check_name

DEFAULT_URL = "redis://localhost:6379/0"
URL_FORM = (
    "it is redis://user:password@host:port/database?option=value with a number for the database; "
    "special characters of the password are percent-encoded"
)
DEFAULT_NAMESPACE = "qc"
DEFAULT_QUEUE = "default"

MAX_PAYLOAD_BYTES = 1 << 20
"""Of one task. A batch holds as many bytes of envelopes."""
MAX_BATCH = 256
"""Tasks in one call of a script."""

MAX_RETRIES = 3
MAX_CRASHES = 3
LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0
GRACE_SECONDS = 25.0
TIMEOUT_SECONDS = 30.0
HARD_TIMEOUT_SECONDS = 10.0
"""Behind the timeout, where a task does not say."""
PATIENCE_SECONDS = 3.0
"""How long a call is sent again to a server that does not answer, before `ServerUnavailable`."""

RECORD_SECONDS = 86_400
MIN_RESULT_SECONDS, MAX_RESULT_SECONDS = 1, 366 * 86_400
TRASH_SECONDS = 86_400


def redis_url(given: str | None = None) -> str:
    """The server's address: as given, else `TASKYARD_REDIS_URL`, else the default."""
    if given is not None and not isinstance(given, str):
        raise ConfigurationError(f"Redis URL {shown(given, 80)} is not accepted: it is a text, such as {DEFAULT_URL}")
    url = given or os.environ.get("TASKYARD_REDIS_URL") or DEFAULT_URL
    if not re.match(r"(redis|rediss|unix)://", url):
        raise ConfigurationError(
            f"Redis URL {mask_url(url)!r} is not accepted: it begins with redis://, rediss:// or unix://"
        )
    if not url.startswith("unix") and not re.match(r"[a-z]+://[^/?]*(/\d*)?(\?.*)?\Z", url):
        raise ConfigurationError(f"Redis URL {mask_url(url)!r} is not accepted: {URL_FORM}")
    return url


def namespace(given: str | None = None) -> str:
    """The prefix of all keys: as given, else `TASKYARD_NAMESPACE`, else `qc`."""
    return check_name("namespace", given or os.environ.get("TASKYARD_NAMESPACE") or DEFAULT_NAMESPACE)


def application_version(given: str | None = None) -> str:
    """The version of the user's application: as given, else `TASKYARD_VERSION`, else empty."""
    version = given or os.environ.get("TASKYARD_VERSION") or ""
    if not isinstance(version, str) or len(version) > 64 or not version.isprintable():
        raise ConfigurationError(f"version {shown(version, 80)} is not accepted: at most 64 printable characters")
    return version


def mask_url(url: str) -> str:
    """The URL without its password, and without its query, which may hold one."""
    address, _, query = url.partition("?")
    if "@" in query and "@" not in address:  # the question mark may be the password's own
        return re.sub(r"(://[^:/]*):.*", r"\1:***", address)
    return re.sub(r"(://[^:@/]*):.*@", r"\1:***@", address)
