"""Files that were uploaded."""

from __future__ import annotations

from typing import Any

from ...wire import Response
from ..dates import iso
from ..files import file_record, parse_multipart, upload_of
from ..incoming import LARGEST_FORM, IncomingRequest, whole_body
from ..responses import file_response, json_response, page_response
from ..routing import Route
from ..service import Service
from ..store import UPLOAD_LIFE, Uploaded


def create(service: Service, incoming: IncomingRequest) -> Response:
    """Keep the file in a multipart form."""
    content_type = incoming.headers.get("content-type", "")
    file, metadata = upload_of(parse_multipart(content_type, whole_body(incoming.request, LARGEST_FORM)))
    uploaded = Uploaded(service.store.new_id(), file, metadata, service.clock.now())
    service.store.keep(uploaded)
    return json_response(_record(service, incoming, uploaded), 201)


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """Every file that has not expired, the newest first."""
    uploads = service.store.uploads(service.clock.now())
    return page_response([_record(service, incoming, uploaded) for uploaded in uploads])


def get(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """What is known of a file."""
    return json_response(_record(service, incoming, service.store.upload(id, service.clock.now())))


def delete(service: Service, _: IncomingRequest, id: str) -> Response:
    """Forget a file."""
    service.store.upload(id, service.clock.now())
    service.store.discard(id)
    return Response(204)


def download(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """A file's bytes."""
    return file_response(service.store.upload(id, service.clock.now()).file, incoming.headers)


def _record(service: Service, incoming: IncomingRequest, uploaded: Uploaded) -> dict[str, Any]:
    created = service.epoch + uploaded.created
    times = iso(created), iso(created + UPLOAD_LIFE)
    return file_record(uploaded.id, uploaded.file, uploaded.metadata, incoming.origin, times)


ROUTES = (
    Route("POST", "/files", create),
    Route("GET", "/files", list_all),
    Route("GET", "/files/*", get),
    Route("DELETE", "/files/*", delete),
    Route("GET", "/files/*/download", download),
)
