"""Server-sent events: bytes in, events out, and the same events however the bytes are split into chunks.

The grammar is the WHATWG's (https://html.spec.whatwg.org/multipage/server-sent-events.html). Nothing here
waits, reconnects or knows what an event means. Every byte is read and copied a bounded number of times,
and no chunk is kept: only the open event and the unfinished line stay between two feeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..exceptions import ProtocolError

_BOM = b"\xef\xbb\xbf"
_LONGEST_RETRY = 10**15  # milliseconds; int() refuses more than 4,300 digits, and no client waits that long

_LINE_END = re.compile(rb"\r\n?|\n")
_LINES = re.compile(rb"([^\r\n]*+)(?:\r\n?+|\n)")


class ServerSentEvent(NamedTuple):
    """One event of a stream.

    ``event`` is ``"message"`` if the stream named none. ``id`` is the id sent with this event itself, or None:
    only that can reveal a replay. ``last_event_id`` is the id in effect, which may come from an earlier event.
    """

    event: str
    data: str
    id: str | None
    last_event_id: str


class Decoder:
    """Decodes the event stream of one response; another response needs another decoder.

    ``retry`` is the reconnection time, in milliseconds, that the stream last asked for, or None.
    ``last_event_id`` is the id to resume from; an incomplete event does not count.
    ``max_event`` limits the data of one event plus the line being read, in bytes;
    comments may be any length and are not kept.
    """

    retry: int | None
    last_event_id: str

    def __init__(self, max_event: int = 128 * 2**20) -> None:
        self.retry = None
        self.last_event_id = ""
        self._max_event = max_event
        self._too_long = False
        self._beginning: bytes | None = b""  # possibly a byte order mark; None once that is decided
        self._after_cr = False
        self._line = bytearray()  # the unfinished one
        self._event = ""
        self._data = bytearray()  # of the open event, a newline after each line
        self._id: str | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that these bytes complete, in order.

        An event longer than ``max_event`` raises :class:`ProtocolError`, in this call and all later ones. If the
        same bytes completed other events first, this call still returns those.
        """
        events: list[ServerSentEvent] = []
        if not self._too_long:
            try:
                self._decode(self._after_bom(data), events)
            except ProtocolError:
                self._too_long = True
                self._line, self._data = bytearray(), bytearray()
        if self._too_long and not events:
            raise ProtocolError(f"the stream sent an event longer than {self._max_event} bytes")
        return events

    def _after_bom(self, data: bytes) -> bytes:
        if self._beginning is None:
            return data
        data = self._beginning + data
        undecided = _BOM.startswith(data)
        self._beginning = data if undecided else None
        return b"" if undecided else data.removeprefix(_BOM)

    def _decode(self, data: bytes, events: list[ServerSentEvent]) -> None:
        if not data:
            return
        start = 1 if self._after_cr and data.startswith(b"\n") else 0
        self._after_cr = data.endswith(b"\r")
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end > start:
            # Text is not measured line by line, so lines are read as text only if all of it fits.
            fits = len(self._data) + len(self._line) + len(data) <= self._max_event
            if self._line:
                start = self._finish_line(data, start)
            text = _valid_text(data[start:end]) if fits else None
            if text is None:
                self._read_lines(data[start:end], events)
            elif text:
                self._read_events(text, events)
            start = end
        if start < len(data):
            self._keep(data[start:])

    def _finish_line(self, data: bytes, start: int) -> int:
        """Read the rest of a line that began in an earlier chunk; return where the next one starts."""
        line_end = _LINE_END.search(data, start)
        assert line_end is not None
        line, self._line = self._line, bytearray()
        line += data[start : line_end.start()]
        self._take(line)
        return line_end.end()

    def _read_events(self, text: str, events: list[ServerSentEvent]) -> None:
        """Read whole lines, in any of the forms that the grammar allows."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = iter(text[:-1].split("\n"))
        if self._data or self._event or self._id is not None:
            self._finish_event(lines, events)
        # Dense, because it runs for every line that a model streams: the open event is in local variables, none of our
        # functions are called, and `new` skips NamedTuple's own __new__, which would take a fifth of the time. The
        # cost depends only on the number of lines, not on the order of the fields.
        new, add = tuple.__new__, events.append
        event, own_id, last_id, data = self._event, self._id, self.last_event_id, []
        for line in lines:
            if line:
                name, _, value = line.partition(": ")
                if ":" in name:  # no space after the first colon
                    name, _, value = line.partition(":")
                if name == "data":
                    data.append(value)
                elif name == "event":
                    event = value
                elif name == "id":
                    own_id = own_id if "\0" in value else value
                elif name == "retry":
                    self._ask_for(value)
                continue
            if own_id is not None:
                last_id = own_id
            if data:
                add(new(ServerSentEvent, (event or "message", "\n".join(data), own_id, last_id)))
                data = []
            event, own_id = "", None
        self._event, self._id, self.last_event_id = event, own_id, last_id
        if data:
            self._data += "\n".join([*data, ""]).encode()

    def _finish_event(self, lines: Iterator[str], events: list[ServerSentEvent]) -> None:
        """Read the remaining lines of an event that began in earlier bytes."""
        for line in lines:
            if not line:
                return self._dispatch(events)
            self._take(line.encode())
        return None

    def _read_lines(self, data: bytes, events: list[ServerSentEvent]) -> None:
        """Read whole lines as bytes, because one may be too long, or is not valid UTF-8."""
        for line in _LINES.findall(data):
            if line:
                self._take(line)
            else:
                self._dispatch(events)

    def _take(self, line: bytes | bytearray) -> None:
        colon = line.find(b":")
        if colon == 0:
            return
        self._measure(len(line))
        name = line if colon < 0 else line[:colon]
        start = len(line) if colon < 0 else colon + 1 + line.startswith(b" ", colon + 1)
        if name == b"data":
            self._data += memoryview(line)[start:]  # a slice would copy up to 128 MiB once more
            self._data += b"\n"
        elif name == b"event":
            self._event = _text(line[start:])
        elif name == b"id" and b"\0" not in line:
            self._id = _text(line[start:])
        elif name == b"retry":
            self._ask_for(_text(line[start:]))

    def _ask_for(self, milliseconds: str) -> None:
        """Take a reconnection time, if it is valid."""
        if milliseconds.isascii() and milliseconds.isdigit():
            self.retry = min(int(milliseconds.lstrip("0")[:16] or "0"), _LONGEST_RETRY)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._id is not None:
            self.last_event_id = self._id
        if self._data:
            del self._data[-1:]
            events.append(ServerSentEvent(self._event or "message", _text(self._data), self._id, self.last_event_id))
            self._data = bytearray()
        self._event, self._id = "", None

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of an unfinished line; of a comment, keep only the colon."""
        if (self._line or piece).startswith(b":"):
            self._line[:] = b":"
        else:
            self._line += piece
            self._measure(len(self._line))

    def _measure(self, line: int) -> None:
        if len(self._data) + line > self._max_event:
            raise ProtocolError


def _valid_text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _text(value: bytes | bytearray) -> str:
    return value.decode("utf-8", "replace")
