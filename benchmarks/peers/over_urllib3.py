"""urllib3 as one would write it by hand for this server: a pool, no retries, bodies read in chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import urllib3
from bare import cut
from peer import INPUT, TOKEN
from peer import Peer as Base

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class Peer(Base):
    """urllib3."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.pool = urllib3.PoolManager(maxsize=1000, retries=False)

    def close(self) -> None:
        """Close the pool."""
        self.pool.clear()

    def create(self, model: str, **headers: str) -> dict:
        """Create a prediction."""
        url = f"{self.origin}/v1/models/{model}/predictions"
        body = json.dumps({"input": INPUT}).encode()
        return json.loads(self.pool.request("POST", url, body=body, headers={**HEADERS, **headers}).data)

    def run(self, model: str) -> str:
        """Let the server hold the create."""
        return self.create(model, Prefer="wait")["output"]

    def tokens(self, model: str) -> Iterator[str]:
        """Read chunk by chunk, cut at empty lines."""
        url = self.create(model)["urls"]["stream"]
        response = self.pool.request("GET", url, headers=HEADERS, preload_content=False)
        yield from cut(response.read_chunked())
        response.release_conn()

    def download(self, model: str) -> Callable[[], int]:
        """Read in pieces of 64 kB."""
        url = self.run(model)

        def receive() -> int:
            response = self.pool.request("GET", url, headers=HEADERS, preload_content=False)
            count = sum(map(len, response.stream(65536)))
            response.release_conn()
            return count

        return receive

    def upload(self, path: str) -> None:
        """Send a multipart body from a generator that reads the file."""
        begin = b'--x\r\nContent-Disposition: form-data; name="content"; filename="upload"\r\n\r\n'
        end = b"\r\n--x--\r\n"
        with open(path, "rb") as file:
            length = len(begin) + file.seek(0, 2) + len(end)
            file.seek(0)

            def body() -> Iterator[bytes]:
                yield begin
                while piece := file.read(65536):
                    yield piece
                yield end

            headers = HEADERS | {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(length)}
            self.pool.request("POST", f"{self.origin}/v1/files", body=body(), headers=headers)
