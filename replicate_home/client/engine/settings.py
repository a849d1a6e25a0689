"""What a client was told, checked; and which backend answers a call, by the first rule that applies."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import attrs

from ...dialects import Dialect, Home, Replicate, catalogue
from ...dialects.home import BASE_URL as HOME_URL
from ...dialects.refs import ModelRef
from ...dialects.replicate import BASE_URL as REPLICATE_URL
from ...exceptions import AuthenticationError
from ...protocol import urls
from ...wire import Secret, Timeout

BACKENDS = ("replicate", "home", "local")


class _Default(Enum):
    DEFAULT = "default"

    def __repr__(self) -> str:
        return "<default>"


DEFAULT: Final = _Default.DEFAULT
"""Stands for a timeout that was not given, for None means no limit."""

TimeoutOption = float | Timeout | None | _Default
PLAIN_SECONDS = 120.0
_LONGEST_SECONDS = sys.float_info.max
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@attrs.frozen
class Settings:
    """A client's options. ``requires_token`` is set by pickling: such a client never goes without one.

    ``said`` is what its user was told once, and need not be told again by clients that are made from it.
    """

    token: Secret | None = None
    backend: str | None = None
    base_url: str | None = None
    timeout: Timeout | None = None
    max_retries: int = 3
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    requires_token: bool = False
    said: set[str] = attrs.field(factory=set, repr=False, eq=False)

    def current_token(self) -> Secret | None:
        """The token that was given, else what REPLICATE_API_TOKEN says now."""
        if self.token is not None:
            return self.token
        value = os.environ.get("REPLICATE_API_TOKEN")
        return checked_token(value) if value else None

    def went_keyless(self) -> bool:
        """Whether this client has asked the homepage for want of a token, and still has none."""
        return _KEYLESS in self.said and self.current_token() is None

    def budget(self, option: TimeoutOption, seconds: float | None = None) -> Timeout:
        """The time budget of one call; ``seconds`` is its total where nobody said anything."""
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
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
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


def _check_base_url(base_url: Any) -> None:
    if not isinstance(base_url, str):
        raise TypeError(f"base_url must be a string, got {type(base_url).__name__}")
    urls.normalized(base_url)  # raises, and says why


def checked_token(value: Any) -> Secret:
    """A token that can stand in a header; the message never shows it."""
    if not isinstance(value, str):
        raise TypeError(f"api_token must be a string, got {type(value).__name__}")
    if not value:
        raise AuthenticationError("api_token is empty: leave it out, or set REPLICATE_API_TOKEN to a token", status=401)
    if not _TOKEN.fullmatch(value):
        raise AuthenticationError(
            "the API token has spaces, line breaks or other characters that no token has: copy it again "
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
        shown = value if isinstance(value, float) or abs(value) <= _LONGEST_SECONDS else "a number beyond all time"
        raise ValueError(f"{name} must be a positive number of seconds, or None for no limit; got {shown}")


def checked_retries(value: Any) -> int:
    """How often a request is sent again; a ``urllib3.util.Retry`` stands for its total."""
    total = getattr(value, "total", value)
    if total is False or total is None:
        return 0
    if isinstance(total, bool) or not isinstance(total, int) or total < 0:
        raise ValueError(f"max_retries must be a whole number from 0, or a urllib3 Retry; got {value!r}")
    return total


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that cannot break out of their line."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping such as {{'X-Team': 'a'}}, got {type(headers).__name__}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"headers must map strings to strings; got {name!r}: {type(value).__name__}")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER.fullmatch(value):
            raise ValueError(f"the header {name!r} has characters that a header cannot have")
        if name.lower() == "authorization":
            raise ValueError("pass the token as api_token=, not as an Authorization header")
    return dict(headers)


@attrs.frozen
class Route:
    """Where a call goes: a dialect, and the name of the connections it uses (``network`` or ``local``)."""

    dialect: Dialect
    connections: str = "network"


def choose(given: Settings, declared: tuple[str, str | None] | None, ref: str | None, aliases: bool = False) -> Route:
    """The backend for a call: the seven rules, in order.

    ``declared`` is what a given transport says of itself (backend and base URL), ``ref`` the model as the caller
    wrote it, or None for a call that is about no model.
    """
    name = given.backend or (declared[0] if declared else None) or os.environ.get("REPLICATE_HOME_BACKEND") or None
    if name is not None:
        return named(given, declared, name)
    base_url = given.base_url or _base_url_of_environment()
    if base_url:
        return _hosted(given, base_url, required=not urls.is_loopback(base_url))
    if ref is not None and isinstance(ref, str) and ref.startswith("local/"):
        return _local(given)
    if given.current_token() is not None or given.requires_token:
        return _hosted(given, REPLICATE_URL, required=True)
    if ref is None or (isinstance(ref, str) and catalogue.resolve_alias(ref.partition(":")[0]) in catalogue.models):
        return _keyless(given, ref)
    ModelRef.parse(ref, aliases=aliases)
    raise AuthenticationError(f"no API token for {ref!r}: {_WAYS_OUT}", status=401)


_WAYS_OUT = (
    "set REPLICATE_API_TOKEN or pass api_token=, use one of the models that the homepage runs without one "
    f"({', '.join(catalogue.models)}), or a model in this process (local/...)"
)


def named(given: Settings, declared: tuple[str, str | None] | None, name: str) -> Route:
    """The route to a backend by its name."""
    if name not in BACKENDS:
        said = (
            "REPLICATE_HOME_BACKEND" if name == os.environ.get("REPLICATE_HOME_BACKEND") else "the transport's backend"
        )
        raise ValueError(f"{said} must be one of {', '.join(BACKENDS)}; got {name!r}")
    if name == "local":
        return _local(given, declared[1] if declared else None)
    if name == "home":
        return Route(
            Home((given.base_url or (declared[1] if declared else None) or HOME_URL).rstrip("/"), given.headers)
        )
    at = given.base_url or (declared[1] if declared else None) or _base_url_of_environment()
    # Who brings a transport may have a server behind it that asks for no token; one that does says so itself.
    needed = declared is None and not (at and urls.is_loopback(at))
    return _hosted(given, at or REPLICATE_URL, required=needed)


def _base_url_of_environment() -> str | None:
    """What REPLICATE_BASE_URL says; ValueError, with its name, where that is no base URL."""
    found = os.environ.get("REPLICATE_BASE_URL")
    try:
        return urls.normalized(found) if found else None
    except ValueError as error:
        raise ValueError(f"REPLICATE_BASE_URL cannot be used: {error}") from None


def _hosted(given: Settings, base_url: str, *, required: bool) -> Route:
    token = given.current_token()
    if token is None and required:
        raise AuthenticationError(f"no API token: {_WAYS_OUT}", status=401)
    if given.token is not None and not urls.carries_token(base_url, base_url):
        raise ValueError(f"the API token goes over https only, or to this machine: base_url is {base_url!r}")
    return Route(Replicate(urls.normalized(base_url), token, given.headers))


def _local(given: Settings, base_url: str | None = None) -> Route:
    return Route(Replicate(urls.normalized(base_url or LOCAL_URL), None, given.headers, name="local"), "local")


LOCAL_URL = "https://local.invalid/v1"
"""The address that the emulator in this process goes by; ``.invalid`` is never looked up."""


def _keyless(given: Settings, ref: str | None) -> Route:
    if ref is None:
        raise AuthenticationError(f"no API token: {_WAYS_OUT}", status=401)
    _warn_keyless(given)
    return Route(Home(HOME_URL, given.headers))


_KEYLESS = (
    "no API token: asking Replicate's keyless homepage endpoint, which is undocumented and has few models; "
    "set REPLICATE_API_TOKEN for the API, or backend='home' to say that this is meant"
)


def _warn_keyless(given: Settings) -> None:
    """Once for a client; Python itself shows a warning from one place once in a process."""
    if _KEYLESS not in given.said:
        given.said.add(_KEYLESS)
        warnings.warn(_KEYLESS, UserWarning, stacklevel=2)
