"""Run models on Replicate, its homepage, or in this process: exact streams, honest creates, deadlines that hold.

Everything public is here, and imported when it is first used: ``import replicate_home`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .doors.answers import Images
    from .doors.module_level import default_client, predictions, run, stream, use
    from .doors.provider import ReplicateHome
    from .edges.aiohttp_transport import AiohttpTransport
    from .edges.async_transport import AsyncBody, AsyncTransport
    from .edges.clock import Clock, FakeClock, SystemClock
    from .edges.requests_transport import RequestsTransport
    from .edges.threaded import ThreadedTransport
    from .edges.transport import Transport
    from .emulator.registry import LocalRun, local_model
    from .facade.async_client import AsyncClient, AsyncFunction
    from .facade.async_handles import AsyncPage, AsyncPrediction, AsyncPredictions
    from .facade.async_streams import AsyncStream
    from .facade.client import Client, Function
    from .facade.file_output import FileOutput
    from .facade.handles import Page, Prediction, Predictions
    from .facade.results import Result
    from .facade.streams import Stream
    from .words.errors import (
        APIError,
        AuthenticationError,
        BatchLocked,
        ConnectFailed,
        CreateOutcomeUnknown,
        CreateTimedOut,
        Disconnected,
        FileExpired,
        InvalidInput,
        MissingExtra,
        ModelCanceled,
        ModelError,
        ModelNotFound,
        NotFound,
        OutputDiverged,
        PaymentRequired,
        PermissionDenied,
        PredictionTimeout,
        ProtocolError,
        ProxyFailed,
        RateLimited,
        ReplicateHomeError,
        RequestTimeout,
        ServerError,
        StreamInterrupted,
        TLSFailed,
        TransportError,
        UnexpectedRequest,
        UnsafeURL,
        WebhookVerificationError,
    )
    from .words.events import DoneEvent, LogsEvent, OutputEvent, StatusEvent
    from .words.records import Progress, Snapshot, Status
    from .words.wire import Body, Request, Response, Secret, Timeout, Upload

__version__ = "0.1.0"

_HOMES = {
    "doors.module_level": "default_client predictions run stream use",
    "doors.answers": "Images",
    "doors.provider": "ReplicateHome",
    "edges.aiohttp_transport": "AiohttpTransport",
    "edges.async_transport": "AsyncBody AsyncTransport",
    "edges.clock": "Clock FakeClock SystemClock",
    "edges.requests_transport": "RequestsTransport",
    "edges.threaded": "ThreadedTransport",
    "edges.transport": "Transport",
    "emulator.registry": "LocalRun local_model",
    "facade.async_client": "AsyncClient AsyncFunction",
    "facade.async_handles": "AsyncPage AsyncPrediction AsyncPredictions",
    "facade.async_streams": "AsyncStream",
    "facade.client": "Client Function",
    "facade.file_output": "FileOutput",
    "facade.handles": "Page Prediction Predictions",
    "facade.results": "Result",
    "facade.streams": "Stream",
    "words.errors": """APIError AuthenticationError BatchLocked ConnectFailed CreateOutcomeUnknown CreateTimedOut
        Disconnected FileExpired InvalidInput MissingExtra ModelCanceled ModelError ModelNotFound NotFound
        OutputDiverged PaymentRequired PermissionDenied PredictionTimeout ProtocolError ProxyFailed RateLimited
        ReplicateHomeError RequestTimeout ServerError StreamInterrupted TLSFailed TransportError UnexpectedRequest
        UnsafeURL WebhookVerificationError""",
    "words.events": "DoneEvent LogsEvent OutputEvent StatusEvent",
    "words.records": "Progress Snapshot Status",
    "words.wire": "Body Request Response Secret Timeout Upload",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
_FRESH = frozenset({"default_client", "predictions"})

__all__ = [
    "APIError",
    "AiohttpTransport",
    "AsyncBody",
    "AsyncClient",
    "AsyncFunction",
    "AsyncPage",
    "AsyncPrediction",
    "AsyncPredictions",
    "AsyncStream",
    "AsyncTransport",
    "AuthenticationError",
    "BatchLocked",
    "Body",
    "Client",
    "Clock",
    "ConnectFailed",
    "CreateOutcomeUnknown",
    "CreateTimedOut",
    "Disconnected",
    "DoneEvent",
    "FakeClock",
    "FileExpired",
    "FileOutput",
    "Function",
    "Images",
    "InvalidInput",
    "LocalRun",
    "LogsEvent",
    "MissingExtra",
    "ModelCanceled",
    "ModelError",
    "ModelNotFound",
    "NotFound",
    "OutputDiverged",
    "OutputEvent",
    "Page",
    "PaymentRequired",
    "PermissionDenied",
    "Prediction",
    "PredictionTimeout",
    "Predictions",
    "Progress",
    "ProtocolError",
    "ProxyFailed",
    "RateLimited",
    "ReplicateHome",
    "ReplicateHomeError",
    "Request",
    "RequestTimeout",
    "RequestsTransport",
    "Response",
    "Result",
    "Secret",
    "ServerError",
    "Snapshot",
    "Status",
    "StatusEvent",
    "Stream",
    "StreamInterrupted",
    "SystemClock",
    "TLSFailed",
    "ThreadedTransport",
    "Timeout",
    "Transport",
    "TransportError",
    "UnexpectedRequest",
    "UnsafeURL",
    "Upload",
    "WebhookVerificationError",
    "__version__",
    "default_client",
    "local_model",
    "predictions",
    "run",
    "stream",
    "use",
]


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{module}", __name__), name)
    if name not in _FRESH:
        globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
