"""The types that a model's inputs may have.

A :class:`Kind` is one type as the API and the function see it: its JSON schema, the check of a JSON value when a
prediction is created, and the value the function is given when it runs. Nothing here opens a file itself.
"""

from __future__ import annotations

import enum
import io
import math
import pathlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import attrs

from ..problems import InvalidField

FILE = {"type": "string", "format": "uri"}
_LIMITS = frozenset({"minimum", "maximum", "minLength", "maxLength"})
_WORDS = frozenset({"description", "title"})


class Opener(Protocol):
    """Opens the input files of a running model."""

    def content(self, uri: str) -> bytes:
        """The bytes behind a data URI or one of the server's own URLs."""
        ...

    def path(self, uri: str) -> pathlib.Path:
        """The same content as a file that lasts as long as the run."""
        ...


class Kind:
    """Any JSON value; the kinds below are narrower."""

    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""
        return {}

    def check(self, value: Any) -> None:
        """Raise :class:`InvalidField` if ``value`` is not one."""

    def give(self, value: Any, opener: Opener) -> Any:  # noqa: ARG002  # files are what it is for
        """The checked JSON ``value`` as the function takes it."""
        return value

    @property
    def is_file(self) -> bool:
        """Whether it is a file and nothing else."""
        return False

    @property
    def is_text(self) -> bool:
        """Whether it is a string and nothing else."""
        return False


@attrs.frozen
class Scalar(Kind):
    """A string, number or boolean."""

    type: type

    def schema(self) -> dict[str, Any]:
        """The type by its JSON name."""
        return {"type": _JSON_NAMES[self.type]}

    def check(self, value: Any) -> None:
        """True is not an integer, 1 is a number, 1.0 is an integer."""
        if self.type is bool or self.type is str:
            fits = isinstance(value, self.type)
        else:
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
            fits = fits and (self.type is float or isinstance(value, int) or value.is_integer())
        if not fits:
            raise InvalidField(f"must be of type {_JSON_NAMES[self.type]}, not {_name_of(value)}", "type")

    def give(self, value: Any, opener: Opener) -> Any:  # noqa: ARG002  # as above
        """1 is given as 1.0 to a float, 1.0 as 1 to an int."""
        return self.type(value)

    @property
    def is_text(self) -> bool:
        """Whether it is a string and nothing else."""
        return self.type is str


@attrs.frozen
class Choice(Kind):
    """One of a few values: a ``Literal``, or an ``Enum`` by value."""

    choices: tuple[Any, ...]
    wrap: Callable[[Any], Any] | None = None

    def schema(self) -> dict[str, Any]:
        """The values, and their type if they share one."""
        kinds = {_JSON_NAMES.get(type(choice)) for choice in self.choices}
        named = kinds.pop() if len(kinds) == 1 else None
        return ({"type": named} if named else {}) | {"enum": list(self.choices)}

    def check(self, value: Any) -> None:
        """Equal and of the same type: True is not 1."""
        if not any(value == choice and type(value) is type(choice) for choice in self.choices):
            raise InvalidField("must be one of " + ", ".join(repr(choice) for choice in self.choices), "enum")

    def give(self, value: Any, opener: Opener) -> Any:  # noqa: ARG002  # as above
        """The value, or the member of the enum."""
        return self.wrap(value) if self.wrap else value


@attrs.frozen
class File(Kind):
    """A file: a URI on the wire; for the function a ``Path``, ``bytes``, a Pillow image or an open binary file."""

    wanted: Any

    def schema(self) -> dict[str, Any]:
        """A string that is a URI."""
        return dict(FILE)

    def check(self, value: Any) -> None:
        """Whether it looks like a URI; it is opened when the model runs."""
        if not isinstance(value, str) or ":" not in value[:32]:
            shown = _name_of(value)
            if isinstance(value, str):
                shown = f"{value!r:.80} (pass a file itself, not its path)"
            raise InvalidField(f"must be a file: a data URI or a URL, not {shown}", "format")

    def give(self, value: Any, opener: Opener) -> Any:
        """The file as the function annotates it."""
        if self.wanted is pathlib.Path:
            return opener.path(value)
        content = opener.content(value)
        if self.wanted is bytes:
            return content
        return _image(content) if _is_image(self.wanted) else io.BytesIO(content)

    @property
    def is_file(self) -> bool:
        """Whether it is a file and nothing else."""
        return True


@attrs.frozen
class Items(Kind):
    """A list."""

    item: Kind

    def schema(self) -> dict[str, Any]:
        """An array of the item's schema."""
        return {"type": "array", "items": self.item.schema()}

    def check(self, value: Any) -> None:
        """Every item is checked."""
        if not isinstance(value, list):
            raise InvalidField(f"must be of type array, not {_name_of(value)}", "type")
        for index, item in enumerate(value):
            with InvalidField.at(f"[{index}]"):
                self.item.check(item)

    def give(self, value: Any, opener: Opener) -> Any:
        """A new list."""
        return [self.item.give(item, opener) for item in value]


