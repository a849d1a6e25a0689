"""Run AI models on Replicate, its homepage, a Cog server, or in this process.

Everything public is here, and imported on first use, so ``import replicate_home`` takes almost no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.async_client import AsyncClient, AsyncFunction
    from .client.async_module_level import async_run, async_stream
    from .client.batch.batch import AsyncBatch, Batch
    from .client.batch.items import BatchItem, Summary
    from .client.client import Client, Function
    from .client.module_level import (
        accounts,
        collections,
        default_client,
        deployments,
        files,
        hardware,
        map,
        models,
        predictions,
        run,
        search,
        stream,
        trainings,
        use,
        webhooks,
    )
    from .client.outputs.async_streams import AsyncStream
    from .client.outputs.file_output import FileOutput
    from .client.outputs.file_url import FileURL
    from .client.outputs.results import Result
    from .client.outputs.streams import Stream
    from .client.resources.accounts import Accounts, AsyncAccounts
    from .client.resources.collections import AsyncCollections, Collections
    from .client.resources.deployments import AsyncDeployment, AsyncDeployments, Deployment, Deployments
    from .client.resources.files import AsyncFiles, Files
    from .client.resources.hardware import AsyncHardwareKinds, HardwareKinds
    from .client.resources.models import AsyncModel, AsyncModels, AsyncVersion, Model, Models, Version
    from .client.resources.pages import AsyncListing, AsyncPage, Page, async_paginate, paginate
    from .client.resources.predictions import AsyncPrediction, AsyncPredictions, Prediction, Predictions
    from .client.resources.search import AsyncSearch, Search
    from .client.resources.trainings import AsyncTraining, AsyncTrainings, Training, Trainings
    from .client.resources.webhooks import AsyncWebhooks, Webhooks
    from .clock import Clock, FakeClock, SystemClock
    from .emulator.registry import LocalRun, local_model
    from .exceptions import (
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
        ServerBusy,
        ServerError,
        StreamInterrupted,
        TLSFailed,
        TransportError,
        UnexpectedRequest,
        UnsafeURL,
        WebhookVerificationError,
    )
    from .provider.answers import Images
    from .provider.provider import ReplicateHome
    from .records.account import Account, Hardware, WebhookSigningSecret
    from .records.deployment import Configuration, Release
    from .records.events import DoneEvent, LogsEvent, OutputEvent, StatusEvent
    from .records.file import File
    from .records.model import Collection
    from .records.prediction import Progress, Snapshot, Status
    from .records.schema import Schema
    from .records.search import FoundCollection, FoundModel, FoundPage, ModelMetadata, SearchResults
    from .transports.async_base import AsyncBody, AsyncTransport
    from .transports.base import Transport
    from .transports.over_aiohttp.transport import AiohttpTransport
    from .transports.over_requests.transport import RequestsTransport
    from .transports.threaded import ThreadedTransport
    from .version import __version__
    from .wire import Body, Request, Response, Secret, Timeout, Upload

_HOMES = {
    "client.module_level": """accounts collections default_client deployments files hardware map models
        predictions run search stream trainings use webhooks""",
    "client.batch.batch": "AsyncBatch Batch",
    "client.batch.items": "BatchItem Summary",
    "provider.answers": "Images",
    "provider.provider": "ReplicateHome",
    "transports.over_aiohttp.transport": "AiohttpTransport",
    "transports.async_base": "AsyncBody AsyncTransport",
    "clock": "Clock FakeClock SystemClock",
    "transports.over_requests.transport": "RequestsTransport",
    "transports.threaded": "ThreadedTransport",
    "transports.base": "Transport",
    "emulator.registry": "LocalRun local_model",
    "client.async_client": "AsyncClient AsyncFunction",
    "client.async_module_level": "async_run async_stream",
    "client.outputs.async_streams": "AsyncStream",
    "client.client": "Client Function",
    "client.outputs.file_output": "FileOutput",
    "client.outputs.file_url": "FileURL",
    "client.resources.accounts": "Accounts AsyncAccounts",
    "client.resources.collections": "AsyncCollections Collections",
    "client.resources.deployments": "AsyncDeployment AsyncDeployments Deployment Deployments",
    "client.resources.files": "AsyncFiles Files",
    "client.resources.hardware": "AsyncHardwareKinds HardwareKinds",
    "client.resources.models": "AsyncModel AsyncModels AsyncVersion Model Models Version",
    "client.resources.search": "AsyncSearch Search",
    "client.resources.trainings": "AsyncTraining AsyncTrainings Training Trainings",
    "client.resources.webhooks": "AsyncWebhooks Webhooks",
    "records.account": "Account Hardware WebhookSigningSecret",
    "records.deployment": "Configuration Release",
    "records.file": "File",
    "records.model": "Collection",
    "records.search": "FoundCollection FoundModel FoundPage ModelMetadata SearchResults",
    "client.resources.pages": "AsyncListing AsyncPage Page async_paginate paginate",
    "client.resources.predictions": "AsyncPrediction AsyncPredictions Prediction Predictions",
    "client.outputs.results": "Result",
    "client.outputs.streams": "Stream",
    "exceptions": """APIError AuthenticationError BatchLocked ConnectFailed CreateOutcomeUnknown CreateTimedOut
        Disconnected FileExpired InvalidInput MissingExtra ModelCanceled ModelError ModelNotFound NotFound
        OutputDiverged PaymentRequired PermissionDenied PredictionTimeout ProtocolError ProxyFailed RateLimited
        ReplicateHomeError RequestTimeout ServerBusy ServerError StreamInterrupted TLSFailed TransportError
        UnexpectedRequest UnsafeURL WebhookVerificationError""",
    "records.events": "DoneEvent LogsEvent OutputEvent StatusEvent",
    "records.prediction": "Progress Snapshot Status",
    "records.schema": "Schema",
    "version": "__version__",
    "wire": "Body Request Response Secret Timeout Upload",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
_FRESH = frozenset(
    {"accounts", "collections", "default_client", "deployments", "files", "hardware", "models", "predictions", "search",
     "trainings", "webhooks"}
)  # fmt: skip

__all__ = [
    "APIError",
    "Account",
    "Accounts",
    "AiohttpTransport",
    "AsyncAccounts",
    "AsyncBatch",
    "AsyncBody",
    "AsyncClient",
    "AsyncCollections",
    "AsyncDeployment",
    "AsyncDeployments",
    "AsyncFiles",
    "AsyncFunction",
    "AsyncHardwareKinds",
    "AsyncListing",
    "AsyncModel",
    "AsyncModels",
    "AsyncPage",
    "AsyncPrediction",
    "AsyncPredictions",
    "AsyncSearch",
    "AsyncStream",
    "AsyncTraining",
    "AsyncTrainings",
    "AsyncTransport",
    "AsyncVersion",
    "AsyncWebhooks",
    "AuthenticationError",
    "Batch",
    "BatchItem",
    "BatchLocked",
    "Body",
    "Client",
    "Clock",
    "Collection",
    "Collections",
    "Configuration",
    "ConnectFailed",
    "CreateOutcomeUnknown",
    "CreateTimedOut",
    "Deployment",
    "Deployments",
    "Disconnected",
    "DoneEvent",
    "FakeClock",
    "File",
    "FileExpired",
    "FileOutput",
    "FileURL",
    "Files",
    "FoundCollection",
    "FoundModel",
    "FoundPage",
    "Function",
    "Hardware",
    "HardwareKinds",
    "Images",
    "InvalidInput",
    "LocalRun",
    "LogsEvent",
    "MissingExtra",
    "Model",
    "ModelCanceled",
    "ModelError",
    "ModelMetadata",
    "ModelNotFound",
    "Models",
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
    "Release",
    "ReplicateHome",
    "ReplicateHomeError",
    "Request",
    "RequestTimeout",
    "RequestsTransport",
    "Response",
    "Result",
    "Schema",
    "Search",
    "SearchResults",
    "Secret",
    "ServerBusy",
    "ServerError",
    "Snapshot",
    "Status",
    "StatusEvent",
    "Stream",
    "StreamInterrupted",
    "Summary",
    "SystemClock",
    "TLSFailed",
    "ThreadedTransport",
    "Timeout",
    "Training",
    "Trainings",
    "Transport",
    "TransportError",
    "UnexpectedRequest",
    "UnsafeURL",
    "Upload",
    "Version",
    "WebhookSigningSecret",
    "WebhookVerificationError",
    "Webhooks",
    "__version__",
    "accounts",
    "async_paginate",
    "async_run",
    "async_stream",
    "collections",
    "default_client",
    "deployments",
    "files",
    "hardware",
    "local_model",
    "map",
    "models",
    "paginate",
    "predictions",
    "run",
    "search",
    "stream",
    "trainings",
    "use",
    "webhooks",
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
