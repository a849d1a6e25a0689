"""Files that only the model's schema can tell from text: whole URLs at other hosts.

Not imported for an output in which there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ...dialects.refs import ModelRef
from ...drivers.calling import Calling
from ...exceptions import InvalidInput
from ...lifecycle.life import Terms
from ...records.prediction import Snapshot
from ...records.schema import Schema
from ..engine.engine import BaseEngine

_VERSION = re.compile(r"[0-9a-f]{64}")
_REFERENCE = "#/components/schemas/"


def urls_of_files(engine: BaseEngine, terms: Terms, snapshot: Snapshot) -> Calling[frozenset[str]]:
    """The strings in an output that the model's schema says are URLs; a model's schema is asked for once.

    None if it is not available: a finished prediction is not lost for that.
    """
    schema = yield from engine.asking_schema(attrs.evolve(terms, max_retries=0), _ref_of(snapshot))
    return frozenset(said_to_be_urls(snapshot.output, schema))


def said_to_be_urls(output: Any, schema: Schema) -> Iterator[str]:
    """The strings in ``output`` that ``schema`` says are URLs."""
    components = schema.document.get("components")
    named = components.get("schemas") if isinstance(components, Mapping) else None
    return _urls(output, schema.output, named if isinstance(named, Mapping) else {}, set())


def _urls(value: Any, node: Any, named: Mapping[str, Any], seen: set[tuple[int, int]]) -> Iterator[str]:
    """``seen`` is what was compared already: schemas may refer to themselves."""
    if not isinstance(node, Mapping) or (id(value), id(node)) in seen:
        return
    seen.add((id(value), id(node)))
    if isinstance(value, str) and node.get("format") == "uri":
        yield value
    for part in _parts(node, named):
        yield from _urls(value, part, named, seen)
    if isinstance(value, list):
        for item in value:
            yield from _urls(item, node.get("items"), named, seen)
    elif isinstance(value, dict):
        properties = node.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        for name, item in value.items():
            yield from _urls(item, known.get(name, node.get("additionalProperties")), named, seen)


def _parts(node: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[Any]:
    """What else a schema says of the same value: what it refers to, and its alternatives."""
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        yield named.get(reference.removeprefix(_REFERENCE))
    for word in ("allOf", "anyOf", "oneOf"):
        alternatives = node.get(word)
        if isinstance(alternatives, list):
            yield from alternatives


def _ref_of(snapshot: Snapshot) -> ModelRef:
    """The model that made an output, and its version where the server names one."""
    version = snapshot.version if _VERSION.fullmatch(str(snapshot.version)) else None
    try:
        return attrs.evolve(ModelRef.parse(snapshot.model or ""), version=version)
    except (TypeError, InvalidInput):
        return ModelRef(None, None, version)
