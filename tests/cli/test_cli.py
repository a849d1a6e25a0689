"""The command line: the answer on stdout, everything else on stderr, and an exit code that says whose turn it is."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
import pytest

from replicate_home import (
    APIError,
    AuthenticationError,
    Client,
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
from replicate_home.cli.commands import COMMANDS, commands
from replicate_home.cli.exit_codes import exit_code
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve
from replicate_home.emulator.limits import Limits
from replicate_home.wire import Request

SNAPSHOT = Snapshot({"id": "p1"})
# As the console script does it; but a shell may have had us ignore Ctrl-C.
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from replicate_home.cli.main import main; sys.exit(main())"
)


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


def call(*arguments: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``replicate-home`` with these arguments, within this process."""
    result = click.testing.CliRunner().invoke(commands, arguments, input=stdin, prog_name="replicate-home")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """``replicate-home`` with these arguments as a process of its own, over pipes."""
    command = [sys.executable, "-c", START, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **{**pipes, **options}) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def served(**models: Any) -> Iterator[tuple[str, Emulator]]:
    """An emulator with these models of ``owner`` behind sockets: its URL, and itself."""
    with Emulator({f"owner/{name}": model for name, model in models.items()}) as emulator, serve(emulator) as server:
        yield server.url, emulator


def cancels(emulator: Emulator) -> list[tuple[str, int | None]]:
    return [(each.path, each.status) for each in emulator.requests if each.path.endswith("/cancel")]


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
    assert call(*arguments) == (0, expected, "")


def test_files_and_stdin_are_inputs() -> None:
    Path("notes.txt").write_bytes(b"1234567")
    assert call("run", "local/length", "file=@notes.txt") == (0, "7\n", "")
    assert call("run", "local/length", "file=@-", stdin=b"\x89PNG") == (0, "4\n", "")
    assert call("run", "local/say", "prompt=@-", stdin="piped in\n") == (0, "piped in \n", "")


def test_messages_are_messages() -> None:
    messages = json.dumps([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}])
    assert call("run", "local/say", f"messages:={messages}") == (0, "System: Be brief User: Hi Assistant: \n", "")


def test_files_that_have_no_address_are_saved_here_and_nothing_is_overwritten() -> None:
    assert call("run", "local/picture", "prompt=red") == (0, "output.bin\n", "")
    assert call("stream", "local/picture", "prompt=blue") == (0, "output-2.bin\n", "")
    assert call("run", "local/pictures", "prompt=a b") == (0, "output-3.bin\noutput-1.bin\n", "")
    assert {path.name: path.read_text() for path in Path().iterdir()} == {
        "output.bin": "red",
        "output-2.bin": "blue",
        "output-3.bin": "a",
        "output-1.bin": "b",
    }


def test_files_are_saved_into_the_folder_that_is_asked_for() -> None:
    place = Path("new") / "out"
    assert call("run", "local/picture", "prompt=red", "--output-directory", str(place)) == (
        0,
        f"{place / 'output.bin'}\n",
        "",
    )
    assert (place / "output.bin").read_bytes() == b"red"


def test_files_within_an_object_are_shown_by_their_place() -> None:
    assert call("run", "local/report", "prompt=x") == (0, '{"title": "Überblick", "chart": "output.bin"}\n', "")


def test_files_that_have_an_address_are_shown_by_it_unless_a_folder_is_given() -> None:
    with served(picture=picture) as (url, emulator):
        code, printed, _ = call("run", "owner/picture", "prompt=red", "--base-url", url)
        name = emulator.calls[0].prediction_id
        assert (code, printed) == (0, f"{url}/delivery/{name}/output.bin\n")
        assert list(Path().iterdir()) == []
        assert call("run", "owner/picture", "prompt=red", "--base-url", url, "--output-directory", "out") == (
            0,
            f"{Path('out/output.bin')}\n",
            "",
        )


def test_json_is_the_prediction_on_one_line() -> None:
    code, printed, complaints = call("run", "local/say", "prompt=Hello ü", "--json")
    found = json.loads(printed)
    assert (code, complaints, printed.count("\n")) == (0, "", 1)
    assert (found["status"], found["input"], found["output"]) == ("succeeded", {"prompt": "Hello ü"}, ["Hello ", "ü "])
    assert "saved" not in found


def test_json_names_the_files_that_were_saved() -> None:
    code, printed, _ = call("run", "local/picture", "prompt=red", "--json")
    assert (code, json.loads(printed)["saved"]) == (0, ["output.bin"])
    assert Path("output.bin").read_bytes() == b"red"


