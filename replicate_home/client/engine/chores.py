"""What takes several requests, written once for both clients.

A chore is a generator: it yields a state, is sent the settled one, and returns its value. It waits for nothing
itself; each client has it driven in its own way.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from ...dialects import Dialect, Replicate
from ...dialects.base import WrongPrediction, checked_id
from ...dialects.refs import ModelRef
from ...exceptions import PermissionDenied, ProtocolError, ReplicateHomeError
from ...lifecycle.life import Terms
from ...lifecycle.machine import Settled, State, plain
from ...protocol import urls
from ...protocol.redaction import excerpt, without_frames
from ...protocol.strict_json import parse_json
from ...records.prediction import Snapshot
from ...wire import Request, Response

T = TypeVar("T")
Chore = Generator[State, Settled, T]


def settled(begins: Chore[State]) -> Chore[Snapshot]:
    """The prediction that a life ended with, whose first state another chore makes."""
    state = yield from begins
    return snapshot_of((yield state))


def snapshot_of(over: Settled) -> Snapshot:
    """What a life that went well ended with; raises what it ended with otherwise."""
    if over.error is not None:
        raise over.error
    assert over.life.snapshot is not None
    return over.life.snapshot


def exchange(terms: Terms, request: Request, now: float, *, repeatable: bool = False) -> Chore[Response]:
    """One request of the API; raises what it ended with."""
    settled = yield plain(terms, request, now, repeatable=repeatable)
    if settled.error is not None:
        raise settled.error
    assert settled.answer is not None
    return settled.answer


def hosted(dialect: Dialect, what: str) -> Replicate:
    """The dialect, where it is one of the whole API; raises where the server has no such thing."""
    if isinstance(dialect, Replicate):
        return dialect
    raise PermissionDenied(f"the {dialect.name} endpoint cannot {what}: that takes the API, and a token", status=403)


def get(terms: Terms, prediction_id: str, now: float) -> Chore[Snapshot]:
    """A prediction by its id."""
    known = Snapshot({"id": checked_id(prediction_id)})
    response = yield from exchange(terms, terms.dialect.poll(known), now)
    return _answer_about(known, response, terms)


def cancel(terms: Terms, prediction_id: str, now: float) -> Chore[Snapshot]:
    """Have a prediction stopped; harmless where it has ended already."""
    known = Snapshot({"id": checked_id(prediction_id)})
    request = hosted(terms.dialect, "cancel a prediction").cancel(known)
    assert request is not None
    response = yield from exchange(terms, request, now, repeatable=True)
    return _answer_about(known, response, terms)


def _answer_about(known: Snapshot, response: Response, terms: Terms) -> Snapshot:
    try:
        return terms.dialect.snapshot(response, known)
    except WrongPrediction as error:
        wrong = ProtocolError(str(error))  # for callers it is that, and no class of its own
    raise wrong


def page(terms: Terms, path_or_url: str, now: float) -> Chore[Mapping[str, Any]]:
    """One page of a list: ``results``, and the URLs ``next`` and ``previous``, which stay at the API's origin."""
    response = yield from exchange(terms, hosted(terms.dialect, "list").request("GET", path_or_url), now)
    return without_frames(lambda: _page_in(response, terms.dialect.base_url))


def _page_in(response: Response, base_url: str) -> Mapping[str, Any]:
    found = parse_json(response.body)
    if not isinstance(found, dict) or not isinstance(found.get("results"), list):
        raise ProtocolError("expected a page (an object with a list of 'results')")
    for name in ("next", "previous"):
        url = found.get(name)
        if url is not None and urls.origin(str(url)) != urls.origin(base_url):
            raise ProtocolError(f"a page's {name!r} should be at the API itself, got {excerpt(str(url), 100)!r}")
    return found


def query(path: str, **parameters: str | None) -> str:
    """A path with the parameters that are given."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def input_schema(terms: Terms, ref: ModelRef, now: float) -> Chore[Mapping[str, Any]]:
    """The model's inputs by name; empty where they cannot be had."""
    if not isinstance(terms.dialect, Replicate) or ref.model is None:
        return {}
    path = f"/models/{ref.model}"
    if ref.version is not None:
        path += f"/versions/{ref.version}"
    try:
        response = yield from exchange(terms, terms.dialect.request("GET", path), now)
        found = parse_json(response.body)
    except ReplicateHomeError:
        return {}
    for name in ("latest_version", "openapi_schema", "components", "schemas", "Input", "properties"):
        if name == "latest_version" and ref.version is not None:
            continue
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
