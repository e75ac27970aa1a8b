"""Which failures are the same one: task name + exception class + normalised message + innermost application frame."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

MAX_MESSAGE = 200
"""Characters of the message that a fault keeps; a history entry keeps as many."""
MAX_TRACEBACK_BYTES = 8_192
MAX_LINE = 1_000
"""Characters of one line of a traceback."""

_ENGINE = str(Path(__file__).parent) + os.sep
_DEMO = str(Path(__file__).parent / "demo") + os.sep
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_VARYING = re.compile(
    r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"  # UUID
    r"|\b0x[0-9a-fA-F]+\b"  # address
    r"|\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"  # digest
    r"|\b(?=[0-9A-Za-z]*[0-9])[0-9A-Za-z]{22}\b"  # an id of ours
    r"|\d+(?:\.\d+)*"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, ready to be told to the server."""

    fingerprint: str
    overflow_fingerprint: str
    """The fault that takes it where there is no room for its own: one per task and class."""
    task_name: str
    error_class: str
    message: str
    """Normalised: what varies from failure to failure is `#`."""
    error: str
    """`class: message` as it was raised, shortened."""
    frame: str
    """Innermost application frame: `billing/gateway.py:88 in charge`."""
    frames_digest: str
    traceback: str


def describe_failure(task_name: str, error: BaseException) -> Failure:
    """The failure that an exception is. Never raises: an exception whose own text fails is described without it."""
    error_class = type(error).__name__
    raw = _text_of(error)
    frames = traceback.extract_tb(error.__traceback__)
    frame, identity = _application_frame(error.__traceback__)
    digest = hashlib.sha1("\n".join(f"{f.filename}:{f.lineno}:{f.name}" for f in frames).encode()).hexdigest()[:12]
    return make_failure(
        task_name, error_class, raw, frame=frame, identity=identity, digest=digest, trace=_format_traceback(error)
    )


def make_failure(
    task_name: str,
    error_class: str,
    message: str,
    *,
    frame: str = "",
    identity: str = "",
    digest: str = "",
    trace: str = "",
) -> Failure:
    """A failure from its parts; also for what has no exception, as an envelope that cannot be read."""
    normalised = normalise(message)
    return Failure(
        fingerprint=_digest(task_name, error_class, normalised, identity),
        overflow_fingerprint=_digest(task_name, error_class, "overflow"),
        task_name=task_name,
        error_class=error_class,
        message=normalised,
        error=_shorten(f"{error_class}: {message}" if message else error_class),
        frame=frame,
        frames_digest=digest,
        traceback=trace,
    )


def normalise(message: str) -> str:
    """The first line of a message with ids, addresses and numbers replaced by `#`, at most 200 characters."""
    return _shorten(_VARYING.sub("#", message.strip().split("\n", 1)[0][: 4 * MAX_MESSAGE]))


def _digest(*parts: str) -> str:
    return hashlib.sha1("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _shorten(text: str, most: int = MAX_MESSAGE) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"(its text cannot be made: {type(broken).__name__})"


def _application_frame(trace: TracebackType | None) -> tuple[str, str]:
    """The innermost frame that belongs to neither Python, nor a library, nor the engine: how it is shown, and what
    of it is part of the fingerprint (without the line, which moves with each release). The innermost of all where
    none does."""
    innermost, application = ("", ""), ("", "")
    while trace is not None:
        code = trace.tb_frame.f_code
        place = _short_path(code.co_filename)
        innermost = f"{place}:{trace.tb_lineno} in {code.co_name}", f"{place} in {code.co_name}"
        if _is_application(code.co_filename):
            application = innermost
        trace = trace.tb_next
    return application if application[0] else innermost


def _is_application(filename: str) -> bool:
    if filename.startswith("<") or "site-packages" in filename or "dist-packages" in filename:
        return filename.startswith(_DEMO)
    if filename.startswith(_DEMO):
        return True
    return not filename.startswith((_ENGINE, *_LIBRARIES))


def _short_path(filename: str) -> str:
    """The path from the folder that Python found the module in."""
    roots = [entry for entry in sys.path if entry and filename.startswith(entry.rstrip("/") + "/")]
    root = max(roots, key=len, default="")
    return filename[len(root) :].lstrip("/") if root else filename


def _format_traceback(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error, limit=-50))
    except Exception as broken:
        return f"(the traceback cannot be made: {type(broken).__name__})"
    data = "\n".join(_shorten(line, MAX_LINE) for line in text.split("\n")).encode("utf-8", "replace")
    if len(data) <= MAX_TRACEBACK_BYTES:
        return data.decode()
    # The frames stand before the message, the last of them and its beginning say most: both ends stay.
    head, tail = data[: MAX_TRACEBACK_BYTES // 2 - 2], data[-MAX_TRACEBACK_BYTES // 2 + 3 :]
    return head.decode("utf-8", "ignore") + "\n…\n" + tail.decode("utf-8", "ignore")
