"""The commands for the rest of the API: each verb is a line of data, and calls one method of the client.

``--help`` reads the data, and nothing is imported before a verb runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .completion import models as models_completed
from .lazy import Lazy, LazyGroup
from .options import FORMS, asks_server, with_options

if TYPE_CHECKING:
    from ..client.client import Client

LIMIT = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="How many to show at most."
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ORDER = {
    "sort_by": {"type": click.Choice(["model_created_at", "latest_version_created_at"])},
    "sort_direction": {"type": click.Choice(["asc", "desc"])},
}
_MACHINES: Mapping[str, Mapping[str, Any]] = {
    "version": {"metavar": "ID", "help": "The version of the model."},
    "hardware": {"metavar": "SKU", "help": "As 'replicate-home hardware' lists them."},
    "min_instances": {
        "type": int,
        "metavar": "N",
        "help": "Machines that are always up, and cost money even while they are idle.",
    },
    "max_instances": {"type": int, "metavar": "N", "help": "The maximum number of machines."},
}
_PREDICTIONS = ("id", "model", "status", "created_at")
_MODELS = ("id", "run_count", "description")


class Verb(NamedTuple):
    """A method of the client as a command.

    ``argument`` is the name of its one positional argument, and ``options`` are keyword arguments with what click is to
    know of each. Of the items of its answer ``columns`` are shown; without columns, the answer is one record.
    """

    method: str
    help: str
    argument: str | None = None
    columns: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = {}
    kind: Any = str

    @property
    def lists(self) -> bool:
        """Whether there may be any number of items, in pages."""
        return self.method.endswith((".list", ".search"))

    def command(self, name: str) -> click.Command:
        """The verb as a click command."""

        def call(client: Client, form: str | None, limit: int | None = None, **given: Any) -> None:
            from .records import show

            arguments = [given.pop("argument")] if self.argument else []
            options = {name: value for name, value in given.items() if value is not None}
            show(attrgetter(self.method)(client)(*arguments, **options), self.columns, form, limit)

        decorated = with_options(asks_server(call), *self._parameters())
        return click.command(name, help=self.help)(decorated)

    def _parameters(self) -> list[Callable[[Any], Any]]:
        complete = models_completed if self.argument == "MODEL" else None
        facts = {"type": self.kind, "metavar": self.argument, "shell_complete": complete}
        argument = [click.argument("argument", **facts)] if self.argument else []
        options = [click.option(f"--{name.replace('_', '-')}", name, **told) for name, told in self.options.items()]
        return [*argument, *options, *([LIMIT] if self.lists else []), *FORMS]


VERBS: Mapping[str, Mapping[str, Verb | Lazy]] = {
    "predictions": {
        "list": Verb(
            "predictions.list",
            "Your predictions, newest first.",
            columns=_PREDICTIONS,
            options={
                "created_after": {"metavar": "TIME", "help": "Such as 2026-01-31T12:00:00Z."},
                "created_before": {"metavar": "TIME", "help": "Such as 2026-01-31T12:00:00Z."},
                "source": {"type": click.Choice(["web"]), "help": "Only those made on the website."},
            },
        ),
        "get": Verb("predictions.get", "Show a prediction.", "ID"),
        "wait": Lazy("Wait for a prediction and print its output.", "waiting:wait"),
        "stream": Lazy("Print the output of a prediction, from its beginning, as it grows.", "waiting:stream"),
        "cancel": Verb("predictions.cancel", "Cancel a prediction; harmless if it has ended.", "ID"),
    },
    "models": {
        "list": Verb("models.list", "Public models, most recently updated first.", columns=_MODELS, options=_ORDER),
        "search": Verb("models.search", "Public models that match a few words.", "WORDS", _MODELS),
        "get": Verb("models.get", "Show a model.", "MODEL"),
        "schema": Verb("models.schema", "The inputs that a model takes, and what it gives.", "MODEL"),
        "examples": Verb(
            "models.examples.list",
            "Example predictions, chosen by the model's owner.",
            "MODEL",
            ("id", "status", "input", "output"),
        ),
    },
    "versions": {
        "list": Verb(
            "models.versions.list",
            "The versions of a model, newest first; official models hide them.",
            "MODEL",
            ("id", "created_at", "cog_version"),
        ),
        "get": Verb("models.versions.get", "Show a version of a model.", "MODEL:VERSION"),
        "delete": Verb(
            "models.versions.delete", "Delete a version, and all predictions made with it.", "MODEL:VERSION"
        ),
    },
    "deployments": {
        "list": Verb(
            "deployments.list",
            "Your deployments.",
            columns=("id", "current_release.model", "current_release.configuration.hardware"),
        ),
        "get": Verb("deployments.get", "Show a deployment.", "OWNER/NAME"),
        "create": Verb(
            "deployments.create",
            "Deploy a version of a model on dedicated machines.",
            "NAME",
            options={
                "model": {"metavar": "MODEL", "required": True, "help": "The model to deploy."},
                **{name: {**facts, "required": True} for name, facts in _MACHINES.items()},
            },
        ),
        "update": Verb(
            "deployments.update",
            "Change what a deployment runs, or the machines; what is not given stays.",
            "OWNER/NAME",
            options=_MACHINES,
        ),
        "delete": Verb("deployments.delete", "Delete a deployment, which must have been idle.", "OWNER/NAME"),
    },
    "trainings": {
        "list": Verb("trainings.list", "Your trainings, newest first.", columns=_PREDICTIONS),
        "get": Verb("trainings.get", "Show a training.", "ID"),
        "create": Lazy("Train a version of a model.", "training:create"),
        "cancel": Verb("trainings.cancel", "Cancel a training; harmless if it has ended.", "ID"),
    },
    "files": {
        "list": Verb(
            "files.list", "Your uploaded files, newest first.", columns=("id", "name", "content_type", "size")
        ),
        "get": Verb("files.get", "Show what is known of an uploaded file.", "ID"),
        "create": Verb(
            "files.create",
            "Upload a file, at most 100 MB; it is kept for a day.",
            "PATH",
            options={
                "filename": {"metavar": "NAME", "help": "The file's own by default."},
                "content_type": {"metavar": "TYPE", "help": "Such as image/png; by default, as the name suggests."},
            },
            kind=_FILE,
        ),
        "delete": Verb("files.delete", "Delete an uploaded file.", "ID"),
    },
    "collections": {
        "list": Verb(
            "collections.list", "The collections, without their models.", columns=("slug", "name", "description")
        ),
        "get": Verb("collections.get", "The models of a collection, such as text-to-image.", "NAME", _MODELS),
    },
    "hardware": {
        "list": Verb("hardware.list", "What models can run on.", columns=("sku", "name")),
    },
    "account": {
        "current": Verb("accounts.current", "The account that your token belongs to."),
    },
}
"""The verbs of each resource, as the client has them. A resource with one verb needs no word for it."""


def _group(name: str) -> click.Command:
    """The commands of a resource. If it has one verb, the word for it may be left out."""
    verbs = VERBS[name]
    if len(verbs) > 1:
        return LazyGroup(name, table=verbs, help=f"The API's {name}.")
    ((word, verb),) = verbs.items()
    command = verb.command(name)
    command.params.insert(0, click.Argument(["verb"], type=click.Choice([word]), required=False, expose_value=False))
    return command


predictions = _group("predictions")
models = _group("models")
versions = _group("versions")
deployments = _group("deployments")
trainings = _group("trainings")
files = _group("files")
collections = _group("collections")
hardware = _group("hardware")
account = _group("account")
