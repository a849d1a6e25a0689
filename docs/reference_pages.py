"""Which page of the reference has which public name, and the directives by which Sphinx writes it from the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import replicate_home
from replicate_home import testing
from replicate_home.client.module_level import RESOURCES

# Where a name is defined decides its page; the first that fits.
PAGES = {
    "reference-clients": ("client.client", "client.async_client", "client.module_level", "client.async_module_level"),
    "reference-outputs": ("client.outputs.", "provider.answers"),
    "reference-batches": ("client.batch.",),
    "reference-resources": ("client.resources.",),
    "reference-records": ("records.",),
    "reference-errors": ("exceptions",),
    "reference-models": ("emulator.", "provider.", "g4f"),
    "reference-transports": ("transports.", "wire", "clock"),
}
TESTING = "reference-testing"


def contents() -> dict[str, str]:
    """What each page says of its names."""
    found = {page: _block("replicate_home", names) for page, names in by_page().items()}
    return found | {TESTING: _block("replicate_home.testing", sorted(testing.__all__))}


def index() -> str:
    """Every public name, where it stands, and the first sentence of what it says of itself."""
    rows = [_row(name, "replicate_home") for names in by_page().values() for name in names]
    rows += [_row(name, "replicate_home.testing") for name in sorted(testing.__all__)]
    return "\n".join(["| name | what it is |", "|---|---|", *rows, ""])


def by_page() -> dict[str, list[str]]:
    """The names of each page: a class for event loops comes after the one that it is like."""
    found: dict[str, list[str]] = {page: [] for page in PAGES}
    for name in sorted(replicate_home.__all__, key=_order):
        if name != "__version__":
            found[_page(name)].append(name)
    return found


def _order(name: str) -> tuple[bool, bool, bool, str, str]:
    """Clients, then classes, then functions, then what is short for an attribute of ``default_client``."""
    short = name in RESOURCES or name == "default_client"
    twin = name.removeprefix("Async")
    return (short, not twin[0].isupper(), twin != "Client", twin.casefold(), name)


def _block(module: str, names: list[str]) -> str:
    """How Sphinx is told to document the names."""
    directives = [line for name in names for line in _directive(f"{module}.{name}", name, value_of(name, module))]
    return "\n".join(["```{eval-rst}", f".. currentmodule:: {module}", "", *directives[:-1], "```", ""])


def value_of(name: str, module: str) -> Any:
    """What a public name stands for."""
    return getattr(testing if module == testing.__name__ else replicate_home, name)


def _directive(path: str, name: str, value: Any) -> Iterator[str]:
    if name in RESOURCES or name == "default_client":
        yield from (f".. py:data:: {name}", "", f"   {_said(name, value)}", "")
    elif inspect.isclass(value) and issubclass(value, Exception):
        yield from (f".. autoexception:: {path}", "   :members:", "   :show-inheritance:", "")
    elif inspect.isclass(value):
        yield from (f".. autoclass:: {path}", "   :members:", "   :inherited-members: dict, list, str, object", "")
    elif inspect.isroutine(value):
        yield from (f".. autofunction:: {path}", "")
    else:
        yield from (f".. autodata:: {path}", "")


def _page(name: str) -> str:
    module = replicate_home._HOME_OF[name]
    for page, modules in PAGES.items():
        if module.startswith(modules):
            return page
    raise SystemExit(f"reference_pages.py has no page for {name}, which is defined in {module}")


def _row(name: str, module: str) -> str:
    return f"| {{py:obj}}`{name} <{module}.{name}>` | {_said(name, value_of(name, module))} |"


def _said(name: str, value: Any) -> str:
    """The first sentence of a docstring as Markdown in a table."""
    if name in RESOURCES:
        return f"`default_client.{name}`."
    if name == "default_client":
        return "The client that the functions of this module use."
    text = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    text = re.sub(r":\w+:`[~.]*(?:\w+\.)*(\w+)`", r"`\1`", text).replace("``", "`")
    return text.replace("|", "\\|")
