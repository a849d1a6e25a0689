"""A few lines that let a test speak to an emulator without sockets."""

from __future__ import annotations

import json
from typing import Any

from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.transport import InProcessTransport
from replicate_home.wire import Request, Response, Secret


class Api:
    def __init__(self, emulator: Emulator, token: str | None = None) -> None:
        self.emulator = emulator
        self.transport = InProcessTransport(emulator)
        self.token = Secret(token) if token else None

    def send(
        self,
        method: str,
        path: str,
        json_body: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        deadline: float | None = None,
    ) -> Response:
        if json_body is not None:
            body = json.dumps(json_body).encode()
        response, rest = self.transport.send(self.request(method, path, body, headers), deadline)
        assert rest is None
        return response

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> Request:
        url = path if "://" in path else self.transport.base_url + path
        return Request(method, url, headers or {}, body, self.token, **more)

    def get(self, path: str, **options: Any) -> Any:
        return json.loads(self.send("GET", path, **options).body)

    def create(self, model: str = "local/model", headers: dict[str, str] | None = None, **inputs: Any) -> Any:
        response = self.send("POST", "/predictions", {"version": model, "input": inputs}, headers=headers)
        assert response.status in (201, 202), response.body
        return json.loads(response.body)

    def held(self, model: str = "local/model", wait: str = "wait", **inputs: Any) -> Any:
        """A prediction that was waited for, as a look at it shows it then."""
        created = self.create(model, {"Prefer": wait}, **inputs)
        return self.get(f"/predictions/{created['id']}")

    def refused(self, method: str, path: str, json_body: Any = None, **options: Any) -> Any:
        """The problem document of a request that is refused, with the HTTP status checked against it."""
        response = self.send(method, path, json_body, **options)
        problem = json.loads(response.body)
        assert response.content_type == "application/problem+json"
        assert problem["status"] == response.status
        assert problem["title"]
        return problem

    def get_problem(self, method: str, path: str, json_body: Any = None) -> Any:
        """The document of a refusal, which may lack a title."""
        return json.loads(self.send(method, path, json_body).body)

    def open_stream(self, prediction: Any, headers: dict[str, str] | None = None) -> Any:
        request = self.request("GET", prediction["urls"]["stream"], headers=headers, streams=True)
        response, body = self.transport.send(request, None)
        assert response.is_event_stream
        assert body is not None
        return body

    def events(self, prediction: Any, headers: dict[str, str] | None = None) -> list[tuple[str, str, str | None]]:
        body = self.open_stream(prediction, headers)
        text = b""
        while piece := body.read(None):
            text += piece
        body.close()
        return parse_events(text)


def parse_events(text: bytes) -> list[tuple[str, str, str | None]]:
    """(event, data, id) of each event; the little that this server writes of the format."""
    events = []
    for block in text.decode().replace(": keep-alive\n\n", "").split("\n\n")[:-1]:
        fields = [line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in block.split("\n")]
        data = "\n".join(value for name, value in fields if name == "data")
        named = dict(fields)
        events.append((named["event"], data, named.get("id")))
    return events