def test_json_of_a_stream_is_one_event_a_line() -> None:
    code, printed, complaints = call("stream", "local/say", "prompt=Hello ü", "--jsonl")
    events = [json.loads(line) for line in printed.splitlines()]
    prediction = events[-1].pop("prediction")
    assert (code, complaints) == (0, "")
    assert [event["data"] for event in events if event["event"] == "output"] == ["Hello ", "ü "]
    assert events[0]["event"] == "status"
    assert events[0]["id"] == prediction["id"]
    assert events[-1] == {"event": "done"}
    assert prediction["output"] == ["Hello ", "ü "]


def test_json_of_a_failure_is_the_prediction_that_failed() -> None:
    code, printed, complaints = call("run", "local/fail", "--json")
    found = json.loads(printed)
    first = found["logs"].partition("  File")[0]
    assert (code, found["status"], found["output"]) == (1, "failed", ["so far "])
    assert first == "trying\nTraceback (most recent call last):\n"
    why = "ValueError: out of ideas; its traceback is in the logs"
    assert complaints == f"replicate-home: prediction {found['id']} of local/fail failed: {why}\n"


def test_events_of_a_failure_end_with_its_status() -> None:
    code, printed, complaints = call("stream", "local/fail", "--jsonl")
    events = [json.loads(line) for line in printed.splitlines()]
    assert (code, events[-2]["event"], events[-2]["status"]) == (1, "status", "failed")
    error = events[-1]["error"]
    assert (error["type"], error["exit_code"], error["prediction"]["status"]) == ("ModelError", 1, "failed")
    assert {"event": "logs", "data": "trying\n"} in events
    assert complaints.endswith("failed: ValueError: out of ideas; its traceback is in the logs\n")


def test_what_a_failing_model_said_before_is_kept_on_a_line_of_its_own() -> None:
    code, printed, _ = call("stream", "local/fail")
    assert (code, printed) == (1, "so far \n")


def test_models_of_ones_own_are_imported_from_the_current_folder() -> None:
    Path("my_models_of_test_cli.py").write_text(
        "import replicate_home\n"
        "@replicate_home.local_model('local/twice')\n"
        "def twice(x: int) -> int:\n"
        "    return 2 * x\n"
    )
    try:
        assert call("run", "local/twice", "x=21", "--import", "my_models_of_test_cli") == (0, "42\n", "")
    finally:
        del sys.modules["my_models_of_test_cli"]
        sys.path.remove("")


def test_help_and_version_are_answers() -> None:
    assert call("--version") == (0, f"replicate-home {__version__}\n", "")
    for arguments in (("--help",), ("run", "-h"), ("stream", "--help"), ("serve", "--help")):
        code, printed, complaints = call(*arguments)
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
    found, printed, complaints = call(*arguments)
    assert (found, printed, complaints.count("\n")) == (code, "", 1)
    assert complaints.startswith(f"replicate-home: {message}")


def test_an_unknown_model_and_a_wrong_input_name_what_there_is() -> None:
    code, printed, complaints = call("run", "local/nope", "prompt=x")
    assert (code, printed) == (2, "")
    assert "there is no model 'local/nope' on this server. It has: local/" in complaints
    code, printed, complaints = call("run", "local/echo", "prompt=x", "steps=many")
    assert (code, printed) == (2, "")
    assert "steps must be of type integer" in complaints


def test_the_folder_is_there_before_money_is_spent() -> None:
    Path("out").write_text("a file")
    with served(picture=picture) as (url, emulator):
        code, printed, complaints = call(
            "run", "owner/picture", "prompt=x", "--base-url", url, "--output-directory", str(Path("out", "deep"))
        )
        assert (code, printed, complaints[:16]) == (5, "", "replicate-home: ")
        assert list(emulator.requests) == []


def test_nobody_there_is_code_5() -> None:
    with served() as (url, _):
        pass
    code, printed, complaints = call("run", "owner/say", "prompt=x", "--base-url", url)
    assert (code, printed, complaints.count("\n")) == (5, "", 1)


def test_the_token_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator({"owner/say": say}, api_token="r8_the_right_one") as emulator, serve(emulator) as server:
        monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_the_right_one")
        assert call("run", "owner/say", "prompt=x", "--base-url", server.url) == (0, "x \n", "")
        monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_a_wrong_one")
        code, printed, complaints = call("run", "owner/say", "prompt=x", "--base-url", server.url)
    assert (code, printed) == (3, "")
    assert "r8_a_wrong_one" not in complaints


