"""A receiver of webhooks on this machine, for the scripts that drive the official Python clients."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Keeps the headers and body of every webhook; a context manager with a ``url``."""

    def __init__(self) -> None:
        self.came = threading.Condition()
        self.webhooks: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.came:
                    outer.webhooks.append((dict(self.headers), body))
                    outer.came.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def until_completed(self) -> list[tuple[dict[str, str], bytes]]:
        """The webhooks up to the one that tells the end."""

        def ended() -> bool:
            return any(json.loads(body)["status"] == "succeeded" for _, body in self.webhooks)

        with self.came:
            assert self.came.wait_for(ended, 20), "no webhook told the end"
            return list(self.webhooks)

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
