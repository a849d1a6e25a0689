"""What every transport must do, as cases to run against yours.

Each case is a sentence, a script for a loopback server and the expected outcome. The groups are: ``answers``,
``requests``, ``bodies``, ``connections``, ``faults`` and ``deadlines``, which need a transport that reaches sockets,
and ``any``, which needs only an address that it can ask.

What no transport may do: send a request twice; say falsely that nothing was processed; let the token or an exception of
another library out; send anything after its deadline, or wait for silence beyond it; take a cut for an end. What it may
leave out is named by the cases that are ``optional``. An error of another kind or phase than the contract's, or one
that is more cautious than it need be, counts as left out, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import cast

from ..exceptions import ReplicateHomeError
from ..transports.async_base import AsyncTransport, is_async
from ..transports.base import Transport
from .contract import answers, anywhere, troubles
from .contract.blocking import Blocking
from .contract.case import Bench, Breach, Case

MakeTransport = Callable[[], Transport | AsyncTransport]

CASES: list[Case] = [*answers.CASES, *troubles.CASES, *anywhere.CASES]


def check_transport(
    make_transport: MakeTransport, *, groups: Sequence[str] | None = None, url: str | None = None
) -> list[str]:
    """Try every case of the contract, or those of ``groups``, each on a transport of its own.

    ``make_transport`` makes one, blocking or for event loops; it is closed afterwards. Raises AssertionError with the
    first sentence that does not hold and must. The sentences that it may leave out, and does, are printed and returned,
    each with what came instead.
    A transport that reaches no sockets is tried by giving ``url``, an address it answers a GET for: then only
    the group ``any`` is run, against that address.
    """
    wanted = ("any",) if url is not None else groups
    left_out = []
    for case in CASES:
        if wanted is None or case.group in wanted:
            for note in run_case(case, make_transport, url=url):
                left_out.append(f"{case}: {note}")
                sys.stdout.write(f"left out: {left_out[-1]}\n")
    return left_out


def run_case(case: Case, make_transport: MakeTransport, *, url: str | None = None) -> list[str]:
    """Try one case; returns what the transport leaves out, raises AssertionError if the sentence must hold."""
    transport = make_transport()
    if not is_async(transport):
        return _tried(case, Bench(cast(Transport, transport), url))
    blocking = Blocking(cast(AsyncTransport, transport))
    try:
        return _tried(case, Bench(blocking, url))
    finally:
        blocking.end()


def _tried(case: Case, bench: Bench) -> list[str]:
    try:
        case.run(bench)
    except Exception as error:
        said = str(error).partition("\n")[0]  # without pytest's further lines
        failing = said if isinstance(error, AssertionError) else f"{type(error).__name__}: {said}"
        may = case.optional and isinstance(error, (AssertionError, ReplicateHomeError))
        if not may or isinstance(error, Breach):
            raise AssertionError(f"{case}: {failing}") from error
        return [*bench.notes, failing]
    finally:
        bench.transport.close()
    return bench.notes
