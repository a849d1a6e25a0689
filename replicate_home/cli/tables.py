"""Tables and lists of fields on stdout: with rich on a terminal, if it is installed; else as plain columns."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from .printing import to_stdout

Rows = Sequence[Sequence[str]]


def show_table(names: Sequence[str], rows: Rows) -> None:
    """A table with a line of names above it."""
    if not _show_richly(names, rows):
        _show_plainly([[name.upper() for name in names], *rows])


def show_fields(fields: Rows) -> None:
    """Names and values, one pair a line."""
    if not _show_richly(None, fields):
        _show_plainly(fields)


def _show_richly(names: Sequence[str] | None, rows: Rows) -> bool:
    """Whether it was shown with rich, which is there for terminals only."""
    if sys.stdout is None or not sys.stdout.isatty():
        return False
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(box=None, pad_edge=False, show_header=names is not None)
    for number in range(len(rows[0]) if rows else 0):
        table.add_column(names[number] if names else "", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
    return True


def _show_plainly(rows: Rows) -> None:
    """Columns as wide as what is in them; on a terminal, lines are cut at its width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    longest = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        to_stdout(f"{line[:longest]}\n")
