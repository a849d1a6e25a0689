"""A route: the method and path of a request, and the function that answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property

import attrs

from ..wire import Body, Response
from .incoming import IncomingRequest
from .problems import Problem
from .service import Service

Handler = Callable[..., Response | tuple[Response, Body]]


@attrs.define(slots=False)
class Route:
    """Answers ``method`` at ``path``, whose ``*`` are the further arguments of ``handler``.

    ``operation`` is the name of the operation in the API's OpenAPI document. ``public`` routes need no token and
    have no rate limit: their URLs are capabilities, as on the hosted service.
    """

    method: str
    path: str
    operation: str
    handler: Handler
    public: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of this route."""
        return re.compile(self.path.replace("*", "([^/]+)"))

    @property
    def rate(self) -> str:
        """The name of its limit in :class:`~.limits.Limits`."""
        if self.operation == "predictions.get":
            return "polls"
        return "creates" if self.operation.endswith("predictions.create") else "requests"

    def answer(self, service: Service, incoming: IncomingRequest) -> tuple[Response, Body | None]:
        """The handler's response to ``incoming``."""
        found = self.pattern.fullmatch(incoming.path)
        arguments = found.groups() if found else ()
        answer = self.handler(service, incoming, *arguments)
        return answer if isinstance(answer, tuple) else (answer, None)


def find_route(routes: Iterable[Route], method: str, path: str) -> Route | Response | None:
    """The route for a request, the response to ``OPTIONS``, or None for an unknown path.

    Raises a 405 for a method that the path does not have.
    """
    at_path = [route for route in routes if route.pattern.fullmatch(path)]
    wanted = "GET" if method == "HEAD" else method
    for route in at_path:
        if route.method == wanted:
            return route
    if not at_path:
        return None
    methods = {route.method for route in at_path} | {"OPTIONS"}
    allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
    if method == "OPTIONS":
        return Response(204, {"allow": allowed})
    raise Problem(405, "Method not allowed", f"{path} knows {allowed}", {"allow": allowed})
