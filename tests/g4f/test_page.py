"""The examples of docs/g4f.md print what they should; the blocks of the page are run in their order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("g4f")

from tests.g4f.conftest import GEMMA, SD3, URLS
from tests.servers.home_server import grows, returns

PAGE = Path(__file__).parents[2] / "docs" / "g4f.md"


def test_every_example_of_the_page_works(server, capsys):
    server.add(GEMMA, grows("Hel", "lo"))
    server.add(SD3, returns(URLS[:2]))
    names = {}
    printed = []
    for block in re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(block, names)
        printed.append(capsys.readouterr().out)
    assert printed == ["Hello\nHello", f"{URLS[:2]}\n", "Hello", "Hello\nHello\n", "True\n"]
