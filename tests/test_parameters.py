"""A handler's arguments are checked and converted by its annotations. No server."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, Required, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest

from queue_core import Context, InvalidPayload, PayloadMismatch, Taskyard
from queue_core.errors import UnreadableEnvelope
from queue_core.task import Definition

T = TypeVar("T")
OrderId = NewType("OrderId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Line:
    price: Decimal
    count: int = 1


@dataclasses.dataclass
class Order:
    lines: list[Line]
    at: datetime | None = None


@dataclasses.dataclass(eq=False)
class Nameless:
    x: int


@dataclasses.dataclass
class Even:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise KeyError(self.n)
        if self.n % 2:
            raise ValueError("is odd")


class Point(msgspec.Struct):
    x: float
    y: float = 0


class Address(TypedDict, total=False):
    street: Required[str]
    city: str


class Own:
    """No type that msgspec knows."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass
class HasOwn:
    own: Own


def handler_of(kind: Any, **defaults: Any) -> Definition:
    """A task with one parameter `x` that is annotated so."""

    def handler(x: Any) -> None: ...

    handler.__annotations__["x"] = kind
    if defaults:
        handler.__defaults__ = (defaults["default"],)
    return Taskyard().task(handler).definition


def passed(definition: Definition, value: Any) -> Any:
    """What the handler gets of a value that is enqueued."""
    arguments, named = definition.decode(definition.encode((), {"x": value}))
    assert not arguments
    return named["x"]


WHEN = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, "ada"),
        (int, 10**40),
        (float, 1.5),
        (bool, True),
        (None, None),
        (str | None, None),
        (int | str, "x"),
        (list[int], [1, 2]),
        (dict[str, list[float]], {"a": [1.5]}),
        (Mapping[str, int], {"a": 1}),
        (dict[int, str], {1: "a"}),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (frozenset[str], frozenset({"a"})),
        (bytes, b"\x00\xff"),
        (datetime, WHEN),
        (datetime, datetime(2026, 11, 22)),  # noqa: DTZ001
        (date, date(2026, 11, 22)),
        (timedelta, timedelta(days=1, milliseconds=5)),
        (UUID, UUID(int=7)),
        (Decimal, Decimal("10.00")),
        (Colour, Colour.RED),
        (Level, Level.LOW),
        (Literal["a", 2], 2),
        (Annotated[int, msgspec.Meta(ge=1)], 1),
        (OrderId, 7),
        (Order, Order([Line(Decimal("9.99"))], WHEN)),
        (list[Order], [Order([])]),
        (Nameless | None, None),
        (Point, Point(1.5)),
        (Address, {"street": "Ring 1"}),
        (list[UUID] | None, [UUID(int=1)]),
        (Any, {"a": [1, None]}),
        (Own, "left as it is"),
        (T, [1]),
        (datetime | str, "left as it is"),
    ],
)
def test_value_comes_back_as_its_annotation_says(kind: Any, value: Any) -> None:
    back = passed(handler_of(kind), value)
    assert (back, type(back)) == (value, type(value))


def test_value_that_compares_by_identity_comes_back_as_its_like() -> None:
    back = passed(handler_of(Nameless), Nameless(3))
    assert (type(back), back.x) == (Nameless, 3)


