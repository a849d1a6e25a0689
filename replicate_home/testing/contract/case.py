"""A case of the contract, and the bench on which it is tried."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ...exceptions import ProtocolError, ReplicateHomeError, TransportError
from ...transports.base import Transport
from ...wire import Body, Request, Response, Secret

TOKEN = "r8_contract_0123456789_canary"  # noqa: S105  # nobody's
SOON = 0.2
"""The deadline, in seconds, of cases in which it expires."""
ENOUGH = 10.0
"""The deadline, in seconds, of all other cases."""


class Breach(AssertionError):
    """What no transport may do: misreport what happened, or let a foreign exception or the token out."""


@attrs.frozen
class Case:
    """One sentence of the contract and the function that tries it.

    ``optional`` names the part of the contract that a transport may leave out, if the sentence belongs to one.
    """

    name: str
    group: str
    run: Callable[[Bench], None] = attrs.field(repr=False)
    optional: str = ""

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


class Cases(list[Case]):
    """Cases, in the order in which they are written down."""

    def add(
        self, group: str, optional: str = "", *, name: str = ""
    ) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
        """Add a function, whose docstring is the sentence if none is given."""

        def add(function: Callable[[Bench], None]) -> Callable[[Bench], None]:
            self.append(Case(name or (function.__doc__ or "").rstrip("."), group, function, optional))
            return function

        return add


@attrs.frozen
class Bench:
    """A transport and the ways to try it. ``notes`` are the deviations that the contract allows."""

    transport: Transport
    url: str | None = None
    notes: list[str] = attrs.field(factory=list)

    def ask(self, url: str, *, method: str = "GET", seconds: float = ENOUGH, **parts: Any) -> tuple[Response, Any]:
        """Send a request with the token."""
        request = Request(method, url + "/v1/predictions", token=Secret(TOKEN), **parts)
        return self.transport.send(request, self.transport.clock.now() + seconds)

    def body(self, url: str, **parts: Any) -> tuple[Response, Body]:
        """Send a request whose answer comes piece by piece."""
        response, body = self.ask(url, streams=True, **parts)
        assert body is not None, "a Body was expected"
        return response, body

    def until(self, seconds: float) -> float:
        """A deadline."""
        return self.transport.clock.now() + seconds

    def read_all(self, body: Body) -> bytes:
        """A body to its end."""
        return b"".join(iter(lambda: body.read(self.until(ENOUGH)), b""))

    def fails(
        self,
        attempt: Callable[[], object],
        *kinds: type[ReplicateHomeError],
        phases: Sequence[str] = (),
        processed: bool | None = None,
    ) -> ReplicateHomeError:
        """The error of ``attempt``: one of ours, without the token, that never falsely says that nothing happened.

        A kind, phase, or caution other than the contract's is noted.
        """
        try:
            attempt()
        except (TransportError, ProtocolError) as error:
            found = error
        else:
            raise AssertionError("no error was raised")
        keeps_the_secret(found)
        if not isinstance(found, kinds):
            self.notes.append(f"it is {type(found).__name__}, not {' or '.join(kind.__name__ for kind in kinds)}")
        if isinstance(found, TransportError) and processed is not None:
            self._tells_the_truth(found, phases, processed)
        return found

    def _tells_the_truth(self, found: TransportError, phases: Sequence[str], processed: bool) -> None:
        if processed and not found.may_have_been_processed:
            raise Breach("may_have_been_processed is not True")
        if found.may_have_been_processed and not processed:
            self.notes.append("may_have_been_processed is not False")
        if phases and found.phase not in phases:
            self.notes.append(f"the phase is {found.phase!r}, not {' or '.join(map(repr, phases))}")


def keeps_the_secret(error: ReplicateHomeError) -> None:
    """Raise :class:`Breach` if the error shows the token, or holds on to an object of another library."""
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    if TOKEN in shown:
        raise Breach("the token is in the traceback")
    if TOKEN.encode() in pickle.dumps(error):
        raise Breach("the token is in the pickled error")
    if str(pickle.loads(pickle.dumps(error))) != str(error):  # noqa: S301
        raise Breach("the error changes when it is pickled")
    link: BaseException | None = error
    while link is not None:
        if not isinstance(link, ReplicateHomeError):
            raise Breach(f"{type(link).__name__} of another library is attached to the error")
        link = link.__cause__ or link.__context__
