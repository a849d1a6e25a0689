"""Lists: the first page, those beside it, and what is no page of this API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from replicate_home.exceptions import InvalidInput, ProtocolError
from replicate_home.operations import collections, deployments, files, models, predictions, trainings
from replicate_home.operations.base import Operation
from replicate_home.wire import Response

API = "https://api.replicate.com/v1"
NEXT = f"{API}/things?cursor=cD0y"
LISTS: dict[str, Callable[..., Operation[Any]]] = {
    "collections.list": collections.list_collections,
    "deployments.list": deployments.list_deployments,
    "files.list": files.list_files,
    "models.examples.list": lambda cursor=...: models.list_examples("acme/hello", cursor=cursor),
    "models.list": lambda cursor=...: models.list_models(cursor, sort_by="model_created_at"),
    "models.search": lambda cursor=...: models.search_models("cats", cursor),
    "models.versions.list": lambda cursor=...: models.list_versions("acme", "hello", cursor=cursor),
    "predictions.list": lambda cursor=...: predictions.list_predictions(cursor, created_after="2025-01-01"),
    "trainings.list": trainings.list_trainings,
}
EVERY = pytest.mark.parametrize("ask", LISTS.values(), ids=LISTS)
ELSEWHERE = [
    "https://evil.example/v1/models?cursor=x", "https://api.replicate.com.evil.example/v1/models",
    "https://api.replicate.com:8443/v1/models", "http://api.replicate.com:8080/v1/models", "http://127.0.0.1/v1/models",
    "http://api.replicate.com/v1/models",
]  # fmt: skip
NO_CURSOR = [
    "", "null", "cD0y", "/v1/models?cursor=x", "//evil.example/x", "ftp://api.replicate.com/", "file:///etc/passwd",
    "https://user:pw@api.replicate.com/v1", "https://api.replicate.com@evil.example/", "https://[::1", "../account",
    "https://api.replicate.com/a b", "https://evil.example\\@api.replicate.com/",
]  # fmt: skip


@EVERY
def test_a_list_begins_at_its_first_page_and_a_cursor_is_asked_for_as_it_is(ask):
    assert ask() == ask(...)
    assert ask().target(API).startswith("/")
    assert ask(NEXT).target(API) == NEXT
    assert (ask(NEXT).method, ask(NEXT).body, ask(NEXT).headers) == (ask().method, ask().body, ask().headers)


@EVERY
def test_either_end_of_a_list_is_no_cursor(ask):
    with pytest.raises(ValueError, match="no such page: the cursor is None") as caught:
        ask(None)
    assert isinstance(caught.value, InvalidInput)
    with pytest.raises(TypeError, match="a cursor must be the next or previous of a page, got int"):
        ask(2)


@EVERY
def test_a_page_of_another_server_is_not_asked_for(ask):
    for url in ELSEWHERE:
        with pytest.raises(InvalidInput, match=r"must be a page of https://api\.replicate\.com/v1"):
            ask(url).target(API)
    for url in NO_CURSOR:
        with pytest.raises(InvalidInput, match="a cursor must be the next or previous of a page"):
            ask(url)


@pytest.mark.reliability
@EVERY
@pytest.mark.parametrize("name", ["next", "previous"])
def test_a_page_that_leads_elsewhere_is_none(ask, name):
    """G3: such a list could not be trusted."""
    for url in ELSEWHERE + NO_CURSOR:
        body = json.dumps({"results": [], name: url}).encode()
        with pytest.raises(ProtocolError, match=f"a page's '{name}' should be a URL of the API itself"):
            ask().read(Response(200, {}, body), API)


@EVERY
def test_a_page_leads_to_others_of_the_same_server(ask):
    for url in (NEXT, "https://API.replicate.com:443/v1/things?cursor=x"):
        page = ask().read(Response(200, {}, json.dumps({"results": [], "next": url}).encode()), API)
        assert ask(page.next).target(API) == page.next == url
