"""What both clients are: their options, the routes of calls, and the errands that calls consist of.

Nothing here waits, but for the download of a file, which is read by threads under either client. An errand is a chore
and the route it goes; each client has it run in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

import attrs

from ...clock import Clock
from ...dialects import Replicate
from ...dialects.refs import ModelRef
from ...drivers.drive import Drive
from ...exceptions import ModelError, UnsafeURL
from ...lifecycle.life import Terms
from ...lifecycle.machine import Settled, State, downloading, following
from ...protocol import urls
from ...records.prediction import Snapshot
from ...transports.base import Transport
from ...wire import Request
from ..inputs.prompting import is_json
from ..outputs.file_output import Download, pieces_with_files
from ..outputs.progress import Report, reporting
from ..outputs.results import Result, result_of
from . import chores
from .calls import LONGEST_HOLD, Call, begin, follow, terms
from .connections import Connections, Models
from .settings import (
    DEFAULT,
    PLAIN_SECONDS,
    Route,
    Settings,
    TimeoutOption,
    checked_headers,
    checked_retries,
    checked_timeout,
    checked_token,
    choose,
    named,
    settings,
)

T = TypeVar("T")


@attrs.frozen
class Errand(Generic[T]):
    """A chore and the route it goes, and the input that its own steps read."""

    chore: chores.Chore[T]
    route: Route
    input: Any = None

    @property
    def reads_files(self) -> bool:
        """Whether its own steps take time, for they read the caller's files."""
        return not is_json(self.input)


