"""A request becomes values, or is refused with the reason: nothing unknown, nothing twice, nothing of another kind."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
from flask import request
from werkzeug.exceptions import BadRequest, NotFound, UnprocessableEntity, UnsupportedMediaType

from dashboard.api.values import PATH_WORDS, PATHS, Change, Query
from dashboard.identity import actor

KEY_HEADER = "Idempotency-Key"
MOST_KEY = 200
MOST_TOLD = 300
"""Characters of what is wrong."""
KEY_PATTERN = "^[!-~]+$"
_KEY = re.compile(KEY_PATTERN)
_WHOLE_NUMBER = re.compile("[0-9]{1,15}")
JSON = "application/json"

Q = TypeVar("Q", bound=Query)
B = TypeVar("B", bound=Change)


class Act(msgspec.Struct, frozen=True):
    """Who does it, why, and by which form: what `Control` wants to know."""

    by: str
    reason: str
    action_id: str

    @property
    def facts(self) -> dict[str, Any]:
        return {"by": self.by, "reason": self.reason, "action_id": self.action_id}


def check_path(arguments: dict[str, str]) -> None:
    """Raises `NotFound`: nothing has a name, or an id, that can be none."""
    for name, text in arguments.items():
        try:
            msgspec.convert(text, PATHS[name])
        except msgspec.ValidationError:
            raise NotFound(f"There is no {PATH_WORDS[name]} {text!r:.150}: none looks like that.") from None


def read_query(kind: type[Q]) -> Q:
    """Raises `BadRequest`."""
    found: dict[str, str] = {}
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name, values in request.args.lists():
        if name not in known:
            accepted = f"it takes {', '.join(known)}" if known else "it takes none"
            raise BadRequest(f"The parameter {name!r:.80} is not known here: {accepted}.")
        if len(values) > 1:
            raise BadRequest(f"The parameter {name} was given {len(values)} times.")
        found[name] = values[0]
    for name, (least, most) in _whole_numbers(kind).items():
        text = found.get(name)
        if text is not None and not (_WHOLE_NUMBER.fullmatch(text) and least <= int(text) <= most):
            raise BadRequest(f"{name} is {text!r:.80}; it must be a whole number from {least:,} to {most:,}.")
    try:
        query = msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(_sentence(str(error))) from None
    for name, text in found.items():
        if isinstance(getattr(query, name), datetime) and not _DATE.match(text):  # a number is taken for one, too
            raise BadRequest(f"{name} is {text!r:.80}; it must be a time with its zone.")
    return query


@cache
def _whole_numbers(kind: type[Query]) -> dict[str, tuple[int, int]]:
    """Parameter → least and most. Looked at here, as msgspec also takes `1e2` and `5.0` in a text for numbers."""
    found: dict[str, tuple[int, int]] = {}
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        kind_of = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        if isinstance(kind_of, msgspec.inspect.IntType):
            assert kind_of.ge is not None
            assert kind_of.le is not None
            found[field.encode_name] = (int(kind_of.ge), int(kind_of.le))
    return found


def read_body(kind: type[B]) -> B:
    """No body at all is an empty object. Raises `BadRequest`, `UnprocessableEntity`, `UnsupportedMediaType`."""
    if request.args:
        raise BadRequest(f"The parameter {next(iter(request.args))!r:.80} is not known here: changes have a body.")
    data = request.get_data()
    if data and request.mimetype != JSON:
        raise UnsupportedMediaType(f"The body is {request.mimetype or 'of no type'!s:.80}; it must be {JSON}.")
    try:
        msgspec.json.decode(data or b"{}")
        content = json.loads(data or b"{}", object_pairs_hook=_once, parse_float=_number)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON: {error}.") from None
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise UnprocessableEntity(_sentence(str(error))) from None


def read_act(body: Change) -> Act:
    """The same key with the same content, from the same token, is the same act, and is done once. Raises
    `BadRequest`."""
    keys = request.headers.getlist(KEY_HEADER)
    if len(keys) > 1:
        raise BadRequest(f"{KEY_HEADER} was given {len(keys)} times.")
    key = keys[0] if keys else secrets.token_hex(12)
    if not 1 <= len(key) <= MOST_KEY or not _KEY.fullmatch(key):
        raise BadRequest(f"{KEY_HEADER} is not accepted: 1 to {MOST_KEY} printable ASCII characters, no spaces.")
    content = msgspec.json.encode(body, order="deterministic")
    head = f"{actor()}\n{request.method}\n{request.path}\n{key}".encode()
    return Act(actor(), body.reason, hashlib.blake2b(head + b"\n" + content, digest_size=12).hexdigest())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What stands twice in an object is refused: one of both would silently count."""
    twice = next((name for name, count in Counter(name for name, _ in pairs).items() if count > 1), None)
    if twice is not None:
        raise BadRequest(f"{twice!r:.80} stands twice in the body.")
    return dict(pairs)


def _number(text: str) -> int | float:
    """To JSON 5.0 is the integer 5."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


_DATE = re.compile(r"\d{4}-")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


def _sentence(text: str) -> str:
    """msgspec's own words, with the name first: `limit: expected int <= 200.`"""
    found = _PLACE.search(text)
    what = text[: found.start()] if found else text
    what = what.replace("Object contains", "the object has").replace("Object missing", "the object lacks")
    what = what.replace("`", "").rstrip(".")
    if len(what) > MOST_TOLD:  # it repeats what was sent
        what = f"{what[:MOST_TOLD]}…"
    if found and found[1]:
        return f"{found[1]}: {what[:1].lower()}{what[1:]}."
    return f"{what[:1].upper()}{what[1:]}."
