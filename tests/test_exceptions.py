"""G6: the errors are those of the printed tree; each keeps its evidence when copied or pickled, and none the token."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import traceback
from typing import Any

import pytest

from replicate_home import exceptions as errors
from replicate_home.exceptions import ReplicateHomeError
from replicate_home.records.prediction import Snapshot
from replicate_home.wire import Request, Secret

pytestmark = pytest.mark.reliability
TOKEN = "r8_CANARYcanaryCANARYcanaryCANARYcanary1"
SNAPSHOT = Snapshot({"id": "p1", "status": "processing", "logs": "x"})
REQUEST = Request("POST", "https://api.replicate.com/v1/predictions", {"X": "y"}, b"{}", Secret(TOKEN))

# The tree of DESIGN.md, each error below its parent, and what else it is.
TREE: dict[str, tuple[str, tuple[type[BaseException], ...]]] = {
    "ReplicateHomeError": ("Exception", ()),
    "TransportError": ("ReplicateHomeError", ()),
    "ConnectFailed": ("TransportError", (ConnectionError, OSError)),
    "TLSFailed": ("TransportError", ()),
    "ProxyFailed": ("TransportError", ()),
    "RequestTimeout": ("TransportError", (TimeoutError, OSError)),
    "Disconnected": ("TransportError", ()),
    "APIError": ("ReplicateHomeError", ()),
    "AuthenticationError": ("APIError", ()),
    "PaymentRequired": ("APIError", ()),
    "PermissionDenied": ("APIError", ()),
    "NotFound": ("APIError", ()),
    "ModelNotFound": ("NotFound", ()),
    "InvalidInput": ("APIError", (ValueError,)),
    "RateLimited": ("APIError", ()),
    "ServerBusy": ("APIError", (TimeoutError,)),
    "ServerError": ("APIError", ()),
    "ModelError": ("ReplicateHomeError", ()),
    "ModelCanceled": ("ModelError", ()),
    "PredictionTimeout": ("ReplicateHomeError", (TimeoutError, OSError)),
    "CreateOutcomeUnknown": ("ReplicateHomeError", ()),
    "CreateTimedOut": ("CreateOutcomeUnknown", (TimeoutError, OSError)),
    "ProtocolError": ("ReplicateHomeError", ()),
    "OutputDiverged": ("ProtocolError", ()),
    "StreamInterrupted": ("ProtocolError", ()),
    "UnsafeURL": ("ReplicateHomeError", ()),
    "FileExpired": ("ReplicateHomeError", ()),
    "WebhookVerificationError": ("ReplicateHomeError", ()),
    "BatchLocked": ("ReplicateHomeError", ()),
    "UnexpectedRequest": ("ReplicateHomeError", (AssertionError,)),
    "MissingExtra": ("ReplicateHomeError", (ModuleNotFoundError,)),
}
EVIDENCE: dict[type[Exception], dict[str, Any]] = {
    errors.TransportError: {"request": REQUEST, "phase": "wait", "may_have_been_processed": True},
    errors.APIError: {"status": 418, "title": "t", "detail": "d", "request_id": "r"},
    errors.RateLimited: {"retry_after": 7.5},
    errors.PredictionTimeout: {"canceled": True},
    errors.OutputDiverged: {"delivered": ["a"], "seen": {"b": 1}},
    errors.StreamInterrupted: {"partial_text": "Hel"},
    errors.MissingExtra: {"name": "tqdm"},
}
KINDS = [getattr(errors, name) for name in TREE]


def made(kind: type[ReplicateHomeError]) -> ReplicateHomeError:
    """One with all the evidence that its kind can have."""
    evidence = {name: value for base in kind.__mro__ for name, value in EVIDENCE.get(base, {}).items()}
    return kind("what happened", prediction=SNAPSHOT, **evidence)


def holds(error: BaseException) -> Any:
    return type(error), error.args, vars(error), error.__cause__ and holds(error.__cause__)


def without_token(error: ReplicateHomeError) -> Any:
    """What an error holds once it was pickled: all but the token of its request."""
    kind, args, evidence, cause = holds(error)
    request = evidence.get("request")
    if request is not None:
        evidence = {
            **evidence,
            "request": Request(request.method, request.url, request.headers, request.body, Secret("")),
        }
    return kind, args, evidence, cause


def test_the_tree_is_the_one_that_is_printed():
    own = {
        name: found
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, BaseException) and found.__module__ == errors.__name__
        if found.__name__ == name
    }
    assert {name: found.__bases__[0].__name__ for name, found in own.items()} == {
        name: parent for name, (parent, _) in TREE.items()
    }
    for name, (_, others) in TREE.items():
        foreign = {base for base in own[name].__mro__ if base.__module__ == "builtins"}
        assert foreign - {Exception, BaseException, object} == {base for other in others for base in other.__mro__} - {
            Exception,
            BaseException,
            object,
        }, name


def test_the_printed_tree_names_every_error():
    printed = set(re.findall(r"[A-Z]\w+", errors.__doc__ or ""))
    assert set(TREE) <= printed


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_happened_and_what_is_known(kind):
    error = made(kind)
    assert str(error) == "what happened"
    assert error.prediction == SNAPSHOT
    assert inspect.getdoc(kind)


ALWAYS = [kind for kind in KINDS if issubclass(kind, (errors.ModelError, errors.PredictionTimeout))]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ALWAYS])
def test_there_may_be_no_prediction_yet_and_one_that_is_seen_later(kind):
    error = kind()
    assert (str(error), error.prediction) == ("", None)
    error.prediction = SNAPSHOT
    assert (error.prediction, pickle.loads(pickle.dumps(error)).prediction) == (SNAPSHOT, SNAPSHOT)


@pytest.mark.parametrize("kind", ALWAYS)
def test_an_error_that_is_about_a_prediction_is_not_made_without_one(kind):
    with pytest.raises(TypeError, match="prediction"):
        kind("x")
    later = Snapshot({**SNAPSHOT.to_dict(), "status": "failed"})
    error = made(kind)
    error.prediction = later
    assert error.prediction == later


def test_a_wrong_value_is_a_value_error_too():
    with pytest.raises(ValueError, match="odd"):
        raise errors.InvalidInput("odd")
    assert errors.InvalidInput("odd").status == 0


def test_the_official_names_stand_for_ours():
    assert errors.ReplicateException is ReplicateHomeError
    assert errors.ReplicateError is errors.APIError


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles_with_its_evidence_and_without_the_token(kind, protocol):
    error = made(kind)
    error.add_note("a note")
    data = pickle.dumps(error, protocol)
    assert TOKEN.encode() not in data
    assert holds(pickle.loads(data)) == without_token(error)


@pytest.mark.parametrize("kind", KINDS)
def test_it_copies_with_its_evidence(kind):
    error = made(kind)
    for copied in (copy.copy(error), copy.deepcopy(error)):
        assert holds(copied) == holds(error)
        assert copied is not error


def test_the_cause_is_evidence_too():
    error = errors.CreateOutcomeUnknown("unknown")
    error.__cause__ = made(errors.ServerError)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert holds(again) == holds(error)


def test_a_foreign_cause_is_left_behind():
    error = errors.ProtocolError("odd")
    error.__cause__ = OSError(f"Bearer {TOKEN}")
    assert TOKEN.encode() not in pickle.dumps(error)
    assert pickle.loads(pickle.dumps(error)).__cause__ is None


@pytest.mark.parametrize("kind", KINDS)
def test_no_error_shows_the_token(kind):
    error = made(kind)
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    assert TOKEN not in "".join(lines) + repr(error) + str(error) + repr(vars(error))


def test_a_subclass_with_another_init_pickles_too():
    copied = pickle.loads(pickle.dumps(Odd(1, 2)))
    assert (type(copied), copied.args, copied.sum) == (Odd, ("1 and 2",), 3)


class Odd(ReplicateHomeError):
    """An error as a caller might derive one."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.sum = one + two


@pytest.mark.parametrize("name", ["retry_after", "canceled", "delivered", "partial_text", "status", "phase"])
def test_evidence_is_documented_where_it_is_declared(name):
    declared = [kind for kind in KINDS if name in vars(kind).get("__annotations__", {})]
    assert len(declared) == 1
    assert name in (errors.__doc__ or "") + (declared[0].__doc__ or "")
