"""The provider class that this project grew out of: a model's answer as a generator, for event loops and plain code.

A call is a :class:`Question`, which is all that was asked, and an :class:`Answer`, which turns the model's output into
what is yielded. Both generators do the same with them, over ``AsyncClient`` and over ``Client``; a subclass that speaks
another library's words replaces the answer and the errors, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

import attrs

from ..edges.requests_transport import RequestsTransport
from ..edges.threaded import ThreadedTransport
from ..facade.async_client import AsyncClient
from ..facade.async_streams import AsyncStream
from ..facade.client import Client
from ..facade.file_output import is_file
from ..facade.prompting import checked_messages, one_prompt
from ..facade.settings import DEFAULT, TimeoutOption, checked_timeout, checked_token
from ..rules import catalogue, urls
from ..rules.backends.home import BASE_URL as HOME_URL
from ..rules.backends.replicate import BASE_URL as REPLICATE_URL
from ..rules.refs import ModelRef
from ..words.errors import ModelNotFound
from ..words.records import Snapshot
from ..words.wire import Secret

AnyClient = TypeVar("AnyClient", Client, AsyncClient)

# What callers name as g4f and OpenAI do, and what the models call it.
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
_ESCAPED = {ord(character): "\\" + character for character in "\\[]"}
_QUOTED = {ord(character): f"%{ord(character):02X}" for character in " ()<>"}


class Images(str):
    """The images of one answer: prints as markdown, one image a line.

    ``urls`` are their addresses in the model's order, ``alt`` is the prompt.
    """

    urls: list[str]
    alt: str

    def __new__(cls, urls: Iterable[str], alt: str = "") -> Images:
        """The images at ``urls``."""
        found = list(urls)
        text = " ".join(alt.split()).translate(_ESCAPED)
        images = super().__new__(cls, "\n".join(f"![{text}]({url.translate(_QUOTED)})" for url in found))
        images.urls, images.alt = found, alt
        return images

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.urls, self.alt


@attrs.frozen
class Question:
    """What was asked. ``token`` is for the hosted API; ``is_link`` says which strings of the output are files."""

    model: str
    """The full name, without its version."""
    ref: str
    input: Mapping[str, Any]
    prompt: str
    timeout: TimeoutOption
    base_url: str
    token: Secret | None
    is_link: Callable[[str], bool]

    def client(self, kind: type[AnyClient], transport: Any) -> AnyClient:
        """A client that can ask it; its connections are not its own."""
        made = kind(backend="home" if self.token is None else "replicate", base_url=self.base_url, transport=transport)
        return made if self.token is None else made.with_options(api_token=self.token.reveal())


class Answer:
    """Turns a model's output into what is yielded: text as it appears, all images as one at the end."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.urls: list[str] = []

    def opening(self) -> Iterable[Any]:
        """What is yielded before anything is asked."""
        return ()

    def pieces(self, item: Any) -> Iterable[Any]:
        """What is yielded for one item of the output."""
        found = list(self._links(item))
        self.urls += found
        if found or item is None or item == "":
            return ()
        return (item if isinstance(item, str) else json.dumps(item, ensure_ascii=False),)

    def ending(self, prediction: Snapshot | None) -> Iterable[Any]:  # noqa: ARG002 - for those who tell more
        """What is yielded after a success."""
        return (Images(self.urls, self.question.prompt),) if self.urls else ()

    def _links(self, item: Any) -> Iterator[str]:
        if isinstance(item, str):
            if self.question.is_link(item):
                yield item
        elif isinstance(item, (list, dict)):
            for part in item.values() if isinstance(item, dict) else item:
                yield from self._links(part)


