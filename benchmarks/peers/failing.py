"""One client, one act, one line of JSON about how it went; run as ``python failing.py CLIENT ORIGIN ACT``.

The acts are what the fault server of ``benchmarks.failures`` fails at. Each client is used as its README shows it,
with a read timeout of one second so that nobody waits long for a server that says nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from peer import INPUT, TOKEN

MODEL = "bench/model"


class Official:
    """The official client 1.0.7."""

    def __init__(self, origin: str) -> None:
        import httpx
        from replicate.client import Client

        self.client = Client(api_token=TOKEN, base_url=origin, timeout=httpx.Timeout(1.0))

    def run(self) -> Any:
        """Run to the end."""
        return self.client.run(MODEL, input=INPUT)

    def wait(self) -> Any:
        """Create, wait, and take the output."""
        prediction = self.client.predictions.create(model=MODEL, input=INPUT)
        prediction.wait()
        return prediction.output

    def stream(self) -> Any:
        """The text of the stream."""
        return "".join(str(event) for event in self.client.stream(MODEL, input=INPUT))

    def create(self) -> Any:
        """Create only."""
        return self.client.predictions.create(model=MODEL, input=INPUT).id

    def get(self) -> Any:
        """Look at a prediction."""
        return self.client.predictions.get("p1").status

    def read(self) -> Any:
        """Read the file a model returned."""
        return self.client.run(MODEL, input=INPUT).read().decode()


class Beta(Official):
    """The official client 2.0.0b4; its ``stream()`` polls, so it has none here."""

    def __init__(self, origin: str) -> None:
        from replicate import Replicate

        self.client = Replicate(bearer_token=TOKEN, base_url=f"{origin}/v1", timeout=1.0)

    def wait(self) -> Any:
        """Create, wait, and take the output."""
        return self.client.run(MODEL, input=INPUT, wait=False)

    def create(self) -> Any:
        """Create only."""
        owner, _, name = MODEL.partition("/")
        return self.client.models.predictions.create(model_owner=owner, model_name=name, input=INPUT).id

    def get(self) -> Any:
        """Look at a prediction."""
        return self.client.predictions.get(prediction_id="p1").status


class Ours:
    """This project."""

    def __init__(self, origin: str) -> None:
        from replicate_home import Client, Timeout

        self.client = Client(api_token=TOKEN, base_url=origin, timeout=Timeout(total=20.0, read=1.0))

    def run(self) -> Any:
        """Run to the end."""
        return self.client.run(MODEL, INPUT).output

    def wait(self) -> Any:
        """Create, wait, and take the output."""
        return self.client.predictions.create(MODEL, INPUT).wait().result().output

    def stream(self) -> Any:
        """The text of the stream."""
        return "".join(self.client.stream(MODEL, INPUT))

    def create(self) -> Any:
        """Create only."""
        return self.client.predictions.create(MODEL, INPUT).id

    def get(self) -> Any:
        """Look at a prediction."""
        return self.client.predictions.get("p1").status

    def read(self) -> Any:
        """Read the file a model returned."""
        return self.client.run(MODEL, INPUT).file.read().decode()


CLIENTS: dict[str, Any] = {"official": Official, "beta": Beta, "ours": Ours}


def outcome(client: str, origin: str, act: str) -> dict[str, str]:
    """What came of one act; a client that cannot even be made is no outcome."""
    method = getattr(CLIENTS[client](origin), act)
    try:
        return {"returned": json.dumps(method(), ensure_ascii=False)}
    except Exception as error:
        return {"raised": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    print(json.dumps(outcome(*sys.argv[1:])), flush=True)
