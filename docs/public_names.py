"""The public names by group, each with the first line of what it says of itself."""

from __future__ import annotations

import inspect
import re
from typing import Any

import replicate_home
from replicate_home import testing
from replicate_home.client.module_level import RESOURCES
from replicate_home.exceptions import ReplicateHomeError

# Where a name is defined decides its group.
GROUPS = {
    "Functions on a default client": ("client.module_level", "client.async_module_level"),
    "Clients, and what they return": ("client.",),
    "Records, and what happens to a prediction": ("records.",),
    "Errors": ("exceptions",),
    "Models in this process": ("emulator.",),
    "Transports and time": ("transports.", "wire", "clock"),
    "For g4f": ("provider.", "g4f"),
}
DESCRIBED = (
    "Client", "AsyncClient", "Stream", "AsyncStream", "Batch", "AsyncBatch", "Prediction", "AsyncPrediction", "Result",
    "FileOutput",
)  # fmt: skip
VALUES = {
    "default_client": "The client that the functions of this module use.",
    **{name: f"`default_client.{name}`." for name in sorted(RESOURCES)},
}


def tables() -> str:
    """A table per group, then one per class that is described by its methods, then the testing names."""
    parts = [
        _table(f"## {group}", [_row(name, getattr(replicate_home, name)) for name in names])
        for group, names in _grouped().items()
    ]
    for name in DESCRIBED:
        if name in replicate_home.__all__:
            parts.append(_table(f"## `{name}`", _methods(getattr(replicate_home, name))))
    parts.append(
        _table("## `replicate_home.testing`", [_row(name, getattr(testing, name)) for name in sorted(testing.__all__)])
    )
    if "FakeReplicate" in testing.__all__:
        parts.append(_table("## `FakeReplicate`", _methods(testing.FakeReplicate)))
    return "\n".join(parts)


def _grouped() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in sorted(replicate_home.__all__, key=str.casefold):
        if name != "__version__":
            found[_group(name)].append(name)
    return {group: names for group, names in found.items() if names}


def _group(name: str) -> str:
    module = replicate_home._HOME_OF[name]
    for group, modules in GROUPS.items():
        if module.startswith(modules):
            return group
    raise SystemExit(f"public_names.py has no group for {name}, which is defined in {module}")


def _row(name: str, value: Any) -> str:
    if name in VALUES:
        return f"| `{name}` | {VALUES[name]} |"
    kind = value.__bases__[0] if inspect.isclass(value) else object
    more = f" A kind of `{kind.__name__}`." if kind is not ReplicateHomeError and issubclass(kind, Exception) else ""
    return f"| `{name}` | {_first_line(value)}{more if value is not ReplicateHomeError else ''} |"


def _methods(described: type) -> list[str]:
    """One row per public method and property, in the order of definition, the nearest class first."""
    rows: dict[str, str] = {}
    for owner in described.__mro__:
        if owner.__module__.startswith("replicate_home"):
            for name, value in vars(owner).items():
                if name.startswith("_") or name in rows:
                    continue
                value = value.fget if isinstance(value, property) else inspect.unwrap(getattr(described, name))
                if callable(value) and inspect.getdoc(value):
                    call = "()" if not isinstance(vars(owner)[name], property) else ""
                    rows[name] = f"| `{name}{call}` | {_first_line(value)} |"
    return list(rows.values())


def _first_line(value: Any) -> str:
    """The first sentence of a docstring as Markdown in a table."""
    text = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    text = re.sub(r":\w+:`[~.]*(?:\w+\.)*(\w+)`", r"`\1`", text).replace("``", "`")
    return text.replace("|", "\\|")


def _table(heading: str, rows: list[str]) -> str:
    return "\n".join([heading, "", "| name | what it is |", "|---|---|", *rows, ""])
