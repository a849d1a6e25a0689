"""What takes several requests, written once for both clients.

A chore is a generator: it yields a state, is sent the settled one, and returns its value. It waits for nothing
itself; each client has it driven in its own way.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from ..edges.uploads import MultipartUpload, Source, source_of
from ..rules import urls
from ..rules.backends import Dialect, Replicate
from ..rules.backends.dialect import checked_id, without_frames
from ..rules.json_text import excerpt, parse_json
from ..rules.life import Terms
from ..rules.lifecycle import Settled, State, plain
from ..rules.refs import ModelRef
from ..words.errors import PermissionDenied, ProtocolError, ReplicateHomeError
from ..words.records import Snapshot
from ..words.wire import Request, Response
from .file_output import FileOutput

T = TypeVar("T")
Chore = Generator[State, Settled, T]
DATA_URI_MOST = 256 * 1024
_LARGEST_UPLOAD = 100 * 2**20


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
    return terms.dialect.snapshot(response, known)


def cancel(terms: Terms, prediction_id: str, now: float) -> Chore[Snapshot]:
    """Have a prediction stopped; harmless where it has ended already."""
    known = Snapshot({"id": checked_id(prediction_id)})
    request = hosted(terms.dialect, "cancel a prediction").cancel(known)
    assert request is not None
    response = yield from exchange(terms, request, now, repeatable=True)
    return terms.dialect.snapshot(response, known)


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


def reads_files(value: Any) -> bool:
    """Whether an input is more than JSON, so that encoding it may take time."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return False
    if isinstance(value, Mapping):
        return any(map(reads_files, value.values()))
    return any(map(reads_files, value)) if isinstance(value, (list, tuple)) else True


def encoded(terms: Terms, value: Any, now: float, strategy: str | None, path: str = "input") -> Chore[Any]:
    """An input as JSON: files in it as data URIs or as URLs of uploads.

    Raises TypeError, with the place, for what JSON cannot hold.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        made = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path} has the name {key!r}: names in JSON are strings")
            made[key] = yield from encoded(terms, item, now, strategy, f"{path}[{key!r}]")
        return made
    if isinstance(value, FileOutput):
        return (yield from _sent_on(terms, value, now, strategy))
    source = source_of(value)
    if source is not None:
        return (yield from _sent(terms, source, now, strategy))
    plain_value = _plain_value(value, path)
    if isinstance(plain_value, list):
        made_list = []
        for place, item in enumerate(plain_value):
            made_list.append((yield from encoded(terms, item, now, strategy, f"{path}[{place}]")))
        return made_list
    return plain_value


def _plain_value(value: Any, path: str) -> Any:
    """Sequences as lists; numbers and arrays of other libraries as they say themselves."""
    if isinstance(value, (list, tuple, set, frozenset)) or (hasattr(value, "__next__") and hasattr(value, "__iter__")):
        return list(value)
    for name in ("tolist", "item"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{path} is {type(value).__name__}, which is neither JSON nor a file")


def _sent(terms: Terms, source: Source, now: float, strategy: str | None) -> Chore[str]:
    """A file's content: inline where it is small or the server takes no uploads, else uploaded once."""
    inline = strategy == "base64" or (strategy is None and source.length <= DATA_URI_MOST)
    if inline or not isinstance(terms.dialect, Replicate):
        return source.data_uri()
    if source.length > _LARGEST_UPLOAD:
        limit = f"the API takes files up to {_LARGEST_UPLOAD}: pass a URL"
        raise ValueError(f"{source.name!r} has {source.length} bytes; {limit}")
    upload = MultipartUpload(source)
    headers = {"Content-Type": upload.content_type}
    request = terms.dialect.request("POST", "/files", headers=headers, body=upload)
    response = yield from exchange(terms, request, now, repeatable=True)
    return without_frames(lambda: _uploaded_to(response))


def _uploaded_to(response: Response) -> str:
    found = parse_json(response.body)
    url = found.get("urls", {}).get("get") if isinstance(found, dict) and isinstance(found.get("urls"), dict) else None
    if not isinstance(url, str):
        raise ProtocolError("expected an uploaded file (an object with 'urls.get')")
    return url


def _sent_on(terms: Terms, file: FileOutput, now: float, strategy: str | None) -> Chore[str]:
    """A file from another prediction: by URL to the server that it came from, with its content to any other."""
    if file.base_url in (None, terms.dialect.base_url) or file.url.startswith("data:"):
        return file.url
    source = source_of(file.read())
    assert source is not None
    return (yield from _sent(terms, source, now, strategy))
