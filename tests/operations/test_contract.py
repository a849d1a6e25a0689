"""Every operation against the API's OpenAPI document: what it asks is valid, and whatever may come of it is read.

The document is read from the folder that ``REPLICATE_HOME_TEST_DATA`` names. Elsewhere ``samples.py`` stands for it, a
table in our own words.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.operations.base import Operation
from replicate_home.operations.readers import One
from replicate_home.operations.table import OPERATIONS
from replicate_home.records.base import Record
from replicate_home.records.page import PageFields
from replicate_home.wire import Response

from ..hypothesis_profiles import examples
from .document import JSON, Documented, documented, values_of
from .samples import SAMPLES

pytestmark = pytest.mark.reliability
API = "https://api.replicate.com/v1"
EVERY = pytest.mark.parametrize("name", SAMPLES)

NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
FULL_NAME = st.builds("{}/{}".format, NAME, NAME) | st.tuples(NAME, NAME)
ID = st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True)
WORDS = st.text(min_size=1)
# What is drawn for a parameter of an operation, by its name.
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["model", "deployment", "destination"], FULL_NAME),
    **dict.fromkeys(["prediction_id", "id", "file_id", "version"], ID),
    **dict.fromkeys(["name", "owner", "slug"], NAME),
    **dict.fromkeys(
        ["description", "readme", "github_url", "paper_url", "license_url", "weights_url", "cover_image_url", "webhook",
         "hardware", "query", "signature"], WORDS,
    ),
    **dict.fromkeys(["created_after", "created_before"], st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")),
    "input": st.dictionaries(st.text(), JSON, max_size=3),
    "webhook_events_filter": st.lists(st.sampled_from(["start", "output", "logs", "completed"]), max_size=4),
    "wait": st.integers(0, 100),
    "cancel_after": st.floats(0.01, 1e6),
    "min_instances": st.integers(0, 5),
    "max_instances": st.integers(0, 20),
    "visibility": st.sampled_from(["public", "private"]),
    "sort_by": st.sampled_from(["model_created_at", "latest_version_created_at"]),
    "sort_direction": st.sampled_from(["asc", "desc"]),
    "source": st.just("web"),
    "limit": st.integers(1, 50),
    "expiry": st.integers(0, 2**40),
    "form": st.binary(),
    "content_type": st.just("multipart/form-data; boundary=b"),
}  # fmt: skip


def calls_of(function: Callable[..., Operation[Any]]) -> st.SearchStrategy[Operation[Any]]:
    """An operation with any arguments that it may have; the second part of a name is left to the first."""
    needed, optional = {}, {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is parameter.empty:
            needed[parameter.name] = ARGUMENTS[parameter.name]
        elif parameter.name not in ("cursor", "name"):
            optional[parameter.name] = ARGUMENTS[parameter.name]
    if function in (OPERATIONS["models.versions.get"], OPERATIONS["models.versions.delete"]):
        needed["version"] = optional.pop("version")
    return st.fixed_dictionaries(needed, optional=optional).map(lambda arguments: function(**arguments))


# ---- what is asked -----------------------------------------------------------------------------------------------


def test_every_operation_of_the_document_is_there(capsys):
    document = documented()
    for name, operation in document.items():
        asked = SAMPLES[name].operation
        assert (asked.method, bool(path_of(operation, asked.target(API)))) == (operation.method, True)
    assert set(document) == set(OPERATIONS)
    with capsys.disabled():
        print(f"{len(document.keys() & OPERATIONS.keys())} of {len(document)} operations")


def path_of(operation: Documented, target: str) -> re.Match[str] | None:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/?]+", operation.path) + r"(?:\?(.*))?", target)


@EVERY
@examples(30, 2_000)
@given(data=st.data())
def test_whatever_is_asked_is_valid(name, data):
    operation = documented()[name]
    asked = data.draw(calls_of(OPERATIONS[name]))
    found = path_of(operation, asked.target(API))
    assert found is not None
    check_parameters(operation.parameters_in("query"), dict(parse_qsl(found[1] or "", keep_blank_values=True)))
    headers = {header: text for header, text in asked.headers.items() if header not in ("Accept", "Content-Type")}
    check_parameters(operation.parameters_in("header"), headers)
    check_body(operation, asked)


def check_parameters(declared: dict[str, dict[str, Any]], sent: dict[str, str]) -> None:
    assert {name for name, one in declared.items() if one.get("required")} <= sent.keys() <= declared.keys()
    for name, text in sent.items():
        schema = declared[name]["schema"]
        jsonschema.validate(int(text) if schema["type"] == "integer" else text, schema)


def check_body(operation: Documented, asked: Operation[Any]) -> None:
    if asked.json is not None:
        schema = operation.request["application/json"]["schema"]
        jsonschema.validate(json.loads(json.dumps(asked.json)), {**schema, "additionalProperties": False})
    elif asked.body is not None:
        assert asked.headers["Content-Type"].partition(";")[0] in operation.request
    else:
        assert operation.request == {}


# ---- what is read ------------------------------------------------------------------------------------------------

# The document requires few fields. These are what a record is known by, and without them it would be none.
ALWAYS = frozenset({"id", "owner", "name", "username", "slug", "sku", "key", "query", "results", "href"})


def read(name: str, sent: Any) -> Any:
    """What an operation reads in a response, whichever id was asked for and wherever a page leads."""
    reader = SAMPLES[name].operation.reader
    reader = attrs.evolve(reader, id=None) if isinstance(reader, One) else reader
    return reader(Response(200, {}, json.dumps(sent).encode()))


def records_in(found: Any) -> list[Record]:
    """The records of a result."""
    if isinstance(found, PageFields):
        return [found, *found.results]
    return found if isinstance(found, list) else [found]


def as_json(found: Any) -> Any:
    return [one.to_dict() for one in found] if isinstance(found, list) else found.to_dict()


@EVERY
@examples(30, 2_000)
@given(data=st.data())
def test_whatever_may_come_is_read_and_kept(name, data):
    """Every field of the document has a name here."""
    successes = documented()[name].successes()
    assert successes or name.endswith(".delete")
    for media_type, schema in successes:
        if media_type == "application/json":
            sent = data.draw(values_of(schema, ALWAYS))
            found = read(name, sent)
            assert as_json(found) == sent
            assert [record.extra for record in records_in(found)] == [{}] * len(records_in(found))


@EVERY
def test_the_examples_of_the_document_are_read(name):
    for sent in documented()[name].examples():
        assert as_json(read(name, sent)) == sent


def test_there_are_examples():
    found = {name: len(operation.examples()) for name, operation in documented().items()}
    assert sum(found.values()) >= 15, found
