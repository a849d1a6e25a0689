"""The methods of the resources, each with its signature and what it says of itself, as the page lists them."""

from __future__ import annotations

import inspect
import re
from typing import Any

from replicate_home import Client
from replicate_home.client.resources.binding import BoundOperation, Nested

WIDTH = 100


def listing() -> str:
    """A section for each resource, in the order in which the client has them."""
    client = Client("t")
    names = [name for name, value in vars(Client).items() if isinstance(value, property)]
    return "\n".join(_section(name, type(getattr(client, name))) for name in names)


def _section(name: str, resource: type) -> str:
    return "\n".join([f"## `client.{name}`", "", *_methods(f"client.{name}", resource)])


def _methods(path: str, resource: type) -> list[str]:
    found: list[str] = []
    for name, value in vars(resource).items():
        if isinstance(value, Nested):
            found += _methods(f"{path}.{name}", value.kind)
        elif name == "__call__":
            found += _entry(path, value)
        elif not name.startswith("_"):
            found += _entry(f"{path}.{name}", value)
    return found


def _entry(path: str, method: Any) -> list[str]:
    return ["```text", _call(path, method), "```", "", _prose(method), ""]


def _call(path: str, method: Any) -> str:
    """The call with its parameters, one a line where they are too many for one line."""
    signature = method.signature if isinstance(method, BoundOperation) else _without_self(inspect.signature(method))
    result = _plain(signature.return_annotation)
    parameters, star = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parameters.append("*")
            star = True
        parameters.append(_parameter(parameter))
    line = f"{path}({', '.join(parameters)}) -> {result}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{path}(", *(f"    {one}," for one in parameters), f") -> {result}"])


def _parameter(parameter: inspect.Parameter) -> str:
    text = f"{parameter.name}: {_plain(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return text
    default = "..." if parameter.default is ... else repr(parameter.default)
    return f"{text} = {default}"


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=[*signature.parameters.values()][1:])


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _prose(method: Any) -> str:
    """A docstring as Markdown."""
    text = inspect.getdoc(method) or ""
    return re.sub(r":\w+:`[~.]*(?:\w+\.)*(\w+)`", r"`\1`", text).replace("``", "`")
