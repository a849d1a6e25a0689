"""Leaving a life whose stream was dropped: the garbage collector must not wait for the network.

It may run anywhere, even while a connection pool's lock is held. So it only closes the body; a short-lived thread, or
the event loop if it runs, sends the cancel.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio  # costs 12 ms to import, and threads do without

    from .adrive import AsyncDrive
    from .drive import Drive


def dropped(drive: Drive) -> None:
    """Leave a life whose stream is gone, in a thread; inline if the interpreter is ending."""
    drive.close_body()
    if not drive.has_to_cancel():
        return
    if not threading.main_thread().is_alive():  # the interpreter is ending, and would not wait for a thread
        drive.leave()
        drive.close_transport()
        return
    threading.Thread(target=drive.leave, name="replicate-home-leaving", daemon=True).start()


def adropped(drive: AsyncDrive, loop: asyncio.AbstractEventLoop) -> None:
    """Leave a life whose stream is gone, in its event loop while that runs, else in a thread."""
    if loop.is_running():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_leave_soon, drive)
            return
    drive.close_body()
    if drive.has_to_cancel():
        _leave_in_thread(drive)


def _leave_soon(drive: AsyncDrive) -> None:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()
        elif drive.has_to_cancel():
            _leave_in_thread(drive)  # the loop is ending, with the cancel unsent

    drive.start_leaving().add_done_callback(ended)


def _leave_in_thread(drive: AsyncDrive) -> None:
    from ..transports.async_base import run_in_new_loop

    async def left() -> None:
        await drive.start_leaving()

    def leave() -> None:
        with contextlib.suppress(Exception):  # there is no caller to raise it to
            run_in_new_loop(left())

    try:
        threading.Thread(target=leave, name="replicate-home-leaving").start()
    except RuntimeError:  # the interpreter is ending and starts no more threads
        leave()
