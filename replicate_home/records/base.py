"""The base of all records: declared fields, read from the API's JSON, which is kept as it was sent.

The expected JSON is declared here, and checked by :func:`replicate_home.records.parsing.parse`. Reading a field
checks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar, overload

if TYPE_CHECKING:
    from datetime import datetime

    class _Property:
        """What type checkers see of a field: it can be read, and nothing else."""

        def __init__(self, fget: Callable[[Any], Any]) -> None: ...
else:
    _Property = property

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
JSONObject = dict[str, Any]


class Field(_Property, Generic[T_co]):
    """A property whose type is known to type checkers, and that a subclass may narrow: ``@Field`` above a method."""

    if TYPE_CHECKING:

        def __init__(self, fget: Callable[[Any], T_co]) -> None: ...

        @overload
        def __get__(self, record: None, owner: type | None = None, /) -> Self: ...
        @overload
        def __get__(self, record: Any, owner: type | None = None, /) -> T_co: ...
        def __get__(self, record: Any, owner: type | None = None, /) -> Any: ...


class Record:
    """The API's JSON, as it was sent. Fields that are not declared are in ``extra``.

    A subclass names itself for messages: ``class ModelFields(Record, noun="a model")``.
    """

    __slots__ = ("_data",)
    _data: Mapping[str, Any]
    _noun: ClassVar[str] = "a record"
    _declared: ClassVar[Mapping[str, DeclaredField[Any]]] = {}
    _checked: ClassVar[tuple[tuple[str, type[Any] | None, DeclaredField[Any]], ...]] = ()

    def __init_subclass__(cls, noun: str | None = None) -> None:
        super().__init_subclass__()
        cls._noun = noun or cls._noun
        cls._declared = {**cls._declared, **{k: v for k, v in vars(cls).items() if isinstance(v, DeclaredField)}}
        cls._checked = tuple((name, field.kind.plain, field) for name, field in cls._declared.items() if field.checked)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    @property
    def extra(self) -> JSONObject:
        """The fields from the server that are not declared here."""
        return {name: value for name, value in self._data.items() if name not in self._declared}

    def to_dict(self) -> JSONObject:
        """The record as the API sent it."""
        return dict(self._data)

    def keys(self) -> Iterator[str]:
        """Together with ``[]``, makes ``dict(record)`` work."""
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
        """The names of the fields that identify the record, which it always has."""
        return [name for name, field in self._declared.items() if field.required]

    def dict(self) -> JSONObject:
        """The same as :meth:`to_dict`, under the official client's name."""
        return self.to_dict()


def fault_in(record: type[Record], data: Any, inside: bool = False) -> str | None:
    """Why ``data`` is not the JSON of such a record, in words; None if it is.

    A record ``inside`` another one may be partial, without the fields that identify it.
    """
    if not isinstance(data, dict):
        return f"expected {record._noun} (a JSON object), got {kind_of(data)}"
    for name, plain, field in record._checked:
        value = data.get(name)
        if type(value) is plain and (value or not field.required):
            continue  # the usual case, and the only check that most fields need
        if not value and field.required and not inside:
            return f"expected {record._noun}, got an object without {name!r}"
        wrong = None if value is None else field.kind.wrong(value)
        if wrong is not None:
            return f"{record._noun}'s {name!r}{wrong}"
    return None


def fault_in_list(record: type[Record], data: Any) -> str | None:
    """Why ``data`` is not a JSON list of such records, in words that follow its name."""
    return _wrong_list(partial(_wrong_record, record, False), data)


# ---- declaring fields ---------------------------------------------------------------------------------------


