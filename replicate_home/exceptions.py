"""Every error this package raises, sorted by who is at fault and what the caller can do.

::

    ReplicateHomeError                  .prediction: the last snapshot, or None before there is one
      TransportError                    no response: .request, .phase, .may_have_been_processed
        ConnectFailed                   never reached the server (also ConnectionError)
        TLSFailed                       the certificate or handshake was refused; never retried
        ProxyFailed                     the proxy refused or could not be reached
        RequestTimeout                  the server took too long (also TimeoutError)
        Disconnected                    the connection broke before the response was complete
      APIError                          the server refused: .status, .title, .detail, .request_id
        AuthenticationError  401        PaymentRequired 402      PermissionDenied 403
        NotFound  404, 410              ModelNotFound (the model, version or alias)
        InvalidInput  400, 422, or ours (also ValueError)
        RateLimited 429 (.retry_after)  ServerError 5xx
        ServerBusy                      busy or not ready until the deadline (also TimeoutError)
      ModelError                        the model failed; ModelCanceled: it was canceled or aborted
      PredictionTimeout                 the call timed out (also TimeoutError); .canceled
      CreateOutcomeUnknown              the prediction may or may not have been created
        CreateTimedOut                  ... because the deadline passed (also TimeoutError)
      ProtocolError                     a response that makes no sense
        OutputDiverged                  the server contradicts what it sent before
        StreamInterrupted               the stream could not be finished: .partial_text
      UnsafeURL, FileExpired, WebhookVerificationError, BatchLocked
      UnexpectedRequest                 a fake got a request it has no answer for (also AssertionError)
      MissingExtra                      an optional library is not installed (also ModuleNotFoundError)

Errors keep what is known as attributes, can be pickled and copied with them, and never contain the API token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .records.prediction import Snapshot
    from .wire import Request


def _restore(
    cls: type[ReplicateHomeError], args: tuple[Any, ...], state: dict[str, Any], cause: ReplicateHomeError | None
) -> ReplicateHomeError:
    """Rebuild an error without calling its ``__init__``, whose arguments are not its state."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    if cause is not None:
        error.__cause__ = cause
    return error


class ReplicateHomeError(Exception):
    """Base of every error of this package."""

    def __init__(self, message: str = "", *, prediction: Snapshot | None = None) -> None:
        super().__init__(message)
        self._prediction = prediction

    @property
    def prediction(self) -> Snapshot | None:
        """The last known snapshot of the prediction, or None before there is one."""
        return self._prediction

    @prediction.setter
    def prediction(self, snapshot: Snapshot | None) -> None:
        self._prediction = snapshot

    def __reduce__(self) -> tuple[Any, ...]:
        cause = self.__cause__ if isinstance(self.__cause__, ReplicateHomeError) else None
        return _restore, (type(self), self.args, self.__dict__, cause)


class TransportError(ReplicateHomeError):
    """There was no usable response.

    ``phase`` is where it broke: ``resolve``, ``connect``, ``tls``, ``proxy``, ``send``, ``wait``
    (for the first byte), ``headers`` or ``body``. ``may_have_been_processed`` is False only if the
    server is known not to have acted on the request, so that repeating it is safe.
    """

    request: Request | None
    phase: str
    may_have_been_processed: bool

    def __init__(
        self,
        message: str = "",
        *,
        request: Request | None = None,
        phase: str = "connect",
        may_have_been_processed: bool = False,
        prediction: Snapshot | None = None,
    ) -> None:
        super().__init__(message, prediction=prediction)
        self.request = request
        self.phase = phase
        self.may_have_been_processed = may_have_been_processed


class ConnectFailed(TransportError, ConnectionError):
    """The server could not be reached: the name lookup, connection or handshake failed."""


class TLSFailed(TransportError):
    """The server's certificate or TLS settings were not acceptable; the request is not repeated."""


class ProxyFailed(TransportError):
    """The proxy refused the request or could not be reached."""


class RequestTimeout(TransportError, TimeoutError):
    """The server did not respond in time."""


class Disconnected(TransportError):
    """The connection broke before the response was complete."""


class APIError(ReplicateHomeError):
    """The server refused the request.

    ``status`` is the HTTP status. ``title`` and ``detail`` come from the server, if it sent a problem
    document (RFC 9457). Quote ``request_id`` when you contact support.
    """

    status: int
    title: str | None
    detail: str | None
    request_id: str | None

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        title: str | None = None,
        detail: str | None = None,
        request_id: str | None = None,
        prediction: Snapshot | None = None,
    ) -> None:
        super().__init__(message, prediction=prediction)
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id


