"""The official Python client, as its README shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from peer import INPUT, TOKEN
from peer import Peer as Base
from replicate.client import Client


class Peer(Base):
    """The official client."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.client = Client(api_token=TOKEN, base_url=origin)

    def run(self, model: str) -> str:
        """``replicate.run``."""
        return self.client.run(model, input=INPUT)

    def tokens(self, model: str) -> Iterator[str]:
        """``replicate.stream``; each event is made text, as when it is printed."""
        for event in self.client.stream(model, input=INPUT):
            if event.event.value == "output":
                yield str(event)

    def download(self, model: str) -> Callable[[], int]:
        """Iterate over a file output (made by hand: the client makes one of ``https:`` URLs only)."""
        from replicate.helpers import FileOutput

        output = FileOutput(self.run(model), self.client)
        return lambda: sum(map(len, output))

    def upload(self, path: str) -> None:
        """``replicate.files.create``."""
        self.client.files.create(path)