class Core:
    """A client's options and its connections; see :class:`Client` for what they mean."""

    _settings: Settings
    _connections: Connections
    _schemas: dict[tuple[str, str], Mapping[str, Any]]

    def __init__(
        self,
        api_token: str | None = None,
        *,
        backend: str | None = None,
        base_url: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = 3,
        headers: Mapping[str, str] | None = None,
        transport: Any = None,
        clock: Clock | None = None,
    ) -> None:
        given = settings(api_token, backend, base_url, timeout, max_retries, headers)
        self._set_up(given, self._connected(transport, clock, None))

    @classmethod
    def local(cls, models: Models | None = None, **options: Any) -> Self:
        """A client for models in this process: no account, no network. ``models`` maps ``local/name`` to callables."""
        client = cls(backend="local", **options)
        client._connections.models = models
        return client

    def with_options(
        self,
        *,
        api_token: str | None = None,
        timeout: TimeoutOption = DEFAULT,
        max_retries: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """A client with these options instead, sharing this one's connections; ``headers`` are added."""
        changes: dict[str, Any] = {}
        if api_token is not None:
            changes["token"] = checked_token(api_token)
        if timeout is not DEFAULT:
            changes["timeout"] = checked_timeout(timeout)
        if max_retries is not None:
            changes["max_retries"] = checked_retries(max_retries)
        if headers is not None:
            changes["headers"] = {**self._settings.headers, **checked_headers(headers)}
        return self._made(attrs.evolve(self._settings, **changes), self._shared())

    def __repr__(self) -> str:
        given = self.__dict__.get("_settings", Settings())  # a traceback may show a client that is half made
        shown = {"backend": given.backend, "base_url": given.base_url, "api_token": given.token}
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"{type(self).__name__}({options})"

    def __copy__(self) -> Self:
        return self._made(self._settings, self._shared())

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()  # its connections cannot be doubled, and its options do not change

    def __reduce__(self) -> tuple[Any, ...]:
        given, shared = self._settings, self._connections
        required = given.requires_token or given.current_token() is not None
        bare = attrs.evolve(given, token=None, requires_token=required)
        return _unpickled, (type(self), bare, shared.given, shared.clock, shared.models)

    # ---- what each client has of its own ----

    @classmethod
    def _connected(cls, transport: Any, clock: Clock | None, models: Models | None) -> Any:
        """The connections that go over ``transport``, or over one that is made."""
        raise NotImplementedError

    def _set_up(self, given: Settings, shared: Any) -> None:
        """Take on options, and connections that other clients may share."""
        raise NotImplementedError

    def _shared(self) -> Any:
        """The connections, for another client to share."""
        raise NotImplementedError

    def _longest_hold(self, route: Route) -> float:  # noqa: ARG002 - it is the same on all of a blocking client's
        """How many seconds the server may hold a create that is followed, where nobody said anything."""
        return LONGEST_HOLD

    # ---- how it is done ----

    @classmethod
    def _made(cls, given: Settings, shared: Any) -> Self:
        client = cls.__new__(cls)
        client._set_up(given, shared)
        return client

    @property
    def _clock(self) -> Clock:
        return self._connections.clock

    def _route(self, ref: str | None, backend: str | None = None) -> Route:
        if backend is not None:
            return named(self._settings, self._connections.declared, backend)
        return choose(self._settings, self._connections.declared, ref, aliases=True)

    def _backend_of(self, prediction_id: str) -> str | None:
        """Where a prediction lives, as far as its id and what this client did before tell."""
        if self._connections.given is None and self._connections.knows_locally(prediction_id):
            return "local"
        return "home" if self._settings.went_keyless() else None

    def _plain_terms(self, route: Route) -> Terms:
        return terms(self._settings, route, self._clock, self._settings.budget(DEFAULT, PLAIN_SECONDS))

    def _schema(self, life_terms: Terms, ref: ModelRef, now: float) -> chores.Chore[Mapping[str, Any]]:
        key = (life_terms.dialect.base_url, str(ref))
        if key not in self._schemas:
            self._schemas[key] = yield from chores.input_schema(life_terms, ref, now)
        return self._schemas[key]

    # ---- errands ----

    def _beginning(self, call: Call, route: Route, *, delivers: bool) -> Errand[State]:
        """The state that creates a prediction which is followed to its end."""
        hold = self._longest_hold(route)
        chore = begin(self._settings, route, self._clock, call, self._schema, delivers=delivers, longest_hold=hold)
        return Errand(chore, route, call.input)

    def _creating(self, call: Call, route: Route) -> Errand[Snapshot]:
        """A prediction that is created, and not followed."""
        chore = begin(self._settings, route, self._clock, call, self._schema, follows=False)
        return Errand(chores.settled(chore), route, call.input)

    def _getting(self, prediction_id: str, backend: str | None) -> Errand[Snapshot]:
        route = self._route(None, backend)
        return Errand(chores.get(self._plain_terms(route), prediction_id, self._clock.now()), route)

    def _cancelling(self, prediction_id: str, backend: str | None) -> Errand[Snapshot]:
        route = self._route(None, backend)
        return Errand(chores.cancel(self._plain_terms(route), prediction_id, self._clock.now()), route)

    def _paging(self, path: str, **parameters: str | None) -> Errand[Mapping[str, Any]]:
        route = self._route(None)
        return Errand(chores.page(self._plain_terms(route), chores.query(path, **parameters), self._clock.now()), route)

    def _waiting(self, snapshot: Snapshot, backend: str | None, timeout: TimeoutOption) -> Errand[Snapshot]:
        """A prediction as it ends, failures too."""
        route = self._route(None, backend)
        life_terms = terms(self._settings, route, self._clock, self._settings.budget(timeout), delivers=False)
        return Errand(_waited(life_terms, snapshot, self._clock.now()), route)

    def _following(self, snapshot: Snapshot, route: Route, timeout: TimeoutOption) -> Errand[State]:
        """The state that follows a prediction from what is known of it, delivering its output."""
        return Errand(follow(self._settings, route, self._clock, snapshot, timeout), route)

    # ---- dressing ----

    def _dressing(self, route: Route, call: Call) -> Dressing:
        return Dressing(self, route, call.use_file_output, reporting(call.on_update, call.progress))

    def _result(self, snapshot: Snapshot, backend: str | None) -> Result:
        """The result of a prediction that has ended; raises what it ended with."""
        route = self._route(None, backend)
        over = following(self._plain_terms(route), snapshot, self._clock.now())
        assert isinstance(over, Settled)
        return Dressing(self, route).finish(chores.snapshot_of(over))

    def _download(self, url: str, route: Route) -> Download:
        """Ask for a file; its body is read by whoever gets the :class:`Download`."""
        dialect = route.dialect
        if not urls.is_safe(dialect.base_url, url):
            raise UnsafeURL(f"{url.partition('?')[0][:200]!r} is not fetched: only https to a public host is")
        if isinstance(dialect, Replicate):
            request = dialect.request("GET", url, headers={"Accept": "*/*"}, streams=True)
        else:
            request = Request("GET", url, {"Accept": "*/*"}, streams=True)
        budget = self._settings.budget(DEFAULT)
        life_terms = terms(self._settings, route, self._clock, budget)
        state = downloading(life_terms, request, self._clock.now())
        drive = Drive(state, self._connections.transport(route.connections), self._clock)
        settled = drive.settle()
        if settled.error is not None:
            raise settled.error
        assert settled.answer is not None

        def read() -> bytes:
            limits = [life_terms.deadline, None if budget.idle is None else self._clock.now() + budget.idle]
            return drive.read(min((limit for limit in limits if limit is not None), default=None))

        return Download(settled.answer.content_type, read, drive.close_body)


@attrs.frozen
class Dressing:
    """How the output of one call is handed out: in pieces, as a whole, and to whom snapshots are reported."""

    core: Core
    route: Route
    use_file_output: bool = True
    report: Report | None = None

    def shape(self, items: list[Any]) -> list[Any]:
        """Pieces of the output as the caller gets them."""
        return pieces_with_files(items, self.route.dialect.base_url, self._open) if self.use_file_output else items

    def finish(self, snapshot: Snapshot) -> Result:
        """The whole output as the caller gets it."""
        base_url = self.route.dialect.base_url
        return result_of(snapshot, base_url, self._open, use_file_output=self.use_file_output)

    def _open(self, url: str) -> Download:
        return self.core._download(url, self.route)


def _waited(life_terms: Terms, snapshot: Snapshot, now: float) -> chores.Chore[Snapshot]:
    if snapshot.is_terminal:
        return snapshot
    over = yield following(life_terms, snapshot, now)
    if isinstance(over.error, ModelError) and over.life.snapshot is not None:
        return over.life.snapshot
    return chores.snapshot_of(over)


def _unpickled(
    cls: type[Core], given: Settings, transport: Transport | None, clock: Clock, models: Models | None
) -> Core:
    return cls._made(given, cls._connected(transport, clock, models))
