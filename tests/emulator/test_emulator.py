"""The endpoints, as the hosted API's clients know them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from replicate_home.clock import FakeClock
from replicate_home.emulator import registry
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.registry import LocalRun, local_model, version_of
from replicate_home.wire import Request

from .api import Api


def echo(run: LocalRun, text: str = "hello") -> Iterator[str]:
    """Say it again, word by word."""
    for word in text.split(" "):
        run.sleep(1)
        yield word


def shout(text: str) -> str:
    return text.upper()


@pytest.fixture
def api() -> Api:
    return Api(Emulator({"local/model": echo, "local/shout": shout}, clock=FakeClock(), seed="tests"))


def test_a_created_prediction_has_the_hosted_apis_fields(api: Api) -> None:
    response = api.send(
        "POST",
        "/predictions",
        {
            "version": "local/model",
            "input": {"text": "a b"},
            "webhook": "https://example.com/hook",
            "webhook_events_filter": ["completed"],
            "stream": True,
        },
        headers={"Cancel-After": "1h30m45s"},
    )
    created = json.loads(response.body)
    own = f"https://local.invalid/v1/predictions/{created['id']}"
    stream = created["urls"].pop("stream")
    assert (response.status, response.headers) == (
        201,
        {"content-type": "application/json", "ratelimit-remaining": "599", "ratelimit-reset": "1"},
    )
    assert created == {
        "id": created["id"],
        "model": "local/model",
        "version": version_of("local/model"),
        "input": {"text": "a b"},
        "output": None,
        "logs": "",
        "error": None,
        "status": "starting",
        "source": "api",
        "data_removed": False,
        "created_at": "2023-11-14T22:13:20.000000Z",
        "deadline": "2023-11-14T23:44:05.000000Z",
        "webhook": "https://example.com/hook",
        "webhook_events_filter": ["completed"],
        "urls": {"get": own, "cancel": own + "/cancel", "web": f"https://local.invalid/p/{created['id']}"},
    }
    assert stream.startswith("https://local.invalid/v1/streams/")
    assert len(created["id"]) == 26
    assert set(created["id"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789")


def test_the_same_seed_gives_the_same_ids_and_another_seed_others() -> None:
    def ids(seed: int) -> list[str]:
        api = Api(Emulator({"local/model": echo}, clock=FakeClock(), seed=seed))
        return [api.create()["id"] for _ in range(3)]

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 6


def test_without_a_seed_ids_are_new_each_time() -> None:
    ids = [Api(Emulator({"local/model": echo}, clock=FakeClock())).create()["id"] for _ in range(3)]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"version": "local/shout"},
        {"version": f"local/shout:{version_of('local/shout')}"},
        {"version": version_of("local/shout")},
    ],
)
def test_every_form_of_a_model_reference_finds_the_model(api: Api, body: dict[str, Any]) -> None:
    response = api.send("POST", "/predictions", {**body, "input": {"text": "a"}}, headers={"Prefer": "wait"})
    assert (json.loads(response.body)["output"], response.headers["preference-applied"]) == ("A", "wait")


def test_a_model_has_an_endpoint_of_its_own(api: Api) -> None:
    response = api.send("POST", "/models/local/shout/predictions", {"input": {"text": "a"}})
    assert (response.status, json.loads(response.body)["model"]) == (201, "local/shout")


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("local/none", ""),
        ("none", ""),
        ("0" * 64, ""),
        ("local/mdoel", "Did you mean 'local/model'? "),
        ("local/shout:" + "0" * 64, ""),
    ],
)
def test_an_unknown_model_is_a_404_that_names_the_known_ones(api: Api, wanted: str, near: str) -> None:
    problem = api.refused("POST", "/predictions", {"version": wanted, "input": {}})
    assert problem == {
        "title": "Not found",
        "status": 404,
        "detail": f"there is no model {wanted!r} on this server. {near}It has: local/model, local/shout",
    }


def test_models_and_versions_can_be_looked_up(api: Api) -> None:
    api.create()
    model = api.get("/models/local/model")
    version = model["latest_version"]
    assert {name: model[name] for name in ("owner", "name", "description", "run_count", "default_example")} == {
        "owner": "local",
        "name": "model",
        "description": "Say it again, word by word.",
        "run_count": 1,
        "default_example": None,
    }
    assert version["id"] == version_of("local/model")
    assert version["openapi_schema"]["components"]["schemas"]["Input"]["properties"]["text"] == {
        "title": "Text",
        "type": "string",
        "default": "hello",
        "x-order": 0,
    }
    assert api.get("/models/local/model/versions") == {"next": None, "previous": None, "results": [version]}
    assert api.get(f"/models/local/model/versions/{version['id']}") == version
    assert [found["name"] for found in api.get("/models?sort_direction=asc")["results"]] == ["model", "shout"]
    assert api.refused("GET", "/models/local/none")["status"] == 404
    assert api.refused("GET", "/models/local/model/versions/1")["status"] == 404


def test_a_registered_model_is_served_by_every_emulator(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_shared", {})

    @local_model("local/late")
    def late(text: str) -> str:
        return text + "!"

    assert late("a") == "a!"
    assert api.held("local/late", text="a")["output"] == "a!"
    with pytest.raises(ValueError, match="owner/name"):
        local_model("late")


def test_an_own_model_hides_a_registered_one_of_the_same_name(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_shared", {})
    local_model("local/shout")(lambda text: "registered")
    assert api.held("local/shout", text="a")["output"] == "A"


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"Prefer": "wait=0"}, "1 to 60"),
        ({"Prefer": "wait=61"}, "1 to 60"),
        ({"Prefer": "wait=1.5"}, "1 to 60"),
        ({"Prefer": "respond-async, wait=x"}, "1 to 60"),
        ({"Cancel-After": "4"}, "at least 5"),
        ({"Cancel-After": ""}, "looks like"),
        ({"Cancel-After": "5 minutes"}, "looks like"),
        ({"Cancel-After": "5s1m"}, "looks like"),
    ],
)
def test_preferences_that_cannot_be_meant_are_refused(api: Api, headers: dict[str, str], detail: str) -> None:
    problem = api.refused("POST", "/predictions", {"version": "local/model", "input": {}}, headers=headers)
    assert problem["status"] == 422
    assert detail in problem["detail"]
    assert list(api.emulator.calls) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("5m", 300), ("2h30m", 9000), ("1h30m45s", 5445), ("1m5", 65)]
)
def test_cancel_after_has_units(api: Api, text: str, seconds: int) -> None:
    created = api.create(headers={"Cancel-After": text})
    assert api.emulator.service.store.run(created["id"], "predictions").run.deadline == seconds


def test_other_preferences_are_ignored(api: Api) -> None:
    assert api.create(headers={"Prefer": "respond-async"})["status"] == "starting"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        (b'{"version": "local/model", "input": {"text": NaN}}', 400, "not JSON"),
        (b'{"version": "local/model", "input": {"text": 1e999}}', 400, "not JSON"),
        (b'{"version": "local/model", "input": ' + b"[" * 100_000, 400, "not JSON"),
        (b'{"version": "local/model", "input": ' + b"9" * 5000 + b"}", 400, "not JSON"),
        (b'{"input": {}}', 422, "'version' is required"),
        (b'{"version": 3, "input": {}}', 422, "'version' is a string"),
        (b'{"version": "local/model", "input": {}, "webhoook": "x"}', 422, "there is no field 'webhoook'"),
        (b'{"version": "local/model"}', 422, "'input' is required"),
        (b'{"version": "local/model", "input": null}', 422, "'input' is a JSON object"),
        (b'{"version": "local/model", "input": {}, "webhook": "ftp://x"}', 422, "'webhook'"),
        (b'{"version": "local/model", "input": {}, "webhook": ["x"]}', 422, "'webhook'"),
        (b'{"version": "local/model", "input": {}, "webhook_events_filter": ["all"]}', 422, "'webhook_events_filter'"),
        (b'{"version": "local/model", "input": {}, "webhook_events_filter": [{}]}', 422, "'webhook_events_filter'"),
    ],
)
def test_bodies_that_cannot_be_meant_are_refused(api: Api, body: bytes, status: int, detail: str) -> None:
    problem = api.refused("POST", "/predictions", body=body)
    assert problem["status"] == status
    assert detail in problem["detail"]
    assert list(api.emulator.calls) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/predictions/unknown", 404),
        ("POST", "/predictions/unknown/cancel", 404),
        ("DELETE", "/predictions", 405),
        ("POST", "/account", 405),
        ("GET", "/streams/unknown", 404),
        ("GET", "https://local.invalid/delivery/unknown/x.png", 404),
        ("GET", "https://local.invalid/delivery/../../etc/passwd", 404),
    ],
)
def test_what_is_not_there_is_a_problem_document(api: Api, method: str, path: str, status: int) -> None:
    assert api.refused(method, path)["status"] == status


def test_the_account_is_this_computer(api: Api) -> None:
    assert api.get("/account") == {
        "type": "user",
        "username": "local",
        "name": "This computer",
    }


def test_the_prefix_v1_is_optional(api: Api) -> None:
    with_prefix = api.send("GET", "https://local.invalid/v1/account")
    assert api.send("GET", "https://local.invalid/account") == with_prefix


def test_urls_in_answers_begin_with_the_address_that_was_used(api: Api) -> None:
    created = api.create()
    seen = api.get(f"http://127.0.0.1:81/predictions/{created['id']}")
    assert {url.split("/")[2] for url in seen["urls"].values()} == {"127.0.0.1:81"}


# -- tokens


def test_with_a_token_every_endpoint_but_the_capabilities_wants_it() -> None:
    emulator = Emulator({"local/model": echo, "local/file": lambda: b"x"}, clock=FakeClock(), api_token="r8_secret")
    stranger, friend = Api(emulator), Api(emulator, token="r8_secret")
    assert stranger.refused("GET", "/account") == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }
    assert Api(emulator, token="r8_wrong").refused("GET", "/account")["status"] == 401
    assert friend.get("/account")["username"] == "local"
    for scheme in ("Bearer", "Token", "bearer"):
        assert stranger.send("GET", "/account", headers={"Authorization": f"{scheme} r8_secret"}).status == 200
    for header in ("r8_secret", "Basic r8_secret", "Bearer", "Bearer r8_secret x", "Bearer ü"):
        assert stranger.send("GET", "/account", headers={"Authorization": header}).status == 401
    assert [event[1] for event in stranger.events(friend.create())] == ["hello", "{}"]
    assert stranger.send("GET", friend.held("local/file")["output"]).body == b"x"


def test_without_a_token_any_and_none_will_do() -> None:
    emulator = Emulator(clock=FakeClock())
    assert Api(emulator).get("/account") == Api(emulator, token="anything").get("/account")


# -- lists


def test_predictions_are_listed_newest_first_in_pages_of_a_hundred(api: Api) -> None:
    made = [api.create()["id"] for _ in range(250)]
    pages, path = [], "/predictions"
    while path:
        page = api.get(path)
        pages.append([prediction["id"] for prediction in page["results"]])
        path = page["next"]
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [id for page in pages for id in page] == made[::-1]
    back = api.get(page["previous"])
    assert [prediction["id"] for prediction in back["results"]] == pages[1]
    assert [p["id"] for p in api.get(back["previous"])["results"]] == pages[0]
    assert api.get(back["previous"])["previous"] is None


def test_a_page_stays_where_it_is_when_predictions_are_added(api: Api) -> None:
    made = [api.create()["id"] for _ in range(150)]
    following = api.get("/predictions")["next"]
    for _ in range(10):
        api.create()
    assert [prediction["id"] for prediction in api.get(following)["results"]] == made[49::-1]


def test_lists_are_filtered_by_date_and_source() -> None:
    clock = FakeClock()
    api = Api(Emulator({"local/model": echo}, clock=clock))
    made = []
    for _ in range(3):
        made.append(api.create())
        clock.sleep(10)

    def listed(query: str) -> list[str]:
        return [prediction["id"] for prediction in api.get("/predictions?" + query)["results"]]

    second = made[1]["created_at"]
    assert listed(f"created_after={second}") == [made[2]["id"], made[1]["id"]]
    assert listed(f"created_before={second}") == [made[0]["id"]]
    assert listed("source=web") == []
    assert api.refused("GET", "/predictions?created_after=yesterday")["status"] == 400
    assert api.refused("GET", "/predictions?cursor=nonsense")["status"] == 400


def test_the_filter_is_kept_over_pages() -> None:
    clock = FakeClock()
    api = Api(Emulator({"local/model": echo}, clock=clock))
    api.create()
    clock.sleep(10)
    since = api.create()["created_at"]
    for _ in range(104):
        api.create()
    first = api.get(f"/predictions?created_after={since}")
    assert (len(first["results"]), len(api.get(first["next"])["results"])) == (100, 5)


# -- logs


def test_the_server_keeps_a_log_of_requests_and_of_creates(api: Api) -> None:
    created = api.create(text="a")
    api.get(f"/predictions/{created['id']}")
    api.refused("GET", "/nothing")
    api.refused("POST", "/predictions", body=b"x")
    assert list(api.emulator.requests) == [
        ("POST", "/predictions", 201),
        ("GET", f"/predictions/{created['id']}", 200),
        ("GET", "/nothing", 404),
        ("POST", "/predictions", 400),
    ]
    assert [(call.model, call.input, call.prediction_id) for call in api.emulator.calls] == [
        ("local/model", {"text": "a"}, created["id"])
    ]


def test_every_answer_says_what_is_left_of_the_rate_limit(api: Api) -> None:
    created = api.create()

    def remaining(method: str, path: str, body: Any = None) -> str:
        return api.send(method, path, body).headers["ratelimit-remaining"]

    assert remaining("POST", "/predictions", {}) == "599"
    assert remaining("GET", f"/predictions/{created['id']}") == "59999"
    assert remaining("GET", "/nothing") == "2999"


# -- memory


def test_the_oldest_ended_predictions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.store.KEPT_RUNS", 3)
    api = Api(Emulator({"local/model": shout, "local/slow": echo}, clock=FakeClock()))
    running = api.create("local/slow")
    made = [api.held(text="a") for _ in range(5)]
    assert [prediction["id"] for prediction in api.get("/predictions")["results"]] == [
        made[4]["id"],
        made[3]["id"],
        running["id"],
    ]
    assert api.refused("GET", f"/predictions/{made[0]['id']}")["status"] == 404


def test_the_oldest_files_are_removed_with_the_data_of_their_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicate_home.emulator.store.KEPT_FILES", 25)
    api = Api(Emulator({"local/model": lambda text: b"0123456789"}, clock=FakeClock()))
    made = [api.held(text="a") for _ in range(4)]
    oldest = api.get(f"/predictions/{made[0]['id']}")
    assert (oldest["status"], oldest["data_removed"]) == ("succeeded", True)
    assert (oldest["input"], oldest["output"], oldest["logs"]) == ({}, None, "")
    assert api.refused("GET", made[0]["output"])["status"] == 404
    assert api.send("GET", made[3]["output"]).body == b"0123456789"


def test_a_route_that_breaks_is_a_500_that_names_no_more_than_the_kind(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(api.emulator.service.store, "runs", broken)
    problem = api.refused("GET", "/predictions")
    assert problem["detail"] == "RuntimeError while answering GET /predictions"


def test_a_url_that_cannot_be_read_is_an_answer_too(api: Api) -> None:
    response, _ = api.emulator.handle(Request("GET", "http://[::1/v1/account"))
    assert response.status == 404
