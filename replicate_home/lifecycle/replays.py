"""Which events of a stream have been seen, judged only by their own ids.

The hosted API numbers its events ``<unix time>:<number>``, from 0: these are in order, so the last one is enough,
and a jump in the number means that something is missing. Ids of any other form are remembered one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from ..protocol.sse import ServerSentEvent



class Ids:
    """A growing set of ids as a value: states share one dictionary, each up to its own ``length``."""

    __slots__ = ("_length", "_places")

    def __init__(self, ids: Sequence[str] = ()) -> None:
        self._places = {name: place for place, name in enumerate(dict.fromkeys(ids))}
        self._length = len(self._places)

    def __contains__(self, name: object) -> bool:
        place = self._places.get(name)  # type: ignore[call-overload]  # any hashable may be asked for
        return place is not None and place < self._length

    def including(self, name: str) -> Ids:
        """These ids and one more."""
        if name in self:
            return self
        places = self._places
        # A newer state must not see what this one adds; and all lives share the empty set.
        if len(places) != self._length or not places:
            places = {known: place for known, place in places.items() if place < self._length}
        places[name] = self._length
        grown = Ids.__new__(Ids)
        grown._places, grown._length = places, self._length + 1
        return grown

    def __iter__(self) -> Any:
        return (name for name, place in self._places.items() if place < self._length)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"Ids({list(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Ids, (list(self),)


_NONE = Ids()


@attrs.frozen
class Seen:
    """The ids so far: ``last`` is the one that a reconnect resumes after, ``moment:number`` the last numbered one."""

    last: str = ""
    moment: int = -1
    number: int = -1
    others: Ids = _NONE


NOTHING = Seen()


def sift(seen: Seen, events: Sequence[ServerSentEvent], *, reopened: bool) -> tuple[Seen, list[ServerSentEvent], bool]:
    """What is known now, the events that are new, and whether events are missing before the next one.

    An event without an id of its own, or with an empty one, counts as new, except as output of a stream that was
    opened again: it may be a replay, so it counts as a gap.
    Logs without one are left out there, as the next snapshot has all of them.
    """
    last, moment, number, others = seen.last, seen.moment, seen.number, seen.others
    fresh: list[ServerSentEvent] = []
    keep = fresh.append
    gap = False
    # The loop runs once per token: plain locals, no object per event, and the usual id is not parsed.
    for event in events:
        own = event[2]
        if moment >= 0 and own == f"{moment}:{number + 1}":
            number += 1
            last = own
            keep(event)
            continue
        if not own:
            if reopened and event[0] == "output":
                gap = True
                break
            if reopened and event[0] == "logs":
                continue
            if own is not None:
                last = own  # an empty id forgets the one before
            keep(event)
            continue
        left, _, right = own.partition(":")
        if right.isdigit() and left.isdigit() and len(own) < 40 and own.isascii():
            this_moment, this_number = int(left), int(right)
            if this_moment == moment:
                if this_number <= number:
                    continue
                gap = this_number != number + 1
            elif this_moment < moment:
                continue
            else:
                gap = this_number not in (0, number + 1)
            if gap:
                break
            moment, number = this_moment, this_number
        elif own in others:
            continue
        else:
            others = others.including(own)
        last = own
        keep(event)
    return Seen(last, moment, number, others), fresh, gap
