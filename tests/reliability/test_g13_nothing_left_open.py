"""G13: sockets, threads and files are back to the starting count, also after Ctrl-C at any step.

Leaving early (break, exception, garbage collection, Ctrl-C, the end of the interpreter) cancels the prediction that the
call created, once and briefly; a second Ctrl-C passes at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import replicate_home
from replicate_home import Client, ModelCanceled, ReplicateHomeError, StreamInterrupted, Timeout
from replicate_home.drivers.driving import MAY_EXIST
from replicate_home.testing.scripted_server import Cut, Line, Over, Pause, Send, Stall, Step, answer

from .cases import NIGHTLY, TOKEN, UNHURRIED, counted, virtual_client
from .hosted_server import RECORDINGS, HostedServer, Job, Refuses, encoded, numbered

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
SSE = answer(200, content_type="text/event-stream", framed=False)
TOKENS = encoded([(numbered(number), "output", f"{number} ") for number in range(3)])


def open_now() -> set[str]:
    """The open files and the running threads."""
    folder = Path("/proc/self/fd")
    links = {f"{link.name} {_target(link)}" for link in folder.iterdir()} if folder.is_dir() else set()
    listing = {link for link in links if f"/proc/{os.getpid()}/fd" in link or link.endswith(" gone")}
    return links - listing | {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return "gone"  # the one that lists the folder


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """What is open after the block was open before it."""
    before = open_now()
    yield
    until = time.monotonic() + 3
    while (left := open_now() - before) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.005)
    assert not left


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within some seconds: a thread may see to it."""
    until = time.monotonic() + 3
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


# ---- Ctrl-C, as the system sends it ------------------------------------------------------------------------------


@attrs.frozen
class CtrlC:
    """Interrupt the main thread, which is waiting for this server, until it has gone.

    Once is enough, but for a signal that comes just before a system call: Python sees it only after the call.
    """

    def play(self, line: Line) -> None:
        """Send the signal, and again to what is still running."""
        line.pause(0.01)
        line.sock.settimeout(0.3)
        data = b"x"
        while data:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                data = line.sock.recv(65536)
        raise Over


@attrs.frozen
class Signal:
    """Interrupt the main thread once; the connection is still of use."""

    def play(self, line: Line) -> None:
        """Send the signal."""
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@attrs.frozen
class All:
    """Several steps as one."""

    steps: tuple[Step, ...]

    def play(self, line: Line) -> None:
        """One after the other."""
        for step in self.steps:
            step.play(line)


def at_create(*steps: Step) -> HostedServer:
    server = HostedServer()
    server.instead = lambda received: steps if received.target.endswith("/predictions") else None
    return server


def at_stream(*steps: Step) -> HostedServer:
    return HostedServer(Job(RECORDINGS[0], otherwise=lambda job, received: steps, polls_to_end=10**6))


def at_poll(*steps: Step) -> HostedServer:
    return HostedServer(Job(RECORDINGS[0], [Refuses(404)], [None, All(steps)], polls_to_end=10**6))


def between_polls() -> HostedServer:
    waiting = answer(200, b'{"id":"job0","status":"processing"}')
    return at_poll(Send(waiting), Pause(0.02), Signal())


HALF = answer(201, b'{"id":"job0","status":"starting"}')[:-9]
POINTS: dict[str, tuple[Callable[[], HostedServer], bool]] = {
    "before the create is answered": (lambda: at_create(CtrlC()), False),
    "within the answer to the create": (lambda: at_create(Send(HALF), CtrlC()), False),
    "before the stream is answered": (lambda: at_stream(CtrlC()), True),
    "within the stream's headers": (lambda: at_stream(Send(SSE[:-9]), CtrlC()), True),
    "before the first event": (lambda: at_stream(Send(SSE), CtrlC()), True),
    "within an event": (lambda: at_stream(Send(SSE + TOKENS[:-9]), CtrlC()), True),
    "between two events": (lambda: at_stream(Send(SSE + TOKENS), CtrlC()), True),
    "before a poll is answered": (lambda: at_poll(CtrlC()), True),
    "within the answer to a poll": (lambda: at_poll(Send(HALF), CtrlC()), True),
    "between two polls": (between_polls, True),
}


def run(client: Client, **options: Any) -> Any:
    return client.run("owner/model", {}, **options)


def stream(client: Client, **options: Any) -> Any:
    return list(client.stream("owner/model", {}, **options))


def wait(client: Client) -> Any:
    return client.predictions.create("owner/model", {}).wait()


OWNERS: dict[str, tuple[Callable[[Client], Any], bool]] = {
    "run": (run, True),
    "stream": (stream, True),
    "run that does not cancel": (lambda client: run(client, cancel_on_exit=False), False),
    "stream that does not cancel": (lambda client: stream(client, cancel_on_exit=False), False),
    "wait": (wait, False),
}


