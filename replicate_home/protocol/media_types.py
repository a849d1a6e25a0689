"""What kind of file some bytes are, from how they begin (https://mimesniff.spec.whatwg.org)."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_HEAD = 16
"""How many bytes from the beginning are enough to know."""


class Kind(NamedTuple):
    """A kind of file. It is ``certain`` unless other kinds begin alike: then a file's name knows better."""

    media_type: str
    extension: str
    certain: bool = True


_KINDS: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", Kind("image/png", ".png")),
    (0, b"\xff\xd8\xff", Kind("image/jpeg", ".jpg")),
    (0, b"GIF87a", Kind("image/gif", ".gif")),
    (0, b"GIF89a", Kind("image/gif", ".gif")),
    (8, b"WEBP", Kind("image/webp", ".webp")),
    (4, b"ftypavif", Kind("image/avif", ".avif")),
    (4, b"ftypheic", Kind("image/heic", ".heic")),
    (8, b"WAVE", Kind("audio/wav", ".wav")),
    (8, b"AVI ", Kind("video/x-msvideo", ".avi")),
    (0, b"fLaC", Kind("audio/flac", ".flac")),
    (0, b"ID3", Kind("audio/mpeg", ".mp3")),
    (0, b"%PDF-", Kind("application/pdf", ".pdf")),
    (4, b"ftypM4A", Kind("audio/mp4", ".m4a")),
    (4, b"ftypqt", Kind("video/quicktime", ".mov")),
    (4, b"ftyp", Kind("video/mp4", ".mp4", certain=False)),
    (0, b"\x1a\x45\xdf\xa3", Kind("video/webm", ".webm", certain=False)),
    (0, b"OggS\x00", Kind("audio/ogg", ".ogg", certain=False)),
    (0, b"\xff\xfb", Kind("audio/mpeg", ".mp3", certain=False)),
    (0, b"\xff\xf3", Kind("audio/mpeg", ".mp3", certain=False)),
    (0, b"II*\x00", Kind("image/tiff", ".tiff", certain=False)),
    (0, b"MM\x00*", Kind("image/tiff", ".tiff", certain=False)),
    (0, b"PK\x03\x04", Kind("application/zip", ".zip", certain=False)),
    (0, b"\x1f\x8b\x08", Kind("application/gzip", ".gz", certain=False)),
)
_IN_RIFF = frozenset({b"WEBP", b"WAVE", b"AVI "})


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file that begins with ``head``; None where that tells nothing."""
    for place, magic, kind in _KINDS:
        if head.startswith(magic, place) and (magic not in _IN_RIFF or head.startswith(b"RIFF")):
            return kind
    return None