class AuthenticationError(APIError):
    """401: the token is missing, malformed or not accepted."""


class PaymentRequired(APIError):
    """402: the account has no credit left."""


class PermissionDenied(APIError):
    """403: the token is valid but not allowed to do this."""


class NotFound(APIError):
    """404 or 410: the server does not have it."""


class ModelNotFound(NotFound):
    """The model, version or alias does not exist, or the reference to it is malformed."""


class InvalidInput(APIError, ValueError):
    """400 or 422: the server did not accept the content; or a value was refused before any request."""


class RateLimited(APIError):
    """429: too many requests. ``retry_after`` is the wait the server asked for in seconds, or None."""

    retry_after: float | None

    def __init__(self, message: str = "", *, retry_after: float | None = None, **evidence: Any) -> None:
        super().__init__(message, **evidence)
        self.retry_after = retry_after


class ServerBusy(APIError, TimeoutError):
    """The server was busy or not ready until the deadline; nothing was created."""


class ServerError(APIError):
    """5xx: the server failed."""


class ModelError(ReplicateHomeError):
    """The model failed; ``prediction`` has its error, logs and partial output."""

    def __init__(self, message: str = "", *, prediction: Snapshot) -> None:
        super().__init__(message, prediction=prediction)

    @property
    def prediction(self) -> Snapshot:
        """The prediction as it ended."""
        return cast("Snapshot", self._prediction)

    @prediction.setter
    def prediction(self, snapshot: Snapshot | None) -> None:
        self._prediction = snapshot


class ModelCanceled(ModelError):
    """The prediction ended as ``canceled`` or ``aborted`` before it was finished."""


class PredictionTimeout(ReplicateHomeError, TimeoutError):
    """The call timed out before the prediction ended.

    ``canceled`` says whether the prediction was canceled. If not, it is still running:
    ``client.predictions.get(error.prediction.id).wait()`` resumes waiting for it.
    """

    canceled: bool

    def __init__(self, message: str = "", *, prediction: Snapshot, canceled: bool = False) -> None:
        super().__init__(message, prediction=prediction)
        self.canceled = canceled

    @property
    def prediction(self) -> Snapshot:
        """The prediction as it was last seen."""
        return cast("Snapshot", self._prediction)

    @prediction.setter
    def prediction(self, snapshot: Snapshot | None) -> None:
        self._prediction = snapshot


class CreateOutcomeUnknown(ReplicateHomeError):
    """A prediction may or may not have been created, so the request was not repeated."""


class CreateTimedOut(CreateOutcomeUnknown, TimeoutError):
    """The call timed out before the response to a create arrived, so its outcome is unknown."""


class ProtocolError(ReplicateHomeError):
    """The server's response could not be understood."""


class OutputDiverged(ProtocolError):
    """The server contradicts output that it has already sent: ``delivered`` against ``seen``."""

    delivered: Sequence[Any]
    seen: Any

    def __init__(
        self,
        message: str = "",
        *,
        delivered: Sequence[Any] = (),
        seen: Any = None,
        prediction: Snapshot | None = None,
    ) -> None:
        super().__init__(message, prediction=prediction)
        self.delivered = delivered
        self.seen = seen


class StreamInterrupted(ProtocolError):
    """The stream was cut off and could not be finished; ``partial_text`` is the text so far."""

    partial_text: str

    def __init__(self, message: str = "", *, partial_text: str = "", prediction: Snapshot | None = None) -> None:
        super().__init__(message, prediction=prediction)
        self.partial_text = partial_text


class UnsafeURL(ReplicateHomeError):
    """A URL that must not be requested: wrong scheme, foreign or internal host, or credentials in it."""


class FileExpired(ReplicateHomeError):
    """The server no longer has the output, which it deletes after an hour."""


class WebhookVerificationError(ReplicateHomeError):
    """A webhook was not signed by the expected sender, or is too old."""


class BatchLocked(ReplicateHomeError):
    """Another process is using the same batch journal."""


class UnexpectedRequest(ReplicateHomeError, AssertionError):
    """A fake got a request that the test did not give it an answer for."""


class MissingExtra(ReplicateHomeError, ModuleNotFoundError):
    """An optional library is not installed; the message has the command that installs it."""

    name: str | None = None  # an attribute of our own, which is pickled and copied like the others

    def __init__(self, message: str = "", *, name: str | None = None, prediction: Snapshot | None = None) -> None:
        super().__init__(message, prediction=prediction)
        self.name = name


# The official client's names for them.
ReplicateException = ReplicateHomeError
ReplicateError = APIError
