"""Every operation of the hosted API is there, answers as its document says, and refuses what is wrong.

The document is read from the folder that ``REPLICATE_HOME_TEST_DATA`` names. The table in ``operations`` is checked
against it, and is what the emulator is held to where it is not at hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from replicate_home.clock import FakeClock
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalModel, LocalRun, version_of
from replicate_home.emulator.routes import ROUTES
from replicate_home.wire import Response

from .api import Api
from .openapi_document import NAME, is_date_time, is_uri, load, operations
from .operations import TABLE
from .test_files import PNG, form

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
VERSION = version_of("owner/llm")
MODEL = f"/models/owner/llm/versions/{VERSION}"
HOUR = {"owner": "local", "expiry": "1700003600", "signature": "x"}


def llm(run: LocalRun, prompt: str) -> Iterator[str]:
    """Say it again, word by word."""
    for word in prompt.split():
        run.log(word)
        run.sleep(1)
        yield word


def upscale(image: bytes) -> bytes:
    """Make one picture from another."""
    return image


@pytest.fixture
def api() -> Api:
    official = LocalModel.of("owner/official", lambda prompt: prompt, official=True)
    models = {
        "owner/llm": LocalModel.of("owner/llm", llm, examples=[{"prompt": "a b"}]),
        "owner/upscale": upscale,
        "owner/official": official,
    }
    return Api(Emulator(models, clock=FakeClock(), seed="contract"))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    if DATA is None:
        pytest.skip(f"REPLICATE_HOME_TEST_DATA does not name the folder with {NAME}")
    return load(DATA)


class Recorder:
    """Sends requests and keeps, by the name of the operation, what was answered."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.answers: list[tuple[str, Response]] = []

    def __call__(self, operation: str, *places: str, query: str = "", **sent: Any) -> Any:
        path = TABLE[operation].path
        for place in places:
            path = path.replace("*", place, 1)
        response = self.api.send(TABLE[operation].method, path + query, **sent)
        self.answers.append((operation, response))
        return json.loads(response.body) if response.content_type == "application/json" else response.body


def everything(ask: Recorder) -> None:
    """Every operation at least once, and predictions and trainings in every state that they are shown in."""
    ask("account.get")
    ask("hardware.list")
    ask("webhooks.default.secret.get")
    _files(ask)
    _predictions(ask)
    _models(ask)
    _deployments(ask)
    _trainings(ask)
    for collection in ask("collections.list")["results"]:
        ask("collections.get", collection["slug"])
    ask("search", query="?query=language+word&limit=5")


def _files(ask: Recorder) -> None:
    body, headers = form(content=("a.png", PNG, "image/png"), metadata=(None, '{"a": 1}'))
    file = ask("files.create", body=body, headers=headers)
    ask("files.list")
    ask("files.get", file["id"])
    ask("files.download", file["id"], query="?" + "&".join(f"{name}={value}" for name, value in HOUR.items()))
    held = {"version": "owner/upscale", "input": {"image": file["urls"]["get"]}}
    ask("predictions.create", json_body=held, headers={"Prefer": "wait"})
    ask("files.delete", file["id"])


def _predictions(ask: Recorder) -> None:
    body = {
        "version": f"owner/llm:{VERSION}",
        "input": {"prompt": "a b c"},
        "stream": True,
        "webhook": "https://example.com/hook",
        "webhook_events_filter": ["start", "completed"],
    }
    running = ask("predictions.create", json_body=body, headers={"Cancel-After": "1h"})
    ask.api.emulator.clock.sleep(1.5)
    ask("predictions.get", running["id"])
    ask("predictions.cancel", running["id"])
    ask("models.predictions.create", "owner", "official", json_body={"input": {"prompt": "a"}})
    ask("predictions.create", json_body={"version": VERSION, "input": {"prompt": "a"}}, headers={"Prefer": "wait"})
    ask.api.emulator.clock.sleep(5)
    ask("predictions.list", query="?created_after=2023-01-01T00:00:00Z")


def _models(ask: Recorder) -> None:
    new = {"owner": "somebody", "name": "new", "visibility": "private", "hardware": "cpu", "description": "Very new"}
    ask("models.create", json_body=new)
    ask("models.update", "somebody", "new", json_body={"readme": "# New", "github_url": "https://example.com/new"})
    ask("models.readme.get", "somebody", "new")
    ask("models.get", "somebody", "new")
    ask("models.delete", "somebody", "new")
    ask("models.get", "owner", "llm")
    ask("models.list", query="?sort_by=model_created_at&sort_direction=asc")
    ask("models.search", body=b"word", headers={"Content-Type": "text/plain"})
    ask("models.examples.list", "owner", "llm")
    ask("models.versions.list", "owner", "llm")
    ask("models.versions.get", "owner", "llm", VERSION)


