"""requests as its documentation shows it: a session, ``json=``, ``iter_lines``, ``files=``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import requests
from peer import INPUT, TOKEN
from peer import Peer as Base


class Peer(Base):
    """requests."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.session = requests.Session()
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=1000))
        self.session.headers["Authorization"] = f"Bearer {TOKEN}"

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    def create(self, model: str, **headers: str) -> dict:
        """Create a prediction."""
        url = f"{self.origin}/v1/models/{model}/predictions"
        return self.session.post(url, json={"input": INPUT}, headers=headers).json()

    def run(self, model: str) -> str:
        """Let the server hold the create."""
        return self.create(model, Prefer="wait")["output"]

    def tokens(self, model: str) -> Iterator[str]:
        """Read line by line."""
        url = self.create(model)["urls"]["stream"]
        with self.session.get(url, stream=True) as response:
            yield from data_lines(response)

    def download(self, model: str) -> Callable[[], int]:
        """Read in pieces of 64 kB."""
        url = self.run(model)

        def receive() -> int:
            with self.session.get(url, stream=True) as response:
                return sum(map(len, response.iter_content(65536)))

        return receive

    def upload(self, path: str) -> None:
        """Send a form with a file."""
        with open(path, "rb") as file:
            self.session.post(f"{self.origin}/v1/files", files={"content": file}).raise_for_status()


def data_lines(response: requests.Response) -> Iterator[str]:
    """The data of each output event, by the shape of its lines."""
    event = b""
    for line in response.iter_lines():
        if line.startswith(b"event: "):
            event = line[7:]
        elif event == b"output" and line.startswith(b"data: "):
            yield line[6:].decode()
