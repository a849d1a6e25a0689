"""Models, their versions, and collections of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from .base import Field, Record, field, many, moment
from .prediction import Snapshot


class VersionFields(Record, noun="a version"):
    """One version of a model."""

    __slots__ = ()

    id = field(str, "What the version is called, mostly 64 hexadecimal digits.", required=True)
    created_at = moment("When it was pushed.")
    cog_version = field(str, "The version of Cog that it was built with.")
    openapi_schema: Field[Mapping[str, Any] | None] = field(
        dict, "An OpenAPI document whose ``components.schemas`` has the model's ``Input`` and ``Output``."
    )

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by."""
        return self.id


class ModelFields(Record, noun="a model"):
    """What is known of a model."""

    __slots__ = ()

    owner = field(str, "The user or organization that it belongs to.", required=True)
    name = field(str, "Its name, which is unique for its owner.", required=True)
    url = field(str, "Its page.")
    description = field(str, "What it does, in a sentence.")
    visibility = field(str, "``public`` or ``private``.")
    is_official = field(bool, "Whether Replicate maintains it; such a model has no versions to choose.", default=False)
    github_url = field(str, "Its source.")
    paper_url = field(str, "What was published about it.")
    license_url = field(str, "What may be done with it.")
    run_count = field(int, "How often it was run.", default=0)
    cover_image_url = field(str, "A picture that shows what it does.")
    default_example = field(Snapshot, "A prediction that shows what it does.")
    latest_version = field(VersionFields, "The version that was pushed last; None for an official model.")

    @property
    def id(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def ref(self) -> str:
        """What ``run`` and its like know it by."""
        return self.id


class Collection(Record, noun="a collection"):
    """Models that belong together. It is a sequence of its models; a name in ``[]`` is the field of the JSON."""

    __slots__ = ()

    slug = field(str, "Its name in the URL, such as ``text-to-image``.", required=True)
    name = field(str, "Its name.", default="")
    description = field(str, "What its models do, in a sentence.")
    full_description = field(str, "The same at length, in Markdown.")
    models = many(ModelFields, "Its models; none where the collection comes from a list of collections.")

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