def test_ctrl_c_passes_and_leaves_nothing_behind():
    known = {place for place, (_, is_created) in POINTS.items() if is_created}
    cases = [
        (place, owner) for place in POINTS for owner, (_, cancels) in OWNERS.items() if place in known or not cancels
    ]
    for place, owner in counted(cases, at_least=46):
        make, is_created = POINTS[place]
        call, cancels = OWNERS[owner]
        with nothing_left(), make() as server:
            client = Client(TOKEN, base_url=server.url)
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt) as caught:
                call(client)
            assert time.monotonic() - began < 2.5
            cancels_sent = len(server.asked("POST", "/cancel"))
            assert cancels_sent == int(is_created and cancels), (place, owner)
            if is_created:
                assert caught.value.__notes__ == ["while waiting for prediction job0"]
            client.close()


CREATED = answer(201, b'{"id":"job0","status":"starting"}')
DURING_A_CREATE: dict[str, tuple[Step, ...]] = {
    "before the first byte of the answer": (Pause(0.02), Signal(), Pause(0.1), Send(CREATED)),
    "within the answer": (Send(CREATED[:-9]), Pause(0.02), Signal(), Pause(0.1), Send(CREATED[-9:])),
    "just before the answer": (Pause(0.02), Signal(), Send(CREATED)),
    "while the answer is late": (Pause(0.02), Signal(), Pause(1.2), Send(CREATED)),
}


def test_ctrl_c_while_a_create_is_under_way_cancels_what_it_creates():
    """Without the answer there is no id to cancel by, so it is waited for, two seconds at most."""
    cases = [(place, call) for place in DURING_A_CREATE for call in (run, stream)]
    for place, call in counted(cases, at_least=8):
        with nothing_left(), at_create(*DURING_A_CREATE[place]) as server:
            client = Client(TOKEN, base_url=server.url)
            with pytest.raises(KeyboardInterrupt) as caught:
                call(client)
            assert len(server.asked("POST", "/predictions/job0/cancel")) == 1, place
            assert caught.value.__notes__ == ["while waiting for prediction job0"]
            client.close()


def test_ctrl_c_before_an_answer_that_does_not_come_says_that_the_prediction_may_exist():
    with nothing_left(), at_create(Pause(0.02), Signal(), Stall()) as server:
        client = Client(TOKEN, base_url=server.url)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            run(client)
        assert 1.5 < time.monotonic() - began < 3
        assert (caught.value.__notes__, server.asked("POST", "/cancel")) == ([MAY_EXIST], [])
        client.close()


def test_a_second_ctrl_c_while_a_create_is_under_way_passes_at_once():
    with nothing_left(), at_create(Pause(0.02), Signal(), Pause(0.1), Signal(), Stall()) as server:
        client = Client(TOKEN, base_url=server.url)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(client)
        assert time.monotonic() - began < 1.5
        client.close()


def test_ctrl_c_early_in_a_script_leaves_no_prediction_running(tmp_path: Path):
    """A real server in a process of its own, a real script, and the signal that a terminal sends."""
    (tmp_path / "slow.py").write_text(SLOW_MODEL)
    command = [sys.executable, "-m", "replicate_home", "serve", "--port", "0", "--import", "slow"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True, cwd=tmp_path) as served:
        try:
            assert served.stdout is not None
            url = served.stdout.readline().strip()
            script = f"from replicate_home import Client; Client(base_url={url!r}).run('local/slow', {{}})"
            running = subprocess.Popen([sys.executable, "-c", script], stdout=quiet, stderr=subprocess.PIPE, text=True)
            with running, Client(base_url=url) as client:
                assert eventually(lambda: len(client.predictions.list()) == 1)
                time.sleep(0.3)
                running.send_signal(signal.SIGINT)
                _, told = running.communicate(timeout=10)
                assert [prediction.status for prediction in client.predictions.list()] == ["canceled"]
            assert "KeyboardInterrupt" in told
        finally:
            served.terminate()


SLOW_MODEL = """
from replicate_home import LocalRun, local_model

@local_model("local/slow")
def slow(run: LocalRun) -> str:
    run.sleep(60)
    return "late"
"""


def test_a_second_ctrl_c_passes_at_once():
    for place in counted(list(POINTS)[2:], at_least=8):
        make, _ = POINTS[place]
        with nothing_left(), make() as server:
            before = server.instead
            server.instead = lambda received, before=before: (
                [CtrlC()] if received.target.endswith("/cancel") else before(received)
            )
            client = Client(TOKEN, base_url=server.url)
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                stream(client)
            assert time.monotonic() - began < 1.5  # the grace is 2 s, and it was not waited for
            assert len(server.asked("POST", "/cancel")) == 1
            client.close()


