"""What goes in and comes out of ``run``, ``stream`` and ``predictions``: inputs by their schema, stdin, files, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replicate_home import Client, FileOutput, LocalRun, ReplicateHomeError, local_model
from replicate_home.cli.printing import Answer
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

from .calling import WAYS, Call, forever, piped, served


def echo(prompt: str = "", steps: int = 1, loud: bool = False) -> dict[str, Any]:
    return {"prompt": prompt, "steps": steps, "loud": loud}


def say(prompt: str) -> Iterator[str]:
    for word in prompt.split():
        yield word + " "


def size(file: bytes) -> int:
    return len(file)


def sizes(files: list[bytes]) -> list[int]:
    return [len(file) for file in files]


def picture(prompt: str = "red") -> bytes:
    return prompt.encode()


def pictures(prompt: str) -> Iterator[bytes]:
    for word in prompt.split():
        yield word.encode()


def report() -> dict[str, Any]:
    return {"title": "Überblick", "chart": b"chart"}


def fail(run: LocalRun, prompt: str = "") -> str:
    run.log("trying")
    raise ValueError("out of ideas")


def steps(run: LocalRun) -> bytes:
    run.log(" 50%|#####     | 1/2 [00:01<00:01,  1.00it/s]")
    return b"done"


@pytest.fixture(autouse=True)
def models(workplace: None) -> None:
    for model in (echo, say, size, sizes, picture, pictures, report, fail, steps):
        local_model(f"local/{model.__name__}")(model)


@pytest.fixture
def url() -> Iterator[str]:
    models = {f"owner/{model.__name__}": model for model in (say, picture, pictures, fail)}
    with Emulator(models) as emulator, serve(emulator) as server:
        yield server.url


# ---- what goes in ----


@WAYS
def test_a_wrong_name_gets_the_nearest_one_and_costs_nothing(call: Call) -> None:
    found = call("run", "local/echo", "promt=x")
    assert (found.code, found.output + found.errors) == (
        2,
        "replicate-home: local/echo has no input 'promt', did you mean 'prompt'? It takes: prompt, steps, loud\n",
    )


def test_a_model_that_takes_any_input_is_given_any() -> None:
    local_model("local/any")(lambda prompt="", **inputs: json.dumps(inputs))
    assert piped("run", "local/any", "other=5") == (0, '{"other": 5}\n', "")


@WAYS
def test_a_path_where_a_file_is_meant_is_told_how_to_write_it(call: Call) -> None:
    Path("a.png").write_bytes(b"\x89PNG")
    found = call("run", "local/size", "file=a.png")
    assert (found.code, found.output + found.errors) == (2, "replicate-home: file is a file: write file=@a.png\n")


@WAYS
def test_a_model_says_what_it_takes(call: Call) -> None:
    for command in ("run", "stream"):
        found = call(command, "local/echo", "--help")
        assert (found.code, found.errors, found.lines) == (
            0,
            "",
            [
                f"Usage: replicate-home {command} local/echo [NAME=VALUE]...",
                "Inputs:",
                '  prompt  string. Default: ""',
                "  steps   integer. Default: 1",
                "  loud    boolean. Default: false",
                "Output:",
                "  object",
                f"See replicate-home {command} --help for the options.",
            ],
        )


@pytest.mark.parametrize("command", ["run", "stream"])
def test_text_on_stdin_is_the_prompt_if_none_is_given(command: str) -> None:
    assert piped(command, "local/say", stdin=b"piped in\n") == (0, "piped in \n", "")
    assert piped(command, "local/say", "prompt=typed", stdin=b"piped in\n") == (0, "typed \n", "")
    assert json.loads(piped(command, "local/echo", "steps=3", stdin=b"text\r\n").output)["prompt"] == "text"
    assert json.loads(piped(command, "local/echo", stdin=b"").output)["prompt"] == ""
    assert piped(command, "local/size", 'file:="data:,123"', stdin=b"no prompt is taken") == (0, "3\n", "")


def test_stdin_that_is_no_text_is_no_prompt() -> None:
    found = piped("run", "local/echo", stdin=b"\x89PNG")
    assert found == (2, "", "replicate-home: stdin is not text: say which input it is, such as image=@-\n")


def test_a_value_can_come_from_the_json_of_another_run() -> None:
    first = piped("run", "local/say", "prompt=Hello there", "--json")
    second = piped(
        "run",
        "local/echo",
        "prompt={{.output[1]}}is {{ .status }}",
        "steps={{.exit}}",
        stdin=first.output.replace("{", '{"exit": 2, ', 1).encode(),
    )
    assert json.loads(second.output) == {"prompt": "there is succeeded", "steps": 2, "loud": False}


def test_a_list_of_texts_is_a_text_where_the_model_takes_text_and_a_number_a_number() -> None:
    stdin = b'{"output": ["Hello ", "there"], "steps": 3, "tags": ["a", {}]}'
    arguments = ("prompt={{.output}}", "steps={{.steps}}")
    found = json.loads(piped("run", "local/echo", *arguments, stdin=stdin).output)
    assert found == {"prompt": "Hello there", "steps": 3, "loud": False}
    found = json.loads(piped("run", "local/echo", "prompt={{.tags}} {{.output}}", stdin=stdin).output)
    assert found["prompt"] == '["a", {}] Hello there'


def test_a_file_that_another_run_has_saved_is_that_file() -> None:
    first = piped("run", "local/picture", "prompt=12345", "--json")
    assert (json.loads(first.output)["output"], json.loads(first.output)["saved"]) == ("output.bin", ["output.bin"])
    assert piped("run", "local/size", "file={{.output}}", stdin=first.output.encode()) == (0, "5\n", "")
    first = piped("run", "local/pictures", "prompt=one three", "--json")
    assert piped("run", "local/sizes", "files={{.output}}", stdin=first.output.encode()) == (0, "[3, 5]\n", "")


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "{{...}} takes its value from JSON on stdin: pipe the output of run --json"),
        (b"Hello", "{{...}} takes its value from JSON on stdin: pipe the output of run --json"),
        (b'{"output": ["a"]}', "the JSON on stdin has no .output[1]"),
        (b'{"output": null, "error": "out of ideas"}', 'the JSON on stdin has no .output[1]: it has the error "out of'),
    ],
)
def test_json_that_does_not_have_it_is_said_so(stdin: bytes, said: str) -> None:
    found = piped("run", "local/echo", "prompt={{.output[1]}}", stdin=stdin)
    assert (found.code, found.output) == (2, "")
    assert found.errors.startswith(f"replicate-home: {said}")


def test_what_another_model_puts_out_names_no_file_here() -> None:
    Path("secret").write_text("secret")
    found = piped("run", "local/echo", "prompt={{.output}}", stdin=b'{"output": "@secret"}')
    assert json.loads(found.output)["prompt"] == "@secret"


def test_braces_that_are_no_template_are_text() -> None:
    for text in ("{{output}}", "{{ name }}", "{.output}", "{{.}}"):
        assert json.loads(piped("run", "local/echo", f"prompt={text}").output)["prompt"] == text


# ---- what comes out ----


@WAYS
@pytest.mark.parametrize("command", ["run", "stream"])
def test_a_file_can_be_named(call: Call, command: str) -> None:
    for prompt in ("first", "second"):  # which replaces the first
        found = call(command, "local/picture", f"prompt={prompt}", "-o", "a.png")
        assert (found.code, found.lines or found.errors) == (0, ["a.png"])
        assert Path("a.png").read_text() == prompt
    assert [path.name for path in Path().iterdir()] == ["a.png"]


@pytest.mark.parametrize("command", ["run", "stream"])
def test_text_goes_into_the_file_and_more_files_beside_it(command: str) -> None:
    assert piped(command, "local/say", "prompt=Hello there", "-o", "a.txt") == (0, "a.txt\n", "")
    assert Path("a.txt").read_text() == "Hello there \n"
    assert piped(command, "local/pictures", "prompt=one two", "--output", "a.png") == (0, "a.png\na-2.png\n", "")
    assert (Path("a.png").read_text(), Path("a-2.png").read_text()) == ("one", "two")


@pytest.mark.parametrize("command", ["run", "stream"])
def test_files_within_an_output_are_beside_the_file_that_names_them(command: str) -> None:
    assert piped(command, "local/report", "-o", "report.json") == (0, "report.json\n", "")
    assert json.loads(Path("report.json").read_text()) == {"title": "Überblick", "chart": "output.bin"}
    assert Path("output.bin").read_text() == "chart"


@pytest.mark.parametrize("command", ["run", "stream"])
def test_a_dash_is_stdout_itself(command: str) -> None:
    assert piped(command, "local/picture", "prompt=12345", "-o", "-") == (0, "12345", "")
    assert piped(command, "local/say", "prompt=Hi", "-o", "-") == (0, "Hi \n", "")
    found = piped(command, "local/pictures", "prompt=one two", "-o", "-")
    assert (found.code, found.errors) == (
        5,
        "replicate-home: there is more than one file, and -o - has place for one: use --output-directory\n",
    )


def test_a_file_that_cannot_be_fetched_leaves_nothing_behind() -> None:
    with pytest.raises(ReplicateHomeError, match="has no client"):
        Answer(Path("out")).place(FileOutput("http://127.0.0.1:1/a.png"))
    assert list(Path("out").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-o", "a", "--output-directory", "b"), "-o and --output-directory exclude each other."),
        (("--output-directory", "-"), "stdout is no folder: -o - writes a file there."),
        (("-o", "-", "--json"), "-o - and --json exclude each other: both write to stdout."),
    ],
)
def test_answers_have_one_place(flags: tuple[str, ...], said: str) -> None:
    found = piped("run", "local/picture", *flags)
    assert (found.code, found.errors) == (2, f"replicate-home: {said} See replicate-home run --help\n")


def test_a_stream_can_be_one_document_and_a_run_one_event_a_line(url: str) -> None:
    streamed = piped("stream", "owner/say", "prompt=Hi", "--json", "--base-url", url)
    assert (streamed.code, json.loads(streamed.output)["output"]) == (0, ["Hi "])
    events = [json.loads(line) for line in piped("run", "local/say", "prompt=Hi", "--jsonl").output.splitlines()]
    assert [event["data"] for event in events if event["event"] == "output"] == ["Hi "]
    assert events[-1]["event"] == "done"


def test_errors_are_json_too(url: str) -> None:
    found = piped("run", "owner/nope", "--json", "--base-url", url)
    error = json.loads(found.output)["error"]
    assert (found.code, error["type"], error["status"], error["exit_code"]) == (2, "ModelNotFound", 404, 2)
    assert found.errors == f"replicate-home: {error['message']}\n"
    found = piped("predictions", "get", "--jsonl")
    assert json.loads(found.output)["error"]["message"].startswith("Missing argument 'ID'.")


def test_a_prediction_that_failed_is_the_document(url: str) -> None:
    found = piped("run", "owner/fail", "--json", "--base-url", url)
    prediction = json.loads(found.output)
    assert (found.code, prediction["status"], prediction["error"]) == (1, "failed", "ValueError: out of ideas")
    waited = piped("predictions", "wait", prediction["id"], "--json", "--base-url", url)
    assert (waited.code, json.loads(waited.output)) == (1, prediction)


def test_a_run_that_is_not_waited_for_prints_its_id() -> None:
    with served(forever=forever) as (url, _):
        created = piped("run", "owner/forever", "--no-wait", "--base-url", url)
        name = created.output.strip()
        resumed = f"this waits for it: replicate-home predictions wait {name} --base-url={url}"
        assert created == (0, f"{name}\n", f"replicate-home: prediction {name} runs on; {resumed}\n")
        assert piped("predictions", "cancel", name, "--base-url", url).code == 0
        created = piped("run", "owner/forever", "prompt=Hi", "--no-wait", "--json", "--base-url", url)
        assert json.loads(created.output)["input"] == {"prompt": "Hi"}
        assert piped("predictions", "cancel", json.loads(created.output)["id"], "--base-url", url).code == 0


def test_a_run_in_this_process_has_to_be_waited_for() -> None:
    found = piped("run", "local/say", "prompt=Hi", "--no-wait")
    said = "replicate-home: a model in this process ends with it: leave out --no-wait\n"
    assert found == (2, "", said)


def test_a_prediction_of_another_is_waited_for_with_its_files(url: str) -> None:
    with Client(base_url=url) as client:
        prediction = client.predictions.create(model="owner/pictures", input={"prompt": "a b"})
    for command in ("wait", "stream"):
        found = piped("predictions", command, prediction.id, "--base-url", url, "--output-directory", command)
        assert found == (0, f"{command}/output.bin\n{command}/output-1.bin\n", "")


# ---- on the way ----


@pytest.mark.parametrize("command", ["run", "stream"])
def test_a_pipe_gets_no_progress(command: str) -> None:
    assert piped(command, "local/steps") == (0, "output.bin\n", "")
