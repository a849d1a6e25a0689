"""G9: creates and other requests stay under the limits of the hosted API, in every sliding minute.

Counted where they arrive, for a thousand predictions in flight, in virtual time.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from replicate_home import AsyncClient
from replicate_home.testing import FakeReplicate, Limits
from replicate_home.wire import Body, Request, Response

from .cases import TOKEN

pytestmark = [pytest.mark.reliability, pytest.mark.long, pytest.mark.timeout(300)]
HOSTED = "https://api.replicate.com/v1"


@attrs.define
class Counting:
    """The transport of a fake, with the moments of all requests."""

    fake: FakeReplicate
    creates: list[float] = attrs.field(factory=list)
    others: list[float] = attrs.field(factory=list)

    @property
    def clock(self):
        """The fake's own."""
        return self.fake.clock

    def send(self, request: Request, deadline: float | None) -> tuple[Response, Body | None]:
        """Count it, once however often the fake is asked again."""
        sent = self.fake.transport.send(request, deadline)
        is_create = request.method == "POST" and request.url.endswith("/predictions")
        (self.creates if is_create else self.others).append(self.clock.now())
        return sent

    def close(self) -> None:
        """Nothing is open."""


def busiest_minute(moments: list[float]) -> int:
    """The most requests in any sixty seconds in a row."""
    return max(bisect_left(moments, at + 60.0) - place for place, at in enumerate(moments))


def run_many(fake: FakeReplicate, number: int, at_once: int) -> Counting:
    """So many runs of the hosted API, so many at once."""
    counting = Counting(fake)

    async def main() -> None:
        turns = asyncio.Semaphore(at_once)
        async with AsyncClient(TOKEN, base_url=HOSTED, transport=counting, clock=fake.clock, timeout=None) as client:

            async def run() -> None:
                async with turns:
                    assert (await client.run("owner/model", {})).text == "done"

            await asyncio.gather(*(run() for _ in range(number)))

    asyncio.run(main())
    return counting


@pytest.mark.parametrize("seconds", [1, 100])
def test_a_thousand_predictions_in_flight_stay_under_both_limits(seconds):
    with FakeReplicate() as fake:
        fake.on("owner/model").returns("done").takes(seconds)
        counting = run_many(fake, 10_000 if seconds == 1 else 2_000, 1_000)
        assert len(fake.calls) == len(counting.creates) == (10_000 if seconds == 1 else 2_000)
    busiest = busiest_minute(counting.creates), busiest_minute(counting.others)
    print(f"\nG9, models of {seconds} s: {busiest[0]} creates and {busiest[1]} others in the busiest minute")
    assert busiest[0] == 480, "the allowance is used"
    assert busiest[1] <= 2_400


def test_a_batch_of_ten_thousand_inputs_stays_under_both_limits():
    with FakeReplicate() as fake:
        fake.on("owner/model").returns("done").takes(1)
        counting = Counting(fake)
        client = fake.client(api_token=TOKEN, base_url=HOSTED, transport=counting, timeout=None)
        assert sum(item.ok for item in client.map("owner/model", map(str, range(10_000)), concurrency=256)) == 10_000
        assert len(fake.calls) == len(counting.creates) == 10_000
    busiest = busiest_minute(counting.creates), busiest_minute(counting.others)
    print(f"\nG9, a batch: {busiest[0]} creates and {busiest[1]} others in the busiest minute")
    assert busiest[0] == 480, "the allowance is used"
    assert busiest[1] <= 2_400


def in_threads(fake: FakeReplicate, number: int) -> list[str]:
    """What so many runs come to, each in a thread."""
    client = fake.client()
    with ThreadPoolExecutor(number) as threads:
        return [result.text for result in threads.map(lambda _: client.run("owner/model", {}), range(number))]


def in_tasks(fake: FakeReplicate, number: int) -> list[str]:
    """What so many runs come to, each in a task."""

    async def main() -> list[str]:
        async with fake.async_client() as client:
            runs = (client.run("owner/model", {}) for _ in range(number))
            return [result.text for result in await asyncio.gather(*runs)]

    return asyncio.run(main())


@pytest.mark.parametrize("run_at_once", [in_threads, in_tasks])
def test_on_an_account_of_few_creates_all_wait_for_their_turn_and_none_is_refused(run_at_once):
    """Six a minute, one at a time: what the API grants without a payment method."""
    with FakeReplicate(limits=Limits(creates=6, burst=1)) as fake:
        fake.on("owner/model").returns("done").takes(1)
        assert run_at_once(fake, 16) == ["done"] * 16
        statuses = [asked.status for asked in fake.requests if asked.method == "POST"]
    assert statuses.count(201) == 16
    assert len(statuses) <= 2 * 16
    assert 150 <= fake.clock.now() <= 180
