"""The provider for g4f: ``g4f.client.Client(provider=ReplicateHome)``.

Only this module imports g4f; the rest of the package does not need it. g4f is under the GPL-3.0, and the classes here
are built on its own. If you distribute this package and g4f together, as one program, an image or an installer, the
terms of the GPL-3.0 apply. Using both on your own machine or server does not require anything.

Every error of this package is raised as a class of the same name that is also an error of g4f: ``RateLimited`` here is
both ``replicate_home.RateLimited`` and ``g4f.errors.RateLimitError``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from .exceptions import MissingExtra

try:
    from g4f import errors as theirs  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from g4f.providers.base_provider import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        AsyncGeneratorProvider,
        ProviderModelMixin,
    )
    from g4f.providers.response import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        FinishReason,
        ImageResponse,
        ProviderInfo,
        Usage,
    )
except ModuleNotFoundError as missing:
    if missing.name != "g4f":
        raise
    message = 'replicate_home.g4f needs g4f: python -m pip install g4f'
    raise MissingExtra(message, name="g4f") from None

from . import exceptions as ours
from .provider import provider
from .provider.answers import Answer, Question
from .records.prediction import Snapshot
from .wire import Secret

__all__ = ["ReplicateHome"]

_NOT_OURS = ("g4f_", "gfs_")


class ReplicateHome(
    provider.ReplicateHome,
    AsyncGeneratorProvider,  # type: ignore[misc,unused-ignore]  # unknown if g4f is not installed
    ProviderModelMixin,  # type: ignore[misc,unused-ignore]
):
    """:class:`replicate_home.ReplicateHome` as a provider of g4f.

    Pass the class itself: by name, g4f finds only its own providers. ``create_completion`` blocks the caller's own
    thread, so g4f has no event loop to patch. ``stream_timeout`` belongs to g4f, which applies it only to streams of
    its ``AsyncClient``; ``timeout`` applies everywhere.
    """

    label = "Replicate Home"
    supports_message_history = True
    supports_system_message = True

    @classmethod
    def _answer(cls, question: Question) -> Answer:
        return _Answer(question, cls.get_dict())

    @classmethod
    def _errors(cls) -> contextlib.AbstractContextManager[Any]:
        return _TheirErrors()

    @classmethod
    def _token(cls, api_key: Any) -> Secret | None:
        """g4f passes one key, or the keys of all providers by name; its own keys must not be sent elsewhere."""
        try:
            if isinstance(api_key, Mapping):
                api_key = api_key.get(cls.get_parent())
            is_for_us = isinstance(api_key, str) and not api_key.startswith(_NOT_OURS)
            return super()._token(api_key) if is_for_us else None
        finally:
            del api_key  # a traceback would show it


class _Answer(Answer):
    """The output as g4f's own objects: provider, text or images, finish reason and usage."""

    def __init__(self, question: Question, answering: Mapping[str, Any]) -> None:
        super().__init__(question)
        self._answering = answering

    def opening(self) -> Iterable[Any]:
        return (ProviderInfo(**self._answering, model=self.question.model),)

    def ending(self, prediction: Snapshot | None) -> Iterable[Any]:
        if self.urls:
            # Not its default for options, which all instances share.
            yield ImageResponse(self.urls, self.question.prompt, {})
        yield FinishReason("stop")
        counts = _counts(prediction)
        if counts:
            yield Usage(**counts)


def _counts(prediction: Snapshot | None) -> dict[str, int]:
    """The token counts, if the server sent them; otherwise g4f estimates them."""
    metrics = {} if prediction is None else prediction.metrics
    names = {"input_token_count": "prompt_tokens", "output_token_count": "completion_tokens"}
    return {names[count]: metrics[count] for count in names if isinstance(metrics.get(count), int)}


class _TheirErrors:
    """Replaces an error of ours by one that is also g4f's, with the same attributes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, ours.ReplicateHomeError) and type(error) in _BOTH:
            made, (mine, *evidence) = error.__reduce__()  # as unpickling would rebuild it, but of the other class
            raise made(_BOTH[mine], *evidence).with_traceback(error.__traceback__) from error.__cause__


_THEIRS: dict[type[ours.ReplicateHomeError], type[Exception]] = {
    ours.RateLimited: theirs.RateLimitError,
    ours.PaymentRequired: theirs.PaymentRequiredError,
    ours.AuthenticationError: theirs.MissingAuthError,
    ours.ModelNotFound: theirs.ModelNotFoundError,
    ours.InvalidInput: theirs.BadRequestError,
    ours.APIError: theirs.ResponseStatusError,
    ours.PredictionTimeout: theirs.TimeoutError,
    ours.CreateTimedOut: theirs.TimeoutError,
    ours.RequestTimeout: theirs.TimeoutError,
    ours.ReplicateHomeError: theirs.ResponseError,
}
"""The g4f error for each error of ours; one that is not listed uses that of its base."""


def _both(mine: type[ours.ReplicateHomeError]) -> type[ours.ReplicateHomeError]:
    theirs_too = next(_THEIRS[base] for base in mine.__mro__ if base in _THEIRS)
    return type(mine.__name__, (mine, theirs_too), {"__module__": __name__, "__doc__": mine.__doc__})


_BOTH: dict[type[ours.ReplicateHomeError], type[ours.ReplicateHomeError]] = {
    mine: _both(mine)
    for mine in vars(ours).values()
    if isinstance(mine, type) and issubclass(mine, ours.ReplicateHomeError)
}
globals().update({both.__name__: both for both in _BOTH.values()})  # pickling finds them by name
