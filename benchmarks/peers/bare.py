"""The floor: one socket, requests written by hand, and no more of HTTP than the benchmark server speaks.

No errors are handled and nothing is checked; no client can be cheaper and still be a client.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator

from peer import INPUT, TOKEN
from peer import Peer as Base

BODY = json.dumps({"input": INPUT}).encode()


class Peer(Base):
    """The bare socket."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        host, _, port = origin.removeprefix("http://").partition(":")
        self.address = host, int(port)
        self.sock = self.connect()

    def connect(self) -> socket.socket:
        """A connection to the server."""
        sock = socket.create_connection(self.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def create(self, model: str, prefer: str = "Prefer: wait\r\n") -> bytes:
        """The request that creates a prediction."""
        head = (
            f"POST /v1/models/{model}/predictions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\n{prefer}Content-Length: {len(BODY)}\r\n\r\n"
        )
        return head.encode() + BODY

    def look(self, url: str) -> bytes:
        """The request that gets ``url``."""
        path = url.removeprefix(self.origin)
        return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()

    def exchange(self, request: bytes) -> dict:
        """Send one request and return the JSON of its answer."""
        self.sock.sendall(request)
        data = self.sock.recv(65536)
        while (body := complete(data)) is None:
            data += self.sock.recv(65536)
        return json.loads(body)

    def stream(self, url: str) -> Iterator[bytes]:
        """The bytes of a chunked answer, as they arrive."""
        self.sock.sendall(self.look(url))
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.sock.recv(65536)
        data = data[end + 4 :]
        while True:
            content, data, ended = dechunk(data)
            if content:
                yield content
            if ended:
                return
            data += self.sock.recv(65536)

    def run(self, model: str) -> str:
        """Create, wait for the end of the stream where the server stopped holding, look once more."""
        prediction = self.exchange(self.create(model))
        if prediction["status"] == "starting":
            for _ in self.stream(prediction["urls"]["stream"]):
                pass
            prediction = self.exchange(self.look(prediction["urls"]["get"]))
        return prediction["output"]

    def tokens(self, model: str) -> Iterator[str]:
        """Create, then cut the stream at its empty lines."""
        prediction = self.exchange(self.create(model, prefer=""))
        return cut(self.stream(prediction["urls"]["stream"]))

    def download(self, model: str) -> Callable[[], int]:
        """Receive into one buffer, over and over."""
        url = self.run(model)

        def receive() -> int:
            self.sock.sendall(self.look(url))
            data = self.sock.recv(4096)
            head, _, rest = data.partition(b"\r\n\r\n")
            length, count = int(head.rpartition(b"Content-Length: ")[2]), len(rest)
            buffer = bytearray(65536)
            while count < length:
                count += self.sock.recv_into(buffer)
            return count

        return receive

    def upload(self, path: str) -> None:
        """Send a multipart body straight from the file."""
        begin = b'--x\r\nContent-Disposition: form-data; name="content"; filename="upload"\r\n\r\n'
        end = b"\r\n--x--\r\n"
        with open(path, "rb") as file:
            length = len(begin) + file.seek(0, 2) + len(end)
            file.seek(0)
            head = f"POST /v1/files HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n"
            self.sock.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode() + begin)
            self.sock.sendfile(file)
            self.sock.sendall(end)
        self.sock.recv(65536)

    def at_once(self, model: str, count: int) -> list[str]:
        """Many sockets, one thread: send on all of them, then take the answers as they come."""
        import selectors

        request, failures = self.create(model), []
        with selectors.DefaultSelector() as selector:
            for _ in range(count):
                sock = self.connect()
                sock.sendall(request)
                selector.register(sock, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    if b'"succeeded"' not in key.fileobj.recv(65536):  # type: ignore[union-attr]
                        failures.append("unfinished")
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
        return failures


def complete(data: bytes) -> bytes | None:
    """The body of an answer, once all of it has arrived."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    length = int(head.rpartition(b"Content-Length: ")[2])
    return body if len(body) == length else None


def dechunk(data: bytes) -> tuple[bytes, bytes, bool]:
    """The content of the whole chunks in ``data``, what is left of it, and whether the last chunk was among them."""
    content, start = [], 0
    while (line := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line], 16)
        end = line + 2 + size
        if len(data) < end + 2:
            break
        if size == 0:
            return b"".join(content), b"", True
        content.append(data[line + 2 : end])
        start = end + 2
    return b"".join(content), data[start:], False


def cut(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each event but the last, by position alone: one line of data, which comes last."""
    rest = b""
    for piece in pieces:
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            if event.startswith(b"event: output"):
                yield event[event.index(b"\ndata: ") + 7 :].decode()
