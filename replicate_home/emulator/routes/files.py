"""Files that were uploaded."""

from __future__ import annotations

import re
from typing import Any

import attrs

from ...wire import Response
from ..dates import iso
from ..files import file_record, parse_multipart, upload_of
from ..incoming import LARGEST_FORM, IncomingRequest, whole_body
from ..pages import page_response
from ..problems import bad_request, not_found
from ..responses import file_response, json_response
from ..routing import Route
from ..service import ACCOUNT, Service
from ..store import UPLOAD_LIFE, Uploaded


def create(service: Service, incoming: IncomingRequest) -> Response:
    """Keep the file in a multipart form."""
    content_type = incoming.headers.get("content-type", "")
    file, metadata = upload_of(parse_multipart(content_type, whole_body(incoming.request, LARGEST_FORM)))
    uploaded = Uploaded(service.store.new_id(), service.store.new_number(), file, metadata, service.clock.now())
    service.store.keep(uploaded)
    return json_response(_record(service, incoming, uploaded), 201)


def list_all(service: Service, incoming: IncomingRequest) -> Response:
    """Every file that has not expired, the newest first."""
    return page_response(incoming, service.store.uploads(), lambda uploaded: _record(service, incoming, uploaded))


def get(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """The record of a file."""
    return json_response(_record(service, incoming, service.store.upload(id)))


def delete(service: Service, _: IncomingRequest, id: str) -> Response:
    """Forget a file."""
    service.store.upload(id)
    service.store.discard(id)
    return Response(204)


def download(service: Service, incoming: IncomingRequest, id: str) -> Response:
    """A file's bytes, for a URL that names its owner, has not expired and is signed.

    The signature is not checked: clients do not know the secret that it is made with.
    """
    for name in ("owner", "expiry", "signature"):
        if not incoming.query.get(name):
            raise bad_request(f"query parameter {name!r} is required")
    expiry = incoming.query["expiry"]
    if not re.fullmatch(r"-?\d{1,19}", expiry, re.ASCII):
        raise bad_request("'expiry' is a Unix timestamp")
    if int(expiry) <= service.date() or incoming.query["owner"] != ACCOUNT:
        raise not_found("File not found")
    response = file_response(service.store.upload(id).file, incoming.headers)
    return attrs.evolve(response, headers={**response.headers, "content-disposition": "attachment"})


def _record(service: Service, incoming: IncomingRequest, uploaded: Uploaded) -> dict[str, Any]:
    created = service.epoch + uploaded.created
    times = iso(created), iso(created + UPLOAD_LIFE)
    return file_record(uploaded.id, uploaded.file, uploaded.metadata, incoming.origin, times)


ROUTES = (
    Route("POST", "/files", "files.create", create),
    Route("GET", "/files", "files.list", list_all),
    Route("GET", "/files/*", "files.get", get),
    Route("DELETE", "/files/*", "files.delete", delete),
    Route("GET", "/files/*/download", "files.download", download, public=True),
)
