"""A signature is a schema: what it says, what it refuses, what it gives to the function."""

from __future__ import annotations

import enum
import functools
import json
import pathlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalModel, LocalRun

from .api import Api

if TYPE_CHECKING:
    from decimal import Decimal

    from replicate_home.emulator.timeline import LocalRun as RunUnderAnotherRoof


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


def schemas(function: Any) -> Any:
    return LocalModel.of("local/model", function).openapi()["components"]["schemas"]


def inputs(function: Any) -> Any:
    return schemas(function)["Input"]


def output(function: Any) -> Any:
    return schemas(function)["Output"]


def wrong(function: Any, **given: Any) -> list[dict[str, str]]:
    """The fields that a create is refused for."""
    api = Api(Emulator({"local/model": function}, clock=FakeClock()))
    problem = api.refused("POST", "/predictions", {"version": "local/model", "input": given})
    assert problem["status"] == 422
    return problem["invalid_fields"]


def answer(function: Any, **given: Any) -> Any:
    """The output for an input that is accepted."""
    prediction = Api(Emulator({"local/model": function}, clock=FakeClock())).held(**given)
    assert prediction["status"] == "succeeded", prediction["error"]
    return prediction["output"]


def test_parameters_become_properties_in_their_order() -> None:
    def model(
        prompt: str,
        max_words: int = 5,
        heat: float = 0.5,
        loud: bool = False,
        tags: list[str] = ["a"],  # noqa: B006
        options: dict[str, int] | None = None,
        mode: Literal["plain", "loud"] = "plain",
        mood: Mood = Mood.GOOD,
        seed: Optional[int] = None,  # noqa: UP045
        anything=None,
    ) -> str:
        return prompt

    assert inputs(model) == {
        "title": "Input",
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"title": "Prompt", "type": "string", "x-order": 0},
            "max_words": {"title": "Max Words", "type": "integer", "default": 5, "x-order": 1},
            "heat": {"title": "Heat", "type": "number", "default": 0.5, "x-order": 2},
            "loud": {"title": "Loud", "type": "boolean", "default": False, "x-order": 3},
            "tags": {"title": "Tags", "type": "array", "items": {"type": "string"}, "default": ["a"], "x-order": 4},
            "options": {
                "title": "Options",
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "nullable": True,
                "x-order": 5,
            },
            "mode": {"title": "Mode", "type": "string", "enum": ["plain", "loud"], "default": "plain", "x-order": 6},
            "mood": {"title": "Mood", "type": "string", "enum": ["good", "bad"], "default": "good", "x-order": 7},
            "seed": {"title": "Seed", "type": "integer", "nullable": True, "x-order": 8},
            "anything": {"title": "Anything", "x-order": 9},
        },
    }


def test_the_document_is_json_and_looks_like_cogs() -> None:
    def model(prompt: str = "x") -> str:
        return prompt

    document = LocalModel.of("local/model", model).openapi()
    assert json.loads(json.dumps(document)) == document
    assert document["openapi"] == "3.0.2"
    assert list(document["components"]["schemas"]) == ["Input", "Output"]


def test_files_are_uris_whatever_the_function_wants_them_as() -> None:
    def model(a: pathlib.Path, b: bytes, c: BinaryIO, d: list[pathlib.Path]) -> None: ...

    uri = {"type": "string", "format": "uri"}
    properties = inputs(model)["properties"]
    assert [{k: v for k, v in properties[name].items() if k in ("type", "format", "items")} for name in "abcd"] == [
        uri,
        uri,
        uri,
        {"type": "array", "items": uri},
    ]


def test_annotated_gives_limits_and_words() -> None:
    def model(
        size: Annotated[int, {"minimum": 1, "maximum": 9}, "in inches"] = 5,
        name: Annotated[str, {"minLength": 2, "maxLength": 3}] = "ab",
    ) -> int:
        return size

    assert inputs(model)["properties"]["size"] == {
        "title": "Size",
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "in inches",
        "default": 5,
        "x-order": 0,
    }
    assert wrong(model, size=0, name="a") == [
        {"type": "range", "field": "size", "description": "size must be at least 1, got 0"},
        {"type": "length", "field": "name", "description": "name must have 2 to 3 characters, got 1"},
    ]
    assert wrong(model, size=10)[0]["description"] == "size must be at most 9, got 10"
    assert answer(model, size=9, name="abc") == 9


def test_annotated_with_a_word_that_is_not_enforced_is_a_type_error() -> None:
    def model(size: Annotated[int, {"multipleOf": 2}]) -> int:
        return size

    with pytest.raises(TypeError, match="multipleOf"):
        LocalModel.of("local/model", model)


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {}),
        (Any, {}),
        (dict, {"type": "object"}),
        (pathlib.Path, {"type": "string", "format": "uri"}),
        (bytes, {"type": "string", "format": "uri"}),
        (list[pathlib.Path], {"type": "array", "items": {"type": "string", "format": "uri"}}),
        (
            Iterator[str],
            {
                "type": "array",
                "items": {"type": "string"},
                "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate",
            },
        ),
        (
            Generator[bytes, None, None],
            {"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-array-type": "iterator"},
        ),
        (Iterator[int], {"type": "array", "items": {"type": "integer"}, "x-cog-array-type": "iterator"}),
        (Iterator, {"type": "array", "items": {}, "x-cog-array-type": "iterator"}),
    ],
)
def test_the_return_annotation_is_the_output(annotation: Any, schema: Any) -> None:
    def model() -> None: ...

    model.__annotations__["return"] = annotation
    assert output(model) == {"title": "Output", **schema}


def test_a_pillow_image_is_a_file() -> None:
    image = pytest.importorskip("PIL.Image")

    def model() -> None: ...

    model.__annotations__["return"] = image.Image
    assert output(model) == {"title": "Output", "type": "string", "format": "uri"}


