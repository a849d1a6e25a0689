"""What every record is: declared fields, read from the API's JSON, which stays beside them as it was sent.

What the JSON has to be is declared here, and checked by :func:`replicate_home.records.parsing.parse`. Reading a field
checks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, overload

if TYPE_CHECKING:
    from datetime import datetime

    class _Property:
        """As much of ``property`` as a field shows to type checkers: it can be read, and nothing else."""

        def __init__(self, fget: Any = None, fset: None = None, fdel: None = None, doc: str | None = None) -> None: ...
else:
    _Property = property

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
JSONObject = dict[str, Any]


class Field(_Property, Generic[T_co]):
    """A property whose type checkers know, and that a subclass may narrow: ``@Field`` above a method."""

    if TYPE_CHECKING:

        def __init__(self, fget: Callable[[Any], T_co]) -> None: ...

        @overload
        def __get__(self, record: None, owner: type | None = None, /) -> Self: ...
        @overload
        def __get__(self, record: Any, owner: type | None = None, /) -> T_co: ...
        def __get__(self, record: Any, owner: type | None = None, /) -> Any: ...


class Record:
    """A value made of the API's JSON, as it was sent; a field that has no name here is in ``extra``.

    A subclass says what it is for messages: ``class ModelFields(Record, noun="a model")``.
    """

    __slots__ = ("_data",)
    _data: Mapping[str, Any]
    noun: ClassVar[str] = "a record"
    declared: ClassVar[Mapping[str, DeclaredField[Any]]] = {}
    _checks: ClassVar[tuple[tuple[str, type[Any] | None, DeclaredField[Any]], ...]] = ()

    def __init_subclass__(cls, noun: str | None = None) -> None:
        super().__init_subclass__()
        cls.noun = noun or cls.noun
        cls.declared = {**cls.declared, **{k: v for k, v in vars(cls).items() if isinstance(v, DeclaredField)}}
        cls._checks = tuple((name, field.plain, field) for name, field in cls.declared.items() if field.checked)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    @classmethod
    def fault_in(cls, data: Any) -> str | None:
        """What keeps ``data`` from being the JSON of this record, in words; None where nothing does."""
        if not isinstance(data, dict):
            return f"expected {cls.noun} (a JSON object), got {kind_of(data)}"
        for name, plain, field in cls._checks:
            value = data.get(name)
            if value and type(value) is plain:
                continue  # the usual case, and all that most fields cost
            fault = field.fault_in(value, cls.noun)
            if fault is not None:
                return fault
        return None

    @property
    def extra(self) -> JSONObject:
        """The fields the server sent that have no name here."""
        return {name: value for name, value in self._data.items() if name not in self.declared}

    def to_dict(self) -> JSONObject:
        """The record as the API sent it."""
        return dict(self._data)

    def keys(self) -> Iterator[str]:
        """With ``[]``, what lets ``dict(record)`` work."""
        return iter(self._data)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other._data == self._data

    def __hash__(self) -> int:
        return hash(tuple(self._data.get(name) for name in self._identity()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.to_dict(),)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self._data.get(name)!r}" for name in self._identity())
        return f"{type(self).__name__}({shown})"

    def _identity(self) -> list[str]:
        """The names of the fields that every such record has, and is known by."""
        return [name for name, field in self.declared.items() if field.required]

    def dict(self) -> JSONObject:
        """The same as :meth:`to_dict`, by the name that the official client has for it."""
        return self.to_dict()


class DeclaredField(Field[T_co]):
    """A field of the JSON. ``kind`` is the type of its value, ``item`` that of each value where it is a list.

    A ``required`` field is not missing, null or empty. One that is not ``checked`` is handed out as it was sent.
    ``convert`` makes the value of what was sent; it raises ValueError where that is not what is ``wanted``.
    """

    def __init__(
        self,
        kind: type[Any],
        doc: str,
        *,
        item: type[Any] | None = None,
        default: Any = None,
        required: bool = False,
        checked: bool = True,
        convert: Callable[[Any], Any] | None = None,
        wanted: str | None = None,
    ) -> None:
        self.name = ""
        self.kind, self.item, self.convert = kind, item, convert
        self.wanted = wanted or _WANTED.get(kind, "an object")
        self.doc, self.default = doc, default
        self.required, self.checked = required, checked and kind is not object

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        _Property.__init__(self, _getter(name, self), doc=self.doc)

    @property
    def plain(self) -> type[Any] | None:
        """The type whose values need no further look; None where each does."""
        return self.kind if self.kind in (str, dict, bool, int) and self.convert is None else None

    def fault_in(self, value: Any, noun: str) -> str | None:
        """What keeps ``value`` from standing in this field; None where nothing does."""
        fault = None if value is None else self._fault(value)
        if fault is not None:
            return f"{noun}'s {self.name!r}{fault}"
        return f"expected {noun}, got an object without {self.name!r}" if self.required and not value else None

    def _fault(self, value: Any) -> str | None:
        fault = _fault(value, self.kind, self.wanted)
        if fault is None and self.item is not None:
            return _fault_of_items(value, self.item)
        if fault is None and self.convert is not None:
            return None if _succeeds(self.convert, value) else f" should be {self.wanted}"
        return fault


@overload
def field(kind: type[T], doc: str, *, required: Literal[True]) -> DeclaredField[T]: ...
@overload
def field(kind: type[T], doc: str, *, default: T, checked: bool = True) -> DeclaredField[T]: ...
@overload
def field(kind: type[T], doc: str, *, checked: bool = True) -> DeclaredField[T | None]: ...
def field(kind: type[Any], doc: str, **options: Any) -> DeclaredField[Any]:
    """Declare a field. Where it is missing or null it reads as its default, which is None if none is given.

    ``kind`` is ``str``, ``int``, ``float``, ``bool``, ``dict``, ``list``, ``object`` for any JSON value, or another
    record.
    """
    return DeclaredField(kind, doc, **options)


def many(item: type[T], doc: str) -> DeclaredField[list[T]]:
    """Declare a list whose items are all of one kind; empty where it is missing or null."""
    return DeclaredField(list, doc, item=item)


def converted(convert: Callable[[Any], T], doc: str) -> DeclaredField[T]:
    """Declare a field that is read by a function, which takes whatever was sent, and None where nothing was."""
    return DeclaredField(object, doc, convert=convert)


def moment(doc: str) -> DeclaredField[datetime | None]:
    """Declare a time, sent as ISO 8601 and read as a ``datetime``."""
    from datetime import datetime  # costs a millisecond to import, and few records have one

    def read(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    return DeclaredField(str, doc, convert=read, wanted="a time (ISO 8601)")


def kind_of(value: Any) -> str:
    """What kind of JSON value this is, in words."""
    return _KINDS.get(type(value), "a number")


_KINDS: dict[type[Any], str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}
_WANTED: dict[type[Any], str] = {**_KINDS, int: "a whole number", float: "a number"}


def _getter(name: str, field: DeclaredField[Any]) -> Callable[[Any], Any]:
    """The function that reads a field; as little as each kind takes, for states ask for some of them all the time."""
    default, item, convert = field.default, field.item, field.convert
    if convert is not None:
        return lambda record: convert(record._data.get(name))
    if item is not None and issubclass(item, Record):
        return lambda record: [item(value) for value in record._data.get(name) or ()]
    if item is not None:
        return lambda record: record._data.get(name) or []
    if issubclass(field.kind, Record):
        return lambda record: None if (value := record._data.get(name)) is None else field.kind(value)
    if default is None:
        return lambda record: record._data.get(name)
    if default == {}:
        return lambda record: record._data.get(name) or {}  # a new one each time, which is the caller's to change
    return lambda record: record._data.get(name) or default


def _fault(value: Any, kind: type[Any], wanted: str) -> str | None:
    """What keeps a value from being of a kind, as it follows the value's name; None where nothing does."""
    if issubclass(kind, Record) and isinstance(value, dict):
        fault = kind.fault_in(value)
        return None if fault is None else f": {fault}"
    if _is(value, kind):
        return None
    return f" should be {wanted}, got {kind_of(value)}"


def _fault_of_items(values: list[Any], item: type[Any]) -> str | None:
    for number, value in enumerate(values):
        fault = _fault(value, item, _WANTED.get(item, "an object"))
        if fault is not None:
            return f"[{number}]{fault}"
    return None


def _is(value: Any, kind: type[Any]) -> bool:
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)


def _succeeds(convert: Callable[[Any], Any], value: Any) -> bool:
    try:
        convert(value)
    except ValueError:
        return False
    return True