def forever(run: LocalRun, prompt: str = "") -> Iterator[str]:
    while True:
        yield "again "
        run.sleep(0.01)


@pytest.mark.parametrize(("options", "expected"), [((), 1), (("--no-cancel",), 0)])
def test_at_the_timeout_the_prediction_is_canceled_unless_it_is_to_run_on(
    options: tuple[str, ...], expected: int
) -> None:
    with served(forever=forever) as (url, emulator):
        code, _, complaints = call("run", "owner/forever", "--base-url", url, "--timeout", "0.3", *options)
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


# ---- as a process ----


def test_pieces_are_written_when_they_come_and_not_later() -> None:
    Path("gated.py").write_text(
        "import os, replicate_home\n"
        "@replicate_home.local_model('local/gated')\n"
        "def gated(run: replicate_home.LocalRun):\n"
        "    yield 'one '\n"
        "    while not os.path.exists('gate'):\n"
        "        run.sleep(0.01)\n"
        "    yield 'two'\n"
    )
    with started("stream", "local/gated", "--import", "gated") as process:
        assert os.read(process.stdout.fileno(), 100) == b"one "
        Path("gate").touch()
        assert process.communicate() == (b"two\n", b"")
        assert process.returncode == 0


@pytest.mark.parametrize("prompt", ["The interpreter", "Tell me a joke"])
def test_markov_streams_prose_with_no_account(prompt: str) -> None:
    with started("stream", "local/markov", f"prompt={prompt}", "tokens_per_second=2000") as process:
        printed, complaints = process.communicate()
    assert (process.returncode, complaints, printed[-1:]) == (0, b"", b"\n")
    assert len(printed.split()) >= 40


def test_plasma_paints_a_picture_and_prints_its_path() -> None:
    code, printed, complaints = call(
        "run", "local/plasma", "prompt=sunset over the sea", "width=32", "--output-directory", "out"
    )
    assert (code, printed, complaints) == (0, f"{Path('out/output.png')}\n", "")
    assert Path("out/output.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("number", "code", "complaint"),
    [
        (
            signal.SIGINT,
            130,
            "replicate-home: interrupted: the cancellation of prediction {} was requested\n",
        ),
        (signal.SIGTERM, 143, ""),
        (signal.SIGHUP, 129, ""),
    ],
)
def test_a_signal_cancels_the_prediction(number: int, code: int, complaint: str) -> None:
    with (
        served(forever=forever) as (url, emulator),
        started("stream", "owner/forever", "--base-url", url) as process,
    ):
        assert os.read(process.stdout.fileno(), 6) == b"again "
        process.send_signal(number)
        _, complaints = process.communicate()
        name = emulator.calls[0].prediction_id
        assert (process.returncode, cancels(emulator)) == (code, [(f"/predictions/{name}/cancel", 200)])
        assert complaints.decode() == complaint.format(name)


def test_a_closed_pipe_ends_it_silently_and_cancels() -> None:
    with (
        served(forever=forever) as (url, emulator),
        started("stream", "owner/forever", "--base-url", url) as process,
    ):
        assert os.read(process.stdout.fileno(), 6) == b"again "
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (141, b"")
        assert [status for _, status in cancels(emulator)] == [200]


def test_ctrl_c_ends_a_local_model_too() -> None:
    Path("slow.py").write_text(
        "import replicate_home\n"
        "@replicate_home.local_model('local/slow')\n"
        "def slow(run: replicate_home.LocalRun) -> str:\n"
        "    open('began', 'w').close()\n"
        "    run.sleep(600)\n"
    )
    with started("run", "local/slow", "--import", "slow") as process:
        while not Path("began").exists() and process.poll() is None:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate()
    assert (process.returncode, printed) == (130, b"")
    assert complaints.startswith(b"replicate-home: interrupted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_is_and_serves_until_it_is_told_to_stop(number: int) -> None:
    with started("serve", "--port", "0") as process:
        url = process.stdout.readline().decode().strip()
        with Client(base_url=url) as client:
            result = client.run("local/markov", prompt="Hi", wait=False, input={"tokens_per_second": 2000, "seed": 1})
        process.send_signal(number)
        _, log = process.communicate()
    assert process.returncode == 0
    assert url.startswith("http://127.0.0.1:")
    assert len(result.text.split()) >= 40
    assert log.decode().splitlines().count("POST /v1/predictions 201") == 1


def test_serve_bounds_what_it_is_told_to_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Emulator] = []

    def stopped(emulator: Emulator, *_: Any, **__: Any) -> Any:
        made.append(emulator)
        raise KeyboardInterrupt

    monkeypatch.setattr("replicate_home.emulator.http_server.serve", stopped)
    for options in ((), ("--rate-limits",), ("--run-limit", "--retention"), ("--token", "r8_invented")):
        assert call("serve", *options)[0] == 0
    assert [emulator.service.limits for emulator in made] == [
        Limits(),
        Limits(creates=600, polls=60_000, requests=3_000),
        Limits(run=1_800, retention=3_600),
        Limits(),
    ]
    request = Request("GET", made[3].base_url + "/account", {"Authorization": "Bearer r8_another"})
    assert [emulator.handle(request)[0].status for emulator in made] == [200, 200, 200, 401]