@pytest.mark.parametrize(
    ("kind", "json_value", "gets"),
    [
        (datetime, "2026-11-22T07:00:00Z", WHEN),
        (float, 1, 1.0),
        (Decimal, 1.5, Decimal("1.5")),
        (Colour, "blue", Colour.BLUE),
        (Point, {"x": 1}, Point(1.0)),
        (tuple[int, int], [1, 2], (1, 2)),
        (list[int], (1, 2), [1, 2]),
    ],
)
def test_what_json_can_say_of_a_type_may_be_enqueued_for_it(kind: Any, json_value: Any, gets: Any) -> None:
    assert passed(handler_of(kind), json_value) == gets


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (str, 1, "argument `x`: expected `str`, got `int`"),
        (int, "1", "argument `x`: expected `int`, got `str`"),
        (int, True, "argument `x`: expected `int`, got `bool`"),
        (int, 1.5, "argument `x`: expected `int`, got `float`"),
        (bool, 1, "argument `x`: expected `bool`, got `int`"),
        (float, "1.5", "argument `x`: expected `float`, got `str`"),
        (str, None, "argument `x`: expected `str`, got `null`"),
        (int | None, "1", "argument `x`: expected `int | null`, got `str`"),
        (list[int], [1, "2"], "argument `x[1]`: expected `int`, got `str`"),
        (list[int], 1, "argument `x`: expected `array`, got `int`"),
        (dict[str, int], {"a": "b"}, "argument `x[...]`: expected `int`, got `str`"),
        (
            Order,
            {"lines": [{"price": "1"}, {"price": []}]},
            "argument `x.lines[1].price`: expected `decimal`, got `array`",
        ),
        (Order, {}, "argument `x`: object missing required field `lines`"),
        (Even, {"n": 1}, "argument `x`: is odd"),
        (Even, {"n": -1}, "argument `x`: KeyError: -1"),
        (Address, {"city": "Vienna"}, "argument `x`: object missing required field `street`"),
        (datetime, "yesterday", "argument `x`: invalid RFC3339 encoded datetime"),
        (UUID, "7", "argument `x`: invalid UUID"),
        (Colour, "green", "argument `x`: invalid enum value 'green'"),
        (Literal["a"], "b", "argument `x`: invalid enum value 'b'"),
        (Annotated[int, msgspec.Meta(ge=1)], 0, "argument `x`: expected `int` >= 1"),
        (Annotated[str, msgspec.Meta(max_length=3)], "long", "argument `x`: expected `str` of length <= 3"),
        (OrderId, "7", "argument `x`: expected `int`, got `str`"),
    ],
)
def test_misfit_says_which_argument_what_was_expected_and_what_came(kind: Any, value: Any, told: str) -> None:
    definition = handler_of(kind)
    with pytest.raises(PayloadMismatch) as refused:
        definition.encode((), {"x": value})
    assert str(refused.value) == f"task handler: {told}"
    with pytest.raises(PayloadMismatch) as refused:
        definition.decode(json.dumps({"x": value}).encode())
    assert str(refused.value) == told
    with pytest.raises(PayloadMismatch) as refused:  # as another producer may have written it
        definition.decode(json.dumps([[value], {}]).encode())
    assert str(refused.value) == told


def test_misfit_is_short_whatever_the_value() -> None:
    with pytest.raises(PayloadMismatch) as refused:
        handler_of(Colour).encode((), {"x": "green" * 10_000})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Any, WHEN),
        (str, WHEN),
        (Own, Own()),
        (HasOwn, HasOwn(Own())),
        (float, float("nan")),
        (float | None, float("inf")),
        (list[float], [float("nan")]),
        (list[int], {1}),
        (T, UUID(int=1)),
        (datetime | str, WHEN),
        (dict[str, Any], {"a": WHEN}),
        (Line, Line("cheap")),  # type: ignore[arg-type]
        (Point, Nameless(1)),
        (type, int),
    ],
)
def test_what_would_not_come_back_as_it_is_is_refused_where_it_is_enqueued(kind: Any, value: Any) -> None:
    with pytest.raises(InvalidPayload, match=r"argument 'x'.* what can be stored is"):
        handler_of(kind).encode((), {"x": value})


def test_argument_that_is_refused_is_the_one_that_is_named() -> None:
    def handler(at: datetime, to: Any) -> None: ...

    with pytest.raises(InvalidPayload, match="argument 'to' is a UUID"):
        Taskyard().task(handler).definition.encode((), {"at": WHEN, "to": UUID(int=1)})


def test_rest_of_the_arguments_is_checked_one_by_one() -> None:
    def handler(first: int, /, *rest: UUID, **named: datetime) -> None: ...

    definition = Taskyard().task(handler).definition
    ids = (UUID(int=1), UUID(int=2))
    assert definition.decode(definition.encode((1, *ids), {"at": WHEN})) == ((1, *ids), {"at": WHEN})
    for arguments, named, told in (
        (["1"], {}, "argument `first`: expected `int`, got `str`"),
        ([1, str(ids[0]), 5], {}, "argument `rest[1]`: expected `uuid`, got `int`"),
        ([1], {"at": 7.5}, "argument `named[at]`: "),
        ([], {}, "missing a required argument: 'first'; the parameters are (first: int, /"),
    ):
        with pytest.raises(PayloadMismatch) as refused:
            definition.decode(json.dumps([arguments, named]).encode())
        assert str(refused.value).replace("'int'", "int").startswith(told)
    with pytest.raises(InvalidPayload, match=r"argument 'rest\[1\]' is a Own; what can be stored"):
        definition.encode((1, ids[0], Own()), {})


