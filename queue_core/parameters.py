"""How a handler's arguments become a payload and come back: by its parameters and their annotations. No I/O.

What is annotated with a type that msgspec knows is checked, strictly (`"1"` is no `int`), and converted: dates, UUIDs,
decimals, enums, dataclasses and the like come back as what they were. What is not annotated, or with a type that
msgspec does not know, is left as JSON has it.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.json import Decoder
from msgspec.structs import asdict

from queue_core import codec
from queue_core.errors import InvalidPayload, PayloadMismatch, PayloadTooLarge

MAX_MISFIT = 160
"""Characters of why one argument does not fit: a value may stand in it."""
KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
NOTHING: frozenset[type] = frozenset()
_PLACE = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_BROKEN = (Exception, SystemExit)
"""What decoding may raise: also what a dataclass's own `__post_init__` does."""


class Parameters:
    """Of one handler, without its context. `signature`: of these parameters."""

    def __init__(self, handler: Callable[..., Any], signature: inspect.Signature) -> None:
        self.signature = signature
        self._handler = handler
        parameters = signature.parameters.values()
        self._names = frozenset(signature.parameters) if all(p.kind in KEYWORDS for p in parameters) else None
        """Where every argument can be given by name, and there is no `**`."""
        either = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self._places = [p.name for p in parameters if p.kind is either] if self._names is not None else []
        """The names of those that may be given by their place."""
        self._required = frozenset(p.name for p in parameters if p.default is inspect.Parameter.empty)

    def encode(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
        """The payload. Raises `InvalidPayload` where the arguments do not fit, or would not come back as they are."""
        if arguments and len(arguments) <= len(self._places):
            by_place = dict(zip(self._places, arguments, strict=False))
            if by_place.keys().isdisjoint(named):
                arguments, named = (), {**by_place, **named}
        if not arguments and self._names is not None:
            plain = self._plain
            for name, value in named.items():
                if type(value) not in plain.get(name, NOTHING):
                    break
            else:  # nearly always
                if len(named) == len(plain) or self._required <= named.keys():
                    return codec.encode_payload((), named, is_checked=True)
        if not self._fits(arguments, named):
            bound = self._bind(arguments, named)
            arguments, named = ((), bound.arguments) if self._names is not None else (bound.args, bound.kwargs)
        try:
            payload = codec.encode_payload(arguments, named)
        except PayloadTooLarge:
            raise
        except InvalidPayload:  # it holds more than JSON does: some annotations bring that back
            self._check_comes_back(arguments, named)
            payload = codec.encode_payload(arguments, named, is_checked=True)
        if self._decoders:
            self._check(payload)
        return payload

    def decode(self, payload: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Positional and named arguments, for the handler. Raises `UnreadableEnvelope`, `PayloadMismatch`."""
        whole = self._whole
        if whole is None:
            return self._decode_one_by_one(payload)
        try:
            named = asdict(whole.decode(payload))
        except _BROKEN:
            return self._decode_one_by_one(payload)  # it says what does not fit, or has positions where we have names
        if len(self._required) < len(named):
            named = {name: value for name, value in named.items() if value is not UNSET}
        return (), named

    def _check(self, payload: bytes) -> None:
        try:
            if self._whole is not None:
                self._whole.decode(payload)
                return
        except _BROKEN:
            pass
        self._decode_one_by_one(payload)

    def _fits(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> bool:
        return not arguments and self._names is not None and self._required <= named.keys() <= self._names

    def _bind(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> inspect.BoundArguments:
        try:
            return self.signature.bind(*arguments, **named)
        except TypeError as error:
            raise PayloadMismatch(f"{error}; the parameters are {self.signature}") from None

    def _decode_one_by_one(self, payload: bytes) -> tuple[Sequence[Any], Mapping[str, Any]]:
        arguments, named = codec.decode_payload(payload)
        bound = self._bind(arguments, named)
        for name, place, value in list(_each(bound)):
            decoder = self._decoders.get(name)
            if decoder is None:
                continue
            try:
                converted = decoder.decode(codec.to_json(value))
            except _BROKEN as error:
                raise PayloadMismatch(_describe(name if place is None else f"{name}[{place}]", error)) from None
            if place is None:
                bound.arguments[name] = converted
            elif isinstance(place, str):
                bound.arguments[name][place] = converted
            else:
                items = bound.arguments[name]
                bound.arguments[name] = (*items[:place], converted, *items[place + 1 :])
        return ([], bound.arguments) if self._names is not None else (bound.args, bound.kwargs)

    def _check_comes_back(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        """What JSON does not have is equal to itself when its annotation has read it. Raises `InvalidPayload`."""
        for name, place, value in _each(self._bind(arguments, named)):
            decoder = self._decoders.get(name)
            if decoder is None or not _comes_back(value, decoder):
                codec.check_plain(name if place is None else f"{name}[{place}]", value)

    # Made with the first use: by then the names in annotations can be resolved.

    @cached_property
    def _whole(self) -> Decoder[Any] | None:
        """Reads a payload of arguments by name at once; none where they cannot all be named."""
        if self._names is None:
            return None
        fields: list[Any] = []
        for name in self.signature.parameters:
            kind = self._types.get(name, Any)
            fields.append((name, kind) if name in self._required else (name, kind | UnsetType, UNSET))
        try:
            form = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
            return Decoder(form)
        except Exception:  # a name that no field can have, or types that go well alone only
            return None

    @cached_property
    def _decoders(self) -> dict[str, Decoder[Any]]:
        """Of each parameter that is checked."""
        return {name: Decoder(kind) for name, kind in self._types.items()}

    @cached_property
    def _plain(self) -> dict[str, frozenset[type]]:
        """By parameter: of which types a value fits without a look at it."""
        plain = dict.fromkeys(self.signature.parameters, codec.PLAIN)
        for name, kind in self._types.items():
            kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
            plain[name] = codec.PLAIN.intersection(kinds) if codec.PLAIN.issuperset(kinds) else NOTHING
        return plain

    @cached_property
    def _types(self) -> dict[str, Any]:
        """The annotations that msgspec knows, by parameter."""
        found = {}
        for name, kind in _annotations(self._handler).items():
            parameter = self.signature.parameters.get(name)
            if parameter is not None and kind is not Any and _is_known(kind):
                found[name] = kind | None if parameter.default is None else kind
        return found


def _each(bound: inspect.BoundArguments) -> Iterator[tuple[str, int | str | None, Any]]:
    """Every argument: its parameter, its place in that one where it is `*` or `**`, and its value."""
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((name, place, item) for place, item in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            yield from ((name, key, item) for key, item in value.items())
        else:
            yield name, None, value


def _annotations(handler: Callable[..., Any]) -> dict[str, Any]:
    """Those that can be resolved."""
    if isinstance(handler, type):
        return {}
    if not inspect.isroutine(inspect.unwrap(handler)):  # an object that can be called: its own are of its attributes
        handler = type(handler).__call__
    try:
        return typing.get_type_hints(handler, include_extras=True)
    except Exception:  # one by one, then
        function = inspect.unwrap(handler)
        scope = {**getattr(function, "__globals__", {}), **_closure(function)}
        resolved: dict[str, Any] = {}
        for name, annotation in getattr(function, "__annotations__", {}).items():
            try:
                probe = type("Probe", (), {"__annotations__": {name: annotation}})
                resolved |= typing.get_type_hints(probe, scope, include_extras=True)
            except Exception:  # the user's own affair
                continue
        return resolved


def _closure(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.getclosurevars(function).nonlocals
    except (TypeError, ValueError):
        return {}


def _is_known(kind: object) -> bool:
    """Whether msgspec reads such values by itself, to the innermost type."""
    try:
        Decoder(kind)
        return not _has_custom(msgspec.inspect.type_info(kind), set())
    except Exception:
        return False


def _has_custom(info: object, seen: set[int]) -> bool:
    if isinstance(info, msgspec.inspect.CustomType):
        return True
    if isinstance(info, tuple | list):
        return any(_has_custom(part, seen) for part in info)
    if not isinstance(info, msgspec.inspect.Type | msgspec.inspect.Field) or id(info) in seen:
        return False
    seen.add(id(info))
    return any(_has_custom(getattr(info, name), seen) for name in info.__struct_fields__)


def _comes_back(value: object, decoder: Decoder[Any]) -> bool:
    try:
        data = codec.to_json(value)
        back = decoder.decode(data)
        if type(value).__eq__ is object.__eq__:  # it compares by identity
            return type(back) is type(value) and codec.to_json(back) == data
        return bool(back == value)
    except _BROKEN:
        return False


def _describe(name: str, error: BaseException) -> str:
    """``argument `to`: expected `str`, got `int` ``; deeper in it ``argument `order.lines[0].price` ``."""
    told = str(error) if isinstance(error, msgspec.ValidationError) else f"{type(error).__name__}: {error}"
    found = _PLACE.fullmatch(told)
    if found:
        told, name = found[1], name + found[2]
    if isinstance(error, msgspec.ValidationError):
        told = told[:1].lower() + told[1:]
    return f"argument `{name}`: {told if len(told) <= MAX_MISFIT else told[: MAX_MISFIT - 1] + '…'}"
