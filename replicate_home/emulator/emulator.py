"""The server: one request in, one answer out, whichever door it came through.

It speaks the hosted HTTP API (https://replicate.com/docs/reference/http) over models that are Python callables.
Nothing here knows of sockets; what waits, waits on a :class:`~.timeline.Line`, which the door can close. Whatever a
request contains, the answer is a response; only errors of transport (a deadline, a closed line) are raised.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

import attrs

from ..clock import SYSTEM_CLOCK, Clock, FakeClock, NotYet
from ..exceptions import ReplicateHomeError, RequestTimeout
from ..threads import ThreadPool
from ..wire import Body, Request, Response
from . import reading
from .files import InputFiles, OutputFiles, StoredFile, file_record, parse_multipart, upload_of
from .problems import Problem, invalid, not_found
from .reading import Exchange
from .record import EventFeed, Record, iso
from .registry import Model, Models
from .store import KEPT_PREDICTIONS, UPLOAD_LIFE, Shelf, Uploaded, page_of
from .timeline import Line, RealRun, Run, VirtualRun

BASE_URL = "https://local.invalid/v1"
RUNNING_AT_ONCE = 32  # further predictions stay ``starting`` until one ends

Answer = tuple[Response, Body | None]


class Handled(NamedTuple):
    """A request that was handled; ``path`` is without ``/v1``; ``status`` is None if no answer was given."""

    method: str
    path: str
    status: int | None


@attrs.frozen
class Call:
    """A prediction that was created, with the input as it was sent."""

    model: str
    input: Mapping[str, Any]
    prediction_id: str


class Emulator:
    """A small Replicate.

    ``models`` maps names to callables, beside those registered for the process; ``clock`` may be a ``FakeClock``,
    then everything happens in virtual time and without threads; ``api_token`` None accepts any token and none;
    ``seed`` determines the ids. ``requests`` and ``calls`` are the logs of what was asked and created.
    """

    def __init__(
        self,
        models: Mapping[str, Callable[..., Any]] | Models | None = None,
        clock: Clock = SYSTEM_CLOCK,
        base_url: str = BASE_URL,
        api_token: str | None = None,
        seed: int | str = 0,
    ) -> None:
        self.models = models if isinstance(models, Models) else Models(models)
        self.clock = clock
        self.base_url = base_url
        self.requests: deque[Handled] = deque(maxlen=100_000)
        self.calls: deque[Call] = deque(maxlen=KEPT_PREDICTIONS)
        self._api_token = api_token
        self._epoch = clock.time() - clock.now()
        self._shelf = Shelf(seed)
        self._threads = ThreadPool(RUNNING_AT_ONCE, "prediction", idle=0.0)
        self._order = count()
        self._virtual = threading.Condition(threading.RLock())  # one for all virtual runs: whoever looks, steps

    def handle(self, request: Request, deadline: float | None = None, line: Line | None = None) -> Answer:
        """Answer ``request``; a body that is still arriving comes with the response.

        Raises ``RequestTimeout`` at ``deadline`` (a time on the clock) and ``Disconnected`` when ``line`` is closed.
        """
        exchange = Exchange.of(request, deadline, line)
        return self._handle(exchange, partial(self._route, exchange))

    def _handle(self, exchange: Exchange, ask: Callable[[], Response | Answer]) -> Answer:
        try:
            response, body = self._answer(exchange, ask)
        except NotYet as later:
            later.again = partial(self._handle, exchange, later.again or ask)
            raise
        except BaseException:
            self._log(exchange, None)
            raise
        self._log(exchange, response.status)
        return response, body

    def _log(self, exchange: Exchange, status: int | None) -> None:
        self.requests.append(Handled(exchange.request.method, exchange.path, status))

    def close(self) -> None:
        """Cancel what runs, and wait a moment for its threads; a model that never sleeps cannot be stopped."""
        for record in self._shelf.records():
            record.run.cancel()
        self._threads.join(2.0)

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def unknown_route(self, exchange: Exchange) -> Response:
        """The answer where there is nothing at this path."""
        raise not_found(f"there is nothing at {exchange.path}: this is a local server, with fewer endpoints")

    def unknown_model(self, wanted: str) -> Exception:
        """What to raise for a model or version that is not here."""
        known = ", ".join(sorted(self.models.all())) or "none"
        return not_found(f"there is no model {wanted!r} on this server. It has: {known}")

    # -- from request to route

    def _answer(self, exchange: Exchange, ask: Callable[[], Response | Answer]) -> Answer:
        headers = _rate_headers(exchange)
        try:
            answer = ask()
            response, body = answer if isinstance(answer, tuple) else (answer, None)
            return attrs.evolve(response, headers={**headers, **response.headers}), body
        except Problem as problem:
            return problem.response(headers), None
        except ReplicateHomeError:
            raise
        except Exception as error:  # whatever a request contains, it must not end the server
            described = f"{type(error).__name__} while answering {exchange.request.method} {exchange.path}"
            return Problem(500, "Internal server error", described).response(headers), None

    def _route(self, exchange: Exchange) -> Response | Answer:
        method = "GET" if exchange.request.method == "HEAD" else exchange.request.method
        allowed = []
        for verb, pattern, open_to_all, handler in _ROUTES:
            if found := pattern.fullmatch(exchange.path):
                if verb == method:
                    if not open_to_all:
                        self._check_token(exchange)
                    return handler(self, exchange, *found.groups())
                allowed.append(verb)
        if allowed:
            raise Problem(405, "Method not allowed", f"{exchange.path} knows {', '.join(allowed)}")
        return self.unknown_route(exchange)

    def _check_token(self, exchange: Exchange) -> None:
        if self._api_token is None:
            return
        given, right = (token.encode("utf-8", "replace") for token in (exchange.token, self._api_token))
        if not hmac.compare_digest(given, right):
            raise Problem(401, "Unauthenticated", "You did not pass a valid authentication token")

    # -- predictions

    def _create_by_version(self, exchange: Exchange) -> Response:
        body = reading.json_object(exchange)
        wanted = body.get("version", body.get("model"))
        if not isinstance(wanted, str) or not wanted:
            raise invalid("'version' is required: 'owner/name', 'owner/name:version' or the id of a version")
        return self._create(exchange, *self._find(wanted), body)

    def _create_by_model(self, exchange: Exchange, owner: str, name: str) -> Response:
        return self._create(exchange, *self._find(f"{owner}/{name}"), reading.json_object(exchange))

    def _find(self, wanted: str) -> tuple[Model, str]:
        """The model and its version for ``owner/name``, ``owner/name:version`` or a version alone."""
        name, _, version = wanted.partition(":") if "/" in wanted else ("", "", wanted)
        model = self.models.find(name) if name else self.models.find_version(version)
        if model is None or (version and version not in model.versions):
            raise self.unknown_model(wanted)
        return model, version or model.versions[0]

    def _create(self, exchange: Exchange, model: Model, version: str, body: Mapping[str, Any]) -> Response:
        given = body.get("input")
        if not isinstance(given, dict):
            raise invalid("'input' is required, and is a JSON object")
        hold = reading.hold_seconds(exchange)
        record = self._record(exchange, model, version, given, reading.webhook_fields(body))
        if isinstance(record.run, RealRun):
            self._threads.submit(record.run.work)
        if hold is None:
            return Response(201, _JSON, _dump(record.as_created(exchange.origin)))
        return self._held(exchange, record, self.clock.now() + hold)

    def _held(self, exchange: Exchange, record: Record, until: float) -> Response:
        """The answer to a create once its end can be seen, or at ``until``."""
        headers = {**_JSON, "preference-applied": "wait"}
        try:
            self._hold(exchange, record.run, math.inf, until)
        except NotYet as later:  # created it is; what is asked again is how far it has come
            later.again = partial(self._held, exchange, record, until)
            raise
        if record.has_ended():
            return Response(201, headers, _dump(record.now(exchange.origin)))
        # The official clients tell by "starting" that the output is not all there; "processing" they take for the end.
        return Response(202, headers, _dump(record.as_created(exchange.origin)))

    def _record(
        self, exchange: Exchange, model: Model, version: str, given: Mapping[str, Any], webhook: Mapping[str, Any]
    ) -> Record:
        """A new prediction, not yet started."""
        plan = model.plan(given, InputFiles(lambda uri: self._own_file(uri, exchange.origin)))
        lifetime = reading.cancel_after(exchange)
        deadline = None if lifetime is None else self.clock.now() + lifetime
        id = self._shelf.new_id()
        files = OutputFiles(lambda size: self._shelf.hold(id, size))
        run: Run
        if isinstance(self.clock, FakeClock):
            run = VirtualRun(id, plan, self.clock, self._virtual, store=files.store, deadline=deadline)
        else:
            changed = threading.Condition(threading.RLock())
            run = RealRun(id, plan, self.clock, changed, store=files.store, deadline=deadline)
        record = Record(
            id=id,
            number=next(self._order),
            model=model.name,
            version=version,
            input=given,
            run=run,
            files=files,
            stream_token=self._shelf.new_id() + self._shelf.new_id(),
            streams=plan.streams,
            epoch=self._epoch,
            webhook=webhook,
        )
        self._shelf.add(record)
        self.calls.append(Call(model.name, given, id))
        return record

    def _hold(self, exchange: Exchange, run: Run, changes: float, until: float) -> None:
        """Wait for so many ``changes``, not beyond ``until`` and no longer than the caller does."""
        came = run.wait(changes, min(until, exchange.deadline), exchange.line)
        if not came and exchange.deadline < until:
            raise RequestTimeout(
                "no answer in time", request=exchange.request, phase="wait", may_have_been_processed=True
            )

    def _get(self, exchange: Exchange, id: str) -> Response:
        record = self._shelf.record(id)
        record.run.look(exchange.line)
        return _ok(record.now(exchange.origin))

    def _cancel(self, exchange: Exchange, id: str) -> Response:
        record = self._shelf.record(id)
        record.run.cancel()
        return _ok(record.now(exchange.origin))

    def _list(self, exchange: Exchange) -> Response:
        kept = {name: exchange.query[name] for name in _FILTERS if name in exchange.query}
        after, before = reading.date(kept.get("created_after")), reading.date(kept.get("created_before"))
        records = [
            record
            for record in self._shelf.records()
            if (after is None or record.created >= after) and (before is None or record.created < before)
        ]
        page = page_of(records if kept.get("source") != "web" else [], exchange.query.get("cursor"))

        def link(cursor: str | None) -> str | None:
            query = urlencode({**kept, "cursor": cursor})
            return f"{exchange.origin}/v1/predictions?{query}" if cursor is not None else None

        results = [record.now(exchange.origin) for record in page.records]
        return _ok({"next": link(page.following), "previous": link(page.previous), "results": results})

    def _stream(self, exchange: Exchange, token: str) -> Answer:
        record = self._shelf.streamed(token)
        if record.streams == "maybe":
            self._check_streams(exchange, record)
        feed = EventFeed(record, self.clock, exchange.origin, exchange.line, reading.last_event_number(exchange))
        return Response(200, {"content-type": "text/event-stream", "cache-control": "no-store"}), feed

    def _check_streams(self, exchange: Exchange, record: Record) -> None:
        """Wait for the first item: only text and files can be streamed."""
        while not (first := record.run.first_item()) and not record.has_ended():
            self._hold(exchange, record.run, len(record.run.seen()) + 1, math.inf)
        if first and not isinstance(first.value, (str, StoredFile)):
            raise not_found("this model's output is neither text nor files, and cannot be streamed")

    # -- models and the account

    def _models(self, exchange: Exchange) -> Response:
        return _ok(_all([self._model_record(model, exchange) for _, model in sorted(self.models.all().items())]))

    def _model(self, exchange: Exchange, owner: str, name: str) -> Response:
        return _ok(self._model_record(self._find(f"{owner}/{name}")[0], exchange))

    def _versions(self, _: Exchange, owner: str, name: str) -> Response:
        model, _latest = self._find(f"{owner}/{name}")
        return _ok(_all([self._version_record(model, version) for version in model.versions]))

    def _version(self, _: Exchange, owner: str, name: str, version: str) -> Response:
        return _ok(self._version_record(*self._find(f"{owner}/{name}:{version}")))

    def _model_record(self, model: Model, exchange: Exchange) -> dict[str, Any]:
        owner, _, name = model.name.partition("/")
        return {
            "url": f"{exchange.origin}/{model.name}",
            "owner": owner,
            "name": name,
            "description": model.description,
            "visibility": "public",
            "is_official": False,
            "run_count": sum(call.model == model.name for call in list(self.calls)),
            "latest_version": self._version_record(model, model.versions[0]),
            **dict.fromkeys(("cover_image_url", "default_example", "github_url", "license_url", "paper_url")),
        }

    def _version_record(self, model: Model, version: str) -> dict[str, Any]:
        return {
            "id": version,
            "created_at": iso(self._epoch),
            "cog_version": "0.16.12",  # the official Python client parses it to learn how old the schema is
            "openapi_schema": model.openapi(),
        }

    def _account(self, _: Exchange) -> Response:
        return _ok({"type": "user", "username": "local", "name": "This computer", "github_url": None})

    # -- files

    def _upload(self, exchange: Exchange) -> Response:
        form = parse_multipart(
            exchange.headers.get("content-type", ""), reading.whole_body(exchange.request, reading.LARGEST_FORM)
        )
        file, metadata = upload_of(form)
        uploaded = Uploaded(self._shelf.new_id(), file, metadata, self.clock.now())
        self._shelf.keep(uploaded)
        return Response(201, _JSON, _dump(self._file_record(uploaded, exchange)))

    def _file_record(self, uploaded: Uploaded, exchange: Exchange) -> dict[str, Any]:
        made = self._epoch + uploaded.created
        times = iso(made), iso(made + UPLOAD_LIFE)
        return file_record(uploaded.id, uploaded.file, uploaded.metadata, exchange.origin, times)

    def _files(self, exchange: Exchange) -> Response:
        return _ok(_all([self._file_record(kept, exchange) for kept in self._shelf.uploads(self.clock.now())]))

    def _file(self, exchange: Exchange, id: str) -> Response:
        return _ok(self._file_record(self._shelf.upload(id, self.clock.now()), exchange))

    def _delete_file(self, _: Exchange, id: str) -> Response:
        self._shelf.upload(id, self.clock.now())
        self._shelf.discard(id)
        return Response(204)

    def _download(self, exchange: Exchange, id: str) -> Response:
        return _content(self._shelf.upload(id, self.clock.now()).file, exchange)

    def _deliver(self, exchange: Exchange, id: str, name: str) -> Response:
        return _content(self._shelf.delivered(id, name), exchange)

    def _own_file(self, uri: str, origin: str) -> StoredFile | None:
        """The file behind one of this server's own URLs; None for any other URL."""
        parts, own = urlsplit(uri), urlsplit(self.base_url)
        if f"{parts.scheme}://{parts.netloc}" not in (origin, f"{own.scheme}://{own.netloc}"):
            return None
        path = unquote(parts.path).removeprefix("/v1")
        if found := re.fullmatch(r"/files/([^/]+)(?:/download)?", path):
            return self._shelf.upload(found[1], self.clock.now()).file
        if found := re.fullmatch(r"/delivery/([^/]+)/([^/]+)", path):
            return self._shelf.delivered(found[1], found[2])
        return None


