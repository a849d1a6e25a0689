"""What a suite of a thousand tests over the fake costs, and what it leaves."""

from __future__ import annotations

import os
import threading
import time

import replicate_home
from replicate_home.testing.fake import FakeReplicate


def left() -> tuple[int, int]:
    return threading.active_count(), len(os.listdir("/dev/fd"))


def test_a_thousand_fake_predictions_take_under_five_seconds_and_leave_nothing() -> None:
    before, began = left(), time.process_time()
    for number in range(1000):
        with FakeReplicate() as fake, fake.installed():
            fake.on("owner/llm").streams("Hel", "lo").takes(60)
            assert replicate_home.run("owner/llm", prompt=str(number), timeout=None).text == "Hello"
    assert time.process_time() - began < 5.0
    assert left() == before
