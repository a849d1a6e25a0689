"""Records with methods: what a model, a version, a deployment and a training can do, for both clients."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator

import pytest

from replicate_home import (
    AsyncClient,
    AsyncTraining,
    Client,
    InvalidInput,
    ModelNotFound,
    NotFound,
    PredictionTimeout,
    ReplicateHomeError,
    Request,
    Response,
    Training,
)
from replicate_home.records.deployment import DeploymentFields
from replicate_home.records.model import ModelFields, VersionFields
from replicate_home.testing import FakeReplicate


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hel", "lo")
        fake.on_training("owner/llm").returns({"weights": "w"}).takes(60)
        yield fake


@pytest.fixture
def client(fake: FakeReplicate) -> Client:
    client = fake.client()
    client.models.create("local", "tuned", visibility="private", hardware="cpu")
    return client


@pytest.fixture
def aclient(fake: FakeReplicate, client: Client) -> AsyncClient:
    return AsyncClient(transport=fake.transport, clock=fake.clock)


def trained(client: Client) -> Training:
    version = client.models.get("owner/llm").latest_version
    assert version is not None
    return client.trainings.create("owner/llm", version, {"prompt": "x"}, "local/tuned")


class TestTrainings:
    def test_wait_updates_it_in_place_until_it_has_ended(self, fake, client):
        training = trained(client)
        assert (training.status, training.output) == ("starting", None)
        assert training.wait() is training
        assert training.status == "succeeded"
        assert training.output["version"].startswith("local/tuned:")
        assert fake.clock.now() >= 60
        assert {request.path for request in fake.requests[-2:]} == {f"/trainings/{training.id}"}

    def test_a_wait_that_is_too_short_leaves_it_running(self, client):
        training = trained(client)
        with pytest.raises(PredictionTimeout) as caught:
            training.wait(timeout=5)
        assert (caught.value.canceled, training.reload().status) == (False, "processing")

    def test_reload_and_cancel_update_it_too(self, fake, client):
        training = trained(client)
        fake.clock.sleep(5)
        assert training.reload().status == "processing"
        assert (training.cancel().status, training.status) == ("canceled", "canceled")
        assert [request.path for request in fake.requests[-2:]] == [
            f"/trainings/{training.id}",
            f"/trainings/{training.id}/cancel",
        ]

    def test_the_same_awaited(self, client, aclient):
        async def main():
            version = (await aclient.models.get("owner/llm")).latest_version
            training = await aclient.trainings.create("owner/llm", version, {"prompt": "x"}, "local/tuned")
            assert isinstance(training, AsyncTraining)
            assert (await training.wait()) is training
            second = await aclient.trainings.create(version=f"owner/llm:{version.id}", destination="local/tuned")
            return training.status, (await second.reload()).status, (await second.cancel()).status

        assert asyncio.run(main()) == ("succeeded", "processing", "canceled")

    def test_the_version_is_named_in_one_string_or_beside_its_model(self, fake, client):
        version = client.models.versions.list("owner/llm")[0]
        name = f"owner/llm:{version.id}"
        for training in (
            client.trainings.create(name, input={}, destination="local/tuned"),
            client.trainings.create(version=name, input={}, destination=("local", "tuned")),
            client.trainings.create("owner/llm", version.id, {}, "local/tuned"),
            client.trainings.create(client.models.get("owner/llm"), version, {}, client.models.get("local/tuned")),
        ):
            assert (training.model, training.version) == ("owner/llm", version.id)
        made = [request.path for request in fake.requests if request.path.endswith("/trainings")]
        assert made == [f"/models/owner/llm/versions/{version.id}/trainings"] * 4

    def test_files_in_the_input_are_sent_first(self, fake, client):
        version = client.models.versions.list("owner/llm")[0]
        options = {"destination": "local/tuned", "file_encoding_strategy": "url"}
        training = client.trainings.create(f"owner/llm:{version.id}", input={"data": b"abc"}, **options)
        (file,) = client.files.list()
        assert training.input == {"data": file.urls["get"]}
        inline = client.trainings.create(f"owner/llm:{version.id}", input={"data": b"abc"}, destination="local/tuned")
        assert inline.input == {"data": "data:application/octet-stream;base64,YWJj"}

    @pytest.mark.parametrize("arguments", [(), ("owner/llm:v",), ("owner/llm:v", None, {"x": 1})])
    def test_without_a_version_or_a_destination_it_is_a_mistake(self, fake, client, arguments):
        with pytest.raises(TypeError, match="needs a version"):
            client.trainings.create(*arguments)

    def test_a_copy_belongs_to_the_client_and_a_pickle_to_none(self, client):
        training = trained(client)
        assert copy.copy(training) == training
        assert copy.copy(training).reload().status == "processing"
        loaded = pickle.loads(pickle.dumps(training))
        assert (type(loaded), loaded) == (Training, training)
        with pytest.raises(ReplicateHomeError, match=r"belongs to no client: use client\.trainings\.get\("):
            loaded.reload()

    def test_a_training_has_its_own_fields(self):
        training = Training.from_dict({"id": "t1", "status": "starting", "destination": "a/b", "new": 1})
        assert (training.destination, training.extra) == ("a/b", {"new": 1})

    def test_its_destination_is_known_once_it_has_made_a_version(self, client):
        training = trained(client)
        assert training.destination is None
        assert training.wait().destination == "local/tuned"


class TestModels:
    def test_a_model_has_versions_that_run(self, client):
        model = client.models.get("owner", "llm")
        assert model.latest_version is not None
        assert model.versions.get(model.latest_version.id) == model.latest_version == model.versions.list()[0]
        assert model.latest_version.predict(prompt="Hi") == ["Hel", "lo"]
        assert model.default_example is None
        with pytest.raises(TypeError, match=r"use client\.run\('owner/llm', input="):
            model.predict(prompt="Hi")

    def test_reload_updates_it_in_place(self, client):
        model = client.models.get("local/tuned")
        client.models.update("local/tuned", description="Better")
        assert (model.description, model.reload().description, model.description) == (None, "Better", "Better")

    def test_the_same_awaited(self, aclient):
        async def main():
            model = await aclient.models.get("owner/llm")
            (version,) = [one async for one in model.versions.list()]
            assert await model.versions.get(version.id) == version == model.latest_version
            assert await model.reload() is model
            return await version.predict(prompt="Hi")

        assert asyncio.run(main()) == ["Hel", "lo"]

    def test_a_version_is_deleted_where_it_hangs(self, client):
        trained(client).wait()
        model = client.models.get("local/tuned")
        assert model.versions.delete(model.versions.list()[0].id) is True
        assert len(model.versions.list()) == 0

    def test_a_pickle_is_the_plain_record(self, client):
        model = client.models.get("owner/llm")
        kinds = [type(pickle.loads(pickle.dumps(one))) for one in (model, model.latest_version)]
        assert kinds == [ModelFields, VersionFields]

    def test_pages_lead_to_each_other(self, fake, client):
        for number in range(110):
            fake.on(f"owner/model-{number}").returns("x")
        first = client.models.list()
        second = client.models.list(first.next)
        assert len({model.id for model in first.all()}) == 111
        assert first.next is not None
        assert second.previous is not None
        assert client.models.list(second.previous).results == first.results

    def test_the_schema_of_a_record_is_that_of_its_name(self, client):
        assert client.models.schema(client.models.get("owner/llm")) == client.models.schema("owner/llm")


class TestDeployments:
    @pytest.fixture
    def deployed(self, client):
        version = client.models.get("owner/llm").latest_version
        return client.deployments.create("app", "owner/llm", version, "cpu", 0, 1)

    def test_it_runs_by_name_as_a_record_and_by_its_own_predictions(self, fake, client, deployed):
        assert client.run("deployments/local/app", prompt="Hi") == ["Hel", "lo"]
        assert client.run(deployed, prompt="Hi") == ["Hel", "lo"]
        assert list(client.stream(deployed, prompt="Hi")) == ["Hel", "lo"]
        assert client.use("deployments/local/app")(prompt="Hi") == ["Hel", "lo"]
        assert deployed.predictions.create({"prompt": "Hi"}).deployment == "local/app"
        for name in ("local/app", "deployments/local/app", ("local", "app"), deployed):
            assert client.predictions.create(deployment=name, input={"prompt": "Hi"}).deployment == "local/app"
        created = [request.path for request in fake.requests if request.path.endswith("/predictions")]
        assert created == ["/deployments/local/app/predictions"] * 9

    def test_the_same_awaited(self, aclient, deployed):
        async def main():
            found = await aclient.deployments.get("local/app")
            created = await found.predictions.create({"prompt": "Hi"})
            return created.deployment, await aclient.run(found, prompt="Hi")

        assert asyncio.run(main()) == ("local/app", ["Hel", "lo"])

    def test_a_pickle_is_the_plain_record(self, deployed):
        assert type(pickle.loads(pickle.dumps(deployed))) is DeploymentFields


class TestWhatIsNamedWrongly:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda client: client.models.get("owner/../account"),
            lambda client: client.models.get("owner"),
            lambda client: client.models.predictions.create("a/b/c", {}),
            lambda client: client.models.versions.get("owner/name", "../x"),
            lambda client: client.deployments.predictions.create("owner/name?x", {}),
            lambda client: client.predictions.create(deployment="../x"),
            lambda client: client.predictions.get("../account"),
            lambda client: client.trainings.get("a/b"),
            lambda client: client.trainings.create("owner/name:v/1", destination="a/b", input={"x": b"1"}),
            lambda client: client.trainings.create("owner/name:v", destination="a", input={"x": b"1"}),
            lambda client: client.trainings.create("owner/name:v", destination="a/b", input={"x": float("nan")}),
            lambda client: client.files.get("a?b"),
            lambda client: client.files.create(b"x", metadata={"x": float("nan")}),
            lambda client: client.collections.get("a/b"),
            lambda client: client.models.list("https://elsewhere.example/v1/models?cursor=x"),
            lambda client: client.request("GET", "https://elsewhere.example/v1/models"),
            lambda client: client.request("GET", "models"),
            lambda client: client.request("GET x", "/models"),
        ],
    )
    def test_is_refused_before_any_request(self, ask):
        fake = FakeReplicate()
        for client in (fake.client(), AsyncClient(transport=fake.transport, clock=fake.clock)):
            with pytest.raises(InvalidInput):
                asyncio.run(awaited(ask, client))
        assert fake.requests == []

    @pytest.mark.parametrize("given", [{}, {"version": "a/b", "model": "a/b"}, {"model": "a/b", "deployment": "a/b"}])
    def test_a_prediction_is_asked_for_in_one_way(self, client, given):
        with pytest.raises(TypeError, match="give version, model= or deployment=, one of them"):
            client.predictions.create(**given)

    def test_a_malformed_file_is_a_mistake(self, client):
        with pytest.raises(TypeError, match="got int"):
            client.files.create(7)


async def awaited(ask, client):
    outcome = ask(client)
    return await outcome if hasattr(outcome, "__await__") else outcome


class BareRefusals:
    """A transport whose server says 404 and nothing more."""

    backend = "replicate"

    def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        return Response(404), None

    def close(self) -> None:
        """Nothing to close."""


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda client: client.run("owner/none"),
            lambda client: client.predictions.create("owner/none", {}),
            lambda client: client.models.get("owner/none"),
            lambda client: client.models.versions.get("owner/none", "v"),
            lambda client: client.models.predictions.create("owner/none", {}),
            lambda client: client.trainings.create("owner/none:v", destination="a/b"),
        ],
    )
    def test_a_bare_404_names_the_model(self, ask):
        with pytest.raises(ModelNotFound, match="owner/none") as caught:
            ask(Client("t", transport=BareRefusals()))
        assert caught.value.status == 404

    def test_what_is_no_model_is_just_not_found(self):
        with pytest.raises(NotFound, match="/files/f1") as caught:
            Client("t", transport=BareRefusals()).files.get("f1")
        assert type(caught.value) is NotFound


class TestRequest:
    def test_it_has_the_token_the_errors_and_the_json(self, fake, client):
        response = client.request("GET", "/models", query={"sort_by": "model_created_at"})
        assert (response.status, response.content_type) == (200, "application/json")
        assert (fake.requests[-1].method, fake.requests[-1].path) == ("GET", "/models")
        made = client.request("post", "/predictions", json={"version": "owner/llm", "input": {}})
        assert made.status == 201
        with pytest.raises(NotFound):
            client.request("GET", "/predictions/none")

    def test_the_same_awaited(self, aclient):
        assert asyncio.run(aclient.request("GET", "/account")).status == 200

    def test_types_are_checked(self, client):
        with pytest.raises(TypeError, match="got str and int"):
            client.request("GET", 7)
