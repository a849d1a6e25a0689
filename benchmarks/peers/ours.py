"""This project's client, with its defaults: every guarantee on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from peer import INPUT, TOKEN
from peer import Peer as Base

from replicate_home import Client


class Peer(Base):
    """This project."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.client = Client(api_token=TOKEN, base_url=origin)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def run(self, model: str) -> str:
        """``client.run``."""
        return str(self.client.run(model, INPUT))

    def tokens(self, model: str) -> Iterator[str]:
        """``client.stream``."""
        return iter(self.client.stream(model, INPUT))

    def download(self, model: str) -> Callable[[], int]:
        """Iterate over a file output."""
        file = self.client.run(model, INPUT).file
        return lambda: sum(map(len, file))

    def polling(self, durations: list[float]) -> list[tuple[float, int]]:
        """``client.run`` in virtual time against a server that neither holds nor streams."""
        from virtual import lag_and_requests

        return [lag_and_requests(seconds) for seconds in durations]

    def upload(self, path: str) -> None:
        """``client.run`` with a file input, which is uploaded first."""
        self.client.run("bench/finished", {"file": Path(path)}, file_encoding_strategy="url")
