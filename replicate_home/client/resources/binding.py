"""Operations as methods: the table has their requests, and the client's engine makes them.

The table has the name, the docstring and the signature of each. A resource binds it in one line, for either client.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from ...operations.base import Operation
from ...records.base import Record
from ...records.page import PageFields
from ..engine.engine import Engine
from .pages import AsyncListing, Page, apage, page

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H")
F = TypeVar("F", bound=Record)
E = TypeVar("E", "Engine", "AsyncEngine")
B = TypeVar("B", bound="Bound[Any]")


class Bound(Generic[E]):
    """What belongs to a client: ``engine`` makes its calls."""

    def __init__(self, engine: E) -> None:
        self.engine: E = engine


class Resource(Bound["Engine"]):
    """A resource of a client for threads."""


class AsyncResource(Bound["AsyncEngine"]):
    """A resource of a client for event loops."""


class BoundOperation(Generic[P, R]):
    """One operation as a method of its resource, with the parameters and the docstring that the table has for it."""

    def __init__(self, ask: Callable[P, Operation[Any]], give: Callable[[Any, Operation[Any]], R], result: str) -> None:
        self.ask = ask
        self.result = result
        self.__doc__ = ask.__doc__
        self._give = give

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__, self.__qualname__ = name, f"{owner.__qualname__}.{name}"

    @cached_property
    def signature(self) -> inspect.Signature:
        """The table's parameters, and what the method returns."""
        return inspect.signature(self.ask).replace(return_annotation=self.result)

    @property
    def __signature__(self) -> inspect.Signature:
        """As a function of the class, which takes the resource first."""
        holder = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        return self.signature.replace(parameters=[holder, *self.signature.parameters.values()])

    def __call__(self, holder: Bound[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Have it done by the client of ``holder``."""
        return self._give(holder.engine, self.ask(*args, **kwargs))

    @overload
    def __get__(self, holder: None, owner: type) -> Self: ...
    @overload
    def __get__(self, holder: Bound[Any], owner: type) -> Callable[P, R]: ...
    def __get__(self, holder: Bound[Any] | None, owner: type) -> Any:
        if holder is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return self(holder, *args, **kwargs)

        call.__name__, call.__qualname__, call.__doc__ = self.__name__, self.__qualname__, self.__doc__
        call.__signature__ = self.signature  # type: ignore[attr-defined]
        return call


class Nested(Generic[B]):
    """A resource within another, of the same client."""

    def __init__(self, kind: type[B]) -> None:
        self.kind = kind
        self.__doc__ = kind.__doc__

    @overload
    def __get__(self, holder: None, owner: type) -> Self: ...
    @overload
    def __get__(self, holder: Bound[Any], owner: type) -> B: ...
    def __get__(self, holder: Bound[Any] | None, owner: type) -> Any:
        return self if holder is None else self.kind(holder.engine)


def call(ask: Callable[P, Operation[R]]) -> BoundOperation[P, R]:
    """A method that returns what the operation reads."""
    return BoundOperation(ask, lambda engine, operation: engine.operate(operation), _result_of(ask))


def bound(ask: Callable[P, Operation[F]], handle: Callable[[F, Engine], H]) -> BoundOperation[P, H]:
    """A method that returns a record with methods of its own."""
    return BoundOperation(ask, lambda engine, operation: handle(engine.operate(operation), engine), _name(handle))


def pages(ask: Callable[P, Operation[PageFields[F]]], handle: Callable[[F, Engine], H]) -> BoundOperation[P, Page[H]]:
    """A method that returns one page of a list of such records, which leads to the others."""

    def give(engine: Engine, operation: Operation[PageFields[F]]) -> Page[H]:
        return page(engine, operation, lambda record: handle(record, engine))

    return BoundOperation(ask, give, f"Page[{_name(handle)}]")


def records(ask: Callable[P, Operation[PageFields[F]]]) -> BoundOperation[P, Page[F]]:
    """A method that returns one page of a list of plain records."""
    return BoundOperation(ask, lambda engine, operation: page(engine, operation, _as_it_is), f"Page[{_item_of(ask)}]")


def acall(ask: Callable[P, Operation[R]]) -> BoundOperation[P, Coroutine[Any, Any, R]]:
    """:func:`call`, awaited."""
    return BoundOperation(ask, lambda engine, operation: engine.operate(operation), _result_of(ask))


def abound(
    ask: Callable[P, Operation[F]], handle: Callable[[F, AsyncEngine], H]
) -> BoundOperation[P, Coroutine[Any, Any, H]]:
    """:func:`bound`, awaited."""

    async def give(engine: AsyncEngine, operation: Operation[F]) -> H:
        return handle(await engine.operate(operation), engine)

    return BoundOperation(ask, give, _name(handle))


def apages(
    ask: Callable[P, Operation[PageFields[F]]], handle: Callable[[F, AsyncEngine], H]
) -> BoundOperation[P, AsyncListing[H]]:
    """:func:`pages` for event loops."""

    def give(engine: AsyncEngine, operation: Operation[PageFields[F]]) -> AsyncListing[H]:
        return AsyncListing(lambda: apage(engine, operation, lambda record: handle(record, engine)))

    return BoundOperation(ask, give, f"AsyncListing[{_name(handle)}]")


def arecords(ask: Callable[P, Operation[PageFields[F]]]) -> BoundOperation[P, AsyncListing[F]]:
    """:func:`records` for event loops."""

    def give(engine: AsyncEngine, operation: Operation[PageFields[F]]) -> AsyncListing[F]:
        return AsyncListing(lambda: apage(engine, operation, _as_it_is))

    return BoundOperation(ask, give, f"AsyncListing[{_item_of(ask)}]")


def _as_it_is(record: F) -> F:
    return record


def _name(handle: Callable[..., Any]) -> str:
    return getattr(handle, "__name__", "")


def _result_of(ask: Callable[..., Any]) -> str:
    """``bool`` for a function that is annotated to return ``Operation[bool]``."""
    return str(ask.__annotations__["return"]).removeprefix("Operation[").removesuffix("]")


def _item_of(ask: Callable[..., Any]) -> str:
    return _result_of(ask).removeprefix("PageFields[").removesuffix("]")
