"""Records: declared fields over the JSON as it was sent; what is unknown is kept, what is wrong is named."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.exceptions import ProtocolError
from replicate_home.records.account import Account, Hardware, WebhookSigningSecret
from replicate_home.records.base import Field, Record, field, many, moment
from replicate_home.records.deployment import Configuration, DeploymentFields, Release
from replicate_home.records.file import File
from replicate_home.records.model import Collection, ModelFields, VersionFields
from replicate_home.records.page import parse_list, parse_page
from replicate_home.records.parsing import parse
from replicate_home.records.prediction import Snapshot
from replicate_home.records.search import FoundCollection, FoundModel, FoundPage, ModelMetadata, SearchResults
from replicate_home.records.training import TrainingFields

from ..hypothesis_profiles import examples

OBJECT, LIST, TEXT = {"a": 1}, ["a"], "text"
TIME = "2023-09-08T16:32:56.990893Z"
VERSION = {"id": "v1", "created_at": TIME, "cog_version": "0.9", "openapi_schema": {"info": {}}}
MODEL = {
    **dict.fromkeys(["owner", "name", "url", "description", "visibility"], TEXT),
    **dict.fromkeys(["github_url", "paper_url", "license_url", "cover_image_url"], TEXT),
    "is_official": True, "run_count": 7, "default_example": {"id": "p1"}, "latest_version": VERSION,
}  # fmt: skip
ACCOUNT = dict.fromkeys(["username", "type", "name", "github_url", "avatar_url"], TEXT)
CONFIGURATION = {"hardware": TEXT, "min_instances": 0, "max_instances": 5}
RELEASE = {
    "number": 2, "model": TEXT, "version": TEXT, "created_at": TIME, "created_by": ACCOUNT,
    "configuration": CONFIGURATION,
}  # fmt: skip
RUN = {
    **dict.fromkeys(["id", "model", "version", "status", "logs", "error", "source", "webhook", "deployment"], TEXT),
    **dict.fromkeys(["created_at", "started_at", "completed_at", "deadline"], TIME),
    **dict.fromkeys(["input", "metrics", "urls"], OBJECT), "output": LIST, "data_removed": True,
    "webhook_events_filter": ["start"],
}  # fmt: skip
METADATA = {"score": 1.5, "tags": ["a", "b"], "generated_description": TEXT}
FOUND_MODEL = {"model": MODEL, "metadata": METADATA}
FOUND_COLLECTION = {"slug": TEXT, "name": TEXT, "description": TEXT, "models": ["acme/hello"]}
FOUND_PAGE = {"href": TEXT, "name": TEXT}
# Every record with each of its fields.
FULL: dict[type[Record], dict[str, Any]] = {
    Account: ACCOUNT,
    Hardware: {"sku": TEXT, "name": TEXT},
    WebhookSigningSecret: {"key": TEXT},
    Snapshot: RUN,
    TrainingFields: {**RUN, "destination": TEXT},
    VersionFields: VERSION,
    ModelFields: MODEL,
    Collection: {"slug": TEXT, "name": TEXT, "description": TEXT, "full_description": TEXT, "models": [MODEL]},
    Configuration: CONFIGURATION,
    Release: RELEASE,
    DeploymentFields: {"owner": TEXT, "name": TEXT, "current_release": RELEASE},
    File: {
        **dict.fromkeys(["id", "name", "content_type", "etag"], TEXT), "size": 3, "checksums": OBJECT,
        "metadata": OBJECT, "created_at": TIME, "expires_at": TIME, "urls": OBJECT,
    },
    ModelMetadata: METADATA,
    FoundModel: FOUND_MODEL,
    FoundCollection: FOUND_COLLECTION,
    FoundPage: FOUND_PAGE,
    SearchResults: {
        "query": TEXT, "models": [FOUND_MODEL], "collections": [FOUND_COLLECTION], "pages": [FOUND_PAGE],
    },
}  # fmt: skip
KNOWN_BY = {
    Account: {"username"}, Hardware: {"sku"}, WebhookSigningSecret: {"key"}, Snapshot: {"id"}, TrainingFields: {"id"},
    VersionFields: {"id"}, ModelFields: {"owner", "name"}, Collection: {"slug"}, Configuration: set(), Release: set(),
    DeploymentFields: {"owner", "name"}, File: {"id"}, ModelMetadata: set(), FoundModel: {"model"},
    FoundCollection: {"slug"}, FoundPage: {"href"}, SearchResults: {"query"},
}  # fmt: skip
# Where an odd value is handed out as it is: it is no reason to lose a run that is paid for.
AS_SENT = {
    kind: {"status", "model", "version", "output", "error", "created_at", "started_at", "completed_at", "deadline",
           "deployment", "source", "data_removed", "webhook", "webhook_events_filter", "destination"}
    for kind in (Snapshot, TrainingFields)
}  # fmt: skip
EVERY = pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.__name__)
OTHERS = st.sampled_from([{"canary": 1}, ["canary"], "canary", 1.5, True, {}, [], "", 0.5, False])


def fields_of(kind: type[Record]) -> dict[str, Any]:
    """The fields that a class declares, by their names."""
    return {name: getattr(kind, name) for name in FULL[kind]}


@EVERY
def test_every_field_has_a_name_here_and_says_what_it_is(kind):
    record = parse(kind, FULL[kind])
    assert record.extra == {}
    for name, declared in fields_of(kind).items():
        assert isinstance(declared, Field)
        assert (declared.__doc__ or "").endswith(".")
        assert getattr(record, name) is not None


@EVERY
@examples(60, 5_000)
@given(data=st.data())
def test_any_part_of_it_is_read_and_kept_with_what_is_unknown(kind, data):
    full = FULL[kind]
    unknown = data.draw(
        st.dictionaries(st.text().filter(lambda name: name not in full), st.none() | OTHERS, max_size=3)
    )
    missing = data.draw(st.sets(st.sampled_from(sorted(full)))) - KNOWN_BY[kind]
    null = data.draw(st.sets(st.sampled_from(sorted(full)))) - KNOWN_BY[kind]
    sent = {name: None if name in null else value for name, value in full.items() if name not in missing} | unknown
    record = parse(kind, sent)
    assert record.to_dict() == record.dict() == dict(record) == sent
    assert record.extra == unknown
    assert {name: record[name] for name in record.keys()} == sent  # noqa: SIM118 - it is no mapping
    assert record == kind(json.loads(json.dumps(sent))) == copy.copy(record) == copy.deepcopy(record)
    assert pickle.loads(pickle.dumps(record)) == record
    for name in missing | null:
        assert getattr(record, name) in (None, "", 0, False, {}, [], "None"), name


@EVERY
@examples(60, 5_000)
@given(data=st.data())
def test_a_value_of_a_wrong_kind_is_named_and_not_shown(kind, data):
    name = data.draw(st.sampled_from(sorted(FULL[kind].keys() - AS_SENT.get(kind, set()))))
    wrong = data.draw(OTHERS.filter(lambda value: type(value) is not type(FULL[kind][name])))
    with pytest.raises(ProtocolError, match=f"'{name}'") as caught:
        parse(kind, {**FULL[kind], name: wrong})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", AS_SENT, ids=lambda kind: kind.__name__)
def test_what_the_package_does_not_rely_on_is_handed_out_as_it_was_sent(kind):
    for name in AS_SENT[kind] & FULL[kind].keys() - {"status", "data_removed"}:
        for odd in ({"a": 1}, ["a"], "x", 7, True):
            assert getattr(parse(kind, {**FULL[kind], name: odd}), name) == odd


@EVERY
@pytest.mark.parametrize("data", [None, [], "x", 7, 1.5, True, [{}]])
def test_what_is_no_object_is_no_record(kind, data):
    with pytest.raises(ProtocolError, match=r"^expected .* \(a JSON object\), got (a|null)"):
        parse(kind, data)


@EVERY
@pytest.mark.parametrize("nothing", ["missing", None, ""])
def test_without_what_it_is_known_by_it_is_none(kind, nothing):
    for name in KNOWN_BY[kind] - {"model"}:
        sent = {key: value for key, value in FULL[kind].items() if key != name}
        with pytest.raises(ProtocolError, match=f"^expected .*, got an object without '{name}'$"):
            parse(kind, sent if nothing == "missing" else {**sent, name: nothing})


@EVERY
def test_it_is_a_value_that_cannot_be_changed(kind):
    record, other = kind(FULL[kind]), kind({**FULL[kind], "more": 1})
    assert record != other
    assert record != FULL[kind]
    assert record != Record(FULL[kind])
    for name in [*FULL[kind], "something"]:
        with pytest.raises(AttributeError):
            setattr(record, name, "x")
    record.to_dict()["more"] = 1
    assert record == kind(FULL[kind])


@pytest.mark.parametrize("kind", [kind for kind in FULL if kind not in (FoundModel,)], ids=lambda kind: kind.__name__)
def test_equal_records_have_one_hash_and_a_short_repr(kind):
    assert len({kind(FULL[kind]), kind(dict(FULL[kind]))}) == 1
    assert repr(kind(FULL[kind])).startswith(kind.__name__ + "(")
    assert len(repr(kind(FULL[kind]))) < 80


# ---- kinds of fields ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sent", "message"),
    [
        (ModelFields, {"run_count": "7"}, "a model's 'run_count' should be a whole number, got a string"),
        (ModelFields, {"run_count": 7.0}, "a model's 'run_count' should be a whole number, got a number"),
        (ModelFields, {"run_count": True}, "a model's 'run_count' should be a whole number, got a boolean"),
        (ModelFields, {"is_official": 1}, "a model's 'is_official' should be a boolean, got a number"),
        (
            ModelFields,
            {"latest_version": []},
            "a model's 'latest_version': expected a version (a JSON object), got a list",
        ),
        (
            ModelFields,
            {"latest_version": {"created_at": "yesterday"}},
            "a model's 'latest_version': a version's 'created_at' should be a time (ISO 8601)",
        ),
        (
            ModelFields,
            {"latest_version": {"created_at": 7}},
            "a model's 'latest_version': a version's 'created_at' should be a string, got a number",
        ),
        (
            ModelFields,
            {"default_example": {"urls": 7}},
            "a model's 'default_example': a prediction's 'urls' should be an object, got a number",
        ),
        (Collection, {"models": {}}, "a collection's 'models' should be a list, got an object"),
        (
            Collection,
            {"models": [MODEL, 7]},
            "a collection's 'models'[1]: expected a model (a JSON object), got a number",
        ),
        (
            Collection,
            {"models": [MODEL, {"name": 7}]},
            "a collection's 'models'[1]: a model's 'name' should be a string, got a number",
        ),
        (ModelMetadata, {"tags": ["a", None]}, "a model's metadata's 'tags'[1] should be a string, got null"),
        (ModelMetadata, {"score": "1"}, "a model's metadata's 'score' should be a number, got a string"),
        (ModelMetadata, {"score": True}, "a model's metadata's 'score' should be a number, got a boolean"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_to_the_last_field(kind, sent, message):
    with pytest.raises(ProtocolError) as caught:
        parse(kind, {**FULL[kind], **sent})
    assert str(caught.value) == message


def test_a_record_inside_of_another_may_come_in_part():
    """What a list of models shows of a version or an example is not always all of it."""
    model = parse(ModelFields, {"owner": "a", "name": "b", "latest_version": {}, "default_example": {"status": "x"}})
    assert (model.latest_version, model.latest_version.id) == (VersionFields({}), None)
    assert model.default_example.status == "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-09-08T16:32:56.990893084Z", datetime(2023, 9, 8, 16, 32, 56, 990893, UTC)),
        ("2023-09-08T16:32:56Z", datetime(2023, 9, 8, 16, 32, 56, 0, UTC)),
        ("2023-09-08T16:32:56+02:00", datetime(2023, 9, 8, 16, 32, 56, 0, timezone(timedelta(hours=2)))),
        ("2023-09-08", datetime(2023, 9, 8)),
    ],
)
def test_only_a_versions_time_is_read_as_one(text, expected):
    assert parse(VersionFields, {"id": "v", "created_at": text}).created_at == expected
    assert parse(File, {"id": "f", "created_at": text}).created_at == text


def test_a_default_that_can_be_changed_is_a_new_one_each_time():
    file = parse(File, {"id": "f"})
    file.metadata["a"] = 1
    Collection({}).models.append(1)
    assert (file.metadata, Collection({}).models, file.to_dict()) == ({}, [], {"id": "f"})


class Shape(Record, noun="a shape"):
    """A record as a subclass declares it."""

    __slots__ = ()

    name = field(str, "What it is.", required=True)
    sides = many(int, "How long its sides are.")
    drawn = moment("When it was drawn.")


class Circle(Shape, noun="a circle"):
    """One with a field more, and another that is narrowed."""

    __slots__ = ()

    radius = field(float, "How wide it is.", default=0.0)

    @Field
    def name(self) -> str:
        """Always the same."""
        return "circle"


def test_fields_are_inherited_and_may_be_narrowed():
    circle = parse(Circle, {"name": "x", "radius": 2, "sides": [1], "colour": "red"})
    assert (circle.name, circle.radius, circle.sides, circle.drawn, circle.extra) == (
        "circle", 2, [1], None, {"colour": "red"},
    )  # fmt: skip
    with pytest.raises(ProtocolError, match=r"^a circle's 'sides'\[0\] should be a whole number, got a string$"):
        parse(Circle, {"name": "x", "sides": ["1"]})
    with pytest.raises(ProtocolError, match=r"^expected a shape, got an object without 'name'$"):
        parse(Shape, {})


# ---- lists and pages ---------------------------------------------------------------------------------------------


def test_a_list_is_read_item_by_item():
    assert parse_list(Hardware, [{"sku": "cpu"}, {"sku": "gpu"}]) == [
        Hardware({"sku": "cpu"}),
        Hardware({"sku": "gpu"}),
    ]
    assert parse_list(Hardware, []) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the list should be a list, got an object"),
        (None, "the list should be a list, got null"),
        ([{"sku": "cpu"}, {}], "the list[1]: expected hardware, got an object without 'sku'"),
    ],
)
def test_what_is_no_list_is_said_so(data, message):
    with pytest.raises(ProtocolError) as caught:
        parse_list(Hardware, data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a page (a JSON object), got a list"),
        ({}, "a page's 'results' should be a list, got null"),
        ({"results": {}}, "a page's 'results' should be a list, got an object"),
        ({"results": [{"id": 7}]}, "a page's 'results'[0]: a file's 'id' should be a string, got a number"),
        ({"results": [], "next": 7}, "a page's 'next' should be a string, got a number"),
        ({"results": [], "previous": ["x"]}, "a page's 'previous' should be a string, got a list"),
    ],
)
def test_what_is_no_page_is_said_so(data, message):
    with pytest.raises(ProtocolError) as caught:
        parse_page(File, data)
    assert str(caught.value) == message


def test_a_page_keeps_what_is_unknown():
    page = parse_page(File, {"results": [{"id": "f"}], "total": 1})
    assert (page.results, page.next, page.previous, page.extra) == ([File({"id": "f"})], None, None, {"total": 1})