class DeclaredField(Field[T_co]):
    """A field of the JSON; see :func:`field`."""

    def __init__(
        self,
        kind: Kind,
        doc: str,
        *,
        default: Any = None,
        required: bool = False,
        checked: bool = True,
        method: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind, self.doc, self.default, self.method = kind, doc, default, method
        self.required, self.checked = required, checked and kind.wrong is not _never_wrong

    def __set_name__(self, owner: type, name: str) -> None:
        read = self.method or _reader(name, self.kind.read, self.default)
        read.__name__, read.__doc__ = name, self.doc
        _Property.__init__(self, read)


@overload
def field(kind: type[T], doc: str, *, required: Literal[True]) -> DeclaredField[T]: ...
@overload
def field(kind: type[T], doc: str, *, default: T) -> DeclaredField[T]: ...
@overload
def field(kind: type[T], doc: str, *, checked: bool = True) -> DeclaredField[T | None]: ...
def field(kind: type[Any], doc: str, **options: Any) -> DeclaredField[Any]:
    """Declare a field of the JSON; it reads as None if missing or null, unless a ``default`` is given.

    ``kind`` is ``str``, ``int``, ``float``, ``bool``, ``dict``, ``list``, ``object`` for any value, or a record. A
    ``required`` field must not be missing, null or empty. Without ``checked``, it may be anything.
    """
    return DeclaredField(_kind(kind), doc, **options)


def many(item: type[T], doc: str) -> DeclaredField[list[T]]:
    """Declare a list whose items are all of one kind; it reads as empty if missing or null."""
    return DeclaredField(_list_of(_kind(item)), doc, default=())


def moment(doc: str) -> DeclaredField[datetime | None]:
    """Declare a time, sent as ISO 8601 and read as a ``datetime``."""
    return DeclaredField(Kind(_wrong_time, _time), doc)


def declared(method: Callable[[Any], T]) -> DeclaredField[T]:
    """Declare a field that is read by a method of its name, which must accept any value."""
    return DeclaredField(Kind(_never_wrong), method.__doc__ or "", method=method)


def kind_of(value: Any) -> str:
    """The kind of a JSON value, in words."""
    return _WORDS.get(type(value), "a number")


_WORDS: dict[type[Any], str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}
_WANTED = {**_WORDS, int: "a whole number", float: "a number"}


class Kind(NamedTuple):
    """What a value may be. ``wrong`` says what is wrong with it, in words that follow the field's name.

    ``read`` converts it to what the field returns; None if no conversion is needed. Values of the type ``plain`` are
    valid without further checks.
    """

    wrong: Callable[[Any], str | None]
    read: Callable[[Any], Any] | None = None
    plain: type[Any] | None = None


def _kind(kind: type[Any]) -> Kind:
    if kind is object:
        return Kind(_never_wrong)
    if issubclass(kind, Record):
        return Kind(partial(_wrong_record, kind, True), kind)
    return Kind(partial(_wrong_type, kind), plain=kind)


def _list_of(item: Kind) -> Kind:
    one = item.read
    return Kind(
        partial(_wrong_list, item.wrong), list if one is None else lambda values: [one(value) for value in values]
    )


def _never_wrong(_: Any) -> None:
    return None


def _wrong_type(kind: type[Any], value: Any) -> str | None:
    allowed = (int, float) if kind is float else kind
    if isinstance(value, allowed) and (kind is bool or not isinstance(value, bool)):
        return None
    return f" should be {_WANTED[kind]}, got {kind_of(value)}"


def _wrong_record(record: type[Record], inside: bool, value: Any) -> str | None:
    fault = fault_in(record, value, inside)
    return None if fault is None else f": {fault}"


def _wrong_list(wrong: Callable[[Any], str | None], values: Any) -> str | None:
    if not isinstance(values, list):
        return _wrong_type(list, values)
    for number, value in enumerate(values):
        fault = wrong(value)
        if fault is not None:
            return f"[{number}]{fault}"
    return None


def _wrong_time(value: Any) -> str | None:
    fault = _wrong_type(str, value)
    if fault is None:
        try:
            _time(value)
        except ValueError:
            return " should be a time (ISO 8601)"
    return fault


def _time(text: str) -> datetime:
    from datetime import datetime  # costs a millisecond to import, and few records have one

    return datetime.fromisoformat(text)


def _reader(name: str, read: Callable[[Any], Any] | None, default: Any) -> Callable[[Any], Any]:
    """The function that reads a field. It does as little as possible, because some are read all the time."""
    if read is not None and default is not None:
        return lambda record: read(default if (value := record._data.get(name)) is None else value)
    if read is not None:
        return lambda record: None if (value := record._data.get(name)) is None else read(value)
    if default is None:
        return lambda record: record._data.get(name)
    empty = type(default)  # a new list or dict each time, which the caller may change
    return lambda record: record._data.get(name) or empty()