def test_a_cancel_that_is_not_answered_is_waited_for_briefly():
    make, _ = POINTS["between two events"]
    with nothing_left(), make() as server:
        server.instead = lambda received: [Stall()] if received.target.endswith("/cancel") else None
        client = Client(TOKEN, base_url=server.url)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            stream(client)
        assert time.monotonic() - began < 3.5
        client.close()


# ---- Ctrl-C at every line ----------------------------------------------------------------------------------------

HERE = str(Path(replicate_home.__file__).parent)
TRACED = tuple(os.path.join(HERE, folder) for folder in ("drivers", "client"))


class AtLine:
    """Raise KeyboardInterrupt where the ``number``-th line of the traced folders would run."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self.count = 0

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        """Python's trace function; once it has raised, it is not called again."""
        if event == "call":
            return self if frame.f_code.co_filename.startswith(TRACED) else None
        if event == "line":
            self.count += 1
            if self.count == self.number:
                raise KeyboardInterrupt
        return self

    def __enter__(self) -> AtLine:
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)


def interrupted(call: Callable[[Client], Any], number: int | None) -> tuple[int, Job | None]:
    """The lines that the call ran through, and what became of its prediction at the server."""
    with HostedServer(Job(RECORDINGS[0], polls_to_end=10**6, otherwise=GoesOn())) as server:
        client = virtual_client(server.url)
        with AtLine(number) as at_line, contextlib.suppress(KeyboardInterrupt):
            call(client)
        gc.collect()
        job = server.created.get("job0")
        if job is not None:
            eventually(lambda: job.canceled > 0 or job.is_over or not _leaving())
        client._engine.connections.given.close()
    return at_line.count, job


def _leaving() -> bool:
    return any(thread.name.startswith("replicate-home") for thread in threading.enumerate())


@attrs.frozen
class GoesOn:
    """Some tokens, and the end of the model; a client that has gone by then is one that left."""

    def __call__(self, job: Job, received: Any) -> Iterator[Step]:
        """Say them; the model is done when all was sent."""
        yield Send(SSE + job.recording.wire)
        job.is_over = True
        yield Cut()


LINES: dict[str, tuple[Callable[[Client], Any], bool]] = {
    "run": (run, True),
    "stream": (stream, True),
    "wait": (wait, False),
}


