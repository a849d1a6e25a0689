"""The handle on a prediction, and pages of them: what ``client.predictions`` returns.

What needs no waiting stands in a base class each, shared with the handles for event loops.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from ...exceptions import ProtocolError, ReplicateHomeError
from ...records.parsing import parse
from ...records.prediction import PredictionFields, Snapshot
from ..engine.settings import DEFAULT, TimeoutOption
from ..outputs.results import Result

if TYPE_CHECKING:
    from ..client import Client
    from ..engine.core import Errand
    from ..outputs.streams import Stream


class PredictionFacts(PredictionFields):
    """A prediction that somebody holds: the latest snapshot of it, and whose it is."""

    __slots__ = ("_client", "_dialect_name")

    def __init__(self, snapshot: Snapshot, client: Any = None, backend: str | None = None) -> None:
        self._data = snapshot.to_dict()
        self._client = client
        self._dialect_name = backend

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A prediction from the API's JSON, as :meth:`to_dict` gave it; it belongs to no client."""
        return cls(parse(Snapshot, dict(data)))

    @property
    def snapshot(self) -> Snapshot:
        """The latest snapshot, which does not change any more."""
        return Snapshot(self._data)

    def _update(self, snapshot: Snapshot) -> Self:
        self._data = snapshot.to_dict()
        return self

    def _orphaned(self) -> ReplicateHomeError:
        return ReplicateHomeError(f"prediction {self.id} belongs to no client: use client.predictions.get({self.id!r})")

    @contextlib.contextmanager
    def _updated_by_errors(self) -> Iterator[None]:
        """What an error has learned of the prediction is known here too."""
        try:
            yield
        except ReplicateHomeError as error:
            if error.prediction is not None:
                self._update(error.prediction)
            raise

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PredictionFacts) and other._data == self._data

    def __hash__(self) -> int:
        return hash(self.id)

    def __copy__(self) -> Self:
        return type(self)(self.snapshot, self._client, self._dialect_name)

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()  # a snapshot does not change

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)


class Prediction(PredictionFacts):
    """A prediction that you hold: the latest snapshot of it, and what can be done with it.

    It is yours: only :meth:`cancel` cancels it. ``output`` is the API's JSON as sent; :meth:`result` dresses it.
    """

    __slots__ = ()
    _client: Client | None

    def reload(self) -> Prediction:
        """Ask the server how it is now."""
        return self._ask(self._owner()._getting(self.id, self._dialect_name))

    def wait(self, timeout: TimeoutOption = DEFAULT) -> Prediction:
        """Wait until it is terminal, whatever its status then.

        Raises :class:`PredictionTimeout` after ``timeout`` seconds (600 where not given); it is not canceled.
        """
        return self._ask(self._owner()._waiting(self.snapshot, self._dialect_name, timeout))

    def cancel(self) -> Prediction:
        """Have it canceled; harmless where it has ended."""
        return self._ask(self._owner()._cancelling(self.id, self._dialect_name))

    def result(self, timeout: TimeoutOption = DEFAULT) -> Result:
        """Its output as ``client.run()`` returns it, after waiting; raises :class:`ModelError` where it failed."""
        self.wait(timeout)
        return self._owner()._result(self.snapshot, self._dialect_name)

    def stream(self, timeout: TimeoutOption = DEFAULT) -> Stream:
        """Its output from the beginning, as it grows."""
        return self._owner()._follow(self.snapshot, self._dialect_name, timeout)

    def output_iterator(self, timeout: TimeoutOption = DEFAULT) -> Iterator[Any]:
        """The pieces of its output, those that are there already included."""
        with self.stream(timeout) as stream:
            yield from stream

    def _owner(self) -> Client:
        if self._client is None:
            raise self._orphaned()
        return self._client

    def _ask(self, errand: Errand[Snapshot]) -> Prediction:
        with self._updated_by_errors():
            return self._update(self._owner()._do(errand))


class Predictions:
    """``client.predictions``: create, get, list and cancel."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(
        self,
        model: str | None = None,
        input: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        prompt: str | None = None,
        messages: Any = None,
        wait: bool | int | None = None,
        webhook: str | None = None,
        webhook_events_filter: list[str] | None = None,
        timeout: TimeoutOption = DEFAULT,
        file_encoding_strategy: str | None = None,
    ) -> Prediction:
        """Create a prediction and return at once, or after the server has held the request ``wait`` seconds.

        ``model`` is any form of reference, or ``version`` alone. The prediction is yours: nothing cancels it
        but you.
        """
        if (model is None) == (version is None):
            raise TypeError("give model or version=, one of them")
        return self._client._create(
            model or version,
            input,
            prompt=prompt,
            messages=messages,
            wait=wait,
            webhook=webhook,
            webhook_events_filter=webhook_events_filter,
            timeout=timeout,
            file_encoding_strategy=file_encoding_strategy,
        )

    def get(self, id: str) -> Prediction:
        """The prediction with this id."""
        client = self._client
        name = client._backend_of(id)
        return Prediction(client._do(client._getting(id, name)), client, name)

    def cancel(self, id: str) -> Prediction:
        """Cancel the prediction with this id; harmless where it has ended."""
        client = self._client
        name = client._backend_of(id)
        return Prediction(client._do(client._cancelling(id, name)), client, name)

    def list(self, *, created_after: str | None = None, created_before: str | None = None) -> Page:
        """Your predictions, newest first; iterating goes on through all pages.

        ``created_after`` and ``created_before`` are ISO 8601 times.
        """
        client = self._client
        errand = client._paging("/predictions", created_after=created_after, created_before=created_before)
        return Page(client, client._do(errand))


class PageFacts:
    """One page of a list: its ``results``, and the URLs of the pages beside it."""

    def __init__(self, client: Any, data: Mapping[str, Any], handle: type[PredictionFacts]) -> None:
        self._client = client
        self.results: list[Any] = [handle(parse(Snapshot, item), client, "replicate") for item in data["results"]]
        self.next: str | None = data.get("next")
        self.previous: str | None = data.get("previous")

    def _following(self, seen: set[str]) -> str | None:
        """The URL of the page after this one; ProtocolError where it was ``seen``."""
        if self.next in seen:
            raise ProtocolError(f"the list leads in a circle: {str(self.next)[:200]!r} came before")
        if self.next is not None:
            seen.add(self.next)
        return self.next

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.results)} predictions{', more' if self.next else ''})"


class Page(PageFacts):
    """One page of a list. Iterating yields its items and those of all pages after it."""

    results: list[Prediction]

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        super().__init__(client, data, Prediction)

    def pages(self) -> Iterator[Page]:
        """This page and those after it, each fetched when it is reached."""
        page, seen = self, set[str]()
        yield page
        while (following := page._following(seen)) is not None:
            page = Page(self._client, self._client._do(self._client._paging(following)))
            yield page

    def __iter__(self) -> Iterator[Prediction]:
        for page in self.pages():
            yield from page.results
