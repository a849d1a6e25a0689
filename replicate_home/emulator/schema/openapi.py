"""The OpenAPI document of a model's version, as Cog writes it, with the output's annotation."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .kinds import Kind, kind_of

_ITERATORS = (Iterator, Iterable, types.GeneratorType, typing.get_origin(typing.Generator[int, None, None]))


def document(
    properties: Mapping[str, Any], required: Sequence[str], output: Mapping[str, Any], *, takes_any: bool = False
) -> dict[str, Any]:
    """The document for inputs with these ``properties``, or any others too, and an output of this schema."""
    inputs: dict[str, Any] = {"title": "Input", "type": "object", "properties": dict(properties)}
    if required:
        inputs["required"] = list(required)
    if takes_any:
        inputs["additionalProperties"] = True
    post = {"operationId": "predict_predictions_post", "summary": "Predict"}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {"/predictions": {"post": post}},
        "components": {"schemas": {"Input": inputs, "Output": {"title": "Output", **output}}},
    }


def output_of(annotation: Any, is_generator: bool) -> tuple[dict[str, Any], str]:
    """The Output schema, and what it streams: ``text``, ``files``, ``no``, or ``maybe`` until it has run."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    iterates = origin if isinstance(origin, type) else annotation
    if iterates in _ITERATORS:
        item = kind_of(arguments[0]) if arguments else Kind()
        schema = {"type": "array", "items": item.schema(), "x-cog-array-type": "iterator"}
        if item.is_text:
            return {**schema, "x-cog-array-display": "concatenate"}, "text"
        if item.is_file:
            return schema, "files"
        return schema, "maybe" if type(item) is Kind else "no"
    if is_generator:
        return {"type": "array", "items": {}, "x-cog-array-type": "iterator"}, "maybe"
    return (_output_kind(annotation).schema() if annotation is not type(None) else {}), "no"


def _output_kind(annotation: Any) -> Kind:
    return Kind() if annotation is Any else kind_of(annotation)
