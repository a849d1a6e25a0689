"""What the API answered, for people as a table or a list of fields, for programs as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import islice
from typing import Any

from ..client.resources.pages import Page
from ..protocol.redaction import excerpt
from ..records.base import Record
from ..records.schema import Schema
from . import describing
from .exit_codes import say
from .printing import to_stdout
from .tables import show_fields, show_table

_LONGEST_CELL, _LONGEST_FIELD = 100, 500


def show(answer: Any, columns: tuple[str, ...], form: str | None, limit: int | None = None) -> None:
    """Print an answer: its items in these columns if there are any, else as one record."""
    if columns and not (isinstance(answer, Record) and form == "json"):
        _show_items(islice(answer.all() if isinstance(answer, Page) else answer, limit), columns, form)
    elif form is not None:
        to_stdout(json.dumps(_as_json(answer)) + "\n")
    elif answer is True:
        say("done")
    else:
        show_fields(list(_fields(answer)))


def _show_items(items: Iterable[Any], columns: tuple[str, ...], form: str | None) -> None:
    if form == "jsonl":
        for item in items:
            to_stdout(json.dumps(_as_json(item)) + "\n")
    elif form == "json":
        to_stdout(json.dumps([_as_json(item) for item in items]) + "\n")
    else:
        rows = [[_cell(_at(item, column)) for column in columns] for item in items]
        names = [column.rpartition(".")[2] for column in columns]
        show_table(names, rows) if rows else say("there are none")


def _as_json(answer: Any) -> Any:
    if isinstance(answer, Schema):
        return {"input": answer.input, "output": answer.output}
    return answer.to_dict() if isinstance(answer, Record) else answer


def _fields(answer: Any) -> Iterator[tuple[str, str]]:
    if isinstance(answer, Schema):
        yield from describing.inputs(answer)
        yield "(output)", describing.output(answer)
        return
    for name, value in answer.to_dict().items():
        if value not in (None, "", [], {}):
            yield name, _cell(value, _LONGEST_FIELD)


def _at(item: Any, path: str) -> Any:
    """What a record has there; None if a part of the path is missing."""
    return reduce(lambda found, name: getattr(found, name, None), path.split("."), item)


def _cell(value: Any, length: int = _LONGEST_CELL) -> str:
    """A value on one line, without what would move the cursor of a terminal."""
    if value is None:
        return ""
    plain = dict(value) if isinstance(value, Mapping) else value
    text = json.dumps(plain, ensure_ascii=False) if isinstance(plain, (dict, list, bool)) else str(plain)
    return excerpt(text, length)