def _deployments(ask: Recorder) -> None:
    new = {"name": "app", "model": "owner/llm", "version": VERSION, "hardware": "cpu"}
    ask("deployments.create", json_body={**new, "min_instances": 0, "max_instances": 1})
    ask("deployments.update", "local", "app", json_body={"max_instances": 3})
    ask("deployments.get", "local", "app")
    ask("deployments.list")
    ask("deployments.predictions.create", "local", "app", json_body={"input": {"prompt": "a"}})
    ask.api.emulator.clock.sleep(1000)
    ask("deployments.delete", "local", "app")


def _trainings(ask: Recorder) -> None:
    body = {"destination": "somebody/trained", "input": {"data": "x"}}
    training = ask("trainings.create", "owner", "llm", VERSION, json_body=body)
    ask("trainings.get", training["id"])
    ask("trainings.list")
    ask("trainings.cancel", training["id"])
    made = ask("trainings.get", training["id"])["output"]["version"].partition(":")[2]
    ask("models.versions.list", "somebody", "trained")
    ask("models.versions.delete", "somebody", "trained", made)


def test_every_operation_of_the_table_has_a_route_and_there_are_37() -> None:
    routes = {route.operation: (route.method, route.path) for route in ROUTES}
    ours = {name: (operation.method, operation.path) for name, operation in TABLE.items()}
    assert len(ours) == 37
    assert {name: routes.get(name) for name in ours} == ours
    assert routes.keys() - ours.keys() == {"stream", "deliver"}


def test_the_table_is_the_documents(document: dict[str, Any]) -> None:
    theirs = {name: (method, path) for name, (method, path, _) in operations(document).items()}
    assert {name: (operation.method, operation.path) for name, operation in TABLE.items()} == theirs
    undocumented = [
        name
        for name, operation in TABLE.items()
        if str(operation.status) not in operations(document)[name][2]["responses"]
    ]
    assert undocumented == []


def test_every_operation_answers_a_good_request(api: Api) -> None:
    ask = Recorder(api)
    everything(ask)
    assert {name for name, _ in ask.answers} == set(TABLE)
    wrong = [(name, answer.status, answer.body) for name, answer in ask.answers if answer.status != TABLE[name].status]
    assert wrong == []


def test_every_answer_is_as_the_document_says(api: Api, document: dict[str, Any]) -> None:
    ask = Recorder(api)
    everything(ask)
    checker = FormatChecker(formats=())
    checker.checks("date-time", raises=ValueError)(is_date_time)
    checker.checks("uri")(is_uri)
    wrong = []
    for name, answer in ask.answers:
        described = operations(document)[name][2]["responses"][str(answer.status)].get("content")
        if not described:
            assert answer.body == b"", name
        elif answer.content_type == "application/json":
            schema = {**described["application/json"]["schema"], "components": document["components"]}
            validator = Draft202012Validator(schema, format_checker=checker)
            errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(answer.body))]
            wrong += [(name, error[:300]) for error in errors]
        else:
            assert answer.content_type in (*described, "image/png"), name  # a file's own type
    assert wrong == []


