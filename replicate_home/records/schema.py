"""A model's inputs and output, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class Schema:
    """``input`` has the JSON schema of each input by name, ``output`` that of the output; empty if unknown."""

    input: Mapping[str, Any] = attrs.field(factory=dict)
    output: Mapping[str, Any] = attrs.field(factory=dict)
    document: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Schema:
        """The schema in a model's OpenAPI document."""
        schemas = _at(_at(document, "components"), "schemas")
        return cls(_at(_at(schemas, "Input"), "properties"), _at(schemas, "Output"), document)


def _at(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}
