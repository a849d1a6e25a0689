"""The hosted API's own OpenAPI document, made strict JSON Schema; shared with the job that runs schemathesis.

``REPLICATE_HOME_TEST_DATA`` names the folder that has it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

NAME = "replicate-openapi.json"


def load(folder: str) -> dict[str, Any]:
    """The document, as it is meant.

    It says ``nullable``, which its version of OpenAPI does not know; its ``version`` is one of two forms that both
    match ``hidden``; and its pattern for ``Prefer`` refuses preferences that RFC 7240 has servers ignore.
    """
    document = _meant(json.loads(Path(folder, NAME).read_text("utf-8")))
    del document["components"]["parameters"]["parameters_prefer_header"]["schema"]["pattern"]
    assert isinstance(document, dict)
    return document


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {("anyOf" if key == "oneOf" else key): _meant(item) for key, item in value.items()}
    if made.pop("nullable", False) is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path with ``*`` for its parameters, and description of each operation, by its name."""
    return {
        described["operationId"]: (method.upper(), re.sub(r"\{\w+\}", "*", path), described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method != "parameters"
    }


def is_date_time(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def is_uri(value: Any) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"(https?://|data:)[!-~]+", value) is not None