_JSON = {"content-type": "application/json"}
_FILTERS = ("created_after", "created_before", "source")


def _rate_headers(exchange: Exchange) -> dict[str, str]:
    creates = exchange.request.method == "POST" and exchange.path.endswith("/predictions")
    polls = exchange.request.method == "GET" and exchange.path.startswith("/predictions/")
    remaining = "599" if creates else "59999" if polls else "2999"
    return {"ratelimit-remaining": remaining, "ratelimit-reset": "1"}


def _dump(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _ok(value: Any) -> Response:
    return Response(200, _JSON, _dump(value))


def _all(results: list[Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "results": results}


def _content(file: StoredFile, exchange: Exchange) -> Response:
    """A file's bytes, or the one range of them that was asked for."""
    size = len(file.content)
    etag = f'"{hashlib.sha256(file.content).hexdigest()[:32]}"'
    headers = {
        "content-type": file.content_type,
        "etag": etag,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", exchange.headers.get("range", ""), re.ASCII)
    if found is None or not any(found.groups()) or exchange.headers.get("if-range", etag) != etag:
        return Response(200, headers, file.content)
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise Problem(416, "Range not satisfiable", f"the file has {size} bytes")
    headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(206, headers, file.content[start:end])


_ROUTES: tuple[tuple[str, re.Pattern[str], bool, Callable[..., Response | Answer]], ...] = tuple(
    (verb, re.compile(path.replace("*", "([^/]+)")), open_to_all, handler)
    for verb, path, open_to_all, handler in (
        ("POST", "/predictions", False, Emulator._create_by_version),
        ("GET", "/predictions", False, Emulator._list),
        ("GET", "/predictions/*", False, Emulator._get),
        ("POST", "/predictions/*/cancel", False, Emulator._cancel),
        ("GET", "/models", False, Emulator._models),
        ("GET", "/models/*/*", False, Emulator._model),
        ("POST", "/models/*/*/predictions", False, Emulator._create_by_model),
        ("GET", "/models/*/*/versions", False, Emulator._versions),
        ("GET", "/models/*/*/versions/*", False, Emulator._version),
        ("GET", "/account", False, Emulator._account),
        ("POST", "/files", False, Emulator._upload),
        ("GET", "/files", False, Emulator._files),
        ("GET", "/files/*", False, Emulator._file),
        ("DELETE", "/files/*", False, Emulator._delete_file),
        ("GET", "/files/*/download", False, Emulator._download),
        # These URLs are capabilities, as on the hosted service: whoever was told one may read it.
        ("GET", "/streams/*", True, Emulator._stream),
        ("GET", "/files/streams/*", True, Emulator._stream),
        ("GET", "/delivery/*/*", True, Emulator._deliver),
    )
)