def test_default_is_left_to_the_handler_and_none_fits_where_it_is_the_default() -> None:
    def handler(x: list[int] = [1], y: str = None, z: Own | None = None) -> None: ...  # type: ignore[assignment]  # noqa: B006, RUF013

    definition = Taskyard().task(handler).definition
    assert definition.decode(b"{}") == ((), {})
    assert definition.decode(b'{"y":null}') == ((), {"y": None})
    assert definition.decode(b'{"x":[2],"y":"a"}') == ((), {"x": [2], "y": "a"})
    with pytest.raises(PayloadMismatch, match="argument `y`: expected `str"):
        definition.decode(b'{"y":1}')


def test_context_is_no_argument() -> None:
    def handler(context: Context, x: int) -> tuple[Any, int]:
        return context, x

    definition = Taskyard().task(handler).definition
    arguments, named = definition.decode(definition.encode((), {"x": 1}))
    context = Context("id", "name", "queue", 1, 7)
    assert definition.call(arguments, named, context) == (context, 1)
    with pytest.raises(PayloadMismatch, match="unexpected keyword argument 'context'"):
        definition.decode(b'{"x":1,"context":1}')


# Annotations that can be resolved later, or never.


def test_names_are_resolved_with_the_first_use() -> None:
    class Within:
        pass

    def handler(x: Later, y: Within, z: Nowhere, n: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    definition = Taskyard().task(handler).definition
    globals()["Later"] = datetime  # a class that stands further down in its module
    try:
        value = {"x": WHEN, "y": 1, "z": 2, "n": 3}
        assert definition.decode(definition.encode((), value)) == ((), value)
        with pytest.raises(PayloadMismatch, match="argument `n`: expected `int`, got `str`"):
            definition.decode(b'{"x":"2026-11-22T07:00:00Z","y":1,"z":2,"n":"3"}')
    finally:
        del globals()["Later"]


def test_names_of_a_function_around_the_handler_are_resolved_where_it_uses_them() -> None:
    @dataclasses.dataclass
    class Near:
        x: int

    def handler(x: Near, y: Nowhere) -> type:  # type: ignore[name-defined]  # noqa: F821
        return Near

    assert passed_to(handler, x=Near(1), y=2)["x"] == Near(1)


def passed_to(handler: Callable[..., Any], **named: Any) -> Mapping[str, Any]:
    definition = Taskyard().task(handler).definition
    return definition.decode(definition.encode((), named))[1]


def test_parameters_may_have_any_name() -> None:
    def handler(self: int, _x: int, class_: int, __y: int, __struct_fields__: int = 5) -> None: ...

    definition = Taskyard().task(handler).definition
    names = list(definition.parameters.signature.parameters)
    value = {name: at for at, name in enumerate(names)}
    assert definition.decode(definition.encode((), value))[1] == value
    with pytest.raises(PayloadMismatch, match=f"argument `{names[3]}`: expected `int`, got `str`"):
        definition.decode(json.dumps({**value, names[3]: "1"}).encode())


class Called:
    x: int = 1

    def __call__(self, x: str) -> None: ...


@pytest.mark.parametrize("handler", [Called(), functools.partial(Called()), Point, len])
def test_handler_of_any_kind_can_be_declared(handler: Any) -> None:
    definition = Taskyard().task(name="any")(handler).definition
    assert definition.decode(b'[["a"],{}]') is not None


def test_annotations_of_an_object_are_those_of_its_call() -> None:
    definition = Taskyard().task(name="any")(Called()).definition
    with pytest.raises(PayloadMismatch, match="argument `x`: expected `str`, got `int`"):
        definition.decode(b'{"x":1}')


def test_class_that_refers_to_itself_is_checked_to_the_innermost() -> None:
    tree = Tree(1, [Tree(2, [])])
    assert passed(handler_of(Tree), tree) == tree
    with pytest.raises(PayloadMismatch, match=r"argument `x\.children\[0\]\.n`: expected `int`, got `str`"):
        handler_of(Tree).decode(b'{"x":{"n":1,"children":[{"n":"2","children":[]}]}}')


@dataclasses.dataclass
class Tree:
    n: int
    children: list[Tree]


@pytest.mark.parametrize("payload", [b"", b"{", b"7", b"[1,2,3]", b'{"x":1', b"[" * 100_000, b'{"x":\xff}'])
def test_payload_that_is_none_is_unreadable_and_no_misfit(payload: bytes) -> None:
    with pytest.raises(UnreadableEnvelope):
        handler_of(int).decode(payload)
