"""Every command does its work over pipes and on a terminal, in this process, against a small Replicate of its own."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from replicate_home import Client
from replicate_home.cli.commands import COMMANDS, commands
from replicate_home.cli.resources import VERBS, Verb
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.http_server import serve

from .calling import WAYS, Call, Outcome, on_terminal, piped


def greet(prompt: str = "you", times: int = 1) -> Iterator[str]:
    for _ in range(times):
        yield f"Hello {prompt}! "


class Place(NamedTuple):
    """What there is at the server: its URL, and the ids of what was made before."""

    url: str
    prediction: str
    version: str
    file: str
    training: str


@pytest.fixture
def place() -> Iterator[Place]:
    with Emulator({"owner/greet": greet}) as emulator, serve(emulator) as server, Client(base_url=server.url) as client:
        prediction = client.run("owner/greet", prompt="there").prediction
        version = prediction.version or ""
        client.models.create("owner", "mine", visibility="private", hardware="cpu")
        training = client.trainings.create("owner/greet", version, {"prompt": "x"}, "owner/mine")
        client.deployments.create("dep", "owner/greet", version, "cpu", 0, 1)
        file = client.files.create(b"content", "notes.txt")
        yield Place(server.url, prediction.id, version, file.id, training.id)


# Every command that asks a server, and what its answer begins with. Names in braces are fields of the place.
ANSWERS: Mapping[str, tuple[str, str]] = {
    "run": ("owner/greet prompt=Ada times=2", "Hello Ada! Hello Ada!"),
    "stream": ("owner/greet prompt=Ada times=2", "Hello Ada! Hello Ada!"),
    "map": ("owner/greet --input notes.txt", '."index": 0, "input": '),
    "predictions list": ("", r"(?i)id +model +status +created_at"),
    "predictions get": ("{prediction}", r"id +{prediction}"),
    "predictions wait": ("{prediction}", "Hello there!"),
    "predictions stream": ("{prediction}", "Hello there!"),
    "predictions cancel": ("{prediction}", r"id +{prediction}"),
    "models list": ("", r"(?i)id +run_count +description"),
    "models search": ("greet", r"(?i)id +run_count +description"),
    "models get": ("owner/greet", r"url +"),
    "models schema": ("owner/greet", r'prompt +string\. Default: "you"'),
    "models examples": ("owner/greet", "replicate-home: there are none"),
    "versions list": ("owner/greet", r"(?i)id +created_at"),
    "versions get": ("owner/greet:{version}", r"id +{version}"),
    "versions delete": ("owner/greet:{version}", "replicate-home: "),
    "deployments list": ("", r"(?i)id +model +hardware"),
    "deployments get": ("local/dep", r"owner +local"),
    "deployments create": (
        "new --model owner/greet --version {version} --hardware cpu --min-instances 0 --max-instances 2",
        r"owner +local",
    ),
    "deployments update": ("local/dep --max-instances 3", r"owner +local"),
    "deployments delete": ("local/dep", "replicate-home: "),
    "trainings list": ("", r"(?i)id +model +status +created_at"),
    "trainings get": ("{training}", r"id +{training}"),
    "trainings create": ("owner/greet:{version} -d owner/mine prompt=x", r"id +\w+"),
    "trainings cancel": ("{training}", r"id +{training}"),
    "files list": ("", r"(?i)id +name +content_type +size"),
    "files get": ("{file}", r"id +{file}"),
    "files create": ("notes.txt", r"id +\w+"),
    "files delete": ("{file}", "replicate-home: done"),
    "collections list": ("", r"(?i)slug +name +description"),
    "collections get": ("language-models", r"(?i)id +run_count +description"),
    "hardware": ("", r"(?i)sku +name"),
    "account": ("", r"type +user"),
}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands that do something themselves."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


def test_no_command_is_left_out() -> None:
    others = {"serve", "completion"}  # they ask no server, and are tested elsewhere
    assert {*leaves(commands)} == {*ANSWERS, *others}


def test_every_command_in_the_table_is_there_and_says_what_the_table_says() -> None:
    context = click.Context(commands)
    for name, listed in COMMANDS.items():
        command = commands.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert listed.help.endswith(".")


def ask(call: Call, name: str, place: Place, *flags: str) -> Outcome:
    Path("notes.txt").write_text("something")
    arguments = ANSWERS[name][0].format(**place._asdict()).split()
    return call(*name.split(), *arguments, "--base-url", place.url, *flags)


@WAYS
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.long
def test_every_command_does_its_work_over_pipes_and_on_a_terminal(call: Call, name: str, place: Place) -> None:
    code, output, errors = ask(call, name, place)
    screen = Outcome(code, output + errors, "").lines
    assert code == 0, screen
    assert re.match(ANSWERS[name][1].format(**place._asdict()), screen[0]), screen


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.long
def test_every_command_answers_in_json(name: str, place: Place) -> None:
    code, output, errors = ask(piped, name, place, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(output) is not None
    code, output, errors = ask(piped, name, place, "--jsonl")
    assert code == 0 or name.endswith(("deployments create", "delete"))  # which are done already
    assert all(json.loads(line) is not None for line in output.splitlines())


@WAYS
@pytest.mark.parametrize("name", [name for name in ANSWERS if "{" not in ANSWERS[name][0]])
def test_what_is_asked_of_this_process_needs_no_account(call: Call, name: str) -> None:
    Path("notes.txt").write_text("something")
    Path("mine.py").write_text(
        "import replicate_home\n"
        "@replicate_home.local_model('owner/greet')\n"
        "def greet(prompt: str = 'you', times: int = 1) -> str:\n"
        "    return f'Hello {prompt}! ' * times\n"
    )
    arguments = ANSWERS[name][0].split()
    code, output, errors = call(
        *name.split(), *arguments, "--backend", "local", "--import", "mine.py", "--timeout", "9"
    )
    if "local/dep" in arguments:  # the only thing that is not there
        assert (code, "no deployment" in output + errors) == (2, True)
    else:
        assert (code, "token" in output + errors) == (0, False)


@WAYS
@pytest.mark.parametrize("name", ANSWERS)
def test_every_command_has_the_flags_of_a_server_and_says_what_it_does(call: Call, name: str) -> None:
    code, output, errors = call(*name.split(), "--help")
    assert (code, errors) == (0, "")
    for flag in ("--backend", "--base-url", "--timeout", "--import", "--json", "--jsonl"):
        assert flag in output


def test_tables_are_drawn_with_rich_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    richly = on_terminal("collections", "list", "--backend", "local")
    assert "\x1b[1m" in richly.output  # bold names of columns
    for name in ("rich", "rich.console", "rich.table", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    plainly = on_terminal("collections", "list", "--backend", "local")
    assert plainly.output == piped("collections", "list", "--backend", "local").output
    lines = on_terminal("models", "list", "--backend", "local").lines
    assert max(map(len, lines)) == 100


@WAYS
def test_an_empty_list_is_a_success(call: Call) -> None:
    code, output, errors = call("predictions", "list", "--backend", "local")
    assert (code, Outcome(code, output + errors, "").lines) == (0, ["replicate-home: there are none"])
    assert piped("predictions", "list", "--backend", "local", "--json") == (0, "[]\n", "")
    assert piped("predictions", "list", "--backend", "local", "--jsonl") == (0, "", "")


def test_every_verb_is_a_method_of_the_client_with_these_parameters() -> None:
    client = Client("t")
    for verb in (verb for verbs in VERBS.values() for verb in verbs.values() if isinstance(verb, Verb)):
        names = [*inspect.signature(attrgetter(verb.method)(client)).parameters]
        assert set(verb.options) <= set(names[1:] if verb.argument else names), verb


def test_a_list_goes_on_through_its_pages_up_to_the_limit() -> None:
    models = {f"owner/model-{number}": greet for number in range(60)}
    with Emulator(models) as emulator, serve(emulator) as server:
        lists = [piped("models", "list", "--base-url", server.url, "--jsonl", *more) for more in ((), ("--limit", "7"))]
    assert [(found.code, len(found.output.splitlines())) for found in lists] == [(0, 60), (0, 7)]


def test_a_resource_with_one_verb_needs_no_word_for_it() -> None:
    for name, word in (("hardware", "list"), ("account", "current")):
        assert piped(name, "--backend", "local") == piped(name, word, "--backend", "local")
        assert piped(name, "get", "--backend", "local").code == 2


@WAYS
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("model list", "there is no command 'model', did you mean 'models'? See replicate-home --help"),
        ("models show x/y", "there is no command 'show', did you mean 'get'? See replicate-home models --help"),
        ("predictions", "Missing command. See replicate-home predictions --help"),
        ("predictions get", "Missing argument 'ID'. See replicate-home predictions get --help"),
        ("models list --limit 0", "Invalid value for '--limit': 0 is not in the range x>=1."),
        ("predictions list", "no API token: set REPLICATE_API_TOKEN. Without one, "),
        ("predictions get x --backend cog", "--backend cog needs the address of the server: use --base-url or"),
        ("files create nowhere.txt", "Invalid value for 'PATH': File 'nowhere.txt' does not exist."),
    ],
)
def test_what_is_wrong_is_said_in_words_of_the_command_line(call: Call, arguments: str, said: str) -> None:
    found = call(*arguments.split())
    assert found.code in (2, 3)
    assert (found.errors or found.output).startswith(f"replicate-home: {said}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_what_completes_commands(shell: str) -> None:
    found = piped("completion", shell)
    assert (found.code, found.errors, "_REPLICATE_HOME_COMPLETE" in found.output) == (0, "", True)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("run local/p", ["local/plasma", "local/posterize"]),
        ("stream google-deepmind/gemma-2b", ["google-deepmind/gemma-2b-it"]),
        ("models schema local/m", ["local/markov"]),
        ("run local/plasma w", ["width="]),
        ("run local/nope w", []),
        ("run owner/name w", []),
        ("run local/plasma --backend ", ["replicate", "home", "cog", "local"]),
        ("trainings c", ["create", "cancel"]),
    ],
)
def test_the_tab_key_completes(monkeypatch: pytest.MonkeyPatch, words: str, completed: list[str]) -> None:
    monkeypatch.setenv("_REPLICATE_HOME_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"replicate-home {words}")
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ") + 1))
    found = piped()
    assert (found.code, found.errors) == (0, "")
    assert [line.removeprefix("plain,") for line in found.output.split()] == completed


def test_what_is_about_a_model_in_this_process_is_asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped("models", "get", "local/eliza").code == 0
    monkeypatch.setenv("REPLICATE_BASE_URL", "http://127.0.0.1:1")
    assert piped("models", "get", "local/eliza").code == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
        ("x =", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    ],
)
def test_a_module_that_cannot_be_imported_says_where_it_fails(content: str, said: str) -> None:
    Path("mine.py").write_text(content)
    found = piped("models", "list", "--backend", "local", "--import", "./mine.py")
    assert (found.code, found.errors) == (
        2,
        (
            f"replicate-home: Invalid value for --import: {Path('mine.py').resolve()}, line 1: {said}. "
            "See replicate-home models list --help\n"
        ),
    )


def test_a_mistake_of_this_program_is_one_line_and_its_place_is_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("replicate_home.cli.records.show_table", lambda *_: {}["gone"])
    found = piped("models", "list", "--backend", "local")
    assert found == (5, "", "replicate-home: a mistake in this program, KeyError: 'gone'\n")
    monkeypatch.setenv("REPLICATE_HOME_LOG", "debug")
    assert "Traceback" in piped("models", "list", "--backend", "local").errors
