"""``replicate-home`` as a process of its own: signals, pipes that close, terminals, and servers."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from replicate_home import APIError, Client
from replicate_home.emulator.emulator import Emulator
from replicate_home.emulator.limits import Limits
from replicate_home.wire import Request

from .calling import cancels, forever, in_terminal, piped, served, started

pytestmark = pytest.mark.long


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
    code, printed, complaints = piped(
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
        assert piped("serve", *options)[0] == 0
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
    code, _, complaints = piped("serve", *options)
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


# ---- on a terminal of its own ----


def test_ctrl_c_on_a_terminal_says_how_to_resume_what_runs_on() -> None:
    with (
        served(forever=forever) as (url, emulator),
        in_terminal("stream", "owner/forever", "--no-cancel", "--base-url", url) as screen,
    ):
        screen.wait_for("again ")
        screen.type("\x03")
        name = emulator.calls[0].prediction_id
        assert screen.ended() == 130
        assert cancels(emulator) == []
        assert screen.text().endswith(
            f"\r\nreplicate-home: interrupted: prediction {name} runs on; this waits for it: "
            f"replicate-home predictions wait {name} --base-url={url}\r\n"
        )


def test_a_run_on_a_terminal_shows_something_within_a_second_and_nothing_of_it_afterwards() -> None:
    with in_terminal("run", "local/plasma", "prompt=sea", "width=32", "height=32") as screen:
        screen.wait_for("local/plasma: starting (0 s)")
        assert screen.ended() == 0
        assert screen.text().rpartition("\r\x1b[K")[2] == "output.png\r\n"


@pytest.mark.parametrize("command", ["wait", "stream"])
def test_ctrl_c_cancels_nothing_that_was_begun_elsewhere(command: str) -> None:
    with served(forever=forever) as (url, emulator), Client(base_url=url) as client:
        name = client.predictions.create(model="owner/forever", input={}).id
        with in_terminal("predictions", command, name, "--base-url", url) as screen:
            screen.wait_for("again " if command == "stream" else f"{name} processing (")
            screen.type("\x03")
            assert screen.ended() == 130
            assert f"this waits for it: replicate-home predictions wait {name} --base-url={url}" in screen.text()
            assert cancels(emulator) == []
            client.predictions.cancel(name)


@pytest.mark.parametrize("command", ["run", "stream"])
def test_a_terminal_shows_how_far_a_model_is(command: str) -> None:
    Path("gated.py").write_text(
        "import os, replicate_home\n"
        "@replicate_home.local_model('local/gated')\n"
        "def gated(run: replicate_home.LocalRun) -> bytes:\n"
        "    run.log(' 50%|#####     | 1/2 [00:01<00:01,  1.00it/s]')\n"
        "    while not os.path.exists('gate'):\n"
        "        run.sleep(0.01)\n"
        "    return b'done'\n"
    )
    with in_terminal(command, "local/gated", "--import", "gated.py") as screen:
        screen.wait_for("processing, step 1 of 2 (")
        Path("gate").touch()
        assert screen.ended() == 0
        assert screen.text().rpartition("\r\x1b[K")[2] == "output.bin\r\n"


def test_serve_on_a_terminal_ends_with_ctrl_c() -> None:
    with in_terminal("serve") as screen:
        screen.wait_for("http://127.0.0.1:")
        screen.type("\x03")
        assert screen.ended() == 0


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = piped("serve", "--port", str(port))
    assert (found.code, found.output) == (5, "")
    assert found.errors.startswith(f"replicate-home: cannot listen on port {port} of 127.0.0.1 (--port 0 picks a fre")


def test_a_reader_of_a_list_may_leave_early() -> None:
    with started("models", "list", "--backend", "local") as process:
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (141, b"")
