"""``client.files``."""

from __future__ import annotations

from ..records.file import File
from ..records.page import PageFields
from ..wire import Upload
from .base import Cursor, Operation, page_at
from .names import checked_id
from .readers import One, Page, accepted, content


def create_file(form: bytes | Upload, content_type: str) -> Operation[File]:
    """Upload a file of at most 100 MB. ``form`` is ``multipart/form-data`` with a part ``content``."""
    headers = {"Content-Type": content_type}
    return Operation("files.create", "POST", "/files", One(File), body=form, headers=headers, repeatable=True)


def list_files(cursor: Cursor = ...) -> Operation[PageFields[File]]:
    """Your uploaded files, newest first."""
    return Operation("files.list", "GET", page_at(cursor, "/files"), Page(File))


def get_file(file_id: str) -> Operation[File]:
    """The details of an uploaded file."""
    return Operation("files.get", "GET", _path(file_id), One(File, file_id))


def delete_file(file_id: str) -> Operation[bool]:
    """Delete an uploaded file. Returns True."""
    return Operation("files.delete", "DELETE", _path(file_id), accepted)


def download_file(file_id: str, *, owner: str, expiry: int, signature: str) -> Operation[bytes]:
    """The content of an uploaded file; the signature replaces the token.

    ``owner`` is the account that uploaded it. ``expiry`` is when the signature expires, in seconds since 1970.
    """
    query = {"owner": owner, "expiry": str(expiry), "signature": signature}
    return Operation("files.download", "GET", f"{_path(file_id)}/download", content, query=query, streams=True)


def _path(file_id: str) -> str:
    return f"/files/{checked_id(file_id, 'file')}"
