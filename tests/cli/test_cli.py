"""The command line: the answer on stdout, everything else on stderr, and an exit code that says whose turn it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replicate_home import (
    APIError,
    AuthenticationError,
    ConnectFailed,
    CreateOutcomeUnknown,
    CreateTimedOut,
    FileExpired,
    InvalidInput,
    LocalRun,
    ModelCanceled,
    ModelError,
    ModelNotFound,
    NotFound,
    OutputDiverged,
    PaymentRequired,
    PermissionDenied,
    PredictionTimeout,
    RateLimited,
    ReplicateHomeError,
    RequestTimeout,
    ServerError,
    Snapshot,
    StreamInterrupted,
    __version__,
    local_model,
)
from replicate_home.cli.exit_codes import exit_code
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

from .calling import cancels, forever, piped, served

SNAPSHOT = Snapshot({"id": "p1"})


def echo(prompt: str, steps: int = 1, loud: bool = False) -> dict[str, Any]:
    return {"prompt": prompt, "steps": steps, "loud": loud}


def say(prompt: str) -> Iterator[str]:
    for word in prompt.split():
        yield word + " "


def length(file: bytes) -> int:
    return len(file)


def picture(prompt: str) -> bytes:
    return prompt.encode()


def pictures(prompt: str) -> Iterator[bytes]:
    for word in prompt.split():
        yield word.encode()


def report(prompt: str) -> dict[str, Any]:
    return {"title": "Überblick", "chart": prompt.encode()}


def fail(run: LocalRun, prompt: str = "") -> Iterator[str]:
    run.log("trying")
    yield "so far "
    raise ValueError("out of\nideas")


def coloured(prompt: str = "") -> Iterator[str]:
    yield "\x1b[1m"
    yield "bold"


def nothing(prompt: str = "") -> None:
    return None


MODELS = {
    f"local/{model.__name__}": model
    for model in (echo, say, length, picture, pictures, report, fail, coloured, nothing)
}


@pytest.fixture(autouse=True)
def models(workplace: None) -> None:
    """Models registered for this test only."""
    for name, model in MODELS.items():
        local_model(name)(model)


# ---- what is printed ----


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "local/say", "prompt=Hello there"), "Hello there \n"),
        (("stream", "local/say", "prompt=Hello there"), "Hello there \n"),
        (("run", "local/echo", "prompt=42", "steps=42", "loud=true"), '{"prompt": "42", "steps": 42, "loud": true}\n'),
        (("stream", "local/echo", "prompt=ü"), '{"prompt": "ü", "steps": 1, "loud": false}\n'),
        (("run", "local/nothing"), "null\n"),
        (("stream", "local/nothing"), ""),
        (("stream", "local/coloured"), "\x1b[1mbold\n"),
        (("run", "local/length", 'file:="data:,12345"'), "5\n"),
    ],
)
def test_the_output_and_nothing_else_is_on_stdout(arguments: tuple[str, ...], expected: str) -> None:
    assert piped(*arguments) == (0, expected, "")


def test_files_and_stdin_are_inputs() -> None:
    Path("notes.txt").write_bytes(b"1234567")
    assert piped("run", "local/length", "file=@notes.txt") == (0, "7\n", "")
    assert piped("run", "local/length", "file=@-", stdin=b"\x89PNG") == (0, "4\n", "")
    assert piped("run", "local/say", "prompt=@-", stdin=b"piped in\n") == (0, "piped in \n", "")


def test_messages_are_messages() -> None:
    messages = json.dumps([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}])
    assert piped("run", "local/say", f"messages:={messages}") == (0, "System: Be brief User: Hi Assistant: \n", "")


def test_files_that_have_no_address_are_saved_here_and_nothing_is_overwritten() -> None:
    assert piped("run", "local/picture", "prompt=red") == (0, "output.bin\n", "")
    assert piped("stream", "local/picture", "prompt=blue") == (0, "output-2.bin\n", "")
    assert piped("run", "local/pictures", "prompt=a b") == (0, "output-3.bin\noutput-1.bin\n", "")
    assert {path.name: path.read_text() for path in Path().iterdir()} == {
        "output.bin": "red",
        "output-2.bin": "blue",
        "output-3.bin": "a",
        "output-1.bin": "b",
    }


def test_files_are_saved_into_the_folder_that_is_asked_for() -> None:
    place = Path("new") / "out"
    assert piped("run", "local/picture", "prompt=red", "--output-directory", str(place)) == (
        0,
        f"{place / 'output.bin'}\n",
        "",
    )
    assert (place / "output.bin").read_bytes() == b"red"


def test_files_within_an_object_are_shown_by_their_place() -> None:
    assert piped("run", "local/report", "prompt=x") == (0, '{"title": "Überblick", "chart": "output.bin"}\n', "")


def test_files_that_have_an_address_are_shown_by_it_unless_a_folder_is_given() -> None:
    with served(picture=picture) as (url, emulator):
        code, printed, _ = piped("run", "owner/picture", "prompt=red", "--base-url", url)
        name = emulator.calls[0].prediction_id
        assert (code, printed) == (0, f"{url}/delivery/{name}/output.bin\n")
        assert list(Path().iterdir()) == []
        assert piped("run", "owner/picture", "prompt=red", "--base-url", url, "--output-directory", "out") == (
            0,
            f"{Path('out/output.bin')}\n",
            "",
        )


def test_json_is_the_prediction_on_one_line() -> None:
    code, printed, complaints = piped("run", "local/say", "prompt=Hello ü", "--json")
    found = json.loads(printed)
    assert (code, complaints, printed.count("\n")) == (0, "", 1)
    assert (found["status"], found["input"], found["output"]) == ("succeeded", {"prompt": "Hello ü"}, ["Hello ", "ü "])
    assert "saved" not in found


def test_json_names_the_files_that_were_saved() -> None:
    code, printed, _ = piped("run", "local/picture", "prompt=red", "--json")
    assert (code, json.loads(printed)["saved"]) == (0, ["output.bin"])
    assert Path("output.bin").read_bytes() == b"red"


def test_json_of_a_stream_is_one_event_a_line() -> None:
    code, printed, complaints = piped("stream", "local/say", "prompt=Hello ü", "--jsonl")
    events = [json.loads(line) for line in printed.splitlines()]
    prediction = events[-1].pop("prediction")
    assert (code, complaints) == (0, "")
    assert [event["data"] for event in events if event["event"] == "output"] == ["Hello ", "ü "]
    assert events[0]["event"] == "status"
    assert events[0]["id"] == prediction["id"]
    assert events[-1] == {"event": "done"}
    assert prediction["output"] == ["Hello ", "ü "]


def test_json_of_a_failure_is_the_prediction_that_failed() -> None:
    code, printed, complaints = piped("run", "local/fail", "--json")
    found = json.loads(printed)
    first = found["logs"].partition("  File")[0]
    assert (code, found["status"], found["output"]) == (1, "failed", ["so far "])
    assert first == "trying\nTraceback (most recent call last):\n"
    why = "ValueError: out of ideas; its traceback is in the logs"
    assert complaints == f"replicate-home: prediction {found['id']} of local/fail failed: {why}\n"


def test_events_of_a_failure_end_with_its_status() -> None:
    code, printed, complaints = piped("stream", "local/fail", "--jsonl")
    events = [json.loads(line) for line in printed.splitlines()]
    assert (code, events[-2]["event"], events[-2]["status"]) == (1, "status", "failed")
    error = events[-1]["error"]
    assert (error["type"], error["exit_code"], error["prediction"]["status"]) == ("ModelError", 1, "failed")
    assert {"event": "logs", "data": "trying\n"} in events
    assert complaints.endswith("failed: ValueError: out of ideas; its traceback is in the logs\n")


def test_what_a_failing_model_said_before_is_kept_on_a_line_of_its_own() -> None:
    code, printed, _ = piped("stream", "local/fail")
    assert (code, printed) == (1, "so far \n")


def test_models_of_ones_own_are_imported_from_the_current_folder() -> None:
    Path("my_models_of_test_cli.py").write_text(
        "import replicate_home\n"
        "@replicate_home.local_model('local/twice')\n"
        "def twice(x: int) -> int:\n"
        "    return 2 * x\n"
    )
    try:
        assert piped("run", "local/twice", "x=21", "--import", "my_models_of_test_cli") == (0, "42\n", "")
    finally:
        del sys.modules["my_models_of_test_cli"]
        sys.path.remove("")


def test_help_and_version_are_answers() -> None:
    assert piped("--version") == (0, f"replicate-home {__version__}\n", "")
    for arguments in (("--help",), ("run", "-h"), ("stream", "--help"), ("serve", "--help")):
        code, printed, complaints = piped(*arguments)
        assert (code, printed[:22], complaints) == (0, "Usage: replicate-home ", "")


# ---- what is complained about ----


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Missing command. See replicate-home --help"),
        (("strem", "local/say"), 2, "there is no command 'strem', did you mean 'stream'? See replicate-home --help"),
        (("dance",), 2, "there is no command 'dance'. See replicate-home --help"),
        (("run",), 2, "Missing argument 'MODEL'. See replicate-home run --help"),
        (("run", "local/say", "Hello"), 2, "'Hello' is not an input: write name=value, such as prompt=\"Hello\""),
        (("run", "local/say", "messages:=[]"), 2, "messages is empty: it needs at least one message"),
        (("run", "say", "prompt=x"), 2, "'say' is not a model: expected 'owner/name', 'owner/name:version', a version"),
        (("run", "local/say", "prompt=x", "--timeout", "soon"), 2, "Invalid value for '--timeout': 'soon' is not a"),
        (("run", "local/say", "prompt=x", "--timeout", "nan"), 2, "Invalid value for '--timeout': 'nan' is not a"),
        (("run", "local/say", "prompt=x", "--wait", "61"), 2, "Invalid value for '--wait': 61.0 is not in the range"),
        (("run", "local/say", "prompt=x", "--backend", "foo"), 2, "Invalid value for '--backend': 'foo' is not one of"),
        (("run", "local/say", "--import", "no_such_module"), 2, "Invalid value for --import: there is no module 'no_s"),
        (("run", "owner/say", "prompt=x"), 3, "no API token for 'owner/say': set REPLICATE_API_TOKEN"),
        (("run", "local/fail"), 1, "prediction "),
    ],
)
def test_an_error_is_one_line_on_stderr_and_a_code(arguments: tuple[str, ...], code: int, message: str) -> None:
    found, printed, complaints = piped(*arguments)
    assert (found, printed, complaints.count("\n")) == (code, "", 1)
    assert complaints.startswith(f"replicate-home: {message}")


def test_an_unknown_model_and_a_wrong_input_name_what_there_is() -> None:
    code, printed, complaints = piped("run", "local/nope", "prompt=x")
    assert (code, printed) == (2, "")
    assert "there is no model 'local/nope' on this server. It has: local/" in complaints
    code, printed, complaints = piped("run", "local/echo", "prompt=x", "steps=many")
    assert (code, printed) == (2, "")
    assert "steps must be of type integer" in complaints


def test_the_folder_is_there_before_money_is_spent() -> None:
    Path("out").write_text("a file")
    with served(picture=picture) as (url, emulator):
        code, printed, complaints = piped(
            "run", "owner/picture", "prompt=x", "--base-url", url, "--output-directory", str(Path("out", "deep"))
        )
        assert (code, printed, complaints[:16]) == (5, "", "replicate-home: ")
        assert list(emulator.requests) == []


def test_a_server_that_is_not_there_is_code_5() -> None:
    with served() as (url, _):
        pass
    code, printed, complaints = piped("run", "owner/say", "prompt=x", "--base-url", url)
    assert (code, printed, complaints.count("\n")) == (5, "", 1)


def test_the_token_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator({"owner/say": say}, api_token="r8_the_right_one") as emulator, serve(emulator) as server:
        monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_the_right_one")
        assert piped("run", "owner/say", "prompt=x", "--base-url", server.url) == (0, "x \n", "")
        monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_a_wrong_one")
        code, printed, complaints = piped("run", "owner/say", "prompt=x", "--base-url", server.url)
    assert (code, printed) == (3, "")
    assert "r8_a_wrong_one" not in complaints


@pytest.mark.parametrize(("options", "expected"), [((), 1), (("--no-cancel",), 0)])
def test_at_the_timeout_the_prediction_is_canceled_unless_it_is_to_run_on(
    options: tuple[str, ...], expected: int
) -> None:
    with served(forever=forever) as (url, emulator):
        code, _, complaints = piped("run", "owner/forever", "--base-url", url, "--timeout", "0.3", *options)
        assert (code, len(cancels(emulator))) == (4, expected)
        resumed = (
            f"this waits for it: replicate-home predictions wait {emulator.calls[0].prediction_id} --base-url={url}\n"
        )
        assert (complaints.count("\n"), resumed in complaints) == ((1, False) if expected else (2, True))
        assert "client." not in complaints


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ModelError("x", prediction=SNAPSHOT), 1),
        (ModelCanceled("x", prediction=SNAPSHOT), 1),
        (ModelNotFound("x", status=404), 2),
        (NotFound("x", status=404), 2),
        (InvalidInput("x", status=422), 2),
        (ValueError("x"), 2),
        (TypeError("x"), 2),
        (AuthenticationError("x", status=401), 3),
        (PaymentRequired("x", status=402), 3),
        (PermissionDenied("x", status=403), 3),
        (PredictionTimeout("x", prediction=SNAPSHOT), 4),
        (RequestTimeout("x"), 4),
        (CreateTimedOut("x"), 4),
        (RateLimited("x", status=429), 4),
        (ConnectFailed("x"), 5),
        (CreateOutcomeUnknown("x"), 5),
        (ServerError("x", status=500), 5),
        (APIError("x", status=418), 5),
        (OutputDiverged("x"), 5),
        (StreamInterrupted("x"), 5),
        (FileExpired("x"), 5),
        (ReplicateHomeError("x"), 5),
        (PermissionError("x"), 5),
        (AttributeError("x"), None),
    ],
)
def test_every_error_has_its_code(error: BaseException, expected: int | None) -> None:
    assert exit_code(error) == expected
