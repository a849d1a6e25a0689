"""The provider class: a model's output from a generator, with or without an event loop.

A call is a :class:`Question`, everything that was asked, and an :class:`Answer`, which turns the model's output into
what is yielded. Both generators use them the same way, over ``AsyncClient`` and ``Client``. A subclass for another
library replaces the answer and the errors, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar

from ..client.async_client import AsyncClient
from ..client.client import Client
from ..client.engine.settings import DEFAULT, checked_timeout, checked_token
from ..client.inputs.prompting import checked_messages, one_prompt
from ..client.outputs.async_streams import AsyncStream
from ..client.outputs.file_output import is_file
from ..dialects import catalogue
from ..dialects.home import BASE_URL as HOME_URL
from ..dialects.refs import ModelRef
from ..dialects.replicate import BASE_URL as REPLICATE_URL
from ..exceptions import ModelNotFound
from ..protocol import urls
from ..transports.async_base import run_in_new_loop
from ..wire import Secret
from .answers import Answer, Question
from .shared_transport import SharedTransport

# The names that g4f and OpenAI use, and the models' own.
_TEXT_INPUTS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "max_tokens": "max_new_tokens",
    "stop": "stop_sequences",
}
_IMAGE_INPUTS = {
    "n": "num_outputs",
    "width": "width",
    "height": "height",
    "aspect_ratio": "aspect_ratio",
    "seed": "seed",
    "negative_prompt": "negative_prompt",
    "guidance_scale": "guidance_scale",
    "num_inference_steps": "num_inference_steps",
}
_SIZE = re.compile(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*")
_LINK = re.compile(r"https?://\S+|data:[^,]*,.*", re.DOTALL)


class ReplicateHome:
    """Runs models on Replicate's homepage, which needs no account, or, with an ``api_key``, on the hosted API.

    Use the class itself, without creating an instance. A subclass may have other models, or another ``base_url``.
    Concurrent calls in one event loop, or in threads, share their connections; the last one closes them.
    """

    url = "https://replicate.com"
    base_url = HOME_URL
    """The server that the homepage's endpoint is on."""
    api_base_url = REPLICATE_URL
    """The hosted API, which is used with an ``api_key``."""
    api_endpoint = f"{HOME_URL}/api/prediction"
    working = True
    supports_stream = True
    default_model = catalogue.default_model
    default_image_model = catalogue.default_image_model
    text_models: ClassVar[list[str]] = list(catalogue.text_models)
    image_models: ClassVar[list[str]] = list(catalogue.image_models)
    models: ClassVar[list[str]] = list(catalogue.models)
    model_aliases: ClassVar[dict[str, str]] = dict(catalogue.model_aliases)
    model_versions: ClassVar[dict[str, str]] = dict(catalogue.model_versions)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "base_url" in vars(cls) and "api_endpoint" not in vars(cls):
            cls.api_endpoint = cls.base_url.rstrip("/") + "/api/prediction"

    @classmethod
    def get_models(cls, **_: Any) -> list[str]:
        """The models to choose from; ``model_versions`` also has a few earlier ones."""
        return cls.models

    @classmethod
    def get_model(cls, model: str | None, **_: Any) -> str:
        """The full name of ``model``: that of the default model for None, ``""`` and ``"auto"``.

        ``model`` may be a full name, a short name, or a name without its owner, in upper or lower case.
        ``owner/name:version`` is returned as it is. Raises :class:`ModelNotFound` for anything else.
        """
        if model is not None and not isinstance(model, str):
            raise TypeError(f"model must be a string such as 'owner/name', got {type(model).__name__}")
        wanted = (model or "").strip()
        if wanted in ("", "auto"):
            return cls.default_model
        found = cls._matching(wanted.casefold())
        if len(found) == 1:
            return found.pop()
        if not found and ":" in wanted:
            return str(ModelRef.parse(wanted))
        said = f"is ambiguous ({', '.join(sorted(found))})" if found else "is unknown"
        raise ModelNotFound(
            f"{wanted[:200]!r} {said}: {cls.__name__} has {', '.join(cls.models)} (in short: "
            f"{', '.join(cls.model_aliases)})"
        )

    @classmethod
    async def create_async_generator(
        cls,
        model: str | None,
        messages: Sequence[Mapping[str, Any]],
        prompt: str | None = None,
        proxy: str | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[Any, None]:
        """Yield the answer: text as it arrives, or :class:`Images` at the end.

        ``prompt`` takes precedence over ``messages``; with a prompt and no model, the default image model is used.
        ``timeout`` is the budget for the whole call in seconds (600 by default, None for no limit), ``proxy`` an http
        or https proxy. ``api_key`` selects the hosted API, ``base_url`` another server. ``extra_body`` is added to the
        model's input. So are ``temperature``, ``top_p``, ``top_k``, ``max_tokens``, ``stop`` and ``seed`` for text, and
        ``n``, ``size``, ``width``, ``height``, ``aspect_ratio``, ``seed``, ``negative_prompt``, ``guidance_scale`` and
        ``num_inference_steps`` for images. Other options are ignored.

        The request is sent once. Closing the generator before its end closes its connection, and cancels the prediction
        on the hosted API. Raises ValueError for empty messages or parts of them that are not text,
        :class:`ModelNotFound` for an unknown model, and the errors of any call.
        """
        with cls._errors():
            question = cls._question(model, messages, prompt, kwargs)
            answer = cls._answer(question)
            for piece in answer.opening():
                yield piece
            shared = SharedTransport.taken(asyncio.get_running_loop(), proxy)
            client = question.client(AsyncClient, shared.transport)
            stream = client.stream(question.ref, question.input, timeout=question.timeout, use_file_output=False)
            yields = False
            try:
                async for item in stream:
                    yields = True
                    for piece in answer.pieces(item):
                        yield piece
                    yields = False
            finally:
                await _closed(stream, client, shared, in_thread=yields and question.token is not None)
            for piece in answer.ending(stream.prediction):
                yield piece

    @classmethod
    def create_completion(
        cls,
        model: str | None,
        messages: Sequence[Mapping[str, Any]],
        prompt: str | None = None,
        proxy: str | None = None,
        **kwargs: Any,
    ) -> Generator[Any, None, None]:
        """The same without an event loop; see :meth:`create_async_generator`."""
        with cls._errors():
            question = cls._question(model, messages, prompt, kwargs)
            answer = cls._answer(question)
            yield from answer.opening()
            shared = SharedTransport.taken(None, proxy)
            try:
                client = question.client(Client, shared.transport)
                options: dict[str, Any] = {"timeout": question.timeout, "use_file_output": False}
                with client.stream(question.ref, question.input, **options) as stream:
                    for item in stream:
                        yield from answer.pieces(item)
            finally:
                if shared.left():
                    shared.transport.close()
            yield from answer.ending(stream.prediction)

    # ---- what a subclass for another library replaces ----

    @classmethod
    def _answer(cls, question: Question) -> Answer:
        return Answer(question)

    @classmethod
    def _errors(cls) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    @classmethod
    def _token(cls, api_key: Any) -> Secret | None:
        try:
            return checked_token(api_key) if api_key else None
        finally:
            del api_key  # a traceback would show it

    # ---- how a question is made ----

    @classmethod
    def _question(cls, model: str | None, messages: Any, prompt: str | None, options: dict[str, Any]) -> Question:
        token = cls._token(options.pop("api_key", None))  # first, so that no later frame holds it in the clear
        wants_image = prompt is not None and model in (None, "", "auto")
        full = cls.get_model(cls.default_image_model if wants_image else model)
        name = full.partition(":")[0]
        text = _prompt_of(messages, last_only=name in cls.image_models) if prompt is None else prompt
        version = cls.model_versions.get(name)
        base_url = options.get("base_url") or (cls.base_url if token is None else cls.api_base_url)
        urls.normalized(base_url)  # raises if it is not valid, and says why
        return Question(
            model=name,
            ref=full if ":" in full or version is None else f"{full}:{version}",
            input={"prompt": text, **cls._inputs(name, options)},
            prompt=text,
            timeout=checked_timeout(options["timeout"]) if "timeout" in options else DEFAULT,
            base_url=base_url,
            token=token,
            is_link=cls._links_of(name, base_url),
        )

    @classmethod
    def _matching(cls, wanted: str) -> set[str]:
        """The models with this full or short name, or else those whose name without the owner matches."""
        full_names = {model.casefold(): model for model in [*cls.model_versions, *cls.models]}
        short_names = {**catalogue.EARLIER_ALIASES, **cls.model_aliases}
        full_names.update((short.casefold(), full) for short, full in short_names.items())
        if wanted in full_names:
            return {full_names[wanted]}
        return {full for full in full_names.values() if full.casefold().rpartition("/")[2] == wanted}

    @classmethod
    def _inputs(cls, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that are inputs of the model; a model of unknown kind gets those of both kinds."""
        for_image = {} if model in cls.text_models else _IMAGE_INPUTS
        for_text = {} if model in cls.image_models else _TEXT_INPUTS
        given = {name: value for name, value in options.items() if value is not None}
        if for_image:
            given = {**_width_and_height(options.get("size")), **given}
        inputs = {ours: given[theirs] for theirs, ours in {**for_image, **for_text}.items() if theirs in given}
        if not isinstance(inputs.get("stop_sequences", ""), str):
            inputs["stop_sequences"] = ",".join(inputs["stop_sequences"])
        extra = options.get("extra_body") or {}
        if not isinstance(extra, Mapping):
            raise TypeError(f"extra_body must be a mapping of inputs, got {type(extra).__name__}")
        return {**inputs, **extra}

    @classmethod
    def _links_of(cls, model: str, base_url: str) -> Callable[[str], bool]:
        if model in cls.text_models:
            return lambda _: False
        if model in cls.image_models:
            return lambda text: _LINK.fullmatch(text) is not None
        return lambda text: is_file(text, base_url)


def _prompt_of(messages: Any, *, last_only: bool) -> str:
    """The conversation as one prompt, or its last message for images; messages that call tools may have no content."""
    if isinstance(messages, list):
        messages = [said for said in messages if not isinstance(said, Mapping) or said.get("content", "") is not None]
    checked = checked_messages(messages)
    return one_prompt(checked[-1:] if last_only else checked)


def _width_and_height(size: Any) -> dict[str, int]:
    """``"1024x768"`` as two inputs; none for ``"auto"``."""
    if size in (None, "", "auto"):
        return {}
    found = _SIZE.fullmatch(str(size))
    if found is None:
        raise ValueError(f"size must be width and height such as '1024x768', or 'auto'; got {str(size)[:100]!r}")
    return {"width": int(found[1]), "height": int(found[2])}


async def _closed(stream: AsyncStream, client: AsyncClient, shared: SharedTransport, *, in_thread: bool) -> None:
    """End a call. A prediction that is left between two pieces is canceled ``in_thread``.

    Nested generators may be closed while their event loop is shutting down. Awaits are abandoned then, but the loop
    still waits for its threads.
    """
    try:
        await (asyncio.to_thread(run_in_new_loop, stream.aclose()) if in_thread else stream.aclose())
        await client.aclose()
    except BaseException:  # interrupted: it continues in the background, over this transport
        shared.left()
        raise
    if shared.left():
        await shared.transport.close()
