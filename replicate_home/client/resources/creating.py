"""The options of all ways to create a prediction: each names what runs in its own way, the rest is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...dialects.refs import ModelRef
from ...operations.names import DeploymentName, ModelName, owner_and_name
from ...records.deployment import DeploymentFields
from ...records.model import ModelFields, VersionFields
from ..engine.calls import Messages, RunOptions
from ..engine.settings import DEFAULT, TimeoutOption

Runnable = str | ModelFields | VersionFields | DeploymentFields
"""Any form of reference, or the record of what runs."""


def prediction_options(
    version: Runnable | None = None,
    input: Mapping[str, Any] | None = None,
    *,
    model: Runnable | tuple[str, str] | None = None,
    deployment: Runnable | tuple[str, str] | None = None,
    prompt: str | None = None,
    messages: Messages | None = None,
    timeout: TimeoutOption = DEFAULT,
    wait: bool | float | None = None,
    webhook: str | None = None,
    webhook_events_filter: list[str] | None = None,
    file_encoding_strategy: str | None = None,
    stream: bool | None = None,  # noqa: ARG001 - what can be streamed always is
) -> RunOptions:
    """The options of ``predictions.create``; what runs is named in one of three ways."""
    named = [given for given in (version, model, deployment) if given is not None]
    if len(named) != 1:
        raise TypeError("give version, model= or deployment=, one of them")
    of: Any = "/".join(named[0]) if isinstance(named[0], tuple) else named[0]
    if deployment is not None and isinstance(of, str):
        of = _deployed(of)
    return RunOptions(
        of, input, prompt=prompt, messages=messages, timeout=timeout, wait=wait, webhook=webhook,
        webhook_events_filter=webhook_events_filter, file_encoding_strategy=file_encoding_strategy,
    )  # fmt: skip


def model_options(
    model: ModelName,
    input: Mapping[str, Any] | None = None,
    *,
    prompt: str | None = None,
    messages: Messages | None = None,
    timeout: TimeoutOption = DEFAULT,
    wait: bool | float | None = None,
    webhook: str | None = None,
    webhook_events_filter: list[str] | None = None,
    file_encoding_strategy: str | None = None,
    stream: bool | None = None,  # noqa: ARG001 - what can be streamed always is
) -> RunOptions:
    """The options of ``models.predictions.create``."""
    owner, _, name = owner_and_name(model).partition("/")
    return RunOptions(
        ModelRef(owner, name, official=True), input, prompt=prompt, messages=messages, timeout=timeout, wait=wait,
        webhook=webhook, webhook_events_filter=webhook_events_filter, file_encoding_strategy=file_encoding_strategy,
    )  # fmt: skip


def deployed_options(
    input: Mapping[str, Any] | None = None,
    *,
    prompt: str | None = None,
    messages: Messages | None = None,
    timeout: TimeoutOption = DEFAULT,
    wait: bool | float | None = None,
    webhook: str | None = None,
    webhook_events_filter: list[str] | None = None,
    file_encoding_strategy: str | None = None,
    stream: bool | None = None,  # noqa: ARG001 - what can be streamed always is
) -> RunOptions:
    """The options of a deployment's own ``predictions.create``."""
    return RunOptions(
        "", input, prompt=prompt, messages=messages, timeout=timeout, wait=wait, webhook=webhook,
        webhook_events_filter=webhook_events_filter, file_encoding_strategy=file_encoding_strategy,
    )  # fmt: skip


def deployment_options(
    deployment: DeploymentName,
    input: Mapping[str, Any] | None = None,
    *,
    prompt: str | None = None,
    messages: Messages | None = None,
    timeout: TimeoutOption = DEFAULT,
    wait: bool | float | None = None,
    webhook: str | None = None,
    webhook_events_filter: list[str] | None = None,
    file_encoding_strategy: str | None = None,
    stream: bool | None = None,  # noqa: ARG001 - what can be streamed always is
) -> RunOptions:
    """The options of ``deployments.predictions.create``."""
    options = deployed_options(
        input, prompt=prompt, messages=messages, timeout=timeout, wait=wait, webhook=webhook,
        webhook_events_filter=webhook_events_filter, file_encoding_strategy=file_encoding_strategy,
    )  # fmt: skip
    return at_deployment(options, deployment)


def at_deployment(options: RunOptions, deployment: DeploymentName) -> RunOptions:
    """The same for what is deployed by that name."""
    return attrs.evolve(options, model=f"deployments/{owner_and_name(deployment, what='deployment')}")


def _deployed(named: str) -> ModelRef:
    """``owner/name`` as the name of a deployment; a reference that can mean nothing else stays what it is."""
    ref = ModelRef.parse(named)
    return ref if ref.model is None or ref.version else ModelRef(None, None, deployment=ref.model)
