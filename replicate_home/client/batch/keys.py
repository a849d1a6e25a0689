"""By what the journal knows an input again: a digest of the model and of the input, files by their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...drivers.calling import Calling, advanced
from ..inputs.files import Source
from ..inputs.prompting import is_json


def key_of(model: str, input: Mapping[str, Any]) -> bytes:
    """The key of an input of ``model``, which names its version where it is pinned.

    Reads the files in the input. Raises TypeError for an input that cannot be read twice, or that JSON cannot hold.
    """
    plain = input if is_json(input) else _without_files(input)
    return digest([model, plain])


def digest(value: Any) -> bytes:
    """A digest of JSON that does not depend on the order of keys, or on whether 1 is written as 1.0."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    return [_canonical(item) for item in value] if isinstance(value, list) else value


def _without_files(input: Mapping[str, Any]) -> Any:
    from ..inputs.encoding import ServedFile, with_files_as  # only needed for files and the like

    def named(file: ServedFile | Source) -> Calling[str]:
        yield from ()
        if not isinstance(file, Source):
            return file.url
        content = hashlib.sha256()
        for piece in file.pieces():
            content.update(piece)
        return f"sha256:{content.hexdigest()}"

    _check_repeatable(input)
    return advanced(with_files_as(named, input), None)[1]  # makes no requests, so that the first step is the last


def _check_repeatable(value: Any) -> None:
    if isinstance(value, Iterator) and not hasattr(value, "read"):
        kind = type(value).__name__
        raise TypeError(f"an input contains a {kind}, which can be read only once: with a journal, give a list instead")
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    for item in items:
        _check_repeatable(item)
