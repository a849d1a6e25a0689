"""Web frameworks and pydantic get a result's JSON value, with files as URLs; never the prediction."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from replicate_home import FileOutput, Result
from replicate_home.testing import FakeReplicate

PNG = b"\x89PNG\r\n\x1a\n"
OUTPUTS = {
    "text": "Hi",
    "tokens": ["Hel", "lo"],
    "number": 1.5,
    "yes": True,
    "null": None,
    "file": PNG,
    "files": [PNG, PNG],
    "object": {"mask": PNG, "score": 1},
}


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} comes with the extra tools")


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        for name, output in OUTPUTS.items():
            fake.on(f"owner/{name}").returns(output)
        yield fake


def run(fake: FakeReplicate, name: str) -> tuple[Result, Any]:
    """The result, and its JSON value as the API has it."""
    result = fake.client().run(f"owner/{name}", prompt="a secret")
    return result, result.prediction.output


@needs("fastapi")
@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.filterwarnings("ignore")  # its test client's own
def test_fastapi_answers_with_the_json_value(fake, name):
    from fastapi import FastAPI
    from fastapi.encoders import jsonable_encoder
    from fastapi.testclient import TestClient

    result, value = run(fake, name)
    app = FastAPI()
    app.get("/plain")(lambda: result)
    app.get("/inside")(lambda: {"result": result})

    def annotated() -> Any:
        return result

    app.get("/annotated")(annotated)
    client = TestClient(app)
    answers = [client.get(path).json() for path in ("/plain", "/annotated", "/inside")]
    assert (jsonable_encoder(result), answers) == (value, [value, value, {"result": value}])


@needs("flask")
@pytest.mark.parametrize("name", [name for name in OUTPUTS if name not in ("yes", "null")])
def test_flask_answers_with_the_json_value(fake, name):
    import flask

    result, value = run(fake, name)
    app = flask.Flask("app")
    app.route("/")(lambda: flask.jsonify(result))
    assert app.test_client().get("/").get_json() == value


@needs("pydantic")
@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("annotation", [Any, Result])
def test_a_model_of_pydantic_holds_a_result_and_serializes_its_json_value(fake, name, annotation):
    from pydantic import TypeAdapter, create_model

    result, value = run(fake, name)
    model = create_model("Answer", result=(annotation, ...))
    answer = model(result=result)
    assert (answer.model_dump(mode="json"), model.model_json_schema()["type"]) == ({"result": value}, "object")
    assert TypeAdapter(Any).dump_python(result, mode="json") == value


@needs("pydantic")
def test_a_field_of_pydantic_may_be_a_file_text_or_a_list(fake):
    from pydantic import create_model

    model = create_model("Answer", file=(FileOutput, ...), text=(str, ...), tokens=(list[str], ...))
    (file, url), (text, _), (tokens, _) = run(fake, "file"), run(fake, "text"), run(fake, "tokens")
    answer = model(file=file, text=text, tokens=tokens)
    assert answer.model_dump(mode="json") == {"file": url, "text": "Hi", "tokens": ["Hel", "lo"]}
    assert model.model_json_schema()["properties"]["file"] == {"type": "string", "format": "uri", "title": "File"}


def test_the_url_of_a_file_is_safe_in_a_page():
    file = FileOutput('https://replicate.delivery/a.png?a=1&b=%20"><script>')
    assert file.__html__() == "https://replicate.delivery/a.png?a=1&b=%20%22%3E%3Cscript%3E"
