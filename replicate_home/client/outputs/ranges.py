"""Parts of files: how the rest of one is asked for, and what a server says of the part that it sends (RFC 9110, 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from ...exceptions import ProtocolError
from ...wire import Response

_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)", re.ASCII)


@attrs.frozen
class Rest:
    """A file from the byte ``start`` on, if it is still the one that ``validator`` stands for."""

    start: int
    validator: str

    @property
    def headers(self) -> Mapping[str, str]:
        """What asks for it; a file that has changed is sent whole."""
        return {"Range": f"bytes={self.start}-", "If-Range": self.validator}


def start_of(answer: Response) -> int:
    """At which byte of the file the body of an answer begins."""
    if answer.status != 206:
        return 0
    content_range = answer.headers.get("content-range", "")
    found = _RANGE.fullmatch(content_range)
    if found is None:
        raise ProtocolError(f"a part of a file came without saying which (Content-Range: {content_range[:100]!r})")
    return int(found[1])


def validator_of(answer: Response) -> str | None:
    """What stands for this state of the file; None where the server cannot send the rest of it."""
    headers = answer.headers
    etag = headers.get("etag", "")
    # Without a length, the body may have been compressed on the way: then its bytes cannot be counted.
    if headers.get("accept-ranges") == "none" or "content-length" not in headers:
        return None
    return etag if etag.startswith('"') else headers.get("last-modified")
