"""G8: retries add at most a fifth to the load of a lasting outage, and never wait less than the server asked.

Many clients, each with a few calls at once, over ten minutes in which nothing, or little, succeeds; in virtual time.
``-s`` prints the ratio of requests to calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable
from random import Random

import attrs
import pytest

from replicate_home import AsyncClient, ConnectFailed, FakeClock, Request, RequestTimeout, Response, TransportError
from replicate_home.exceptions import ReplicateHomeError, ServerError
from replicate_home.testing import FakeReplicate, faults
from replicate_home.transports.async_base import sleep_on

from .cases import NIGHTLY, TOKEN, UNHURRIED

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]

CLIENTS = 1_000 if NIGHTLY else 50
MINUTES = 10
AT_ONCE = 3
EVERY = 10.0
"""Seconds between the calls of each of a client's tasks."""
WARM_UP = 120.0

Outcome = Callable[[Random], Response | TransportError]


def answers(status: int, **headers: str) -> Outcome:
    """Always the same."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda random: Response(status, given, b"{}")


def loses(error: type[TransportError], phase: str) -> Outcome:
    """No answer at all."""
    return lambda random: error("lost", phase=phase)


def mostly(failure: Outcome, share: float) -> Outcome:
    """A failure in this share of all requests."""
    return lambda random: failure(random) if random.random() < share else Response(200, {}, b"{}")


@attrs.define
class Outage:
    """A server, as its clients see it, that fails; it counts by the moment."""

    clock: FakeClock
    outcome: Outcome
    random: Random = attrs.field(factory=lambda: Random(8))
    asked: list[float] = attrs.field(factory=list)
    base_url: str = "https://out.example/v1"
    backend: str = "replicate"

    async def send(self, request: Request, deadline: float | None) -> tuple[Response, None]:
        """Answer at once."""
        self.asked.append(self.clock.now())
        came = self.outcome(self.random)
        if isinstance(came, TransportError):
            raise came
        return came, None

    async def close(self) -> None:
        """Nothing is open."""


@attrs.define
class Load:
    """What came of an outage: when calls began, and when each client sent its requests."""

    begun: list[float] = attrs.field(factory=list)
    sent: list[list[float]] = attrs.field(factory=list)

    def ratio(self, since: float) -> float:
        """Requests to calls, from some moment on."""
        return sum(at >= since for one in self.sent for at in one) / sum(at >= since for at in self.begun)


def suffer(outcome: Outcome, clients: int = CLIENTS) -> Load:
    """Have many clients call a server that fails, for ten minutes."""
    clock, load = FakeClock(), Load()

    async def calls(client: AsyncClient, begins: float) -> None:
        await sleep_on(clock, begins)
        while clock.now() < MINUTES * 60:
            load.begun.append(clock.now())
            with contextlib.suppress(ReplicateHomeError):
                await client.request("GET", "/account")
            await sleep_on(clock, EVERY)

    async def main() -> None:
        tasks = []
        for number in range(clients):
            outage = Outage(clock, outcome, Random(number))
            load.sent.append(outage.asked)
            client = AsyncClient(TOKEN, transport=outage, clock=clock)
            tasks += [calls(client, EVERY * outage.random.random()) for _ in range(AT_ONCE)]
        await asyncio.gather(*tasks)

    asyncio.run(main())
    return load


OUTAGES = {
    "503": answers(503),
    "503 with Retry-After": answers(503, retry_after="5"),
    "500": answers(500),
    "429": answers(429),
    "429 with Retry-After": answers(429, retry_after="5"),
    "connections refused": loses(ConnectFailed, "connect"),
    "no response": loses(RequestTimeout, "wait"),
    "503 nine times in ten": mostly(answers(503), 0.9),
    "503 every other time": mostly(answers(503), 0.5),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_retries_are_a_fifth_of_the_load_at_most_once_the_outage_lasts(outage):
    load = suffer(OUTAGES[outage])
    ratio = load.ratio(WARM_UP)
    print(f"\nG8, {outage}: {ratio:.3f} requests to a call after two minutes, {load.ratio(0.0):.3f} from the first")
    assert len(load.begun) >= CLIENTS * 20
    assert 1.0 <= ratio <= 1.2


def test_a_short_outage_is_outlived():
    """The budget is for this: one failure in twenty costs nobody a result."""
    load = suffer(mostly(answers(503), 0.05), clients=20)
    assert 1.05 <= load.ratio(WARM_UP) <= 1.07, "every failure was repeated"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("seconds", [1, 5, 30])
def test_no_request_of_a_client_is_sent_sooner_than_the_server_asked(status, seconds):
    load = suffer(answers(status, retry_after=str(seconds)), clients=20)
    gaps = [later - at for sent in load.sent for at, later in itertools.pairwise(sent)]
    assert len(gaps) > 20
    assert min(gaps) >= seconds - 1e-6


def test_over_threads_an_outage_uses_up_the_budget_too():
    with FakeReplicate() as fake:
        fake.faults.add("poll", faults.status(503), times=math.inf)
        client = fake.client()
        for _ in range(50):
            with pytest.raises(ServerError):
                client.predictions.get("p1")
        assert len(fake.requests) == 50 + 20
