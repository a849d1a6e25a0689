"""What goes over a transport, as values: requests, responses, secrets and time budgets.

A request never holds the token in clear text: it holds a :class:`Secret`, which only a transport reveals,
and which is dropped by pickling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import attrs

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "QUERY"})
"""The methods of requests that may be repeated even if the first was processed (RFC 9110 9.2.2)."""


class Secret:
    """A string of which only the first three and last two characters are shown, and that is not pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; for transports only."""
        return self._value

    def __repr__(self) -> str:
        return f"{self._value[:3]}***{self._value[-2:]}" if len(self._value) >= 12 else "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: Any) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, ("",)


class Upload(Protocol):
    """A request body that is read while it is sent, rather than held in memory."""

    @property
    def length(self) -> int:
        """Its length in bytes."""
        ...

    def open(self) -> Iterator[bytes]:
        """The body in pieces, from the beginning; may be called again for another attempt."""
        ...


@attrs.frozen
class Request:
    """One HTTP request. ``url`` is absolute; ``token`` is sent as ``Authorization: Bearer``.

    ``streams`` asks for the body of a 200 response piece by piece: an event stream, or a download. The limits are in
    seconds, None for as long as the deadline allows: ``connect`` for reaching the server, ``idle`` for an upload that
    makes no progress. ``hold`` is how long the server may take before it responds because it was asked to wait, or
    infinity where it responds when it is done.
    ``about`` is what it asks for where its URL does not say so, such as the model of a create.
    """

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # the caller's may contain secrets
    body: bytes | Upload | None = attrs.field(default=None, repr=False)
    token: Secret | None = None
    streams: bool = False
    connect: float | None = attrs.field(default=5.0, repr=False)
    idle: float | None = attrs.field(default=None, repr=False)
    hold: float = attrs.field(default=0.0, repr=False)
    about: str = attrs.field(default="", repr=False)

    @property
    def uploads(self) -> bool:
        """Whether the body is an upload, read while it is sent."""
        return not (self.body is None or isinstance(self.body, bytes))


def _by_lower_case_name(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@attrs.frozen
class Response:
    """A complete response: ``headers`` by lower-case name, ``body`` whole and decoded.

    If the body is read piece by piece, ``body`` is empty and a :class:`Body` comes with the response.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=_by_lower_case_name)
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def content_type(self) -> str:
        """The media type in lower case without its parameters, or an empty string."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_event_stream(self) -> bool:
        """Whether this is the beginning of a server-sent event stream."""
        return self.status == 200 and self.content_type == "text/event-stream"


class Body(Protocol):
    """The body of a response that is still arriving."""

    def read(self, deadline: float | None) -> bytes:
        """The bytes that have arrived, after waiting until ``deadline`` for the first; ``b""`` at the end.

        Raises a :class:`~replicate_home.TransportError` if the body is cut off or nothing arrives in time.
        """
        ...

    def close(self) -> None:
        """Discard the rest; may be called from another thread, and more than once."""
        ...


@attrs.frozen
class Timeout:
    """Time budgets in seconds; None means no limit.

    ``total`` is for the whole call with its retries, ``connect`` for reaching the server, ``read`` for
    waiting for a response, and ``idle`` for silence within a stream, a download or an upload.
    """

    total: float | None = 600.0
    connect: float | None = 5.0
    read: float | None = 30.0
    idle: float | None = 60.0
