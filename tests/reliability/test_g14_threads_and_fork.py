"""G14: one client may be used by many threads, and survives a fork.

Every thread gets the answer to its own request. A forked child opens connections of its own, leaves those of its
parent alone, and cancels nothing that its parent is waiting for.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import replicate_home
from replicate_home import Client, ReplicateHomeError
from replicate_home.testing.scripted_server import Await, Cut, Received, Send, Step, answer

from .cases import NIGHTLY, TOKEN, UNHURRIED, counted
from .hosted_server import RECORDINGS, HostedServer, Job, encoded, numbered

pytestmark = [pytest.mark.reliability, pytest.mark.long, UNHURRIED]
THREADS = 32
CALLS_EACH = 1_000 if NIGHTLY else 12
SSE = answer(200, content_type="text/event-stream", framed=False)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


class Echo(HostedServer):
    """Answers every request with what was asked: a prompt, or an id."""

    def steps(self, received: Received) -> Iterator[Step]:
        """The prompt as output, at once or as a stream; the id of a poll."""
        kind, _, rest = received.target.removeprefix("/v1/").partition("/")
        said = json.loads(received.body)["input"]["prompt"] if received.method == "POST" else rest
        stream = {"stream": f"{self.url}/v1/streams/{said}"} if said.startswith("s") else {}
        status = "starting" if stream and received.method == "POST" else "succeeded"
        shown = {"id": said, "status": status, "output": [said, said], "urls": stream}
        if kind == "streams":
            yield Send(SSE + encoded([(numbered(number), "output", said) for number in (0, 1)]))
            yield Cut()
        yield Send(answer(200, json.dumps(shown).encode()))


def a_run(client: Client, name: str) -> str:
    return client.run("owner/model", {"prompt": f"r{name}"}).text.replace("r", "", 1).partition("r")[0]


def a_stream(client: Client, name: str) -> str:
    first, second = client.stream("owner/model", {"prompt": f"s{name}"})
    assert first == second
    return first[1:]


def a_look(client: Client, name: str) -> str:
    return client.predictions.get(f"g{name}").id[1:]


def a_create(client: Client, name: str) -> str:
    return client.predictions.create("owner/model", {"prompt": f"c{name}"}).id[1:]


KINDS: list[Callable[[Client, str], str]] = [a_run, a_stream, a_look, a_create]


def test_many_threads_get_each_their_own_answers():
    with Echo() as server:
        client = Client(TOKEN, base_url=server.url)
        start = threading.Barrier(THREADS)
        names = [(thread, call) for thread in range(THREADS) for call in range(CALLS_EACH)]

        def work(thread: int) -> list[tuple[str, str]]:
            start.wait(10)
            own = client if thread % 2 else client.with_options(timeout=60)
            return [
                (f"{thread}x{call}", KINDS[(thread + call) % len(KINDS)](own, f"{thread}x{call}"))
                for call in range(CALLS_EACH)
            ]

        with ThreadPoolExecutor(THREADS) as pool:
            answered = [pair for pairs in pool.map(work, range(THREADS)) for pair in pairs]
        pairs = list(counted(answered, at_least=THREADS * (1_000 if NIGHTLY else 12)))
        assert sorted(pairs) == sorted((f"{thread}x{call}",) * 2 for thread, call in names)
        client.close()


def test_threads_that_begin_together_share_one_transport():
    with Echo() as server:
        client = Client(TOKEN, base_url=server.url)
        start = threading.Barrier(THREADS)

        def first(number: int) -> Any:
            start.wait(10)
            client.predictions.get(f"g{number}")
            return client._engine.connections.transport("network")

        with ThreadPoolExecutor(THREADS) as pool:
            assert len(set(map(id, pool.map(first, range(THREADS))))) == 1
        client.close()


def test_closing_a_client_under_way_harms_nobody():
    """A call that is cut by it ends with an error of ours; the client may be used again."""
    with Echo() as server:
        client = Client(TOKEN, base_url=server.url)

        def work(number: int) -> str:
            try:
                return a_look(client, str(number))
            except ReplicateHomeError:
                return str(number)

        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(work, number) for number in range(100)]
            for _ in range(20):
                client.close()
            assert [answered.result() for answered in answers] == [str(number) for number in range(100)]
        assert a_look(client, "last") == "last"
        client.close()


# ---- fork -----------------------------------------------------------------------------------------------------


def in_child(act: Callable[[], None]) -> int:
    """The exit status of a child that does this; 0 where all went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads that are alive
        child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(20)
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Held:
    """A stream that goes on when the test says so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, job: Job, received: Received) -> Iterator[Step]:
        events = list(job.recording.events)
        yield Send(SSE + encoded(events[:2]))
        yield Await(self.go_on)
        job.is_over = True
        yield Send(encoded(events[2:]))
        yield Cut()


def use(client: Client) -> None:
    """A bit of everything."""
    assert client.run("owner/model", {}).text == RECORDINGS[0].text
    assert "".join(client.stream("owner/model", {})) == RECORDINGS[0].text
    made = client.predictions.create("owner/model", {})
    assert client.predictions.get(made.id).id == made.id


Finish = Callable[[], None]


def fresh(client: Client, held: Held) -> Finish:
    return lambda: None


def used(client: Client, held: Held) -> Finish:
    use(client)
    return lambda: None


def streaming(client: Client, held: Held) -> Finish:
    stream = client.stream("owner/model", {})
    said = [next(stream)]

    def finish() -> None:
        held.go_on.set()
        said.extend(stream)
        assert "".join(said) == RECORDINGS[0].text

    return finish


def streaming_in_a_thread(client: Client, held: Held) -> Finish:
    said: list[str] = []
    begun = threading.Event()

    def read() -> None:
        for piece in client.stream("owner/model", {}):
            said.append(piece)
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(5)

    def finish() -> None:
        held.go_on.set()
        thread.join(5)
        assert "".join(said) == RECORDINGS[0].text

    return finish


def calling_in_threads(client: Client, held: Held) -> Finish:
    over = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                client.predictions.create("owner/model", {})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()

    def finish() -> None:
        over.set()
        for thread in threads:
            thread.join(5)
        assert failures == []

    return finish


STATES = [fresh, used, streaming, streaming_in_a_thread, calling_in_threads]


@needs_fork
def test_a_forked_child_uses_the_client_and_leaves_its_parents_calls_alone():
    for state in counted(STATES * (20 if NIGHTLY else 1), at_least=5):
        held = Held()
        holds = state in (streaming, streaming_in_a_thread)
        with HostedServer(*[Job(RECORDINGS[0], [held])] * holds) as server:
            client = Client(TOKEN, base_url=server.url)
            finish = state(client, held)
            parents = {received.connection for received in server.requests}
            asked = len(server.requests)
            assert in_child(lambda client=client: use(client)) == 0, state.__name__
            if state is not calling_in_threads:
                childs = {received.connection for received in server.requests[asked:]}
                assert not parents & childs, state.__name__
            finish()
            use(client)
            assert server.asked("POST", "/cancel") == []
            client.close()


@needs_fork
def test_a_grandchild_does_too():
    with HostedServer() as server:
        client = Client(TOKEN, base_url=server.url)
        use(client)

        def child() -> None:
            use(client)
            assert in_child(lambda: use(client)) == 0

        assert in_child(child) == 0
        use(client)
        client.close()


def drop(streams: list[Any]) -> None:
    """Throw them away, and wait for whatever that has set off."""
    streams.clear()
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("replicate-home"):
            thread.join(5)


def close(streams: list[Any]) -> None:
    streams[0].close()


def leave_its_block(streams: list[Any]) -> None:
    with contextlib.suppress(SystemExit), streams[0]:
        sys.exit()


@needs_fork
def test_a_child_that_leaves_its_parents_stream_cancels_nothing():
    """It is the parent's prediction: leaving a child's copy of the stream does not leave it."""
    for leave in counted((drop, close, leave_its_block), at_least=3):
        held = Held()
        with HostedServer(Job(RECORDINGS[0], [held])) as server:
            client = Client(TOKEN, base_url=server.url)
            streams = [client.stream("owner/model", {})]
            said = [next(streams[0])]
            assert in_child(lambda leave=leave, streams=streams: leave(streams)) == 0, leave.__name__
            held.go_on.set()
            said += streams[0]
            assert "".join(said) == RECORDINGS[0].text
            assert server.asked("POST", "/cancel") == []
            client.close()


SCRIPT = """
import os, sys
from replicate_home import Client
client = Client("r8_token_of_a_script", base_url=sys.argv[1])
stream = client.stream("owner/model", {"prompt": "x"})
said = next(stream)
child = os.fork()
if not child:
    sys.exit(0)
os.waitpid(child, 0)
sys.stdin.read()
print(said + stream.text()[len(said):])
"""


@needs_fork
def test_a_child_that_ends_with_its_parents_stream_open_cancels_nothing():
    held = Held()
    with HostedServer(Job(RECORDINGS[4], [held])) as server:
        held.go_on.set()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, server.url],
            input="",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(replicate_home.__file__).parent.parent)},
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, RECORDINGS[4].text + "\n", "")
        assert server.asked("POST", "/cancel") == []
