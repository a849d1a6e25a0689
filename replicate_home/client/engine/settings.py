"""A client's options, checked."""

from __future__ import annotations

import functools
import inspect
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, ParamSpec

import attrs

from ...exceptions import AuthenticationError, InvalidInput
from ...lifecycle.policy import Window
from ...protocol import urls
from ...wire import Secret, Timeout

P = ParamSpec("P")

BACKENDS = ("replicate", "home", "cog", "local")


class _Default(Enum):
    DEFAULT = "default"

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = _Default.DEFAULT
"""Stands for a timeout that was not given, as None means no limit."""

TimeoutOption = float | Timeout | None | _Default
PLAIN_SECONDS = 120.0
_LONGEST_SECONDS = sys.float_info.max
_RATE_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@attrs.frozen
class Settings:
    """A client's options; ``lost_token`` is set if it had one before it was pickled."""

    token: Secret | None = None
    backend: str | None = None
    base_url: str | None = None
    timeout: Timeout | None = None
    max_retries: int = 3
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    lost_token: bool = False

    def current_token(self) -> Secret | None:
        """The token that was given, else the current REPLICATE_API_TOKEN."""
        if self.token is not None:
            return self.token
        value = os.environ.get("REPLICATE_API_TOKEN")
        return checked_token(value) if value else None

    def without_token(self) -> Settings:
        """These options as they are pickled: the token is left behind."""
        return attrs.evolve(self, token=None, lost_token=self.lost_token or self.current_token() is not None)

    def budget(self, option: TimeoutOption, seconds: float | None = None) -> Timeout:
        """The time budget of one call; ``seconds`` is its total by default."""
        if option is not DEFAULT:
            return checked_timeout(option)
        if self.timeout is not None:
            return self.timeout
        return Timeout() if seconds is None else Timeout(total=seconds)


