"""Sphinx: ``sphinx-build -W docs docs/_build``. Nothing is fetched from the network."""

import inspect
from typing import Any

import replicate_home
from replicate_home.client.resources.binding import BoundOperation, Nested

project = "replicate_home"
author = "the replicate_home authors"
copyright = author
release = replicate_home.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_extra_path = ["llms.txt"]
html_css_files = ["pages.css"]
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80


def setup(app: Any) -> None:
    """Show operations as the methods that they are, and no constructor of what only a client makes."""
    for name in replicate_home.__all__:
        kind = getattr(replicate_home, name)
        for attribute, value in list(vars(kind).items()) if inspect.isclass(kind) else ():
            if isinstance(value, BoundOperation):
                setattr(kind, attribute, _function(value))
            elif isinstance(value, Nested):
                setattr(kind, attribute, property(_nothing, doc=value.__doc__))
    app.connect("autodoc-process-signature", _without_internals)


def _function(operation: BoundOperation[Any, Any]) -> Any:
    def method(self): ...  # type: ignore[no-untyped-def] # annotations would take the place of the signature

    method.__doc__, method.__signature__ = operation.__doc__, operation.__signature__  # type: ignore[attr-defined]
    method.__name__, method.__qualname__ = operation.__name__, operation.__qualname__
    return method


def _nothing(self: Any) -> None:
    """Stands for a resource within another."""


def _without_internals(app: Any, what: str, name: str, value: Any, *rest: Any) -> tuple[str, str] | None:  # noqa: ARG001
    made_by_clients = what == "class" and {"engine", "snapshot", "delivery"} & {*inspect.signature(value).parameters}
    return ("", "") if made_by_clients or what == "exception" else None
