"""How web frameworks and pydantic see an output that is no JSON value itself: as its JSON value, a file as its URL.

None of them is imported here unless it asks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

Plain = Callable[[Any], Any]


def known_to_fastapi(kind: type, plain: Plain) -> None:
    """Have FastAPI, if it is loaded, encode values of this class; it would publish their attributes otherwise."""
    encoders = getattr(sys.modules.get("fastapi.encoders"), "ENCODERS_BY_TYPE", None)
    if encoders is not None:
        encoders.setdefault(kind, plain)


def core_schema_of(kind: type, plain: Plain) -> Any:
    """What pydantic asks a class for: instances pass, and are serialized as their JSON value."""
    core_schema = _pydantic_core().core_schema
    serialization = core_schema.plain_serializer_function_ser_schema(plain)
    return core_schema.is_instance_schema(kind, serialization=serialization)


@cache
def serializer(plain: Plain) -> Any:
    """What pydantic asks a value for whose class no annotation names."""
    core = _pydantic_core()
    core_schema = core.core_schema
    serialization = core_schema.plain_serializer_function_ser_schema(plain)
    return core.SchemaSerializer(core_schema.any_schema(serialization=serialization))


def _pydantic_core() -> Any:
    """What asks, imported by its name: type checkers need not have it."""
    return import_module("pydantic_core")
