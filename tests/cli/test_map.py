"""``map``: a model over the inputs in a file, with a journal, a folder for files, and a report."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replicate_home import LocalRun
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

from .calling import on_terminal, piped

SECONDS = 20.0


def echo(prompt: str, times: int = 1) -> str:
    if prompt == "bad":
        raise ValueError("no such word")
    return prompt * times


def draw(prompt: str) -> Path:
    path = Path(f"{prompt}.png")
    path.write_bytes(prompt.encode())
    return path


def slow(run: LocalRun, prompt: str) -> str:
    run.sleep(0 if prompt == "a" else 60)
    return prompt


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator({"owner/echo": echo, "owner/draw": draw, "owner/slow": slow}) as emulator:
        yield emulator


@pytest.fixture
def url(emulator: Emulator) -> Iterator[str]:
    with serve(emulator) as server:
        yield server.url


def call(url: str, model: str, *arguments: str, stdin: bytes | None = None, code: int = 0) -> tuple[list[Any], str]:
    """The items that it prints, and what it says."""
    found = piped("map", model, *arguments, "--base-url", url, stdin=stdin)
    assert found.code == code, found
    return [json.loads(line) for line in found.output.splitlines()], found.errors


class TestInputs:
    @pytest.mark.parametrize(
        ("name", "content", "inputs"),
        [
            ("in.txt", "a\n\nb c\r\n", [{"prompt": "a"}, {"prompt": "b c"}]),
            ("in.jsonl", '{"prompt": "a", "times": 2}\n\n"b"\n', [{"prompt": "a", "times": 2}, {"prompt": "b"}]),
            ("in.ndjson", '\ufeff{"prompt": "ä"}\n', [{"prompt": "ä"}]),
            ("in.csv", 'prompt,times\n7,2\n"b, c",\n', [{"prompt": "7", "times": 2}, {"prompt": "b, c"}]),
            ("in", '{"prompt": "a"}\n{"prompt": "b"}\n', [{"prompt": "a"}, {"prompt": "b"}]),
            ("empty.txt", "", []),
        ],
    )
    def test_a_file_is_read_as_its_name_or_its_first_line_says(self, url, name, content, inputs):
        Path(name).write_text(content, "utf-8")
        items, _ = call(url, "owner/echo", "--input", name, "--ordered")
        assert [item["input"] for item in items] == inputs

    def test_stdin_is_read_as_its_first_line_says(self, url):
        for stdin in (b"a\nb\n", b'{"prompt": "a"}\n{"prompt": "b"}'):
            items, _ = call(url, "owner/echo", "-i", "-", "--ordered", stdin=stdin)
            assert [item["output"] for item in items] == ["a", "b"]

    def test_what_is_given_on_the_command_line_is_added_where_it_is_missing(self, url):
        Path("in.jsonl").write_text('"a"\n{"prompt": "b", "times": 1}\n')
        items, _ = call(url, "owner/echo", "times=3", "-i", "in.jsonl", "--ordered")
        assert [item["output"] for item in items] == ["aaa", "b"]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ('"a"\n[1]\n', "in.jsonl, line 2: an input is a JSON object, or a string, which is a prompt; got '[1]'"),
            ('"a"\n\n{\n', "in.jsonl, line 3: expected JSON, got '{'"),
        ],
    )
    def test_what_is_no_input_is_named_by_its_line(self, url, content, said):
        Path("in.jsonl").write_text(content)
        _, errors = call(url, "owner/echo", "-i", "in.jsonl", code=2)
        assert said in errors

    def test_a_column_that_is_no_input_is_named(self, url, emulator):
        Path("in.csv").write_text("prompt,tmies\na,2\n")
        _, errors = call(url, "owner/echo", "-i", "in.csv", code=2)
        assert "owner/echo has no input 'tmies', did you mean 'times'?" in errors
        assert len(emulator.calls) == 0

    def test_a_file_that_is_not_there_is_named(self, url):
        _, errors = call(url, "owner/echo", "-i", "nowhere.txt", code=2)
        assert errors == "replicate-home: there is no file 'nowhere.txt'\n"


class TestItems:
    def test_a_failure_is_an_item_and_the_exit_code_and_in_the_report(self, url):
        Path("in.txt").write_text("a\nbad\n")
        items, errors = call(url, "owner/echo", "-i", "in.txt", "--ordered", code=1)
        assert [item["output"] for item in items] == ["a", None]
        assert items[1]["error"]["type"] == "ModelError"
        assert f"item 1 ({items[1]['prediction_id']}): " in errors
        assert "1 done, 1 failed; " in errors

    def test_a_rate_is_that_of_the_batch(self, url, emulator):
        Path("in.txt").write_text("a\nb\n")
        items, _ = call(url, "owner/echo", "-i", "in.txt", "--rate", "20/s")
        assert len(items) == len(emulator.calls) == 2
        _, errors = call(url, "owner/echo", "-i", "in.txt", "--rate", "often", code=2)
        assert "--rate must be such as '20/s'" in errors

    def test_one_document_has_the_summary(self, url):
        Path("in.txt").write_text("a\nb\n")
        (told,), errors = call(url, "owner/echo", "-i", "in.txt", "--json")
        assert [len(told["items"]), told["summary"]["done"], errors] == [2, 2, ""]

    def test_a_file_takes_them_and_is_not_overwritten(self, url):
        Path("in.txt").write_text("a\n")
        call(url, "owner/echo", "-i", "in.txt", "-o", "out.jsonl")
        assert json.loads(Path("out.jsonl").read_text())["output"] == "a"
        _, errors = call(url, "owner/echo", "-i", "in.txt", "-o", "out.jsonl", code=2)
        assert "out.jsonl is there already" in errors

    def test_on_a_terminal_the_items_and_the_report_are_there(self, url):
        Path("in.txt").write_text("a\n")
        found = on_terminal("map", "owner/echo", "-i", "in.txt", "--base-url", url)
        assert json.loads(found.lines[0])["output"] == "a"
        assert found.lines[1].startswith("replicate-home: 1 done; ")

    def test_a_terminal_shows_progress_while_the_items_go_to_a_file(self, url):
        Path("in.txt").write_text("a\n")
        found = on_terminal("map", "owner/echo", "-i", "in.txt", "-o", "out.jsonl", "--base-url", url)
        assert found.lines[-1].startswith("replicate-home: 1 done; ")


class TestJournal:
    def test_run_again_it_continues_and_writes_all_items(self, url, emulator):
        Path("in.txt").write_text("a\nb\n")
        arguments = ("-i", "in.txt", "-o", "out.jsonl", "--journal", "run.sqlite")
        call(url, "owner/echo", *arguments)
        Path("in.txt").write_text("a\nb\nc\n")
        _, errors = call(url, "owner/echo", *arguments)
        assert "3 done, 2 reused" in errors
        assert [call.input["prompt"] for call in emulator.calls] == ["a", "b", "c"]
        assert len(Path("out.jsonl").read_text().splitlines()) == 3

    def test_what_failed_is_run_once_more_on_demand(self, url, emulator):
        Path("in.txt").write_text("a\nbad\n")
        arguments = ("-i", "in.txt", "--journal", "run.sqlite")
        call(url, "owner/echo", *arguments, code=1)
        items, errors = call(url, "owner/echo", *arguments, "--retry-failed", code=1)
        assert [item["index"] for item in items] == [0, 1]
        assert "1 done, " in errors
        assert [call.input["prompt"] for call in emulator.calls].count("bad") == 2

    def test_its_status_needs_no_model(self, url):
        Path("in.txt").write_text("a\nbad\n")
        call(url, "owner/echo", "-i", "in.txt", "--journal", "run.sqlite", code=1)
        told = piped("map", "--status", "run.sqlite")
        assert told == (0, "owner/echo: 1 done, 1 failed, 0 running, 0 unanswered\n", "")
        assert json.loads(piped("map", "--status", "run.sqlite", "--json").output)["done"] == 1
        found = piped("map", "--status", "in.txt")
        assert (found.code, "cannot be read as the journal of a batch" in found.errors) == (2, True)

    def test_ctrl_c_cancels_and_a_restart_goes_on(self, url, emulator):
        Path("in.txt").write_text("a\nb\n")
        command = [sys.executable, "-m", "replicate_home", "map", "owner/slow", "-i", "in.txt", "--base-url", url]
        process = subprocess.Popen(
            [*command, "--journal", "run.sqlite"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["output"] == "a"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert b"1 done, 1 canceled, 1 left over" in errors
        status = json.loads(piped("map", "--status", "run.sqlite", "--json").output)
        assert (status["done"], status["running"]) == (1, 1)
        with sqlite3.connect("run.sqlite") as database:
            assert database.execute("SELECT state FROM item ORDER BY place").fetchall() == [("done",), ("leaving",)]
        database.close()


class TestFiles:
    def test_pictures_get_a_contact_sheet(self, url):
        Path("in.txt").write_text("a <b>\n")
        (item,), _ = call(url, "owner/draw", "-i", "in.txt", "--save-to", "out")
        assert Path(item["paths"][0]).read_bytes() == b"a <b>"
        sheet = Path("out/contact-sheet.html").read_text()
        assert "0: a &lt;b&gt;" in sheet
        assert Path(item["paths"][0]).name.replace(" ", "%20") in sheet

    def test_a_page_of_that_name_that_is_none_is_left_alone(self, url):
        Path("out").mkdir()
        Path("out/contact-sheet.html").write_text("mine")
        Path("in.txt").write_text("a\n")
        call(url, "owner/draw", "-i", "in.txt", "--save-to", "out")
        assert Path("out/contact-sheet.html").read_text() == "mine"
        assert len(list(Path("out").iterdir())) == 2


def test_text_gets_none(url):
    Path("in.txt").write_text("a\n")
    call(url, "owner/echo", "-i", "in.txt", "--save-to", "out")
    assert not Path("out").exists()
