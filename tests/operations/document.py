"""The API's OpenAPI document: what may be asked, and what may come of it. It is read where it lies, never copied."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared


@attrs.frozen
class Documented:
    """One operation of the document, its references resolved."""

    id: str
    method: str
    path: str
    parameters: list[dict[str, Any]]
    request: dict[str, Any]
    request_is_required: bool
    responses: dict[str, dict[str, Any]]
    description: str

    def parameters_in(self, place: str) -> dict[str, dict[str, Any]]:
        """The parameters that stand in the ``path``, ``query`` or ``header``."""
        return {one["name"]: one for one in self.parameters if one["in"] == place}

    def successes(self) -> list[tuple[str, dict[str, Any]]]:
        """Media type and schema of each response that is not a refusal."""
        return [
            (media_type, content["schema"])
            for status, response in self.responses.items()
            if status.startswith("2")
            for media_type, content in response.get("content", {}).items()
        ]

    def examples(self) -> list[Any]:
        """The JSON of responses that the document shows."""
        shown = [
            content["example"]
            for response in self.responses.values()
            for content in response.get("content", {}).values()
            if "example" in content
        ]
        blocks = re.findall(r"The response will be(?:(?!```).)*```json\n(.*?)```", self.description, re.S)
        return shown + [_repaired(block) for block in blocks]


def _repaired(block: str) -> Any:
    """An example as JSON: those in the document have trailing commas, and dots for what they leave out."""
    block = re.sub(r"(?<=[\[{])\s*\.\.\.\s*(?=[\]}])", "", block)
    block = re.sub(r",(\s*[}\]])", r"\1", block)
    return json.loads(block)


def documented() -> dict[str, Documented]:
    """The operations of the document by their ids; skips the test where there is no document."""
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with replicate-openapi.json")
    return _operations_in(DATA)


@lru_cache
def _operations_in(folder: str) -> dict[str, Documented]:
    document = json.loads((Path(folder) / "replicate-openapi.json").read_text("utf-8"))
    document = _resolved(document, document)
    return {
        operation["operationId"]: Documented(
            operation["operationId"],
            method.upper(),
            path,
            item.get("parameters", []) + operation.get("parameters", []),
            operation.get("requestBody", {}).get("content", {}),
            operation.get("requestBody", {}).get("required", False),
            operation["responses"],
            operation.get("description", ""),
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
    }


def _resolved(node: Any, document: dict[str, Any]) -> Any:
    """The same without references, and with ``nullable`` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_resolved(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _resolved(target, document)
    found = {name: _resolved(value, document) for name, value in node.items()}
    if found.get("nullable") is True:
        found["type"] = [found["type"], "null"]
    return found


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TEXTS = {
    "date-time": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    "uri": st.sampled_from(["https://replicate.com/acme", "https://api.replicate.com/v1/things?cursor=cD0y"]),
}


def values_of(schema: dict[str, Any], always: frozenset[str]) -> st.SearchStrategy[Any]:
    """Values that fit a schema; the properties ``always`` are never left out, nor empty."""
    if "oneOf" in schema:
        return st.one_of([values_of(one, always) for one in schema["oneOf"]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([values_of({**schema, "type": one}, always) for one in kind])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kind == "object":
        return _objects_of(schema, always)
    if kind == "array":
        return st.lists(values_of(schema["items"], always), max_size=2)
    return {
        "string": TEXTS.get(schema.get("format", ""), st.text(min_size=1)),
        "integer": st.integers(0, 2**53),
        "number": st.floats(0, 1e9) | st.integers(0, 10**9),
        "boolean": st.booleans(),
        "null": st.none(),
        None: JSON,
    }[kind]


def _objects_of(schema: dict[str, Any], always: frozenset[str]) -> st.SearchStrategy[Any]:
    properties = schema.get("properties")
    if not properties:
        return st.dictionaries(st.text(), JSON, max_size=3)
    needed = set(schema.get("required", ())) | always
    found = {name: values_of(one, always) for name, one in properties.items()}
    return st.fixed_dictionaries(
        {name: one for name, one in found.items() if name in needed},
        optional={name: one for name, one in found.items() if name not in needed},
    )
