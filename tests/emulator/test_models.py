"""Models: official and not, created and deleted, searched and collected, trained and deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.clock import FakeClock
from replicate_home.emulator import registry
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalModel, LocalRun, local_model, version_of

from .api import Api

VERSION = version_of("owner/llm")
TRAININGS = f"/models/owner/llm/versions/{VERSION}/trainings"
NEW = {"owner": "somebody", "name": "new", "visibility": "private", "hardware": "cpu"}
APP = {"name": "app", "model": "owner/llm", "version": VERSION, "hardware": "cpu", "min_instances": 0}


def llm(run: LocalRun, prompt: str) -> Iterator[str]:
    """Answer with the same words."""
    for word in prompt.split():
        run.sleep(1)
        yield word


def train(run: LocalRun, steps: int = 1) -> bytes:
    run.log(f"{steps} steps")
    run.sleep(steps * 60)
    return b"weights"


def paint(prompt: str) -> bytes:
    """Draw a picture."""
    return prompt.encode()


def sharpen(image: bytes) -> bytes:
    """Make a picture better."""
    return image


@pytest.fixture
def api() -> Api:
    models = {
        "owner/llm": LocalModel.of("owner/llm", llm, train=train),
        "owner/official": LocalModel.of("owner/official", llm, official=True),
        "owner/community": LocalModel.of("owner/community", llm, official=False),
        "owner/painter": paint,
        "owner/sharpener": sharpen,
    }
    return Api(Emulator(models, clock=FakeClock(), seed="models"))


def ask(api: Api, method: str, path: str, body: Any = None) -> Any:
    response = api.send(method, path, body)
    assert response.status in (200, 201), response.body
    return json.loads(response.body)


def pass_time(api: Api, seconds: float) -> None:
    api.emulator.clock.sleep(seconds)


# -- official or not


def test_an_official_model_runs_by_its_name_and_shows_no_versions(api: Api) -> None:
    body = {"input": {"prompt": "a"}}
    created = ask(api, "POST", "/models/owner/official/predictions", body)
    assert (created["model"], created["version"]) == ("owner/official", "hidden")
    assert ask(api, "POST", "/predictions", {**body, "version": "owner/official"})["version"] == "hidden"
    assert api.get("/models/owner/official")["is_official"] is True
    assert api.refused("GET", "/models/owner/official/versions") == {
        "title": "Not found",
        "detail": "This model is an official model and does not expose a list of versions.",
        "status": 404,
    }
    version = version_of("owner/official")
    assert api.refused("GET", f"/models/owner/official/versions/{version}")["status"] == 404
    assert api.refused("POST", "/predictions", {**body, "version": version})["status"] == 404


def test_any_other_model_of_the_hosted_kind_runs_by_its_version_only(api: Api) -> None:
    body = {"input": {"prompt": "a"}}
    version = version_of("owner/community")
    assert ask(api, "POST", "/predictions", {**body, "version": version})["version"] == version
    assert ask(api, "POST", "/predictions", {**body, "version": f"owner/community:{version}"})["version"] == version
    assert "not an official model" in api.refused("POST", "/models/owner/community/predictions", body)["detail"]
    assert api.refused("POST", "/predictions", {**body, "version": "owner/community"})["status"] == 404
    assert api.get("/models/owner/community")["is_official"] is False


def test_a_served_function_runs_either_way_unless_it_is_told(api: Api) -> None:
    body = {"input": {"prompt": "a"}}
    for path, version in (("/models/owner/llm/predictions", {}), ("/predictions", {"version": VERSION})):
        assert ask(api, "POST", path, {**body, **version})["version"] == VERSION


def test_a_registered_model_says_whether_it_is_official_and_how_it_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_shared", {})
    local_model("local/official", official=True)(llm)
    local_model("local/trained", train=train)(llm)
    api = Api(Emulator(clock=FakeClock()))
    assert api.get("/models/local/official")["is_official"] is True
    path = f"/models/local/trained/versions/{version_of('local/trained')}/trainings"
    assert api.refused("POST", path, {"destination": "a/b", "input": {"steps": "x"}})["status"] == 422
    with pytest.raises(TypeError, match="cannot be a generator"):
        local_model("local/wrong", train=llm)(llm)


# -- created, changed, deleted


def test_a_model_is_created_found_changed_and_deleted(api: Api) -> None:
    created = ask(api, "POST", "/models", {**NEW, "description": "Very new", "paper_url": "https://example.com/paper"})
    assert created == {
        "url": "https://local.invalid/somebody/new",
        "owner": "somebody",
        "name": "new",
        "description": "Very new",
        "visibility": "private",
        "is_official": False,
        "run_count": 0,
        "default_example": None,
        "latest_version": None,
        "cover_image_url": None,
        "github_url": None,
        "license_url": None,
        "paper_url": "https://example.com/paper",
    }
    assert api.get("/models/somebody/new") == created
    assert api.get("/models/somebody/new/versions")["results"] == []
    changed = ask(api, "PATCH", "/models/somebody/new", {"description": "Newer", "readme": "# New\n"})
    assert changed == {**created, "description": "Newer"}
    readme = api.send("GET", "/models/somebody/new/readme")
    assert (readme.body, readme.content_type) == (b"# New\n", "text/plain")
    assert api.send("DELETE", "/models/somebody/new").status == 204
    assert api.refused("GET", "/models/somebody/new")["status"] == 404


def test_a_name_can_be_taken_once_at_a_time(api: Api) -> None:
    ask(api, "POST", "/models", NEW)
    assert api.refused("POST", "/models", NEW)["status"] == 409
    assert api.refused("POST", "/models", {**NEW, "owner": "owner", "name": "llm"})["status"] == 409
    api.send("DELETE", "/models/somebody/new")
    ask(api, "POST", "/models", NEW)


def test_a_model_without_versions_cannot_be_run(api: Api) -> None:
    ask(api, "POST", "/models", NEW)
    assert api.refused("POST", "/predictions", {"version": "somebody/new", "input": {}})["status"] == 404


def test_only_private_models_can_be_deleted(api: Api) -> None:
    ask(api, "POST", "/models", {**NEW, "visibility": "public"})
    assert api.refused("DELETE", "/models/somebody/new")["status"] == 403
    assert api.get("/models/somebody/new")["visibility"] == "public"


def test_deleting_what_a_function_stands_behind_is_answered_and_changes_nothing(api: Api) -> None:
    before = api.get("/models/owner/llm")
    deleted = api.send("DELETE", f"/models/owner/llm/versions/{VERSION}")
    assert (deleted.status, deleted.body, api.send("DELETE", "/models/owner/llm").status) == (202, b"", 204)
    assert api.get("/models/owner/llm") == before
    assert api.held("owner/llm", prompt="a")["output"] == ["a"]


# -- lists, search, collections


def test_public_models_are_listed_by_either_date_in_either_direction(api: Api) -> None:
    pass_time(api, 10)
    ask(api, "POST", "/models", {**NEW, "visibility": "public"})
    ask(api, "POST", "/models", {**NEW, "name": "hidden"})
    pass_time(api, 10)
    ask(api, "POST", TRAININGS, {"destination": "owner/painter", "input": {"steps": 1}})
    pass_time(api, 100)

    def listed(query: str = "") -> list[str]:
        return [model["name"] for model in api.get("/models" + query)["results"]]

    assert listed()[:2] == ["painter", "new"]
    assert listed() == listed("?sort_by=latest_version_created_at&sort_direction=desc")
    assert listed("?sort_direction=asc") == listed()[::-1]
    assert listed("?sort_by=model_created_at")[0] == "new"
    assert "hidden" not in listed()


def test_models_come_in_pages_whose_links_keep_the_order(api: Api) -> None:
    for number in range(120):
        ask(api, "POST", "/models", {**NEW, "name": f"m{number}", "visibility": "public"})
        pass_time(api, 1)
    names, path = [], "/models?sort_by=model_created_at&sort_direction=asc"
    while path:
        page = api.get(path)
        names += [model["name"] for model in page["results"]]
        path = page["next"]
    assert names[5:] == [f"m{number}" for number in range(120)]
    assert len(api.get(page["previous"])["results"]) == 100


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"picture", ["painter", "sharpener"]),
        (b'"picture"', ["painter", "sharpener"]),
        (b"better PICTURE", ["sharpener", "painter"]),
        (b"zebra", []),
        (b"!!!", []),
    ],
)
def test_models_are_searched_by_the_words_of_their_names_and_descriptions(
    api: Api, query: bytes, found: list[str]
) -> None:
    response = api.send("QUERY", "/models", body=query, headers={"Content-Type": "text/plain"})
    assert [model["name"] for model in json.loads(response.body)["results"]] == found


def test_the_search_finds_models_and_collections(api: Api) -> None:
    found = api.get("/search?query=better+picture&limit=1")
    assert [(each["model"]["name"], each["metadata"]["score"]) for each in found["models"]] == [("sharpener", 1.0)]
    assert found["query"] == "better picture"
    assert [collection["slug"] for collection in found["collections"]] == ["text-to-image", "super-resolution"]
    assert found["collections"][1]["models"] == ["owner/sharpener"]


def test_private_models_are_found_by_their_name_only(api: Api) -> None:
    ask(api, "POST", "/models", {**NEW, "description": "unheard of"})
    assert api.get("/search?query=unheard")["models"] == []
    assert api.get("/models/somebody/new")["description"] == "unheard of"


@pytest.mark.parametrize(
    ("slug", "names"),
    [
        ("text-to-image", ["painter"]),
        ("super-resolution", ["sharpener"]),
        ("language-models", ["community", "llm", "official"]),
    ],
)
def test_a_collection_has_the_models_that_do_what_it_says(api: Api, slug: str, names: list[str]) -> None:
    assert slug in [collection["slug"] for collection in api.get("/collections")["results"]]
    assert [model["name"] for model in api.get(f"/collections/{slug}")["models"]] == names


# -- trainings


def test_a_training_runs_and_its_end_makes_a_version_that_can_be_run(api: Api) -> None:
    created = ask(api, "POST", TRAININGS, {"destination": "somebody/trained", "input": {"steps": 2}})
    own = f"https://local.invalid/v1/trainings/{created['id']}"
    assert created == {
        "id": created["id"],
        "model": "owner/llm",
        "version": VERSION,
        "input": {"steps": 2},
        "logs": "",
        "error": None,
        "status": "starting",
        "source": "api",
        "data_removed": False,
        "created_at": "2023-11-14T22:13:20.000000Z",
        "urls": {"get": own, "cancel": own + "/cancel", "web": f"https://local.invalid/p/{created['id']}"},
    }
    assert api.get("/models/somebody/trained")["visibility"] == "private"
    pass_time(api, 119)
    assert api.get(f"/trainings/{created['id']}")["status"] == "processing"
    assert api.get("/models/somebody/trained/versions")["results"] == []
    pass_time(api, 1)
    ended = api.get(f"/trainings/{created['id']}")
    assert (ended["status"], ended["logs"]) == ("succeeded", "2 steps\n")
    (version,) = api.get("/models/somebody/trained/versions")["results"]
    assert ended["output"]["version"] == f"somebody/trained:{version['id']}"
    assert api.send("GET", ended["output"]["weights"]).body == b"weights"
    assert version["created_at"] == ended["completed_at"] == "2023-11-14T22:15:20.000000Z"
    assert api.get("/models/somebody/trained")["latest_version"] == version
    made = api.held(ended["output"]["version"], prompt="a b")
    assert (made["model"], made["version"], made["output"]) == ("somebody/trained", version["id"], ["a", "b"])
    assert api.get("/trainings")["results"] == [ended]
    assert [prediction["id"] for prediction in api.get("/predictions")["results"]] == [made["id"]]


def test_a_canceled_training_makes_no_version(api: Api) -> None:
    created = ask(api, "POST", TRAININGS, {"destination": "somebody/trained", "input": {"steps": 2}})
    pass_time(api, 60)
    assert ask(api, "POST", f"/trainings/{created['id']}/cancel")["status"] == "canceled"
    pass_time(api, 600)
    assert api.get("/models/somebody/trained/versions")["results"] == []


def test_a_training_may_add_a_version_to_a_model_that_is_there(api: Api) -> None:
    made = ask(api, "POST", TRAININGS, {"destination": "owner/painter", "input": {}})
    pass_time(api, 60)
    versions = [version["id"] for version in api.get("/models/owner/painter/versions")["results"]]
    trained = api.get(f"/trainings/{made['id']}")["output"]["version"].partition(":")[2]
    assert versions == [trained, version_of("owner/painter")]


def test_a_model_that_says_nothing_of_training_is_trained_at_once(api: Api) -> None:
    path = f"/models/owner/painter/versions/{version_of('owner/painter')}/trainings"
    created = ask(api, "POST", path, {"destination": "somebody/trained", "input": {"anything": 1}})
    ended = api.get(f"/trainings/{created['id']}")
    assert ended["status"] == "succeeded"
    assert set(ended["output"]) == {"version"}


def test_a_trainings_webhook_tells_the_training(api: Api) -> None:
    sent: list[Any] = []
    api.emulator.service.webhooks.send = lambda request: sent.append(json.loads(request.body or b""))  # type: ignore[arg-type]
    body = {"destination": "a/b", "input": {"steps": 1}, "webhook": "https://example.com/x"}
    created = ask(api, "POST", TRAININGS, {**body, "webhook_events_filter": ["completed"]})
    pass_time(api, 60)
    assert api.get(f"/trainings/{created['id']}") == sent[0]


def test_a_trained_version_is_deleted_with_its_predictions_and_files_unless_it_is_used(api: Api) -> None:
    ask(api, "POST", TRAININGS, {"destination": "somebody/trained", "input": {}})
    pass_time(api, 60)
    (version,) = api.get("/models/somebody/trained/versions")["results"]
    path = f"/models/somebody/trained/versions/{version['id']}"
    made = api.held(version["id"], prompt="a")
    deployed = {**APP, "model": "somebody/trained", "version": version["id"], "max_instances": 1}
    ask(api, "POST", "/deployments", deployed)
    assert api.refused("DELETE", path)["status"] == 409
    assert api.refused("DELETE", "/models/somebody/trained")["status"] == 409
    assert api.send("DELETE", "/deployments/local/app").status == 204
    assert api.send("DELETE", path).status == 202
    assert api.refused("GET", path)["status"] == 404
    assert api.refused("GET", f"/predictions/{made['id']}")["status"] == 404
    assert api.send("DELETE", "/models/somebody/trained").status == 204


# -- deployments


def test_a_deployment_is_created_changed_and_listed(api: Api) -> None:
    created = ask(api, "POST", "/deployments", {**APP, "max_instances": 1})
    assert created == {
        "owner": "local",
        "name": "app",
        "current_release": {
            "number": 1,
            "model": "owner/llm",
            "version": VERSION,
            "created_at": "2023-11-14T22:13:20.000000Z",
            "created_by": {"type": "user", "username": "local", "name": "This computer"},
            "configuration": {"hardware": "cpu", "min_instances": 0, "max_instances": 1},
        },
    }
    pass_time(api, 60)
    changed = ask(api, "PATCH", "/deployments/local/app", {"max_instances": 5, "hardware": "gpu-t4"})
    assert changed["current_release"] == {
        **created["current_release"],
        "number": 2,
        "created_at": "2023-11-14T22:14:20.000000Z",
        "configuration": {"hardware": "gpu-t4", "min_instances": 0, "max_instances": 5},
    }
    assert api.get("/deployments/local/app") == changed
    ask(api, "POST", "/deployments", {**APP, "name": "later", "max_instances": 1})
    assert [deployment["name"] for deployment in api.get("/deployments")["results"]] == ["later", "app"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "a/b"}, 422),
        ({"model": "owner/none"}, 404),
        ({"model": "owner/official"}, 404),
        ({"version": "0" * 64}, 404),
        ({"hardware": "abacus"}, 422),
        ({"min_instances": 6}, 422),
        ({"min_instances": -1}, 422),
        ({"min_instances": True}, 422),
        ({"max_instances": 21}, 422),
        ({"max_instances": 1.5}, 422),
        ({"max_instances": None}, 422),
        ({"min_instances": 2}, 422),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_and_not_made(api: Api, changed: dict[str, Any], status: int) -> None:
    assert api.refused("POST", "/deployments", {**APP, "max_instances": 1, **changed})["status"] == status
    assert api.get("/deployments")["results"] == []


def test_a_deployments_predictions_run_its_version_and_name_it(api: Api) -> None:
    ask(api, "POST", "/deployments", {**APP, "max_instances": 1})
    created = ask(api, "POST", "/deployments/local/app/predictions", {"input": {"prompt": "a"}})
    assert (created["deployment"], created["model"], created["version"]) == ("local/app", "owner/llm", VERSION)
    assert api.refused("POST", "/deployments/local/app/predictions", {"input": {}})["status"] == 422


def test_a_deployment_that_is_online_or_was_just_used_cannot_be_deleted(api: Api) -> None:
    ask(api, "POST", "/deployments", {**APP, "min_instances": 1, "max_instances": 1})
    assert api.refused("DELETE", "/deployments/local/app")["status"] == 409
    ask(api, "PATCH", "/deployments/local/app", {"min_instances": 0})
    ask(api, "POST", "/deployments/local/app/predictions", {"input": {"prompt": "a"}})
    assert api.refused("DELETE", "/deployments/local/app")["status"] == 409
    pass_time(api, 900)
    assert api.refused("DELETE", "/deployments/local/app")["status"] == 409
    pass_time(api, 1)
    assert api.send("DELETE", "/deployments/local/app").status == 204
    assert api.refused("GET", "/deployments/local/app")["status"] == 404


# -- examples


def test_examples_are_predictions_that_took_their_own_time(api: Api) -> None:
    examples = [{"prompt": "a b"}, {"prompt": "c"}]
    api.emulator.service.models.add("owner/shown", LocalModel.of("owner/shown", llm, examples=examples))
    model = api.get("/models/owner/shown")
    listed = api.get("/models/owner/shown/examples")["results"]
    assert [(each["input"], each["output"], each["metrics"]["predict_time"]) for each in listed] == [
        ({"prompt": "a b"}, ["a", "b"], 2.0),
        ({"prompt": "c"}, ["c"], 1.0),
    ]
    assert model["default_example"] == listed[0]
    assert api.get("/models/owner/shown/examples")["results"] == listed
    assert (api.emulator.clock.now(), list(api.emulator.calls), model["run_count"]) == (0.0, [], 0)
    assert api.get("/predictions")["results"] == []


def test_the_files_of_an_example_can_be_read(api: Api) -> None:
    painter = LocalModel.of("owner/shown", paint, examples=[{"prompt": "a"}])
    api.emulator.service.models.add("owner/shown", painter)
    (example,) = api.get("/models/owner/shown/examples")["results"]
    assert api.send("GET", example["output"]).body == b"a"


def test_in_real_time_examples_are_there_at_once() -> None:
    with Emulator({"owner/shown": LocalModel.of("owner/shown", llm, examples=[{"prompt": "a " * 3600}])}) as emulator:
        (example,) = Api(emulator).get("/models/owner/shown/examples")["results"]
    assert (example["status"], example["metrics"]["predict_time"]) == ("succeeded", 3600.0)


# -- held creates


@pytest.mark.parametrize("wait", ["wait", "wait=10"])
def test_a_create_that_was_held_to_the_end_is_answered_as_recorded(api: Api, wait: str) -> None:
    body = {"version": "owner/painter", "input": {"prompt": "a"}}
    response = api.send("POST", "/predictions", body, headers={"Prefer": wait})
    held = json.loads(response.body)
    assert (response.status, response.headers["preference-applied"]) == (201, wait)
    assert (held["status"], held["output"]) == ("processing", "data:application/octet-stream;base64,YQ==")
    assert "started_at" in held
    assert not {"completed_at", "metrics"} & set(held)
    later = api.get(f"/predictions/{held['id']}")
    assert (later["status"], later["output"].rpartition("/")[0]) == (
        "succeeded",
        f"https://local.invalid/delivery/{held['id']}",
    )


def test_large_files_are_named_by_url_even_there(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.stored_run.LARGEST_INLINE", 3)
    outputs = [api.create("owner/painter", {"Prefer": "wait"}, prompt=prompt)["output"] for prompt in ("abc", "abcd")]
    assert [output.partition(":")[0] for output in outputs] == ["data", "https"]


def test_a_held_create_that_fails_says_so(api: Api) -> None:
    def broken() -> None:
        raise ValueError("boom")

    api.emulator.service.models.add("owner/broken", broken)
    held = api.create("owner/broken", {"Prefer": "wait"})
    assert (held["status"], held["error"]) == ("failed", "ValueError: boom")
    assert "completed_at" in held