@attrs.frozen
class Table(Kind):
    """A dictionary by string."""

    value: Kind

    def schema(self) -> dict[str, Any]:
        """An object."""
        inner = self.value.schema()
        return {"type": "object"} | ({"additionalProperties": inner} if inner else {})

    def check(self, value: Any) -> None:
        """Every value is checked."""
        if not isinstance(value, dict):
            raise InvalidField(f"must be of type object, not {_name_of(value)}", "type")
        for key, item in value.items():
            with InvalidField.at(f".{key}"):
                self.value.check(item)

    def give(self, value: Any, opener: Opener) -> Any:
        """A new dictionary."""
        return {key: self.value.give(item, opener) for key, item in value.items()}


@attrs.frozen
class Nullable(Kind):
    """Another kind, or null."""

    inner: Kind

    def schema(self) -> dict[str, Any]:
        """As OpenAPI 3.0 has it."""
        return {**self.inner.schema(), "nullable": True}

    def check(self, value: Any) -> None:
        """Null passes."""
        if value is not None:
            self.inner.check(value)

    def give(self, value: Any, opener: Opener) -> Any:
        """Null is None."""
        return None if value is None else self.inner.give(value, opener)


@attrs.frozen
class Described(Kind):
    """Another kind with limits and a description, from ``Annotated[int, {"minimum": 1}]``."""

    inner: Kind
    keywords: Mapping[str, Any]

    def schema(self) -> dict[str, Any]:
        """The keywords are the schema's own."""
        return {**self.inner.schema(), **self.keywords}

    def check(self, value: Any) -> None:
        """The type first, then the limits."""
        self.inner.check(value)
        if value is None:
            return
        minimum, maximum = self.keywords.get("minimum", -math.inf), self.keywords.get("maximum", math.inf)
        if isinstance(value, (int, float)) and not minimum <= value <= maximum:
            limit = f"at least {minimum}" if value < minimum else f"at most {maximum}"
            raise InvalidField(f"must be {limit}, got {value}", "range")
        shortest, longest = self.keywords.get("minLength", 0), self.keywords.get("maxLength", math.inf)
        if isinstance(value, str) and not shortest <= len(value) <= longest:
            raise InvalidField(f"must have {shortest} to {longest} characters, got {len(value)}", "length")

    def give(self, value: Any, opener: Opener) -> Any:
        """As the inner kind."""
        return self.inner.give(value, opener)


_JSON_NAMES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _name_of(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def kind_of(annotation: Any) -> Kind:
    """The kind for a parameter's annotation; an unknown one takes any JSON value."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _described(kind_of(arguments[0]), arguments[1:])
    if origin is Literal:
        return Choice(arguments)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if annotation in _JSON_NAMES:
        return Scalar(annotation)
    if is_file_type(annotation):
        return File(pathlib.Path if _is_path(annotation) else annotation)
    if annotation is list or origin is list:
        return Items(kind_of(arguments[0]) if arguments else Kind())
    if annotation is dict or origin is dict:
        return Table(kind_of(arguments[1]) if len(arguments) == 2 else Kind())
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return Choice(tuple(member.value for member in annotation), wrap=annotation)
    return Kind()


def _union(arguments: tuple[Any, ...]) -> Kind:
    real = [argument for argument in arguments if argument is not type(None)]
    inner = kind_of(real[0]) if len(real) == 1 else Kind()
    return Nullable(inner) if len(real) < len(arguments) else inner


def _described(inner: Kind, notes: tuple[Any, ...]) -> Kind:
    keywords: dict[str, Any] = {}
    for note in notes:
        if isinstance(note, str):
            keywords["description"] = note
        elif isinstance(note, Mapping):
            if unknown := set(note) - _LIMITS - _WORDS:
                raise TypeError(f"an input may be described by {sorted(_LIMITS | _WORDS)}, not by {sorted(unknown)}")
            keywords.update(note)
    return Described(inner, keywords) if keywords else inner


def _is_path(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, pathlib.PurePath)


def is_file_type(annotation: Any) -> bool:
    """Whether values of this type are files on the wire; Pillow's images are known without importing Pillow."""
    if annotation in (bytes, typing.BinaryIO) or _is_path(annotation):
        return True
    return _is_image(annotation)


def _is_image(annotation: Any) -> bool:
    is_class = isinstance(annotation, type)
    return is_class and annotation.__module__.partition(".")[0] == "PIL" and annotation.__name__ == "Image"


def _image(content: bytes) -> Any:
    from PIL import Image  # installed, as the function is annotated with it

    try:
        image = Image.open(io.BytesIO(content))
        image.load()  # otherwise read lazily, so that it would fail somewhere in the model
    except OSError:
        raise ValueError(f"the input file is not a picture that Pillow can open ({len(content)} bytes)") from None
    return image