class ReplicateHome:
    """Asks Replicate's homepage, which needs no account, or with an ``api_key`` the hosted API, for the same models.

    The class is used as it is, never instantiated; a subclass may have other models, or a ``base_url`` elsewhere.
    The calls that go on at once in one event loop, or in threads, share their connections; the last one closes them.
    """

    url = "https://replicate.com"
    base_url = HOME_URL
    """Where the homepage's endpoint is."""
    api_base_url = REPLICATE_URL
    """Where the hosted API is, which answers calls with an ``api_key``."""
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
        """The models to choose from; a few earlier ones are known besides (``model_versions``)."""
        return cls.models

    @classmethod
    def get_model(cls, model: str | None, **_: Any) -> str:
        """The full name that ``model`` stands for: the default one for None, ``""`` and ``"auto"``.

        A full name, a short one, or a name without its owner, in any case of letters; ``owner/name:version`` is taken
        as it is. Raises :class:`ModelNotFound` for anything else.
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
        said = f"may be any of {', '.join(sorted(found))}" if found else "is unknown"
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
        """Yield the answer: text as it appears, or :class:`Images` at the end.

        ``prompt`` goes before ``messages``; with a prompt and no model the default image model is asked. ``timeout`` is
        the whole budget in seconds (600; None for no limit), ``proxy`` an http or https proxy. ``api_key`` asks the
        hosted API, ``base_url`` another server. ``extra_body`` goes into the model's input, as ``temperature``,
        ``top_p``, ``top_k``, ``max_tokens``, ``stop`` and ``seed`` do for text, and ``n``, ``size``, ``width``,
        ``height``, ``aspect_ratio``, ``seed``, ``negative_prompt``, ``guidance_scale`` and ``num_inference_steps`` for
        images; whatever else is given is ignored.

        The request is sent once. Closed before its end, the generator gives up its connection and, at the hosted API,
        cancels the prediction. Raises ValueError for empty messages or a part of them that is no text,
        :class:`ModelNotFound` for a model that nobody knows, and the errors of any call.
        """
        with cls._errors():
            question = cls._question(model, messages, prompt, kwargs)
            answer = cls._answer(question)
            for piece in answer.opening():
                yield piece
            line = _Line.taken(asyncio.get_running_loop(), proxy)
            client = question.client(AsyncClient, line.transport)
            stream = client.stream(question.ref, question.input, timeout=question.timeout, use_file_output=False)
            yields = False
            try:
                async for item in stream:
                    yields = True
                    for piece in answer.pieces(item):
                        yield piece
                    yields = False
            finally:
                await _closed(stream, client, line, in_thread=yields and question.token is not None)
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
        """The same for plain code; see :meth:`create_async_generator`."""
        with cls._errors():
            question = cls._question(model, messages, prompt, kwargs)
            answer = cls._answer(question)
            yield from answer.opening()
            line = _Line.taken(None, proxy)
            try:
                client = question.client(Client, line.transport)
                options: dict[str, Any] = {"timeout": question.timeout, "use_file_output": False}
                with client.stream(question.ref, question.input, **options) as stream:
                    for item in stream:
                        yield from answer.pieces(item)
            finally:
                if line.left():
                    line.transport.close()
            yield from answer.ending(stream.prediction)

    # ---- what a subclass that speaks other words replaces ----

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
        token = cls._token(options.pop("api_key", None))  # first of all: no frame is to hold it in the clear
        wants_image = prompt is not None and model in (None, "", "auto")
        full = cls.get_model(cls.default_image_model if wants_image else model)
        name = full.partition(":")[0]
        text = _prompt_of(messages, last_only=name in cls.image_models) if prompt is None else prompt
        version = cls.model_versions.get(name)
        base_url = options.get("base_url") or (cls.base_url if token is None else cls.api_base_url)
        urls.normalized(base_url)  # raises where it is none, and says why
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
        """The models of a name: those of the full or short name, else those whose name ends with it."""
        full_names = {model.casefold(): model for model in [*cls.model_versions, *cls.models]}
        short_names = {**catalogue.EARLIER_ALIASES, **cls.model_aliases}
        full_names.update((short.casefold(), full) for short, full in short_names.items())
        if wanted in full_names:
            return {full_names[wanted]}
        return {full for full in full_names.values() if full.casefold().rpartition("/")[2] == wanted}

    @classmethod
    def _inputs(cls, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """What of the options goes into the model's input; for a model of unknown kind all that any model takes."""
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
    """The conversation as one prompt, or for images its last message; one that calls tools may have no content."""
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
        raise ValueError(f"size is width and height such as '1024x768', or 'auto'; got {str(size)[:100]!r}")
    return {"width": int(found[1]), "height": int(found[2])}


async def _closed(stream: AsyncStream, client: AsyncClient, line: _Line, *, in_thread: bool) -> None:
    """End a call. A prediction that is left between two pieces is canceled ``in_thread``.

    For generators within generators are closed when their event loop is all but over, and whatever waits in it then is
    never heard of again; but for its threads the loop does wait.
    """
    try:
        await (asyncio.to_thread(asyncio.run, stream.aclose()) if in_thread else stream.aclose())
        await client.aclose()
    except BaseException:  # torn off: it goes on in the background, over this very transport
        line.left()
        raise
    if line.left():
        await line.transport.close()


class _OverProxy(RequestsTransport):
    """Goes over a proxy, and closes the session that knows it."""

    def __init__(self, proxy: str) -> None:
        import requests

        self._own = requests.Session()
        self._own.proxies = {"http": proxy, "https": proxy}
        super().__init__(self._own)

    def close(self) -> None:
        """Give up the connections."""
        super().close()
        self._own.close()


@attrs.define(eq=False, repr=False)
class _Line:
    """The transport that all calls of one event loop, or of all threads, share while any of them goes on.

    The registry holds it weakly: where an event loop ended with calls in it, its line goes with them.
    """

    key: tuple[asyncio.AbstractEventLoop | None, str | None]
    transport: Any
    calls: int = 0

    @classmethod
    def taken(cls, loop: asyncio.AbstractEventLoop | None, proxy: str | None) -> _Line:
        """The line for a call that begins now."""
        key = (loop, proxy or None)
        with _lock:
            line = _lines.get(key)
            if line is None:
                line = _lines[key] = cls(key, _blocking(proxy) if loop is None else _for_loops(proxy))
            line.calls += 1
            return line

    def left(self) -> bool:
        """A call has ended; whether it was the last, and the transport has to be closed."""
        with _lock:
            self.calls -= 1
            if self.calls == 0:
                _lines.pop(self.key, None)
            return self.calls == 0


_lock = threading.RLock()  # the collector may close a generator that was dropped while it is held
_lines: weakref.WeakValueDictionary[tuple[asyncio.AbstractEventLoop | None, str | None], _Line]
_lines = weakref.WeakValueDictionary()


def _blocking(proxy: str | None) -> RequestsTransport:
    return _OverProxy(proxy) if proxy else RequestsTransport()


def _for_loops(proxy: str | None) -> Any:
    if find_spec("aiohttp") is None:
        return ThreadedTransport(_blocking(proxy))
    from ..edges.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(proxy=proxy or None)
