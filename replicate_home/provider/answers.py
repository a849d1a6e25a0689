"""What a provider was asked, and how a model's output becomes what it yields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import attrs

from ..client.async_client import AsyncClient
from ..client.client import Client
from ..client.engine.settings import TimeoutOption
from ..records.prediction import Snapshot
from ..wire import Secret

AnyClient = TypeVar("AnyClient", Client, AsyncClient)

_ESCAPED = {ord(character): "\\" + character for character in "\\[]"}
_QUOTED = {ord(character): f"%{ord(character):02X}" for character in " ()<>"}


class Images(str):
    """The images of one answer. It prints as Markdown, one image per line.

    ``urls`` lists their URLs in the model's order; ``alt`` is the prompt.
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
    """What was asked. ``token`` is for the hosted API; ``is_link`` tells which strings in the output are files."""

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
        """A client to ask it with, over a shared transport."""
        made = kind(backend="home" if self.token is None else "replicate", base_url=self.base_url, transport=transport)
        return made if self.token is None else made.with_options(api_token=self.token.reveal())


class Answer:
    """Turns a model's output into what is yielded: text as it arrives, and all images as one object at the end."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.urls: list[str] = []

    def opening(self) -> Iterable[Any]:
        """What is yielded before the request."""
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
