"""A function's inputs and output, read from its annotations, and the check of an input."""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..problems import InvalidField, hint
from .kinds import Kind, Nullable, Opener, kind_of
from .openapi import document, output_of

_MISSING = inspect.Parameter.empty


@attrs.frozen
class Field:
    """One input of a model."""

    name: str
    kind: Kind
    default: Any = _MISSING
    positional: bool = False

    def schema(self, order: int) -> dict[str, Any]:
        """The property of the Input schema."""
        schema = {"title": self.name.replace("_", " ").title(), **self.kind.schema(), "x-order": order}
        default = self.default.value if isinstance(self.default, enum.Enum) else self.default
        if default is not None and isinstance(default, (str, int, float, list, dict)):
            schema["default"] = default
        return schema

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is _MISSING


@attrs.frozen
class Signature:
    """A function's inputs, the parameter for its run, and its output."""

    fields: tuple[Field, ...]
    run_parameter: inspect.Parameter | None
    takes_any: bool
    output: Mapping[str, Any]
    streams: str

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise :class:`~.problems.Problem` naming every field that is missing, wrong or unknown.

        The hosted service ignores unknown ones; here a misspelled name is an error.
        """
        with InvalidField.collected() as wrong:
            for name in () if self.takes_any else given:
                with wrong.of(name):
                    self._check_known(name)
            for field in self.fields:
                with wrong.of(field.name):
                    if field.name in given:
                        field.kind.check(given[field.name])
                    elif field.required:
                        raise InvalidField("is required", "required")

    def _check_known(self, name: str) -> None:
        known = [field.name for field in self.fields]
        if name not in known:
            raise InvalidField("is not an input of this model. " + hint(name, known), "unknown")

    def bind(self, given: Mapping[str, Any], run: Any, opener: Opener) -> tuple[list[Any], dict[str, Any]]:
        """The arguments to call the function with."""
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        if self.takes_any:
            named = {field.name for field in self.fields}
            keywords.update({name: value for name, value in given.items() if name not in named})
        for field in self.fields:
            if field.name in given:
                value = field.kind.give(given[field.name], opener)
            elif field.positional and not field.required:
                value = field.default
            else:
                continue
            if field.positional:
                arguments.append(value)
            else:
                keywords[field.name] = value
        self._add_run(arguments, keywords, run)
        return arguments, keywords

    def _add_run(self, arguments: list[Any], keywords: dict[str, Any], run: Any) -> None:
        if self.run_parameter is None:
            return
        if self.run_parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            arguments.insert(0, run)
        else:
            keywords[self.run_parameter.name] = run

    def openapi(self) -> dict[str, Any]:
        """The document a version is served with, as Cog writes it."""
        properties = {field.name: field.schema(order) for order, field in enumerate(self.fields)}
        required = [field.name for field in self.fields if field.required]
        return document(properties, required, self.output, takes_any=self.takes_any)


def read_signature(function: Callable[..., Any], run_type: type) -> Signature:
    """The signature of ``function``; ``run_type`` marks the parameter that is not an input."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"a local model is a plain function or generator; {_called(function)} is async")
    fields: list[Field] = []
    run_parameter = None
    takes_any = False
    hints = _Hints(function, run_type)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_any = True
        elif hints.of(parameter.name) is run_type:
            run_parameter = parameter
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            positional = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
            kind = kind_of(hints.of(parameter.name))
            if parameter.default is None and not isinstance(kind, Nullable) and type(kind) is not Kind:
                kind = Nullable(kind)
            fields.append(Field(parameter.name, kind, parameter.default, positional))
    output, streams = output_of(hints.of("return"), inspect.isgeneratorfunction(hints.function))
    return Signature(tuple(fields), run_parameter, takes_any, output, streams)


def _called(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", function))


class _Hints:
    """A function's annotations, resolved one by one, so that a bad one does not spoil the others."""

    def __init__(self, function: Callable[..., Any], run_type: type) -> None:
        function = inspect.unwrap(function)
        while hasattr(function, "func") and callable(function.func):  # functools.partial
            function = inspect.unwrap(function.func)
        if not hasattr(function, "__code__") and not inspect.isroutine(function):
            function = type(function).__call__
        self.function = function
        self._run_type = run_type

    def of(self, name: str) -> Any:
        annotation = getattr(self.function, "__annotations__", {}).get(name, Any)
        if not isinstance(annotation, str):
            return annotation
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        space = {**vars(typing), **getattr(self.function, "__globals__", {})}
        names = {self._run_type.__name__: self._run_type}
        try:
            return typing.get_type_hints(holder, space, names, include_extras=True)[name]
        except Exception:  # evaluating an annotation may raise anything; mostly it is a name under TYPE_CHECKING
            return self._run_type if annotation.rpartition(".")[2] == self._run_type.__name__ else Any
