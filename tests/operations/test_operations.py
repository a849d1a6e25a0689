"""Every operation: what it asks, how its response is read, and what may be repeated. Nothing here is sent."""

from __future__ import annotations

import pickle
import traceback

import attrs
import pytest

from replicate_home.dialects.base import encode_json
from replicate_home.dialects.home import Home
from replicate_home.dialects.replicate import Replicate
from replicate_home.exceptions import ModelNotFound, NotFound, PermissionDenied, ProtocolError
from replicate_home.operations import deployments, models, predictions, trainings
from replicate_home.operations.base import Operation
from replicate_home.operations.table import OPERATIONS
from replicate_home.records.account import Hardware
from replicate_home.records.model import ModelFields, VersionFields
from replicate_home.records.page import PageFields
from replicate_home.records.prediction import Snapshot
from replicate_home.version import USER_AGENT
from replicate_home.wire import IDEMPOTENT, Response, Secret

from .samples import CREATED, CURSOR, MODEL, PREDICTION, SAMPLES, VERSION

HOSTED = Replicate(token=Secret("r8_x"))
API = HOSTED.base_url
EVERY = pytest.mark.parametrize("name", SAMPLES)


def test_there_are_37_of_them():
    assert list(OPERATIONS) == sorted(OPERATIONS) == list(SAMPLES)
    assert len(SAMPLES) == 37
    assert len(set(OPERATIONS.values())) == 37


@EVERY
def test_what_each_asks(name):
    sample, asked = SAMPLES[name], SAMPLES[name].operation
    assert (asked.name, asked.method, asked.target(API)) == (name, sample.method, sample.target)
    assert (asked.json, asked.body, asked.headers) == (sample.json, sample.body, sample.headers)


@EVERY
def test_the_request_of_each(name):
    sample = SAMPLES[name]
    request = sample.operation.request(HOSTED)
    assert (request.method, request.url, request.token) == (sample.method, API + sample.target, HOSTED.token)
    assert request.body == (encode_json(sample.json) if sample.json is not None else sample.body)
    kind = {} if sample.json is None else {"Content-Type": "application/json"}
    usual = {"Accept": "application/json", "User-Agent": USER_AGENT}
    assert request.headers == {**usual, **kind, **sample.headers}
    assert request.streams == (name == "files.download")


def test_a_server_without_these_operations_says_so():
    with pytest.raises(PermissionDenied, match="the homepage endpoint has no GET /models/acme/hello"):
        models.get_model("acme/hello").request(Home())


@EVERY
def test_each_says_what_it_is_for(name):
    assert (OPERATIONS[name].__doc__ or "").strip().endswith(".")


def plain(found: object) -> object:
    """A result as JSON."""
    if isinstance(found, list):
        return [plain(item) for item in found]
    return found.to_dict() if hasattr(found, "to_dict") else found


@EVERY
def test_what_is_read_in_a_response_is_what_was_sent(name):
    sample = SAMPLES[name]
    expected = {b"": True, "# Héllo".encode(): "# Héllo"}.get(
        sample.answer if isinstance(sample.answer, bytes) else None
    )
    assert plain(sample.operation.read(sample.response, API)) == (sample.answer if expected is None else expected)


@EVERY
def test_an_operation_is_a_value(name):
    operation = SAMPLES[name].operation
    assert operation == attrs.evolve(operation)
    assert operation != attrs.evolve(operation, path="/elsewhere")
    assert pickle.loads(pickle.dumps(operation)) == operation


def test_only_what_starts_a_run_costs_money_and_what_may_be_repeated_is_said():
    asked = {name: sample.operation for name, sample in SAMPLES.items()}
    creates = {name for name, operation in asked.items() if operation.creates}
    assert creates == {
        "predictions.create", "models.predictions.create", "deployments.predictions.create", "trainings.create",
    }  # fmt: skip
    once = {
        name for name, operation in asked.items() if not operation.repeatable and operation.method not in IDEMPOTENT
    }
    assert once == creates | {"deployments.create", "deployments.update", "models.create", "models.update"}
    assert {name for name, operation in asked.items() if operation.repeatable} == {
        "files.create", "predictions.cancel", "trainings.cancel",
    }  # fmt: skip
    assert [name for name, operation in asked.items() if operation.streams] == ["files.download"]