def test_a_generator_without_annotation_is_an_iterator_of_anything() -> None:
    def model():
        yield 1

    assert output(model) == {"title": "Output", "type": "array", "items": {}, "x-cog-array-type": "iterator"}


def test_the_run_is_no_input() -> None:
    def model(run: LocalRun, prompt: str) -> str:
        return f"{prompt} {run.id}"

    assert list(inputs(model)["properties"]) == ["prompt"]
    assert answer(model, prompt="a").startswith("a ")


def test_annotations_that_cannot_be_resolved_take_anything_and_spoil_no_other() -> None:
    def model(run: RunUnderAnotherRoof.LocalRun, size: int, price: Decimal) -> int:  # type: ignore[name-defined]
        return size + price

    assert inputs(model)["properties"] == {
        "size": {"title": "Size", "type": "integer", "x-order": 0},
        "price": {"title": "Price", "x-order": 1},
    }
    assert answer(model, size=1, price=2) == 3


def test_methods_partials_and_callable_objects_are_models() -> None:
    class Model:
        """Says it."""

        def __call__(self, prompt: str) -> str:
            return prompt

        def twice(self, prompt: str) -> str:
            return prompt * 2

    def three(run: LocalRun, prompt: str, times: int) -> str:
        return prompt * times

    assert answer(Model(), prompt="a") == "a"
    assert answer(Model().twice, prompt="a") == "aa"
    assert answer(functools.partial(three, times=3), prompt="a") == "aaa"
    assert LocalModel.of("local/model", Model()).description == "Says it."


def test_positional_only_parameters_and_any_keywords() -> None:
    def model(run: LocalRun, prompt: str, size: int = 2, /, **rest: Any) -> Any:
        return [prompt, size, rest]

    assert answer(model, prompt="a", run="b", other=1) == ["a", 2, {"run": "b", "other": 1}]


def test_unknown_fields_are_refused_with_the_nearest_name() -> None:
    def model(prompt: str, width: int = 8) -> str:
        return prompt

    assert [field["description"] for field in wrong(model, prompt="a", widht=1, nonsense=1)] == [
        "widht is not an input of this model. Did you mean 'width'? It has: prompt, width",
        "nonsense is not an input of this model. It has: prompt, width",
    ]


def test_a_model_without_inputs_says_so() -> None:
    assert wrong(lambda: "a", prompt="a") == [
        {"type": "unknown", "field": "prompt", "description": "prompt is not an input of this model. It has: none"}
    ]


def test_a_model_that_takes_any_input_is_given_it() -> None:
    def model(prompt: str, **more: Any) -> str:
        return f"{prompt}{more}"

    assert answer(model, prompt="a", nonsense=1) == "a{'nonsense': 1}"


def test_values_are_given_as_annotated() -> None:
    seen: list[Any] = []

    def model(size: int, heat: float, mood: Mood, seed: int | None, sizes: list[float]) -> None:
        seen.extend([size, heat, mood, seed, *sizes])

    answer(model, size=2.0, heat=1, mood="bad", seed=None, sizes=[1])
    assert [(type(value), value) for value in seen] == [
        (int, 2),
        (float, 1.0),
        (Mood, Mood.BAD),
        (type(None), None),
        (float, 1.0),
    ]


def test_everything_wrong_is_named_at_once() -> None:
    def model(
        prompt: str,
        size: int,
        loud: bool,
        mode: Literal["plain", 1],
        image: pathlib.Path,
        tags: list[str],
        table: dict[str, list[int]],
        missing: str,
    ) -> None: ...

    found = wrong(
        model,
        prompt=3,
        size=True,
        loud=1,
        mode=True,
        image="/etc/passwd",
        tags=["a", None],
        table={"x": [1, 2.5]},
    )
    assert [(field["type"], field["field"], field["description"]) for field in found] == [
        ("type", "prompt", "prompt must be of type string, not a number"),
        ("type", "size", "size must be of type integer, not a boolean"),
        ("type", "loud", "loud must be of type boolean, not a number"),
        ("enum", "mode", "mode must be one of 'plain', 1"),
        (
            "format",
            "image",
            "image must be a file: a data URI or a URL, not '/etc/passwd' (pass a file itself, not its path)",
        ),
        ("type", "tags[1]", "tags[1] must be of type string, not null"),
        ("type", "table.x[1]", "table.x[1] must be of type integer, not a number"),
        ("required", "missing", "missing is required"),
    ]


def test_async_functions_are_refused_when_registered() -> None:
    async def model() -> None: ...

    async def stream():
        yield 1

    for function in (model, stream):
        with pytest.raises(TypeError, match="is async"):
            LocalModel.of("local/model", function)


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "/b", "a/", "a b/c", "a/b:1", "../x", "a/..", 3])
def test_a_name_that_is_not_owner_slash_name_is_a_value_error(name: Any) -> None:
    with pytest.raises(ValueError, match="owner/name"):
        LocalModel.of(name, lambda: None)


def test_what_is_not_callable_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="must be a callable"):
        LocalModel.of("local/model", "text")  # type: ignore[arg-type]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_json, _json, _json)
def test_any_input_is_run_or_refused_with_a_422(size: Any, tags: Any, image: Any) -> None:
    def model(size: int, tags: list[float], image: bytes | None) -> Any:
        return [size, tags]

    api = Api(Emulator({"local/model": model}, clock=FakeClock()))
    body = {"version": "local/model", "input": {"size": size, "tags": tags, "image": image}}
    response = api.send("POST", "/predictions", body, headers={"Prefer": "wait"})
    assert response.status in (201, 422)
    fits = isinstance(size, (int, float)) and not isinstance(size, bool) and size == int(size)
    assert response.status == 422 or fits