# What is wrong, the operation and the places in its path, what is sent, and the status of the refusal.
WRONG: list[tuple[str, str, tuple[str, ...], dict[str, Any], int]] = [
    ("there is no such collection", "collections.get", ("none",), {}, 404),
    ("there is no such deployment", "deployments.get", ("local", "none"), {}, 404),
    ("there is no such deployment", "deployments.update", ("local", "none"), {"json_body": {}}, 404),
    ("there is no such deployment", "deployments.delete", ("local", "none"), {}, 404),
    ("there is no such deployment", "deployments.predictions.create", ("local", "none"), {"json_body": {}}, 404),
    ("a deployment needs more", "deployments.create", (), {"json_body": {"name": "app"}}, 422),
    ("a deployment is no list", "deployments.create", (), {"json_body": []}, 400),
    ("an upload is a form", "files.create", (), {"body": b"x"}, 422),
    ("there is no such file", "files.get", ("none",), {}, 404),
    ("there is no such file", "files.delete", ("none",), {}, 404),
    ("a download is signed", "files.download", ("none",), {}, 400),
    ("a model needs more", "models.create", (), {"json_body": {"owner": "a"}}, 422),
    ("a model has a visibility", "models.create", (), {"json_body": {"owner": "a", "name": "b", "visibility": 1}}, 422),
    ("there is no such model", "models.get", ("owner", "none"), {}, 404),
    ("there is no such model", "models.delete", ("owner", "none"), {}, 404),
    ("there is no such model", "models.update", ("owner", "none"), {"json_body": {}}, 404),
    ("an address is a URL", "models.update", ("owner", "llm"), {"json_body": {"paper_url": "x"}}, 422),
    ("there is no such model", "models.examples.list", ("owner", "none"), {}, 404),
    ("there is no README", "models.readme.get", ("owner", "llm"), {}, 404),
    ("an empty query", "models.search", (), {"body": b" "}, 400),
    ("a query that is not text", "models.search", (), {"body": b"\xff"}, 400),
    ("a malformed order", "models.list", (), {"query": "?sort_by=name"}, 400),
    ("a malformed direction", "models.list", (), {"query": "?sort_direction=up"}, 400),
    ("a malformed cursor", "models.list", (), {"query": "?cursor=x"}, 400),
    ("there is no such version", "models.versions.get", ("owner", "llm", "none"), {}, 404),
    ("there is no such version", "models.versions.delete", ("owner", "llm", "none"), {}, 404),
    ("an official model shows no versions", "models.versions.list", ("owner", "official"), {}, 404),
    ("an official model shows no versions", "models.versions.get", ("owner", "official", "x"), {}, 404),
    ("no input", "predictions.create", (), {"json_body": {"version": "owner/llm"}}, 422),
    ("no version", "predictions.create", (), {"json_body": {"input": {}}}, 422),
    ("an unknown field", "predictions.create", (), {"json_body": {"version": VERSION, "input": {}, "x": 1}}, 422),
    ("no input", "models.predictions.create", ("owner", "llm"), {"json_body": {}}, 422),
    ("there is no such prediction", "predictions.get", ("none",), {}, 404),
    ("there is no such prediction", "predictions.cancel", ("none",), {}, 404),
    ("a malformed source", "predictions.list", (), {"query": "?source=api"}, 400),
    ("a malformed date", "predictions.list", (), {"query": "?created_before=soon"}, 400),
    ("no query", "search", (), {}, 400),
    ("too many wanted", "search", (), {"query": "?query=a&limit=51"}, 400),
    ("no number", "search", (), {"query": "?query=a&limit=x"}, 400),
    ("no destination", "trainings.create", ("owner", "llm", VERSION), {"json_body": {"input": {}}}, 422),
    (
        "a malformed destination",
        "trainings.create",
        ("owner", "llm", VERSION),
        {"json_body": {"input": {}, "destination": "x"}},
        422,
    ),
    (
        "there is no such version",
        "trainings.create",
        ("owner", "llm", "none"),
        {"json_body": {"input": {}, "destination": "a/b"}},
        404,
    ),
    ("there is no such training", "trainings.get", ("none",), {}, 404),
    ("there is no such training", "trainings.cancel", ("none",), {}, 404),
]


@pytest.mark.parametrize(("what", "operation", "places", "sent", "status"), WRONG)
def test_what_is_wrong_is_refused(
    api: Api, what: str, operation: str, places: tuple[str, ...], sent: dict[str, Any], status: int
) -> None:
    ask = Recorder(api)
    ask(operation, *places, **sent)
    _, answer = ask.answers[0]
    problem = json.loads(answer.body)
    # The refusals of a search are the only ones that the document says are application/json.
    expected = "application/json" if operation == "search" else "application/problem+json"
    assert (answer.status, problem["status"], answer.content_type) == (status, status, expected)
    assert problem["title"]
    assert problem["detail"]


@pytest.mark.parametrize("path", sorted({operation.path for operation in TABLE.values()}))
def test_every_path_says_which_methods_it_knows(api: Api, path: str) -> None:
    known = {operation.method for operation in TABLE.values() if operation.path == path} | {"OPTIONS"}
    allowed = ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
    place = path.replace("*", "x")
    refusal = api.send("PURGE", place)
    assert (refusal.status, refusal.headers["allow"], refusal.content_type) == (
        405,
        allowed,
        "application/problem+json",
    )
    options = api.send("OPTIONS", place)
    assert (options.status, options.headers["allow"], options.body) == (204, allowed, b"")