@pytest.mark.parametrize("name", LINES)
def test_ctrl_c_at_any_line_of_ours_leaves_nothing_behind(name):
    """The count of lines is found by a run that is not interrupted."""
    call, cancels = LINES[name]
    interrupted(call, None)  # imports, and what else runs only once
    lines, _ = interrupted(call, None)
    step = 1 if NIGHTLY else 17
    lost = 0
    for number in counted(range(1, lines, step), at_least=lines // step - 1):
        with nothing_left():
            _, job = interrupted(call, number)
        if job is not None and not job.is_over:
            lost += job.canceled == 0
        assert job is None or job.canceled <= int(cancels), number
    assert lines > 150
    if cancels:
        assert lost <= (6 if NIGHTLY else 1)  # the lines between the answer to the create and the note of its id


# ---- leaving in other ways ---------------------------------------------------------------------------------------


def endless() -> HostedServer:
    """A model that says three tokens and then nothing."""
    return at_stream(Send(SSE + TOKENS), Stall())


def by_break(client: Client) -> None:
    for _ in client.stream("owner/model", {}):
        break


def by_break_and_keeping_it(client: Client) -> None:
    with client.stream("owner/model", {}) as stream:
        for _ in stream:
            break


def by_exception(client: Client) -> None:
    with contextlib.suppress(ZeroDivisionError):
        for _ in client.stream("owner/model", {}):
            raise ZeroDivisionError


def by_close(client: Client) -> None:
    stream = client.stream("owner/model", {})
    next(stream)
    stream.close()
    stream.close()


def by_dropping(client: Client) -> None:
    stream = client.stream("owner/model", {})
    next(stream)
    del stream


def by_dropping_in_a_cycle(client: Client) -> None:
    stream = client.stream("owner/model", {})
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()


def by_closing_its_events(client: Client) -> None:
    events = client.stream("owner/model", {}).events()
    next(events)
    events.close()


def by_an_update_that_fails(client: Client) -> None:
    def fail(snapshot: Any) -> None:
        raise ZeroDivisionError

    with contextlib.suppress(ZeroDivisionError):
        client.run("owner/model", {}, on_update=fail)


WAYS = [by_break, by_break_and_keeping_it, by_exception, by_close, by_dropping, by_dropping_in_a_cycle,
        by_closing_its_events, by_an_update_that_fails]  # fmt: skip


def test_leaving_cancels_once_and_leaves_nothing_behind():
    for way in counted(WAYS, at_least=8):
        with nothing_left(), endless() as server:
            client = Client(TOKEN, base_url=server.url)
            way(client)
            job = server.created["job0"]
            assert eventually(lambda job=job: job.canceled > 0), way.__name__
            assert eventually(lambda: not _leaving())
            assert job.canceled == 1, way.__name__
            client.close()


def test_leaving_what_is_over_or_not_ours_cancels_nothing():
    def finished(client: Client) -> None:
        stream = client.stream("owner/model", {})
        stream.text()
        stream.close()

    def finished_and_dropped(client: Client) -> None:
        list(client.stream("owner/model", {}))

    def never_begun(client: Client) -> None:
        client.stream("owner/model", {})

    def not_to_be_canceled(client: Client) -> None:
        next(client.stream("owner/model", {}, cancel_on_exit=False))

    def of_a_handle(client: Client) -> None:
        next(client.predictions.create("owner/model", {}).stream())

    for way in counted((finished, finished_and_dropped, never_begun, not_to_be_canceled, of_a_handle), at_least=5):
        with nothing_left(), HostedServer() as server:
            client = Client(TOKEN, base_url=server.url)
            way(client)
            gc.collect()
            assert eventually(lambda: not _leaving())
            assert server.asked("POST", "/cancel") == [], way.__name__
            client.close()


def test_another_thread_may_cancel_a_stream_and_its_reader_is_told():
    with nothing_left(), endless() as server:
        client = Client(TOKEN, base_url=server.url, timeout=Timeout(total=20, idle=0.3))
        stream = client.stream("owner/model", {})
        said = [next(stream)]
        other = threading.Thread(target=stream.cancel)
        other.start()
        with pytest.raises(ModelCanceled):
            said += stream
        other.join()
        assert server.created["job0"].canceled == 1
        client.close()


def test_another_thread_may_close_a_stream_and_its_reader_is_told():
    with nothing_left(), endless() as server:
        client = Client(TOKEN, base_url=server.url)
        stream = client.stream("owner/model", {})
        said = [next(stream), next(stream), next(stream)]
        other = threading.Timer(0.05, stream.close)
        other.start()
        with pytest.raises(StreamInterrupted) as caught:
            said += stream
        other.join()
        assert (caught.value.partial_text, said) == ("0 1 2 ", ["0 ", "1 ", "2 "])
        assert server.created["job0"].canceled == 1
        client.close()


# ---- failures ----------------------------------------------------------------------------------------------------


def test_no_failure_leaves_anything_open():
    """After calls that fail in many ways not even the pool holds more than it may reuse."""
    faults = [[Cut()], [Send(answer(500)), Cut()], [Send(b"nonsense"), Cut()], [Send(answer(200, b"{")), Cut()],
              [Send(answer(200, b"{}", {"Content-Encoding": "br"})), Cut()], [Send(answer(401))]]  # fmt: skip
    for steps in counted(faults, at_least=6):
        with nothing_left(), HostedServer() as server:
            server.instead = lambda received, steps=steps: steps
            client = virtual_client(server.url)
            for call in (run, stream, wait, lambda client: client.predictions.get("x")):
                with pytest.raises(ReplicateHomeError):
                    call(client)
            client._engine.connections.given.close()


# ---- the end of the interpreter ----------------------------------------------------------------------------------

SCRIPT = """
import sys
from replicate_home import Client
client = Client("r8_token_of_a_script", base_url=sys.argv[1])
stream = client.stream("owner/model", {"prompt": "x"})
print(next(stream))
"""
ENDINGS = {
    "it ends": "",
    "it exits": "sys.exit(0)",
    "it fails": "raise SystemExit(0)",
    "it keeps the stream in a cycle": "stream.me = stream",
    "it keeps the stream in a module": "sys.kept = stream",
}


def run_script(script: str, url: str) -> tuple[int, str, str]:
    """The exit status of a script, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script, url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(HERE).parent)},
    )
    return done.returncode, done.stdout, done.stderr


def test_a_script_that_ends_with_a_stream_open_cancels_and_says_nothing():
    for ending, line in counted(ENDINGS.items(), at_least=5):
        with endless() as server:
            assert run_script(SCRIPT + line, server.url) == (0, "0 \n", ""), ending
            assert server.created["job0"].canceled == 1, ending


def test_a_script_that_has_read_its_stream_just_ends():
    with HostedServer(recording=RECORDINGS[4]) as server:
        script = SCRIPT.replace("next(stream)", "stream.text()")
        assert run_script(script, server.url) == (0, RECORDINGS[4].text + "\n", "")
        assert server.asked("POST", "/cancel") == []
