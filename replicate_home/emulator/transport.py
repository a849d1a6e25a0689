"""An :class:`~.emulator.Emulator` as a transport, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..clock import Clock, NotYet
from ..exceptions import ConnectFailed, Disconnected, RequestTimeout
from ..wire import Body, Request, Response
from .emulator import Emulator
from .faults import Fault, Playback
from .playing import PlayedAnswer
from .rendering import Rendering
from .timeline import Peer

Ask = Callable[[], tuple[Response, Body | None]]
_SLICE = 65_536


class WholeBody:
    """A body in memory, read in slices."""

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)
        self._closed = False

    def read(self, deadline: float | None) -> bytes:  # noqa: ARG002  # nothing is waited for
        """The next slice; ``b""`` at the end."""
        if self._closed:
            raise Disconnected("the body was closed", phase="body", may_have_been_processed=True)
        slice, self._rest = self._rest[:_SLICE], self._rest[_SLICE:]
        return bytes(slice)

    def close(self) -> None:
        """Discard the rest."""
        self._closed = True


class InProcessTransport:
    """Sends to an emulator in this process; see :class:`~replicate_home.transports.base.Transport`.

    ``backend`` and ``base_url`` are a client's defaults.
    """

    def __init__(self, emulator: Emulator, *, backend: str = "local") -> None:
        self.emulator = emulator
        self.backend = backend
        self.base_url = emulator.base_url

    @property
    def clock(self) -> Clock:
        """The clock that deadlines are read on: the emulator's."""
        return self.emulator.clock

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Answer ``request`` in this thread; an event stream or a download comes with its body."""
        if deadline is not None and self.clock.now() >= deadline:
            raise RequestTimeout("no time left to send", request=request, phase="connect")
        if (fault := self.emulator.fault_for(request)) is not None:
            return self._faulted(fault, request, deadline, partial(self._asked, fault, request, deadline))
        return self._answer(request, deadline, partial(self.emulator.handle, request, deadline, Peer()))

    def cause_of(self, prediction_id: str) -> Exception | None:
        """The exception that a model raised, which its client makes the cause of the prediction's failure."""
        return self.emulator.service.cause_of(prediction_id)

    def close(self) -> None:
        """Nothing is pooled."""

    def _asked(self, fault: Fault, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """The server's response, or a fault's."""
        if fault.effect.refuses:
            raise ConnectFailed("the connection was refused", request=request, phase="connect")
        if fault.effect.answer is not None:
            return fault.effect.answer, None
        return self.emulator.handle(request, deadline, Peer())

    def _faulted(
        self, fault: Fault, request: Request, deadline: float | None, ask: Ask
    ) -> tuple[Response, Body | None]:
        try:
            response, body = ask()
        except NotYet as later:
            later.again = partial(self._faulted, fault, request, deadline, later.again or ask)
            raise
        playback = Playback(Rendering(response, body, request.method), fault.effect)
        return self._played(PlayedAnswer(playback, request, self.clock), request, deadline)

    def _played(self, answer: PlayedAnswer, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        try:
            response = answer.head(deadline)
        except NotYet as later:
            later.again = partial(self._played, answer, request, deadline)
            raise
        if request.streams and response.status in (200, 206):
            return response, answer
        return _drained(response, answer, deadline, []), None

    def _answer(self, request: Request, deadline: float | None, ask: Ask) -> tuple[Response, Body | None]:
        try:
            response, body = ask()
        except NotYet as later:
            later.again = partial(self._answer, request, deadline, later.again or ask)
            raise
        if not request.streams or response.status not in (200, 206):
            return (response, None) if body is None else (_drained(response, body, deadline, []), None)
        if body is None:
            content = response.body
            body = WholeBody(content)
            response = Response(response.status, response.headers)
        return response, body


def _drained(response: Response, body: Body, deadline: float | None, pieces: list[bytes]) -> Response:
    """The response with its whole body, of which ``pieces`` have been read."""
    try:
        while piece := body.read(deadline):
            pieces.append(piece)
    except NotYet as later:
        later.again = lambda: (_drained(response, body, deadline, pieces), None)
        raise
    except BaseException:
        body.close()
        raise
    body.close()
    return Response(response.status, response.headers, b"".join(pieces))
