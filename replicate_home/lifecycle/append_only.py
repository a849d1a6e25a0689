"""Append-only sequences that grow without copying although they are values.

States that follow each other share one list, of which each sees the part that was there when it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload


class Log(Sequence[Any]):
    """The first ``length`` items of a shared list; appending returns the next value."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def extended(self, items: Sequence[Any]) -> Log:
        """This log with ``items`` at its end."""
        if not items:
            return self
        # Whoever goes on from an older state must not see what the newer one appended; the empty log is everybody's.
        shared = self._items if 0 < self._length == len(self._items) else self._items[: self._length]
        shared.extend(items)
        grown = Log.__new__(Log)
        grown._items, grown._length = shared, len(shared)
        return grown

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._items[: self._length][index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items if self._length == len(self._items) else self._items[: self._length])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a log is compared by its items, which may be unhashable

    def __repr__(self) -> str:
        return f"Log({list(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Log, (list(self),)


EMPTY = Log()
