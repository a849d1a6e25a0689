"""Which server a call goes to, by the first of seven rules that applies."""

from __future__ import annotations

import os

import attrs

from ...dialects.base import Dialect
from ...dialects.refs import ModelRef
from ...dialects.replicate import BASE_URL as REPLICATE_URL
from ...dialects.replicate import Replicate
from ...exceptions import AuthenticationError, InvalidInput
from ...protocol import urls
from .settings import BACKENDS, Settings

LOCAL_URL = "https://local.invalid/v1"
"""The address of the emulator in this process; ``.invalid`` is never looked up."""

Declared = tuple[str, str | None] | None
"""What a transport declares: a backend and a base URL."""


@attrs.frozen
class Route:
    """Where a call goes: a dialect, and the name of the connections it uses (``network`` or ``local``)."""

    dialect: Dialect
    connections: str = "network"


def choose(given: Settings, declared: Declared, ref: str | None) -> Route:
    """The route of a call about the model ``ref`` as the caller wrote it; None for a call that is not about a model."""
    name = given.backend or (declared[0] if declared else None) or os.environ.get("REPLICATE_HOME_BACKEND") or None
    if name is not None:
        return named(given, declared, name)
    base_url = given.base_url or _base_url_of_environment()
    if base_url:
        return _hosted(given, base_url, required=not urls.is_loopback(base_url))
    if isinstance(ref, str) and ref.startswith("local/"):
        return _local(given)
    if ref is not None:
        ModelRef.parse(ref, aliases=True)  # an invalid reference is not a matter of tokens
    return _hosted(given, REPLICATE_URL, required=True, ref=ref)


def named(given: Settings, declared: Declared, name: str) -> Route:
    """The route to a backend by its name."""
    if name not in BACKENDS:
        from_environment = name == os.environ.get("REPLICATE_HOME_BACKEND")
        source = "REPLICATE_HOME_BACKEND" if from_environment else "the transport's backend"
        raise InvalidInput(f"{source} must be one of {', '.join(BACKENDS)}; got {name!r}")
    declared_url = declared[1] if declared else None
    if name == "local":
        return _local(given, declared_url)
    if name == "home":
        from ...dialects import home  # imported only for this backend

        return Route(home.Home((given.base_url or declared_url or home.BASE_URL).rstrip("/"), given.headers))
    if name == "cog":
        return _self_hosted(given, given.base_url or declared_url or os.environ.get("REPLICATE_BASE_URL"))
    at = given.base_url or declared_url or _base_url_of_environment()
    # A custom transport may lead to a server that needs no token; a server that does answers 401.
    required = declared is None and not (at and urls.is_loopback(at))
    return _hosted(given, at or REPLICATE_URL, required=required)


def _hosted(given: Settings, base_url: str, *, required: bool, ref: str | None = None) -> Route:
    token = given.current_token()
    if token is None and (required or given.lost_token):
        raise AuthenticationError(_no_token(given, ref), status=401)
    if given.token is not None and not urls.carries_token(base_url, base_url):
        raise InvalidInput(f"the API token is sent only over https or to this machine: base_url is {base_url!r}")
    return Route(Replicate(urls.normalized(base_url), token, given.headers))


def _self_hosted(given: Settings, base_url: str | None) -> Route:
    """The Cog server there; the token of the environment is Replicate's, so it is not sent."""
    if not base_url:
        raise InvalidInput(
            "backend='cog' needs the address of the server: pass base_url= or set REPLICATE_BASE_URL, such as "
            "http://127.0.0.1:5000"
        )
    try:
        plain = urls.without_version(base_url)
    except ValueError as error:
        message = str(error)
    else:
        if given.token is not None and not urls.carries_token(plain, plain):
            raise InvalidInput(f"the API token is sent only over https or to this machine: base_url is {plain!r}")
        from ...dialects.cog import Cog

        return Route(Cog(plain, given.token, given.headers))
    raise InvalidInput(message)


def _local(given: Settings, base_url: str | None = None) -> Route:
    return Route(Replicate(urls.normalized(base_url or LOCAL_URL), None, given.headers, name="local"), "local")


def _no_token(given: Settings, ref: str | None) -> str:
    """What is missing, and the ways out."""
    if given.lost_token:
        return (
            "no API token: pickling a client leaves its token behind; set REPLICATE_API_TOKEN where it is unpickled, "
            "or call client.with_options(api_token=...)"
        )
    from ...dialects import catalogue

    on_homepage = ref is not None and catalogue.resolve_alias(ref.partition(":")[0]) in catalogue.models
    home = f"backend='home' runs {ref!r} on Replicate's homepage" if on_homepage else "backend='home' has a few models"
    return (
        f"no API token{'' if ref is None else f' for {ref!r}'}: set REPLICATE_API_TOKEN or pass api_token=. Without "
        f"one, {home}, and local/... models run in this process"
    )


def _base_url_of_environment() -> str | None:
    """REPLICATE_BASE_URL; raises an error that names it if it is not a base URL."""
    found = os.environ.get("REPLICATE_BASE_URL")
    try:
        return urls.normalized(found) if found else None
    except ValueError as error:
        message = f"REPLICATE_BASE_URL cannot be used: {error}"
    raise InvalidInput(message)
