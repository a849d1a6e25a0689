"""What tests have put in the network's place, for every client that is made meanwhile without a transport of its own.

It is the whole process's and no context variable, for the code under test has threads. The last that was put counts.
"""

from __future__ import annotations

import threading

from ...transports.base import Transport

_lock = threading.Lock()
_stack: list[Transport] = []


def current() -> Transport | None:
    """What stands in the network's place now, if anything."""
    with _lock:
        return _stack[-1] if _stack else None


def put(transport: Transport) -> None:
    """Put ``transport`` in the network's place, until it is taken away."""
    with _lock:
        _stack.append(transport)


def take_away(transport: Transport) -> None:
    """Take away the last ``transport`` that is the same; what was put before it counts again."""
    with _lock:
        for place in reversed(range(len(_stack))):
            if _stack[place] is transport:
                del _stack[place]
                return
