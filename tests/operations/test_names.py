"""Names and ids that could lead a request elsewhere are refused before there is one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import InvalidInput
from replicate_home.operations import collections, deployments, files, models, predictions, trainings
from replicate_home.operations.base import Operation

from ..hypothesis_profiles import examples
from .samples import VERSION

DATA = os.environ.get("REPLICATE_HOME_TEST_DATA")  # before the tests' own environment is cleared
API = "https://api.replicate.com/v1"

BY_ID: dict[str, Callable[[Any], Operation[Any]]] = {
    "predictions.get": predictions.get_prediction,
    "predictions.cancel": predictions.cancel_prediction,
    "trainings.get": trainings.get_training,
    "trainings.cancel": trainings.cancel_training,
    "files.get": files.get_file,
    "files.delete": files.delete_file,
    "files.download": lambda id: files.download_file(id, owner="o", expiry=1, signature="s"),
    "models.versions.get": lambda id: models.get_version("acme/hello", id),
    "models.versions.delete": lambda id: models.delete_version("acme/hello", id),
    "trainings.create": lambda id: trainings.create_training("acme/hello", id, {}, "acme/mine"),
    "deployments.create": lambda id: deployments.create_deployment("app", "acme/hello", id, "cpu", 0, 1),
    "deployments.update": lambda id: deployments.update_deployment("acme/app", version=id),
}
BY_NAME: dict[str, Callable[[Any], Operation[Any]]] = {
    "models.get": models.get_model,
    "models.update": models.update_model,
    "models.delete": models.delete_model,
    "models.readme.get": models.get_readme,
    "models.examples.list": models.list_examples,
    "models.versions.list": models.list_versions,
    "models.versions.get": lambda name: models.get_version(name, VERSION),
    "models.predictions.create": lambda name: predictions.create_model_prediction(name, {}),
    "deployments.get": deployments.get_deployment,
    "deployments.update": deployments.update_deployment,
    "deployments.delete": deployments.delete_deployment,
    "deployments.create": lambda name: deployments.create_deployment("app", name, VERSION, "cpu", 0, 1),
    "deployments.predictions.create": lambda name: predictions.create_deployment_prediction(name, {}),
    "trainings.create": lambda name: trainings.create_training(name, VERSION, {}, "acme/mine"),
    "trainings.create to": lambda name: trainings.create_training("acme/hello", VERSION, {}, name),
}
BAD_IDS = [
    "../account", "..%2faccount", "abc/cancel", "abc?x=1", "abc#f", "", ".", "..", "a b", "a\r\nb", "abc\n",
    "\u202eabc", "%00", "a" * 10_000, "-abc", "é", "٣", "a\\b", "//evil.example", "https://evil.example/x",
]  # fmt: skip
BAD_NAMES = [
    *(id for id in BAD_IDS if id != "abc/cancel"), "acme", "acme/", "/hello", "acme/hello/more", "acme/hello:v",
    "../hello", "acme/..", "acme/.", "acme//hello", "acme/hello?x=1", "acme/hello#f", "acme/hello/../../account",
    "acme/%2e%2e", "acme/hel lo", "acme/hello\n", " acme/hello", "https://replicate.com/acme/hello",
    "acme/" + "h" * 300, ("acme", "hello/../x"), ("acme", ".."), ("acme/hello", "x"), ("a", "b", "c"),
]  # fmt: skip


def shown(value: Any) -> str:
    return repr(value)[:30]


@pytest.mark.parametrize("ask", BY_ID.values(), ids=BY_ID)
@pytest.mark.parametrize("id", BAD_IDS, ids=shown)
def test_a_malformed_id_is_refused(ask, id):
    with pytest.raises(InvalidInput, match="must be letters and digits") as caught:
        ask(id)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("ask", BY_NAME.values(), ids=BY_NAME)
@pytest.mark.parametrize("name", BAD_NAMES, ids=shown)
def test_a_malformed_name_is_refused(ask, name):
    with pytest.raises(InvalidInput, match="expected 'owner/name'") as caught:
        ask(name)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("ask", [*BY_ID.values(), collections.get_collection], ids=[*BY_ID, "collections.get"])
@pytest.mark.parametrize("value", [7, b"abc", ["abc"], 1.5, True], ids=shown)
def test_an_id_of_another_type_is_a_type_error(ask, value):
    with pytest.raises(TypeError, match=r"string|slug"):
        ask(value)


@pytest.mark.parametrize("ask", BY_NAME.values(), ids=BY_NAME)
@pytest.mark.parametrize("value", [None, 7, b"acme/hello", ["acme", "hello"], ("acme", 7), ()], ids=shown)
def test_a_name_of_another_type_is_a_type_error(ask, value):
    with pytest.raises(TypeError, match="must be named as 'owner/name', got"):
        ask(value)


@pytest.mark.parametrize("slug", BAD_IDS, ids=shown)
def test_a_malformed_slug_is_refused(slug):
    with pytest.raises(InvalidInput, match="a slug must be letters"):
        collections.get_collection(slug)


@pytest.mark.parametrize(
    "version", ["acme", "acme/hello", ":v", "acme/hello:", "acme/hello:v/../x", "acme/hello:a:b", "x:v"]
)
def test_a_version_without_its_model_is_refused(version):
    with pytest.raises(InvalidInput, match="expected 'owner/name:version'"):
        models.get_version(version)
    with pytest.raises(TypeError, match="pass the version too"):
        models.get_version(("acme", "hello"))


@pytest.mark.parametrize(
    "version", ["../x", "acme/hello/more", "acme/hello:", "acme/hello:v/w", "", "a b", "deployments/a/b"]
)
def test_a_prediction_is_asked_for_by_a_reference(version):
    with pytest.raises(
        InvalidInput, match="is not a model: expected 'owner/name', 'owner/name:version' or a version id"
    ):
        predictions.create_prediction(version, {})
    with pytest.raises(TypeError, match="a string such as 'owner/name'"):
        predictions.create_prediction(7, {})  # type: ignore[arg-type]
    for good in ("acme/hello", f"acme/hello:{VERSION}", VERSION):
        assert predictions.create_prediction(good, {}).json["version"] == good


@pytest.mark.parametrize("name", ["acme/hello", "a/b", "A-1/b.c_d-2.5", "meta/llama-3.1-8b"])
def test_usual_names_are_taken(name):
    assert models.get_model(name).target(API) == f"/models/{name}"
    assert models.get_model(*name.split("/")) == models.get_model(name)


@pytest.mark.reliability
@examples(300, 20_000)
@given(st.text("abz019/:._-%?#\\ \n\u202eé", max_size=20) | st.text(max_size=9))
def test_no_text_at_all_leads_anywhere_but_to_its_own_place(text):
    """G6: whatever is taken for a name or an id stays one segment of the path, or two."""
    for segments, table in ((1, BY_ID), (2, BY_NAME)):
        plain = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*" + r"/[A-Za-z0-9][A-Za-z0-9._-]*" * (segments - 1))
        for ask in table.values():
            try:
                target = ask(text).target(API)
            except InvalidInput:
                continue
            assert plain.fullmatch(text)
            assert ".." not in target.split("/")


@pytest.mark.reliability
def test_the_larger_table_of_ids():
    if not DATA:
        pytest.skip("REPLICATE_HOME_TEST_DATA does not name the folder with urls_credentials.json")
    table = json.loads((Path(DATA) / "urls_credentials.json").read_text("utf-8"))["bad_prediction_ids"]
    for id in table:
        with pytest.raises(InvalidInput):
            predictions.get_prediction(id)
    assert len(table) == 13
