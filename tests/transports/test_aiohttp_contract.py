"""The contract of transports, held by the one over aiohttp but for the sentences that are named here."""

from __future__ import annotations

import asyncio

import pytest

from replicate_home import AiohttpTransport
from replicate_home.testing.contract.blocking import Blocking
from replicate_home.testing.transport_contract import CASES, Case, check_transport, run_case

pytestmark = pytest.mark.reliability

try:
    import uvloop
except ImportError:
    LOOPS = [asyncio.new_event_loop]
else:
    LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # libuv opens a pipe when it is first used
        runner.run(asyncio.sleep(0))

NO_FIRST_BYTE = ["the phase is 'wait', not 'headers'"]
NO_HANDSHAKE = ["the phase is 'connect', not 'tls'"]
LEFT_OUT = {
    "A status line that is cut": NO_FIRST_BYTE,
    "Headers that are cut": NO_FIRST_BYTE,
    "A connection reset within the headers": NO_FIRST_BYTE,
    "Headers that stop": NO_FIRST_BYTE,
    "Headers that drip": NO_FIRST_BYTE,
    "A TLS handshake that is cut is ConnectFailed, and nothing was processed": NO_HANDSHAKE,
    "A TLS handshake that stops is RequestTimeout, and nothing was processed": NO_HANDSHAKE,
    "A connection on which more came than the answer is not used again": ["RequestTimeout"],
    "Interim answers without end": ["not ProtocolError"],
}
"""aiohttp tells neither of the first byte of an answer, nor of handshakes, nor of half an answer after the whole one.
It reads interim answers as long as they come."""


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__module__.partition(".")[0])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_aiohttp_transport_keeps_the_contract(case: Case, loop):
    transport = Blocking(AiohttpTransport(), loop)
    try:
        notes = run_case(case, lambda: transport)
    finally:
        transport.end()
    expected = LEFT_OUT.get(case.name, [])
    assert len(notes) == len(expected), notes
    assert all(part in note for part, note in zip(expected, notes, strict=True)), notes


@pytest.mark.long
def test_what_it_leaves_out_is_printed(capsys):
    left_out = check_transport(AiohttpTransport, groups=["connections"])
    assert capsys.readouterr().out == "".join(f"left out: {note}\n" for note in left_out)
    assert len(left_out) == 1
