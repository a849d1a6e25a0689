"""``client.files``, for both clients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ...dialects.base import encode_json
from ...drivers.calling import Calling
from ...exceptions import InvalidInput
from ...operations.base import Operation
from ...operations.files import create_file, delete_file, download_file, get_file, list_files
from ...records.file import File
from ...wire import Upload
from ..engine.engine import BaseEngine, Engine
from ..engine.routing import Route
from ..inputs.files import MultipartUpload, source_of
from ..outputs.download import AsyncFiles as AsyncFilesOf
from ..outputs.download import Files as FilesOf
from ..outputs.file_output import FileOutput
from .binding import AsyncResource, BoundOperation, Resource, acall, arecords, call, records

if TYPE_CHECKING:
    from ..engine.async_engine import AsyncEngine


def _content(engine: Engine, operation: Operation[bytes]) -> bytes:
    route = engine.route()
    return FileOutput(operation.request(route.dialect).url, FilesOf(engine, route)).read(limit=None)


async def _acontent(engine: AsyncEngine, operation: Operation[bytes]) -> bytes:
    route = engine.route()
    return await FileOutput(operation.request(route.dialect).url, AsyncFilesOf(engine, route)).aread(limit=None)


class Files(Resource):
    """``client.files``."""

    list = records(list_files)
    get = call(get_file)
    delete = call(delete_file)
    download = BoundOperation(download_file, _content, "bytes")

    def create(
        self,
        file: Any,
        filename: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        progress: Any = False,
    ) -> File:
        """Upload a file, at most 100 MB, which the API keeps for a day.

        ``file`` is a path, an open binary file, bytes, or any other file input. ``filename`` and ``content_type``
        default to its own. ``metadata`` is JSON that is stored with it. ``progress=True`` shows a progress
        bar.
        """
        route = self.engine.route()
        steps = _uploading(self.engine, route, file, filename, content_type, metadata, progress)
        return self.engine.perform(steps, route)


class AsyncFiles(AsyncResource):
    """``client.files``, awaited."""

    list = arecords(list_files)
    get = acall(get_file)
    delete = acall(delete_file)
    download = BoundOperation(download_file, _acontent, "bytes")

    async def create(
        self,
        file: Any,
        filename: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        progress: Any = False,
    ) -> File:
        """Upload a file, at most 100 MB, which the API keeps for a day.

        ``file`` is a path, an open binary file, bytes, or any other file input. ``filename`` and ``content_type``
        default to its own. ``metadata`` is JSON that is stored with it. ``progress=True`` shows a progress
        bar.
        """
        route = self.engine.route()
        steps = _uploading(self.engine, route, file, filename, content_type, metadata, progress)
        return await self.engine.perform(steps, route, reads_files=True)


def _uploading(
    engine: BaseEngine,
    route: Route,
    file: Any,
    filename: str | None,
    content_type: str | None,
    metadata: Mapping[str, Any] | None,
    progress: Any,
) -> Calling[File]:
    """The upload of a file; it may take as long as a run."""
    source = source_of(Path(os.path.expanduser(file)) if isinstance(file, str) else file, filename or "")
    if source is None:
        raise TypeError(f"file must be a path, an open binary file or bytes, got {type(file).__name__}")
    source = attrs.evolve(source, content_type=content_type or source.content_type)
    upload = MultipartUpload(source, None if metadata is None else _as_json(metadata))
    body: Upload = upload
    if progress:
        from ..outputs.progress import ShownUpload  # only needed if it is shown

        body = ShownUpload(upload, progress, source.name)
    return (yield from engine.operating(create_file(body, upload.content_type), route, engine.terms(route)))


def _as_json(metadata: Mapping[str, Any]) -> bytes:
    try:
        return encode_json(dict(metadata))
    except ValueError as error:
        message = f"the metadata is not JSON: {error}"
    raise InvalidInput(message)
