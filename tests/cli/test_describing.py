"""The inputs of a model in a few words, whatever its schema is like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.cli import describing
from replicate_home.records.schema import Schema

DOCUMENT = {
    "components": {
        "schemas": {
            "Input": {
                "properties": {
                    "scheduler": {
                        "allOf": [{"$ref": "#/components/schemas/scheduler"}],
                        "default": "DDIM",
                        "x-order": 1,
                    },
                    "prompt": {"type": "string", "description": "What to paint.\n In words.", "x-order": 0},
                    "steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 20},
                    "mask": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]},
                    "seed": {"type": ["null", "integer"]},
                    "extra": {},
                },
                "required": ["prompt"],
            },
            "scheduler": {"type": "string", "enum": ["DDIM", "K_EULER"]},
            "Output": {"type": "array", "items": {"type": "string", "format": "uri"}},
        }
    }
}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["type", "anyOf", "allOf", "$ref", "enum", "default", "x-order", "minimum", "items"])
            | st.text(),
            inner,
        )
    ),
    max_leaves=20,
)


def test_inputs_are_said_in_a_few_words_in_their_order() -> None:
    assert describing.inputs(Schema.of(DOCUMENT)) == [
        ("prompt", "string, required. What to paint. In words"),
        ("scheduler", 'string. One of: DDIM, K_EULER. Default: "DDIM"'),
        ("steps", "integer. At least 1. At most 50. Default: 20"),
        ("mask", "file"),
        ("seed", "integer"),
        ("extra", "any value"),
    ]
    assert describing.output(Schema.of(DOCUMENT)) == "list of file"
    assert describing.output(Schema()) == "any value"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("scheduler", {"string"}), ("mask", {"string", "null"}), ("seed", {"integer", "null"}), ("extra", set())],
)
def test_the_kinds_of_an_input_are_found_where_it_refers_to(name: str, kinds: set[str]) -> None:
    assert describing.kinds(Schema.of(DOCUMENT), name) == kinds


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    schema = Schema.of(
        {"components": {"schemas": {"Input": {"properties": {"a": {"$ref": "#/components/schemas/b"}}}}}}
    )
    schema.document["components"]["schemas"]["b"] = {"anyOf": [{"$ref": "#/components/schemas/b"}, {"type": "string"}]}
    assert describing.inputs(schema) == [("a", "string")]


@given(JSON, JSON)
def test_a_schema_that_makes_no_sense_is_no_reason_to_fail(described: Any, document: Any) -> None:
    schema = Schema({"value": described}, described if isinstance(described, dict) else {}, {"components": document})
    ((name, words),) = describing.inputs(schema)
    assert name == "value"
    assert words
    assert describing.output(schema)
    assert isinstance(describing.kinds(schema, "value"), set)