def test_serve_serves_what_a_module_or_a_file_has(tmp_path: Path) -> None:
    Path("mine.py").write_text("def shout(prompt: str) -> str:\n    return prompt.upper()\n")
    Path("predict.py").write_text(
        "class Predictor:\n"
        "    def setup(self) -> None:\n        self.mark = '!'\n"
        "    def predict(self, prompt: str) -> str:\n        return prompt + self.mark\n"
    )
    Path("faults.json").write_text('[{"at": "create", "fault": "status", "code": 418}]')
    options = ("predict.py:Predictor", "--model", "mine:shout", "--scenario", "faults.json")
    with started("serve", *options) as process, Client(base_url=process.stdout.readline().decode().strip()) as client:
        with pytest.raises(APIError, match="418"):
            client.run("local/shout", prompt="hey")
        assert client.run("local/shout", prompt="hey") == "HEY"
        assert client.run("local/Predictor", prompt="hey") == "hey!"
        process.send_signal(signal.SIGINT)
        process.communicate()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "other computers can reach '0.0.0.0': add --allow-others"),
        (("--model", "nowhere"), "a model is named as module:callable"),
        (("--model", "no.such:model"), "there is no module 'no.such'"),
        (("--model", "nothing.py:model"), "there is no file 'nothing.py'"),
        (("--model", "json:nothing"), "there is no callable 'nothing' in json"),
        (("--scenario", "wrong.json"), "a scenario is a list of faults"),
    ],
)
def test_serve_refuses_what_it_cannot_serve(options: tuple[str, ...], said: str) -> None:
    Path("wrong.json").write_text("{}")
    code, _, complaints = call("serve", *options)
    assert (code, said in complaints) == (2, True)


def test_warnings_and_letters_that_the_terminal_lacks_end_nothing() -> None:
    Path("warner.py").write_text(
        "import replicate_home, warnings\n"
        "warnings.warn('mind the gap', UserWarning)\n"
        "replicate_home.local_model('local/umlaut')(lambda: '\\xfc \\u2192 \\ud800')\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    with started("run", "local/umlaut", "--import", "warner", env=environment) as process:
        printed, complaints = process.communicate()
    assert (process.returncode, printed) == (0, b"\xfc ? ?\n")
    assert complaints == b"replicate-home: warning: mind the gap\n"


def test_without_click_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['click'] = None; from replicate_home.cli.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == (b"replicate-home: the command line needs click: python -m pip install click\n")


def test_help_imports_no_command_and_no_library_but_click() -> None:
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        "try: runpy.run_module('replicate_home', run_name='__main__')\n"
        "except SystemExit as end: print(end.code)\n"
        "ours = {name for name in sys.modules if name.startswith('replicate_home.')}\n"
        "others = {'attr', 'requests', 'urllib3', 'tqdm', 'rich', 'asyncio'} & sys.modules.keys()\n"
        "assert not others\n"
        "print(sorted(name for name in ours if not name.startswith('replicate_home.cli.')))\n"
        "print(sorted(name[19:] for name in ours if name.startswith('replicate_home.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert [ast.literal_eval(line) for line in done.stdout.splitlines()[-3:]] == [
        0,
        [
            "replicate_home.cli",
            "replicate_home.exceptions",
            "replicate_home.protocol",
            "replicate_home.protocol.redaction",
            "replicate_home.version",
        ],
        ["commands", "exit_codes", "lazy", "main", "options", "suggesting", "wording"],
    ]


def test_every_command_in_the_table_is_there_and_says_what_the_table_says() -> None:
    context = click.Context(commands)
    for name, listed in COMMANDS.items():
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert listed.help.endswith(".")
