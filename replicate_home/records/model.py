"""Models, their versions, and collections of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from .base import Field, Record, field, many, moment
from .prediction import Snapshot


class VersionFields(Record, noun="a version"):
    """One version of a model."""

    __slots__ = ()

    id = field(str, "The version's id, usually 64 hexadecimal digits.", required=True)
    created_at = moment("When it was pushed.")
    cog_version = field(str, "The version of Cog it was built with.")
    openapi_schema: Field[Mapping[str, Any] | None] = field(
        dict, "An OpenAPI document whose ``components.schemas`` has the model's ``Input`` and ``Output``."
    )

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by."""
        return self.id


class ModelFields(Record, noun="a model"):
    """The fields of a model."""

    __slots__ = ()

    owner = field(str, "The user or organization that owns it.", required=True)
    name = field(str, "Its name, unique for the owner.", required=True)
    url = field(str, "Its page on Replicate.")
    description = field(str, "What it does, in a sentence.")
    visibility = field(str, "``public`` or ``private``.")
    is_official = field(bool, "Whether Replicate maintains it; official models hide their versions.", default=False)
    github_url = field(str, "Its source code.")
    paper_url = field(str, "A paper about it.")
    license_url = field(str, "Its license.")
    run_count = field(int, "How often it has been run.", default=0)
    cover_image_url = field(str, "A picture of what it does.")
    default_example = field(Snapshot, "An example prediction.")
    latest_version = field(VersionFields, "The most recent version; None for an official model.")

    @property
    def id(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by."""
        return self.id


class Collection(Record, noun="a collection"):
    """A collection of models. It is a sequence of its models; with a string in ``[]``, it gives a field of the JSON."""

    __slots__ = ()

    slug = field(str, "Its name in the URL, such as ``text-to-image``.", required=True)
    name = field(str, "Its name.", default="")
    description = field(str, "What its models do, in a sentence.")
    full_description = field(str, "A longer description, in Markdown.")
    models = many(ModelFields, "Its models; empty if the collection comes from a list of collections.")

    def __iter__(self) -> Iterator[ModelFields]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __contains__(self, model: object) -> bool:
        return model in self.models

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: int) -> ModelFields: ...
    @overload
    def __getitem__(self, key: slice) -> list[ModelFields]: ...
    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.models[key]
