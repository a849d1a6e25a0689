"""A model's inputs as its schema describes them: their types, and the lines that ``run MODEL --help`` shows.

Schemas come from many generators, and from servers: whatever makes no sense in one is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..exceptions import InvalidInput
from ..records.schema import Schema
from .suggesting import did_you_mean

_UNIONS = ("anyOf", "oneOf", "allOf")
_BOUNDS = (("minimum", "At least"), ("maximum", "At most"))
_DEEPEST = 8


def kinds(schema: Schema, name: str) -> set[str]:
    """The JSON types that an input may have, also judging by its default; none if the schema does not say."""
    described = schema.input.get(name)
    found: set[str] = set()
    for part in _parts(schema, described):
        named = part.get("type")
        found |= {kind for kind in (named if isinstance(named, list) else [named]) if isinstance(kind, str)}
    if isinstance(described, Mapping) and isinstance(described.get("default"), str):
        found.add("string")
    return found


def check_name(schema: Schema, name: str, model: str) -> None:
    """InvalidInput for an input that the model does not have; a schema without inputs is none to go by."""
    if schema.input and name not in schema.input and name != "messages":
        taken = ", ".join(_in_order(schema))
        raise InvalidInput(f"{model} has no input {name!r}{did_you_mean(name, schema.input) or '.'} It takes: {taken}")


def inputs(schema: Schema) -> list[tuple[str, str]]:
    """Each input, and what the schema says of it in a few words."""
    required = _required(schema)
    return [(name, ". ".join(_words(schema, name, name in required))) for name in _in_order(schema)]


def output(schema: Schema) -> str:
    """What the model gives, in a few words."""
    words = _type(schema, schema.output)
    return {"array": f"list of {_type(schema, schema.output.get('items'))}"}.get(words, words)


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
    for part in _parts(schema, described):
        if part.get("format") == "uri":
            return "file"
        if isinstance(part.get("type"), str) and part["type"] != "null":
            return str(part["type"])
    return "any value"


def _parts(schema: Schema, described: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A description, what it refers to, and the members of its unions."""
    if not isinstance(described, Mapping) or depth > _DEEPEST:
        return
    yield described
    reference = described.get("$ref")
    if isinstance(reference, str):
        yield from _parts(schema, _referred(schema, reference), depth + 1)
    for word in _UNIONS:
        union = described.get(word)
        for part in union if isinstance(union, list) else ():
            yield from _parts(schema, part, depth + 1)


def _referred(schema: Schema, reference: str) -> Any:
    """What ``#/components/schemas/name`` stands for in the document."""
    found: Any = schema.document
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _required(schema: Schema) -> list[Any]:
    found = _referred(schema, "#/components/schemas/Input")
    names = found.get("required") if isinstance(found, Mapping) else None
    return names if isinstance(names, list) else []


def _in_order(schema: Schema) -> list[str]:
    def place(name: str) -> float:
        described = schema.input[name]
        order = described.get("x-order") if isinstance(described, Mapping) else None
        return order if isinstance(order, (int, float)) else float("inf")

    return sorted(schema.input, key=place)
