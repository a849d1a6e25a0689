"""Pages of a list, for both clients: a page has its own items and the URLs of its neighbors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from ...exceptions import ProtocolError
from ...operations.base import Operation
from ...records.base import Record
from ...records.page import PageFields
from ..engine.engine import Engine

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine

H = TypeVar("H")
R = TypeVar("R", bound=Record)


class BasePage(Sequence[H]):
    """One page of a list: its ``results``, and the URLs of the ``next`` and the ``previous`` page."""

    def __init__(self, results: list[H], next: str | None, previous: str | None) -> None:
        self.results = results
        self.next = next
        self.previous = previous

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> H: ...
    @overload
    def __getitem__(self, index: slice) -> list[H]: ...
    def __getitem__(self, index: int | slice) -> H | list[H]:
        return self.results[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.results)} items{', more' if self.next else ''})"


class Page(BasePage[H]):
    """One page of a list, which iterates its own items; :meth:`all` goes on through all pages."""

    def __init__(self, results: list[H], fields: PageFields[Any], turn: Callable[[str], Page[H]]) -> None:
        super().__init__(results, fields.next, fields.previous)
        self._turn = turn

    def all(self) -> Iterator[H]:
        """The items of this page and of all pages after it, each fetched when it is reached."""
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[Page[H]]:
        """This page and those after it, each fetched when it is reached."""
        page, seen = self, Seen()
        yield page
        while (url := seen.after(page)) is not None:
            page = page._turn(url)
            yield page


class AsyncPage(BasePage[H]):
    """One page of a list for event loops; it iterates its own items, and :meth:`all` goes on through all pages."""

    def __init__(
        self, results: list[H], fields: PageFields[Any], turn: Callable[[str], Awaitable[AsyncPage[H]]]
    ) -> None:
        super().__init__(results, fields.next, fields.previous)
        self._turn = turn

    async def __aiter__(self) -> AsyncIterator[H]:
        for item in self.results:
            yield item

    async def all(self) -> AsyncIterator[H]:
        """The items of this page and of all pages after it, each fetched when it is reached."""
        async for page in self.pages():
            for item in page.results:
                yield item

    async def pages(self) -> AsyncIterator[AsyncPage[H]]:
        """This page and those after it, each fetched when it is reached."""
        page, seen = self, Seen()
        yield page
        while (url := seen.after(page)) is not None:
            page = await page._turn(url)
            yield page


class AsyncListing(Generic[H]):
    """A list that was not fetched yet: await it for its first page, or iterate it for the items of that page."""

    def __init__(self, first: Callable[[], Awaitable[AsyncPage[H]]]) -> None:
        self._first = first

    def __await__(self) -> Generator[Any, None, AsyncPage[H]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[H]:
        for item in (await self).results:
            yield item

    async def all(self) -> AsyncIterator[H]:
        """The items of all pages, each page fetched when it is reached."""
        async for item in (await self).all():
            yield item

    async def pages(self) -> AsyncIterator[AsyncPage[H]]:
        """All pages, each fetched when it is reached."""
        async for page in (await self).pages():
            yield page


class Seen:
    """The pages seen so far, so that a list that leads in a circle is not followed forever."""

    def __init__(self) -> None:
        self._urls: set[str] = set()

    def after(self, page: BasePage[Any]) -> str | None:
        """The URL of the page after this one; raises ProtocolError if it was seen before."""
        if page.next is not None and page.next in self._urls:
            raise ProtocolError(f"the list leads in a circle: {page.next[:200]!r} came before")
        if page.next is not None:
            self._urls.add(page.next)
        return page.next


def page(engine: Engine, operation: Operation[PageFields[R]], handle: Callable[[R], H]) -> Page[H]:
    """The page that an operation returns, with its items turned into handles."""
    fields = engine.operate(operation)
    items = [handle(item) for item in fields.results]
    return Page(items, fields, lambda url: page(engine, _at(operation, url), handle))


async def apage(engine: AsyncEngine, operation: Operation[PageFields[R]], handle: Callable[[R], H]) -> AsyncPage[H]:
    """Like :func:`page`, awaited."""
    fields = await engine.operate(operation)
    items = [handle(item) for item in fields.results]
    return AsyncPage(items, fields, lambda url: apage(engine, _at(operation, url), handle))


def _at(operation: Operation[PageFields[R]], url: str) -> Operation[PageFields[R]]:
    return attrs.evolve(operation, path=url, query={})


def paginate(list_method: Callable[..., Page[H]], *args: Any, **options: Any) -> Iterator[Page[H]]:
    """All pages of what ``list_method`` lists, such as ``client.predictions.list``, each fetched when it is reached."""
    return list_method(*args, **options).pages()


def async_paginate(
    list_method: Callable[..., AsyncListing[H]], *args: Any, **options: Any
) -> AsyncIterator[AsyncPage[H]]:
    """All pages of what ``list_method`` of an async client lists, each fetched when it is reached."""
    return list_method(*args, **options).pages()