def settings(
    api_token: str | None,
    backend: str | None,
    base_url: str | None,
    timeout: TimeoutOption,
    max_retries: Any,
    headers: Mapping[str, str] | None,
) -> Settings:
    """Check a client's options; raises an error that names the one that is wrong."""
    if backend is not None and backend not in BACKENDS:
        raise InvalidInput(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    if base_url is not None:
        _check_base_url(base_url)
    return Settings(
        token=None if api_token is None else checked_token(api_token),
        backend=backend,
        base_url=base_url,
        timeout=None if timeout is DEFAULT else checked_timeout(timeout),
        max_retries=checked_retries(max_retries),
        headers=checked_headers({} if headers is None else headers),
    )


def naming_options(init: Callable[P, None]) -> Callable[P, None]:
    """Have a client's ``__init__`` say, for an option that it does not have, which one was meant."""
    options = [name for name in inspect.signature(init).parameters if name != "self"]

    @functools.wraps(init)
    def checked(*args: P.args, **kwargs: P.kwargs) -> None:
        for name in kwargs:
            if name not in options:
                raise TypeError(f"{type(args[0]).__name__}() has no option {name!r}: {_meant(name, options)}")
        init(*args, **kwargs)

    return checked


def _meant(name: str, options: list[str]) -> str:
    """What to do instead of passing an option by this name."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    return f"{nearest(name, options)}The options are {', '.join(options)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the name that was meant, if one is near; empty otherwise."""
    from difflib import get_close_matches  # only needed for a mistake

    close = get_close_matches(name[:100], list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


_NETWORK = "pass transport=RequestsTransport(session) with a session that has it, or AiohttpTransport(session=session)"
_ELSEWHERE = {
    **dict.fromkeys(("token", "api_key", "key"), "the token is api_token="),
    **dict.fromkeys(("proxies", "proxy"), f"set HTTPS_PROXY and NO_PROXY in the environment, or {_NETWORK}"),
    **dict.fromkeys(
        ("verify", "cert", "ssl", "trust_env"),
        f"set REQUESTS_CA_BUNDLE or SSL_CERT_FILE in the environment, or {_NETWORK}",
    ),
    **dict.fromkeys(("session", "http_client"), "pass transport=RequestsTransport(session)"),
}
"""Options that other clients have under another name, or elsewhere."""


def changed(
    given: Settings,
    api_token: str | None,
    timeout: TimeoutOption,
    max_retries: Any,
    headers: Mapping[str, str] | None,
) -> Settings:
    """A client's options with those changed that are given; ``headers`` are added."""
    changes: dict[str, Any] = {}
    if api_token is not None:
        changes.update(token=checked_token(api_token), lost_token=False)
    if timeout is not DEFAULT:
        changes["timeout"] = checked_timeout(timeout)
    if max_retries is not None:
        changes["max_retries"] = checked_retries(max_retries)
    if headers is not None:
        changes["headers"] = {**given.headers, **checked_headers(headers)}
    return attrs.evolve(given, **changes)


def _check_base_url(base_url: Any) -> None:
    if not isinstance(base_url, str):
        raise TypeError(f"base_url must be a string, got {type(base_url).__name__}")
    try:
        urls.normalized(base_url)
    except ValueError as error:
        message = str(error)
    else:
        return
    raise InvalidInput(message)


def checked_token(value: Any) -> Secret:
    """A token that can be sent in a header; the message never shows it."""
    if not isinstance(value, str):
        raise TypeError(f"api_token must be a string, got {type(value).__name__}")
    if not value:
        raise AuthenticationError("api_token is empty: leave it out, or set REPLICATE_API_TOKEN to a token", status=401)
    if not _TOKEN.fullmatch(value):
        raise AuthenticationError(
            "the API token has spaces, line breaks or other characters that no token contains: copy it again "
            f"({len(value)} characters)",
            status=401,
        )
    return Secret(value)


def checked_timeout(value: Any) -> Timeout:
    """A budget from seconds, None, or a :class:`Timeout`."""
    if isinstance(value, Timeout):
        for name in ("total", "connect", "read", "idle"):
            _check_seconds(getattr(value, name), f"timeout.{name}")
        return value
    _check_seconds(value, "timeout")
    return Timeout(total=None if value is None else float(value))


def _check_seconds(value: Any, name: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be seconds, None or a Timeout; got {type(value).__name__}")
    if not 0 < value <= _LONGEST_SECONDS:
        shown = value if isinstance(value, float) or abs(value) <= _LONGEST_SECONDS else "a number that is too large"
        raise InvalidInput(f"{name} must be a positive number of seconds, or None for no limit; got {shown}")


def checked_retries(value: Any) -> int:
    """How often a request is sent again; a ``urllib3.util.Retry`` counts as its total."""
    total = getattr(value, "total", value)
    if total is False or total is None:
        return 0
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        raise InvalidInput(f"max_retries must be a whole number from 0, or a urllib3 Retry; got {value!r}")
    return total


def checked_rate(value: Any) -> Window:
    """A limit such as ``"20/s"``, ``"300/min"`` or ``"1000/h"``; a number is so many in a second."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"rate_limit must be a string such as '20/s', a number or None; got {type(value).__name__}")
    most, _, unit = value.partition("/") if isinstance(value, str) else (str(value), "", "s")
    seconds = _RATE_SECONDS.get(unit.strip())
    try:
        number = float(most)
    except ValueError:
        number = math.nan
    if seconds is None or not 0 < number < math.inf:
        raise InvalidInput(f"rate_limit must be such as '20/s', '300/min' or '1000/h', or a number; got {value!r:.100}")
    whole = max(1, int(number))
    return Window(whole, seconds * whole / number)


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that cannot break out of their line."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping such as {{'X-Team': 'a'}}, got {type(headers).__name__}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"headers must map strings to strings; got {name!r}: {type(value).__name__}")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER.fullmatch(value):
            raise InvalidInput(f"the header {name!r} has characters that a header cannot have")
        if name.lower() == "authorization":
            raise InvalidInput("pass the token as api_token=, not as an Authorization header")
    return dict(headers)