def test_what_is_missing_is_the_model_where_nothing_else_can_be():
    missing = {name for name, sample in SAMPLES.items() if sample.operation.missing is ModelNotFound}
    assert missing == {
        "models.delete", "models.examples.list", "models.get", "models.predictions.create",
        "models.update", "models.versions.delete", "models.versions.get",
        "predictions.create", "trainings.create",
    }  # fmt: skip
    assert {sample.operation.missing for sample in SAMPLES.values()} == {ModelNotFound, NotFound}


@pytest.mark.parametrize(
    "name", ["predictions.get", "predictions.cancel", "trainings.get", "trainings.cancel", "files.get"]
)
def test_an_answer_about_something_else_makes_no_sense(name):
    sample = SAMPLES[name]
    other = attrs.evolve(sample, answer={**sample.answer, "id": "other"}).response
    with pytest.raises(ProtocolError, match=r"^asked for '\w1', got 'other'$"):
        sample.operation.read(other, API)


@EVERY
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"x"', b"7", b"[1]", b"<html>", b'{"results": 7}', b'{"results": [7]}']
)
def test_a_response_that_makes_no_sense_is_a_protocol_error(name, body):
    operation: Operation[object] = SAMPLES[name].operation
    if name == "hardware.list" and body == b"[]":
        assert operation.read(Response(200, {}, body), API) == []
    elif name.endswith((".delete", ".download", "readme.get")):
        assert operation.read(Response(200, {}, body), API) in (True, body, body.decode())
    else:
        with pytest.raises(ProtocolError, match=r"expected|should be"):
            operation.read(Response(200, {}, body), API)


def test_a_traceback_does_not_show_what_the_server_repeated():
    token = "r8_CANARY"
    response = Response(200, {}, f'{{"id": 1, "token": "{token}"}}'.encode())
    with pytest.raises(ProtocolError) as caught:
        SAMPLES["predictions.get"].operation.read(response, API)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    own = [frame for frame in frames.stack if "/replicate_home/" in frame.filename and "/tests/" not in frame.filename]
    assert token not in str([frame.locals for frame in own if frame.name != "read"])


# ---- what is read ------------------------------------------------------------------------------------------------


def test_a_model_has_its_version_and_its_example():
    model = SAMPLES["models.get"].operation.read(SAMPLES["models.get"].response, API)
    assert isinstance(model, ModelFields)
    assert (model.id, model.run_count, model.is_official, model.description, model.paper_url) == (
        "acme/hello", 7, True, None, None,
    )  # fmt: skip
    assert model.latest_version == VersionFields(MODEL["latest_version"])
    assert model.latest_version.created_at == CREATED
    assert model.default_example == Snapshot(PREDICTION)


def test_a_deployment_says_what_it_runs_on():
    deployment = SAMPLES["deployments.get"].operation.read(SAMPLES["deployments.get"].response, API)
    release = deployment.current_release
    assert (deployment.id, release.number, release.created_by.username) == ("acme/app", 2, "acme")
    assert (release.configuration.hardware, release.configuration.max_instances) == ("gpu-t4", 5)


def test_a_collection_is_a_sequence_of_its_models():
    collection = SAMPLES["collections.get"].operation.read(SAMPLES["collections.get"].response, API)
    assert (len(collection), list(collection), collection[0], collection[-1:]) == (
        1, [ModelFields(MODEL)], ModelFields(MODEL), [ModelFields(MODEL)],
    )  # fmt: skip
    assert ModelFields(MODEL) in collection
    assert dict(collection) == collection.to_dict() == SAMPLES["collections.get"].answer
    assert (collection["slug"], collection.full_description) == ("text-to-image", None)


