"""Both clients against real Cog servers. Run by run_real_servers.py, which installs these; see there."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest

from replicate_home import (
    AsyncClient,
    Client,
    CreateOutcomeUnknown,
    FileOutput,
    InvalidInput,
    ModelCanceled,
    ModelError,
    NotFound,
    PermissionDenied,
    PredictionTimeout,
    ServerBusy,
    ServerError,
    StreamInterrupted,
)

from .server import HERE, asked, cog_server, free_port, health, wait_until

MODEL = "me/model"
TOKENS = [f"tok{number} " for number in range(5)]


@pytest.fixture(scope="module")
def text():
    with cog_server("text") as url:
        yield url


@pytest.fixture(scope="module")
def slow():
    with cog_server("sleep") as url:
        yield url


@pytest.fixture(autouse=True)
def _no_token_of_the_environment(monkeypatch):
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL", "REPLICATE_HOME_BACKEND"):
        monkeypatch.delenv(name, raising=False)


def is_idle(url):
    return health(url) == "READY"


# ---- what works -----------------------------------------------------------------------------------------------------


def test_a_stream_is_exact(client_of, text):
    assert client_of(text).chunks(MODEL, prompt="hi", input={"delay": 0}) == TOKENS


def test_a_run_knows_its_prediction(client_of, text):
    result = client_of(text).run(MODEL, prompt="hi", input={"delay": 0, "n": 2, "mode": "loud"})
    assert list(result) == ["TOK0 ", "TOK1 "]
    assert result.logs == "prompt: hi\ntoken 0\ntoken 1\n"
    assert result.metrics["output_token_count"] == 2
    told = result.prediction
    assert (told.model, told.status, told.input["prompt"]) == (MODEL, "succeeded", "hi")
    assert told.created_at is not None


def test_the_environment_may_name_the_server(client_of, text, monkeypatch):
    monkeypatch.setenv("REPLICATE_HOME_BACKEND", "cog")
    monkeypatch.setenv("REPLICATE_BASE_URL", text)
    with Client() as client:
        assert client.run(MODEL, prompt="hi", input={"delay": 0}).text == "".join(TOKENS)


def test_a_token_is_delivered_before_the_next_is_made(text):
    with Client(backend="cog", base_url=text) as client:
        seen = []
        with client.stream(MODEL, prompt="hi", input={"delay": 0.3, "n": 3}) as stream:
            for chunk in stream:
                seen.append((chunk, stream.prediction.logs, time.monotonic()))
        assert [chunk for chunk, _, _ in seen] == TOKENS[:3]
        gaps = [later[2] - one[2] for one, later in pairwise(seen)]
        assert min(gaps) > 0.15, gaps


def test_events_tell_of_status_logs_and_output_in_order(text):
    with Client(backend="cog", base_url=text) as client:
        stream = client.stream(MODEL, prompt="hi", input={"delay": 0.05, "n": 2})
        kinds = [type(event).__name__ for event in stream.events()]
    assert kinds[:2] == ["StatusEvent", "StatusEvent"]
    assert kinds[-1] == "DoneEvent"
    assert kinds.count("OutputEvent") == 2
    assert kinds.index("LogsEvent") < kinds.index("OutputEvent")


def test_an_image_comes_as_a_file_and_goes_in_as_one(client_of):
    Image = pytest.importorskip("PIL.Image")
    with cog_server("image") as url:
        client = client_of(url)
        first = client.run(MODEL, {"size": 16, "seed": 1})
        assert isinstance(first, FileOutput)
        content = first.read()
        assert Image.open(io.BytesIO(content)).size == (16, 16)
        blended = client.run(MODEL, {"size": 16, "seed": 2, "image": io.BytesIO(content)})
        again = client.run(MODEL, {"size": 16, "seed": 2, "image": first})
        assert blended.read() == again.read() != content


def test_files_that_the_server_uploads_are_read_from_there(client_of):
    kept: dict[str, bytes] = {}

    class Store(BaseHTTPRequestHandler):
        def do_PUT(self):
            kept[self.path] = self._read()
            self._say(200, b"")

        def do_GET(self):
            self._say(200 if self.path in kept else 404, kept.get(self.path, b""))

        def _read(self):
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers["Content-Length"]))
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def _say(self, status, content):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{store.server_port}/out"
        try:
            with cog_server("image", options=("--upload-url", at)) as url:
                result = client_of(url).run(MODEL, {"size": 16})
                assert result.url.startswith(at)
                assert result.read() == next(iter(kept.values()))
        finally:
            store.shutdown()


def test_structured_output_has_its_files(client_of, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("a note")
    with cog_server("structured") as url:
        client = client_of(url)
        result = client.run(MODEL, {"text": "hello", "numbers": [3, 4], "files": [note]})
        assert (result["text"], result["score"], result["tags"]) == ("HELLO", 0.7, ["3", "4", "a note"])
        assert [file.read() for file in result.files] == [b'{"n": 7}', b"part 0 of hello", b"part 1 of hello"]
        with pytest.raises(InvalidInput, match=r"input\.text: "):
            client.run(MODEL, {"text": "NOT ALLOWED"})
        with pytest.raises(InvalidInput, match=r'input\.numbers[./]0: "x" is not of type "integer"'):
            client.run(MODEL, {"text": "a", "numbers": ["x"]})


def test_four_streams_of_an_async_model_at_once():
    async def main(url):
        async with AsyncClient(backend="cog", base_url=url) as client:

            async def chunks(name):
                stream = client.stream(MODEL, {"name": name, "n": 4, "delay": 0.2})
                return [chunk async for chunk in stream]

            began = time.monotonic()
            found = await asyncio.gather(*map(chunks, "abcd"))
            return found, time.monotonic() - began

    with cog_server("async") as url:
        found, took = asyncio.run(main(url))
    assert found == [[f"{name}{number} " for number in range(4)] for name in "abcd"]
    assert took < 2.5


def test_the_schema_is_the_servers_own(text):
    with Client(backend="cog", base_url=text) as client:
        schema = client.models.schema(MODEL)
    assert sorted(schema.input) == ["delay", "fail_at", "mode", "n", "prompt"]
    assert schema.input["n"]["maximum"] == 10000


def test_the_how_to_works_as_it_is_written(text, capsys):
    page = (HERE.parents[1] / "docs" / "cog.md").read_text(encoding="utf-8").replace("http://127.0.0.1:5000", text)
    names: dict[str, Any] = {}
    for block in re.findall(r"```py\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    names["client"].close()
    said = capsys.readouterr().out
    assert said.startswith("".join(TOKENS) * 2)
    assert "['delay', 'fail_at', 'mode', 'n', 'prompt']" in said
    assert "input.n: 100000 is greater than the maximum of 10000" in said


# ---- what fails -----------------------------------------------------------------------------------------------------


def test_wrong_input_names_the_field(client_of, text):
    with pytest.raises(InvalidInput, match=r"input\.n: .*99999 is greater than the maximum of 10000"):
        client_of(text).run(MODEL, prompt="hi", input={"n": 99999})
    with pytest.raises(InvalidInput, match=r"input\.prompt: Field required"):
        client_of(text).chunks(MODEL, {})


def test_a_model_that_fails_half_way_leaves_its_output_and_logs(client_of, text):
    with pytest.raises(ModelError, match="boom at token 2") as caught:
        client_of(text).run(MODEL, prompt="hi", input={"fail_at": 2, "delay": 0})
    assert caught.value.prediction.output == TOKENS[:2]
    assert "token 1" in caught.value.prediction.logs


def test_a_worker_that_crashes_is_the_models_error_and_then_the_servers(client_of):
    with cog_server("fail") as url:
        client = client_of(url, timeout=20)
        with pytest.raises(ModelError, match="this model always fails"):
            client.run(MODEL, {})
        with pytest.raises(ModelError, match="Worker crashed"):
            client.run(MODEL, {"kind": "exit"})
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"process has died \(UNHEALTHY\)"):
            client.run(MODEL, {})
        assert time.monotonic() - began < 5


def test_a_setup_that_failed_is_an_error_with_its_logs(client_of):
    with (
        cog_server("sleep", until="SETUP_FAILED", SETUP_FAIL="1") as url,
        pytest.raises(ServerError, match=r"setup failed.*setup went wrong"),
    ):
        client_of(url, timeout=20).run(MODEL, {"seconds": 0})


def test_a_server_that_sets_up_is_waited_for(client_of):
    with cog_server("sleep", until="STARTING", SETUP_SLEEP="2") as url:
        assert client_of(url, timeout=30).run(MODEL, {"seconds": 0}) == "slept 0"


def test_a_busy_server_is_waited_for_within_the_deadline(client_of, slow):
    holder = threading.Thread(target=lambda: client_of(slow).run(MODEL, {"seconds": 2}))
    holder.start()
    wait_until(lambda: health(slow) == "BUSY")
    with pytest.raises(ServerBusy, match=r"nothing was created: .*At capacity"):
        client_of(slow).run(MODEL, {"seconds": 0}, timeout=0.7)
    assert client_of(slow, max_retries=0).run(MODEL, {"seconds": 0}, timeout=20) == "slept 0"
    holder.join()


def test_what_the_server_has_not_is_refused_before_any_request(text):
    with Client(backend="cog", base_url=text) as client:
        with pytest.raises(PermissionDenied, match="a Cog server has no GET /predictions"):
            client.predictions.list()
        with pytest.raises(InvalidInput, match="cancel_on_exit=False cannot hold"):
            client.run(MODEL, prompt="x", cancel_on_exit=False)


def test_an_unknown_id_is_not_found(text):
    with Client(backend="cog", base_url=text) as client:
        with pytest.raises(NotFound, match="does not run on this server"):
            client.predictions.get("rh0123456789")
        with pytest.raises(NotFound):
            client.predictions.cancel("rh0123456789")


def test_a_base_url_with_v1_is_named(text):
    with (
        pytest.raises(InvalidInput, match=r"a Cog server has no /v1: base_url should be"),
        Client(backend="cog", base_url=text + "/v1") as client,
    ):
        client.run(MODEL, prompt="x")


def test_a_server_that_is_no_cog_is_an_error_of_ours(client_of):
    class Other(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(NotFound, match="404"):
            client_of(f"http://127.0.0.1:{other.server_port}").run(MODEL, prompt="x")
        other.shutdown()


# ---- leaving --------------------------------------------------------------------------------------------------------


def test_the_deadline_cancels_within_a_second(client_of, slow):
    began = time.monotonic()
    with pytest.raises(PredictionTimeout, match="it was canceled"):
        client_of(slow).run(MODEL, {"seconds": 30}, timeout=0.8)
    assert time.monotonic() - began < 1.8
    wait_until(lambda: is_idle(slow), 3.0)


def test_the_deadline_of_a_stream_cancels(client_of, text):
    with pytest.raises(PredictionTimeout, match="it was canceled"):
        client_of(text).chunks(MODEL, prompt="x", input={"n": 100, "delay": 0.1}, timeout=0.8)
    wait_until(lambda: is_idle(text), 3.0)


def test_the_deadline_of_a_create_cancels(client_of, slow):
    with pytest.raises(PredictionTimeout, match="it was canceled"):
        client_of(slow).create(MODEL, {"seconds": 30}, timeout=0.8)
    wait_until(lambda: is_idle(slow), 3.0)


def test_a_break_cancels_within_a_second(text):
    with Client(backend="cog", base_url=text) as client:
        with client.stream(MODEL, prompt="x", input={"n": 100, "delay": 0.1}) as stream:
            for _ in stream:
                break
        wait_until(lambda: is_idle(text), 3.0)


def test_cancel_from_another_thread(text):
    with Client(backend="cog", base_url=text) as client:
        stream = client.stream(MODEL, prompt="x", input={"n": 100, "delay": 0.1})
        chunks = iter(stream)
        assert next(chunks) == "tok0 "
        threading.Timer(0.2, stream.cancel).start()
        with pytest.raises(ModelCanceled) as caught:
            list(chunks)
        assert caught.value.prediction.output[:1] == ["tok0 "]


def test_a_canceled_task_leaves_nothing_behind(text, slow):
    async def main(url, given):
        async with AsyncClient(backend="cog", base_url=url) as client:
            task = asyncio.create_task(client.run(MODEL, given))
            await asyncio.to_thread(wait_until, lambda: health(url) == "BUSY")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(wait_until, lambda: is_idle(url), 3.0)

    asyncio.run(main(text, {"prompt": "x", "n": 100}))
    asyncio.run(main(slow, {"seconds": 30}))


@pytest.mark.parametrize("model", ["text", "sleep"])
def test_ctrl_c_cancels_and_passes(model, text, slow):
    url, given = (text, '{"prompt": "x", "n": 100}') if model == "text" else (slow, '{"seconds": 30}')
    script = f"from replicate_home import Client; Client(backend='cog', base_url={url!r}).run('me/m', {given})"
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: health(url) == "BUSY", 20)
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        wait_until(lambda: is_idle(url), 1.5)
        _, said = process.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in said
    assert "while waiting for prediction rh" in said


# ---- cut connections ------------------------------------------------------------------------------------------------


class Cutting:
    """A proxy that cuts each connection for the event stream after so many bytes of its answer, ``cuts`` times."""

    def __init__(self, target: str, cuts: int, after: int) -> None:
        import socket

        self.target = (target.rpartition(":")[0].removeprefix("http://"), int(target.rpartition(":")[2]))
        self.cuts, self.after = cuts, after
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self._socket = socket
        self.listener.settimeout(0.05)
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Any) -> None:
        server = self._socket.create_connection(self.target)
        passed = [0, False]

        def up() -> None:
            try:
                while data := client.recv(65536):
                    passed[1] = passed[1] or b"event-stream" in data
                    server.sendall(data)
            except OSError:
                pass
            self._end(server)

        threading.Thread(target=up, daemon=True).start()
        try:
            while data := server.recv(256):
                client.sendall(data)
                passed[0] += len(data)
                if passed[1] and self.cuts and passed[0] > self.after:
                    self.cuts -= 1
                    break
        except OSError:
            pass
        self._end(client)
        self._end(server)

    def _end(self, connection: Any) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(self._socket.SHUT_RDWR)
        connection.close()

    def __enter__(self) -> Cutting:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.accepting.join()


def test_a_cut_of_the_creating_connection_is_an_error_with_what_came(client_of, text):
    with Cutting(text, cuts=1, after=700) as proxy:
        with pytest.raises(StreamInterrupted, match="ends a prediction with the connection") as caught:
            client_of(proxy.url).chunks(MODEL, prompt="x", input={"n": 50, "delay": 0.05})
        assert "".join(f"tok{n} " for n in range(50)).startswith(caught.value.partial_text)
        assert caught.value.partial_text
        wait_until(lambda: is_idle(text), 3.0)


class Receiver:
    """Hears webhooks on this machine."""

    def __enter__(self) -> str:
        class Hears(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_stream_that_is_attached_again_is_exact_over_two_cuts(text):
    with Receiver() as webhook, Cutting(text, cuts=2, after=900) as proxy:
        given = {"prompt": "x", "n": 30, "delay": 0.1}
        with Client(backend="cog", base_url=proxy.url) as client:
            prediction = client.predictions.create(MODEL, given, webhook=webhook)
            assert prediction.status in ("starting", "processing")
            with prediction.stream() as stream:
                assert list(stream) == [f"tok{number} " for number in range(30)]
            assert stream.prediction.logs == "prompt: x\n" + "".join(f"token {number}\n" for number in range(30))
        assert proxy.cuts == 0


def test_a_handle_follows_what_runs_in_the_background(text):
    with Receiver() as webhook, Client(backend="cog", base_url=text) as client:
        prediction = client.predictions.create(MODEL, {"prompt": "x", "n": 8, "delay": 0.1}, webhook=webhook)
        wait_until(lambda: prediction.reload().output)
        assert prediction.status == "processing"
        assert client.predictions.get(prediction.id).output[0] == "tok0 "
        assert prediction.wait().output == [f"tok{number} " for number in range(8)]
        with pytest.raises(NotFound):
            client.predictions.get(prediction.id)


def test_a_handle_cancels_and_that_is_harmless_twice(text):
    async def main(webhook):
        async with AsyncClient(backend="cog", base_url=text) as client:
            prediction = await client.predictions.create(MODEL, {"prompt": "x", "n": 5_000}, webhook=webhook)
            await asyncio.to_thread(wait_until, lambda: health(text) == "BUSY")
            await prediction.cancel()
            await asyncio.to_thread(wait_until, lambda: is_idle(text))
            await prediction.cancel()

    with Receiver() as webhook:
        asyncio.run(main(webhook))


def test_a_create_without_a_webhook_returns_when_it_has_ended(client_of, text):
    snapshot = client_of(text).create(MODEL, {"prompt": "x", "delay": 0.05})
    assert (snapshot.status, snapshot.output) == ("succeeded", TOKENS)


def test_a_server_without_a_schema_file_works_without_streaming(client_of):
    with cog_server("text", schema=False) as url, Receiver() as webhook:
        given = {"prompt": "x", "n": 3, "delay": 0.0, "fail_at": -1, "mode": "plain"}
        assert client_of(url).chunks(MODEL, given) == TOKENS[:3]
        with Client(backend="cog", base_url=url) as client:
            prediction = client.predictions.create(MODEL, given, webhook=webhook)
            wait_until(lambda: is_idle(url))
            with pytest.raises(NotFound, match="does not run"):
                prediction.reload()


def test_a_server_that_is_not_there_is_not_waited_for(client_of):
    from replicate_home import ConnectFailed

    with pytest.raises(ConnectFailed):
        client_of(f"http://127.0.0.1:{free_port()}", max_retries=0).run(MODEL, {})


# ---- older servers --------------------------------------------------------------------------------------------------

OLD = pytest.mark.old_cog


@OLD
@pytest.mark.parametrize("version", ["0.16", "0.9"])
def test_an_older_server_runs_streams_and_refuses(client_of, version):
    with cog_server("text", version) as url:
        client = client_of(url)
        assert client.chunks(MODEL, prompt="x", input={"delay": 0}) == TOKENS
        result = client.run(MODEL, prompt="x", input={"delay": 0})
        assert (result.text, result.prediction.model) == ("".join(TOKENS), MODEL)
        assert "token 4" in result.logs
        with pytest.raises(InvalidInput, match=r"input\.prompt: "):
            client.run(MODEL, {})
        with pytest.raises(ModelError, match="boom at token 1") as caught:
            client.run(MODEL, prompt="x", input={"fail_at": 1, "delay": 0})
        assert caught.value.prediction.output == TOKENS[:1]
        with Client(backend="cog", base_url=url) as plain:
            assert "prompt" in plain.models.schema(MODEL).input
            with pytest.raises(NotFound, match="too old to say"):
                plain.predictions.get("rh0123456789")


@OLD
def test_a_sync_call_of_0_16_is_canceled_at_the_deadline(client_of):
    with cog_server("sleep", "0.16") as url:
        began = time.monotonic()
        with pytest.raises(PredictionTimeout, match="it was canceled"):
            client_of(url).run(MODEL, {"seconds": 30}, timeout=1)
        assert time.monotonic() - began < 2
        wait_until(lambda: is_idle(url), 3.0)


@OLD
def test_a_busy_0_16_is_waited_for(client_of):
    with cog_server("sleep", "0.16") as url:
        holder = threading.Thread(target=lambda: client_of(url).run(MODEL, {"seconds": 1.5}))
        holder.start()
        wait_until(lambda: health(url) == "BUSY")
        assert client_of(url).run(MODEL, {"seconds": 0}, timeout=20) == "slept 0"
        holder.join()


@OLD
def test_a_sync_call_of_0_9_ends_at_the_deadline_though_its_server_runs_on(client_of):
    with cog_server("sleep", "0.9") as url:
        began = time.monotonic()
        with pytest.raises((PredictionTimeout, CreateOutcomeUnknown)):
            client_of(url).run(MODEL, {"seconds": 3}, timeout=1)
        assert time.monotonic() - began < 2
        wait_until(lambda: is_idle(url), 10.0)
        assert asked(url + "/predictions", {"input": {"seconds": 0}})["output"] == "slept 0"


assert os.name == "posix", "Cog runs there only"
