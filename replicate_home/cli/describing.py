"""A model's inputs as its schema describes them: their types, and the lines that ``run MODEL --help`` shows.

Schemas come from many generators, and from servers: whatever makes no sense in one is passed over.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ..exceptions import InvalidInput
from ..protocol.redaction import excerpt
from ..records.schema import Schema
from .suggesting import did_you_mean

_UNIONS = ("anyOf", "oneOf", "allOf")
_BOUNDS = (("minimum", "At least"), ("maximum", "At most"))
_MOST, _LONGEST = 100, 1000


def kinds(schema: Schema, name: str) -> set[str]:
    """The JSON types that an input may have, also judging by its default; none if the schema does not say."""
    described = schema.input.get(name)
    found: set[str] = set()
    for part in _parts(schema, described):
        found.update(_named(part))
    if isinstance(described, Mapping) and isinstance(described.get("default"), str):
        found.add("string")
    return found


def check(schema: Schema, model: str, name: str, value: Any) -> None:
    """InvalidInput for an input that the model does not have, or a path where a file is meant.

    A schema without inputs, or of a model that takes any, is none to go by.
    """
    if schema.input and name not in schema.input and name != "messages" and not _takes_any(schema):
        taken = ", ".join(_in_order(schema))
        raise InvalidInput(f"{model} has no input {name!r}{did_you_mean(name, schema.input) or '.'} It takes: {taken}")
    if isinstance(value, str) and _type(schema, schema.input.get(name)) == "file" and os.path.isfile(value):
        raise InvalidInput(f"{name} is a file: write {name}=@{value}")


def inputs(schema: Schema) -> list[tuple[str, str]]:
    """Each input, and what the schema says of it in a few words."""
    required = _required(schema)
    words = {name: ". ".join(_words(schema, name, name in required)) for name in _in_order(schema)}
    return [(excerpt(name), excerpt(text, _LONGEST)) for name, text in words.items()]


def output(schema: Schema) -> str:
    """What the model gives, in a few words."""
    words = _type(schema, schema.output)
    return f"list of {_type(schema, schema.output.get('items'))}" if words == "array" else words


def _words(schema: Schema, name: str, is_required: bool) -> Iterator[str]:
    described = schema.input.get(name)
    parts = list(_parts(schema, described))
    yield _type(schema, described) + (", required" if is_required else "")
    for part in parts:
        if isinstance(part.get("enum"), list):
            yield "One of: " + ", ".join(map(str, part["enum"]))
    whole = described if isinstance(described, Mapping) else {}
    yield from (f"{word} {whole[name]}" for name, word in _BOUNDS if whole.get(name) is not None)
    if whole.get("default") is not None:
        yield f"Default: {json.dumps(whole['default'], ensure_ascii=False)}"
    if isinstance(whole.get("description"), str):
        yield " ".join(whole["description"].split()).rstrip(".")


def _type(schema: Schema, described: Any) -> str:
    """``string``, ``file``, ``integer`` and so on, in the schema's own words."""
    parts = list(_parts(schema, described))
    if any(part.get("format") == "uri" for part in parts):
        return "file"
    named = (kind for part in parts for kind in _named(part) if kind != "null")
    return next(named, "any value")


def _named(part: Mapping[str, Any]) -> list[str]:
    named = part.get("type")
    return [
        kind
        for kind in (named if isinstance(named, list) else [named])
        if isinstance(kind, str) and kind.isidentifier()
    ]


def _parts(schema: Schema, described: Any) -> Iterator[Mapping[str, Any]]:
    """A description, what it refers to, and the members of its unions. They may go in circles: the first of them."""
    return islice(_reached(schema, described), _MOST)


def _reached(schema: Schema, described: Any) -> Iterator[Mapping[str, Any]]:
    waiting = deque([described])
    while waiting:
        part = waiting.popleft()
        if isinstance(part, Mapping):
            yield part
            if isinstance(part.get("$ref"), str):
                waiting.append(_referred(schema, part["$ref"]))
            waiting.extend(member for word in _UNIONS if isinstance(part.get(word), list) for member in part[word])


def _referred(schema: Schema, reference: str) -> Any:
    """What ``#/components/schemas/name`` stands for in the document."""
    found: Any = schema.document
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _takes_any(schema: Schema) -> bool:
    return _whole(schema).get("additionalProperties") is True


def _required(schema: Schema) -> list[Any]:
    names = _whole(schema).get("required")
    return names if isinstance(names, list) else []


def _whole(schema: Schema) -> Mapping[str, Any]:
    """The schema of all inputs together."""
    found = _referred(schema, "#/components/schemas/Input")
    return found if isinstance(found, Mapping) else {}


def _in_order(schema: Schema) -> list[str]:
    def place(name: str) -> float:
        described = schema.input[name]
        order = described.get("x-order") if isinstance(described, Mapping) else None
        return order if isinstance(order, (int, float)) else float("inf")

    return sorted(schema.input, key=place)
