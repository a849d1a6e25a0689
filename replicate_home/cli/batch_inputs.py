"""The inputs of a batch, read one by one from a file or from stdin: JSON lines, a table, or prompts."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..exceptions import ProtocolError
from ..protocol.strict_json import parse_json
from ..records.schema import Schema
from . import describing
from .arguments import in_text, read_inputs
from .running import schema_of

if TYPE_CHECKING:
    from ..client.client import Client

_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@contextmanager
def inputs_from(
    source: str, kind: str | None, more: tuple[str, ...], client: Client, model: str
) -> Iterator[Iterator[dict[str, Any]]]:
    """The inputs in a file, each with ``more`` (``name=value``) where it has nothing of that name itself.

    Raises ValueError with the number of the line for what is no input.
    """
    added = read_inputs(more, _stdin_is_taken)
    kind = kind or _KINDS.get(Path(source).suffix.lower())
    schema = schema_of(client, model) if more or kind == "csv" else Schema()
    given = added.typed(schema)
    for name, value in given.items():
        describing.check(schema, model, name, value)
    with _opened(source) as file:
        yield ({**given, **input} for input in _inputs(file, source, kind, schema, model))


def _inputs(file: TextIO, source: str, kind: str | None, schema: Schema, model: str) -> Iterator[Mapping[str, Any]]:
    lines: Iterable[str] = file
    if kind is None:
        first = next((line for line in file if line.strip()), "")
        lines, kind = chain([first], file), "jsonl" if first.lstrip().startswith("{") else "text"
    if kind == "csv":
        yield from _rows(lines, source, schema, model)
        return
    for number, line in enumerate(lines, 1):
        text = line.strip() if kind == "jsonl" else line.rstrip("\r\n")
        if text:
            yield _from_json(text, f"{source}, line {number}") if kind == "jsonl" else {"prompt": text}


def _from_json(text: str, place: str) -> Mapping[str, Any]:
    try:
        found = parse_json(text.encode("utf-8", "surrogatepass"))
    except ProtocolError as error:
        raise ValueError(f"{place}: {error}") from None
    if isinstance(found, str):
        return {"prompt": found}
    if isinstance(found, dict):
        return found
    raise ValueError(f"{place}: an input is a JSON object, or a string, which is a prompt; got {text[:100]!r}")


def _rows(lines: Iterable[str], source: str, schema: Schema, model: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a table; an empty cell is an input that is not given."""
    table = csv.DictReader(lines)
    for name in table.fieldnames or ():
        describing.check(schema, model, name, None)
    for row in table:
        if None in row:
            raise ValueError(f"{source}, line {table.line_num}: there are more cells than columns")
        yield in_text({name: text for name, text in row.items() if text}).typed(schema)


@contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    if source == "-":
        if sys.stdin is None:
            raise ValueError("there is no stdin to read inputs from")
        yield sys.stdin
        return
    if not Path(source).exists():
        raise ValueError(f"there is no file {source!r}")
    with open(source, encoding="utf-8-sig", newline="") as file:
        yield file


def _stdin_is_taken() -> bytes:
    raise ValueError("stdin cannot be an input of every item: write NAME=@FILE")