def test_a_page_has_records_and_cursors():
    found = SAMPLES["models.list"].operation.read(SAMPLES["models.list"].response, API)
    assert (found.results, found.next, found.previous, found.extra) == ([ModelFields(MODEL)], CURSOR, None, {})
    assert found == pickle.loads(pickle.dumps(found)) == PageFields(found.to_dict(), ModelFields)
    assert found != PageFields(found.to_dict(), VersionFields)
    assert repr(found) == "PageFields(1 ModelFields, more)"


def test_hardware_comes_as_a_plain_list():
    found = SAMPLES["hardware.list"].operation.read(SAMPLES["hardware.list"].response, API)
    assert found == [Hardware({"name": "CPU", "sku": "cpu"})]


def test_a_search_says_why():
    found = SAMPLES["search"].operation.read(SAMPLES["search"].response, API)
    assert [(one.model.id, one.metadata.score, one.metadata.tags) for one in found.models] == [
        ("acme/hello", 1.5, ["cats"])
    ]
    assert [(one.slug, one.models) for one in found.collections] == [("cats", ["acme/hello"])]
    assert [one.href for one in found.pages] == ["/docs/cats"]
    assert repr(found) == "SearchResults('cats': 1 models, 1 collections, 1 pages)"


def test_a_training_is_read_as_a_prediction_is():
    training = SAMPLES["trainings.get"].operation.read(SAMPLES["trainings.get"].response, API)
    assert (training.id, training.status, training.is_terminal, training.output) == (
        "t1", "starting", False, {"version": "v2"},
    )  # fmt: skip


def test_a_webhook_secret_is_not_shown():
    secret = SAMPLES["webhooks.default.secret.get"].operation.read(Response(200, {}, b'{"key": "whsec_CANARY"}'), API)
    assert (secret.key, repr(secret)) == ("whsec_CANARY", "WebhookSigningSecret(key='whsec_***')")
    assert "CANARY" not in f"{secret!s} {[secret]}"


# ---- what is asked -----------------------------------------------------------------------------------------------


def test_what_is_not_given_is_not_sent():
    assert predictions.create_prediction("acme/hello", {}).json == {"version": "acme/hello", "input": {}}
    assert predictions.create_prediction("acme/hello", {}).headers == {}
    assert models.update_model("acme/hello").json == deployments.update_deployment("acme/app").json == {}
    assert predictions.list_predictions().target(API) == "/predictions"


@pytest.mark.parametrize(("wait", "sent"), [(None, None), (0, None), (1, "wait=1"), (60, "wait=60"), (99, "wait=60")])
def test_the_server_holds_a_create_for_a_minute_at_most(wait, sent):
    assert predictions.create_prediction(VERSION, {}, wait=wait).headers.get("Prefer") == sent


@pytest.mark.parametrize(("seconds", "sent"), [(0.1, "5s"), (5, "5s"), (5.01, "6s"), (600.0, "600s")])
def test_the_run_ends_by_itself_no_sooner_than_the_server_can_end_it(seconds, sent):
    assert predictions.create_prediction(VERSION, {}, cancel_after=seconds).headers == {"Cancel-After": sent}


def test_records_stand_for_their_names():
    model, version = ModelFields(MODEL), VersionFields(MODEL["latest_version"])
    deployment = SAMPLES["deployments.get"].operation.read(SAMPLES["deployments.get"].response, API)
    assert models.get_model(model) == models.get_model("acme/hello") == models.get_model(("acme", "hello"))
    assert models.get_version(model, version) == models.get_version("acme/hello", VERSION)
    assert models.get_version(model, version) == models.get_version(f"acme/hello:{VERSION}")
    assert deployments.get_deployment(deployment) == deployments.get_deployment("acme/app")
    assert deployments.update_deployment("acme/app", version=version).json == {"version": VERSION}
    assert trainings.create_training(model, version, {}, model) == trainings.create_training(
        f"acme/hello:{VERSION}", None, {}, "acme/hello"
    )
