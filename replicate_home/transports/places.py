"""A limited number of places for what goes on in event loops, of any number of loops in any threads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class Places:
    """So many places, taken and freed; who waits for one is served in the order of asking."""

    def __init__(self, count: float) -> None:
        self._free = count
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place, where there is one."""
        with self._lock:
            is_free = self._free > 0
            self._free -= is_free
        return is_free

    async def wait(self, seconds: float | None) -> None:
        """Take a place when there is one; raises ``TimeoutError`` where none comes within ``seconds``."""
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            self._waiting.append((loop, place))
        try:
            await asyncio.wait_for(place, seconds)
        except BaseException:
            self._stop_waiting(loop, place)
            raise

    def free(self) -> None:
        """Free a place, or hand it to the one that has waited longest."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                loop, place = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(_hand_over, place)
            except RuntimeError:  # its loop has ended meanwhile
                continue
            return

    def _stop_waiting(self, loop: asyncio.AbstractEventLoop, place: asyncio.Future[None]) -> None:
        """Wait no more; a place that was handed over meanwhile is freed again."""
        with self._lock:
            waits = (loop, place) in self._waiting
            if waits:
                self._waiting.remove((loop, place))
        if not waits:
            self.free()


def _hand_over(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)
