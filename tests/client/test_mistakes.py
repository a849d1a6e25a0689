"""What people get wrong first, and the message each mistake gets: what was expected, what came, what to do."""

from __future__ import annotations

import asyncio
import copy
import datetime
import decimal
import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import replicate_home
from replicate_home import AsyncClient, Client, Response, Timeout, exceptions
from replicate_home.testing import FakeReplicate

PNG = b"\x89PNG\r\n\x1a\n"
TOKEN = "r8_" + "x" * 37


class Says:
    """A transport whose server answers everything alike."""

    base_url = "https://api.example/v1"

    def __init__(self, status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> None:
        self._response = Response(status, {"content-type": content_type, **headers}, body)

    def send(self, request: Any, deadline: float | None) -> tuple[Response, None]:
        return self._response, None

    def close(self) -> None: ...


class Here:
    """What the mistakes are made with."""

    def __init__(self, fake: FakeReplicate, folder: Path) -> None:
        self.fake, self.folder = fake, folder
        self.client = fake.client()
        self.local = Client(backend="local")

    def run(self, input: Any = None, **options: Any) -> Any:
        return self.client.run("owner/llm", input, **options)

    def told(self, status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> Client:
        return Client(transport=Says(status, body, content_type, **headers), max_retries=0)

    def closed(self) -> Any:
        with (self.folder / "closed.txt").open("wb") as file:
            return file

    def huge(self) -> Path:
        with (self.folder / "huge.bin").open("wb") as file:
            file.truncate(300 * 2**20)
        return self.folder / "huge.bin"

    def ended_stream(self) -> Any:
        stream = self.client.stream("owner/llm")
        stream.text()
        return stream

    def pickled(self, token: str) -> Client:
        client: Client = pickle.loads(pickle.dumps(Client(token)))
        return client


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    for name in ("REPLICATE_API_TOKEN", "REPLICATE_BASE_URL", "REPLICATE_HOME_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with FakeReplicate() as fake:
        fake.on("owner/llm").streams("Hel", "lo")
        fake.on("owner/image").returns(PNG)
        fake.on("owner/images").returns([PNG, PNG])
        fake.on("owner/slow").takes(1000).returns("x")
        fake.on("owner/untold")
        fake.on("owner/buggy").calls(buggy)
        fake.on("owner/asserts").calls(asserts)
        yield Here(fake, tmp_path)


def buggy(prompt: str = "") -> str:
    return {}[prompt]


def asserts(prompt: str = "") -> None:
    if prompt != "expected":
        raise AssertionError("the prompt is wrong")  # an assert would be rewritten by pytest


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


async def for_over_async(here: Here) -> None:
    for _ in here.fake.async_client().stream("owner/llm"):  # type: ignore[attr-defined]
        pass


def with_async_client(_: Here) -> None:
    with AsyncClient():  # type: ignore[attr-defined]
        pass


MODEL = "expected 'owner/name', 'owner/name:version', a version id or 'deployments/owner/name'"
HERE = "It has: local/eliza, local/markov, local/plasma, local/posterize"
TO_DO = "set REPLICATE_API_TOKEN or pass api_token= (tokens: https://replicate.com/account/api-tokens)"
NO_TOKEN = "the API token has spaces, line breaks or other characters that no token contains: copy it again"
UNKNOWN = (
    "It was not repeated, because that could run and bill it twice; client.predictions.list() (newest first) or "
    "https://replicate.com/predictions shows whether it exists"
)
SECONDS = "timeout must be seconds, None or a Timeout; got"
POSITIVE = "timeout must be a positive number of seconds, or None for no limit; got"
EMPTY = "prompt must not be empty: write something, in prompt or in the last user message"
NETWORK = "pass transport=RequestsTransport(session) with a session that has it, or AiohttpTransport(session=session)"
LEFT = (
    "no API token: pickling a client leaves its token behind; set REPLICATE_API_TOKEN where it is unpickled, or call "
    "client.with_options(api_token=...)"
)
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502</h1></center></body></html>"

# A mistake, what raises, and the message; "*" stands for an id.
MISTAKES: dict[str, tuple[Callable[[Here], Any], str, str]] = {
    "1: no token": (
        lambda _: Client().run("google-deepmind/gemma-2b-it", prompt="Hi"),
        "AuthenticationError",
        (
            "no API token for 'google-deepmind/gemma-2b-it': set REPLICATE_API_TOKEN or pass api_token=. Without one, "
            "backend='home' runs 'google-deepmind/gemma-2b-it' on Replicate's homepage, and local/... models run in "
            "this process"
        ),
    ),
    "2: a token with a line break": (lambda _: Client("r8_abc\n"), "AuthenticationError", f"{NO_TOKEN} (7 characters)"),
    "2: a token with Bearer": (lambda _: Client("Bearer x"), "AuthenticationError", f"{NO_TOKEN} (8 characters)"),
    "2: an empty token": (
        lambda _: Client(""),
        "AuthenticationError",
        "api_token is empty: leave it out, or set REPLICATE_API_TOKEN to a token",
    ),
    "3: the wrong token": (
        lambda here: here.told(401, b'{"title": "Unauthenticated", "detail": "No valid token"}').run("owner/llm"),
        "AuthenticationError",
        f"POST https://api.example/v1/predictions: 401 Unauthenticated: No valid token; {TO_DO}",
    ),
    "4: token=": (lambda _: Client(token="x"), "TypeError", "Client() has no option 'token': the token is api_token="),
    "4: api_key=": (
        lambda _: AsyncClient(api_key="x"),
        "TypeError",
        "AsyncClient() has no option 'api_key': the token is api_token=",
    ),
    "5: a misspelt model in this process": (
        lambda here: here.local.run("local/elisa", prompt="Hi"),
        "ModelNotFound",
        f"404 Not found: there is no model 'local/elisa' on this server. Did you mean 'local/eliza'? {HERE}",
    ),
    "6: a misspelt model elsewhere": (
        lambda here: here.told(404, b'{"detail": "Not found."}').run("owner/nmae"),
        "ModelNotFound",
        (
            "POST https://api.example/v1/predictions: 404 Not found. Asked for 'owner/nmae': check the name, and that "
            "your token may see it"
        ),
    ),
    "7: no owner": (lambda here: here.client.run("gemma"), "InvalidInput", f"'gemma' is not a model: {MODEL}"),
    "7: a URL": (
        lambda here: here.client.run("https://replicate.com/a/b"),
        "InvalidInput",
        f"'https://replicate.com/a/b' is not a model: {MODEL}",
    ),
    "7: None": (
        lambda here: here.client.run(None),
        "TypeError",
        "model must be a string such as 'owner/name', got NoneType",
    ),
    "8: a misspelt input": (
        lambda here: here.local.run("local/plasma", {"widht": 64}, prompt="sea"),
        "InvalidInput",
        (
            "422 Input validation failed: input.widht: widht is not an input of this model. Did you mean 'width'? It "
            "has: prompt, width, height, seed"
        ),
    ),
    "9: an input of the wrong type": (
        lambda here: here.local.run("local/plasma", {"width": "64"}, prompt="sea"),
        "InvalidInput",
        "422 Input validation failed: input.width: width must be of type integer, not a string",
    ),
    "10: an empty prompt": (
        lambda here: here.local.run("local/eliza", prompt=""),
        "ModelError",
        f"prediction * of local/eliza failed: {EMPTY}",
    ),
    "11: prompt=None": (
        lambda here: here.local.run("local/eliza", prompt=None),
        "ModelError",
        f"prediction * of local/eliza failed: {EMPTY}",
    ),
    "12: None as the prompt": (
        lambda here: here.local.run("local/eliza", {"prompt": None}),
        "InvalidInput",
        "422 Input validation failed: input.prompt: prompt must be of type string, not null",
    ),
    "13: an input as an option": (
        lambda here: here.run(temperature=0.3),
        "TypeError",
        "run() has no option 'temperature': inputs of the model go into input={'temperature': ...}",
    ),
    "13: a misspelt option": (
        lambda here: here.client.stream("owner/llm", timout=3),
        "TypeError",
        "stream() has no option 'timout': did you mean 'timeout'? inputs of the model go into input={'timout': ...}",
    ),
    "14: text as the input": (
        lambda here: here.run("Hello"),
        "TypeError",
        "input must be a mapping such as {'prompt': '...'}, got str",
    ),
    "15: an input for use()": (
        lambda here: here.client.use("owner/llm", temperature=1),
        "TypeError",
        "use() has no option 'temperature': inputs are given when the function is called",
    ),
    "16: an option for a function": (
        lambda here: here.client.use("owner/llm")(prompt="Hi", timeout=5),
        "TypeError",
        (
            "'timeout' is an option of run(): give it to use('owner/llm', timeout=...); if the model has an input of "
            "that name, call the function with input={'timeout': ...}"
        ),
    ),
    "17: an input without its name": (
        lambda here: here.client.use("owner/llm")("Hello"),
        "TypeError",
        "inputs are given by name, such as prompt='Hello'; or all in input={...}",
    ),
    "18: text as messages": (
        lambda here: here.run(messages="Hi"),
        "TypeError",
        "messages must be a list such as [{'role': 'user', 'content': 'Hi'}]",
    ),
    "18: no messages": (
        lambda here: here.run(messages=[]),
        "InvalidInput",
        "messages is empty: it needs at least one message",
    ),
    "18: messages and a prompt": (
        lambda here: here.run(messages=[{"role": "user", "content": "Hi"}], prompt="Hi"),
        "TypeError",
        "pass prompt= or messages=, not both",
    ),
    "19: a role that there is not": (
        lambda here: here.local.run("local/eliza", messages=[{"role": "human", "content": "Hi"}]),
        "ModelError",
        "prediction * of local/eliza failed: no message has the role 'user': the roles are human",
    ),
    "20: no time": (lambda here: here.run(timeout=0), "InvalidInput", f"{POSITIVE} 0"),
    "20: less than no time": (lambda here: here.run(timeout=-1), "InvalidInput", f"{POSITIVE} -1"),
    "20: a time as text": (lambda here: here.run(timeout="30"), "TypeError", f"{SECONDS} str"),
    "20: a time as a timedelta": (
        lambda here: here.run(timeout=datetime.timedelta(1)),
        "TypeError",
        f"{SECONDS} timedelta",
    ),
    "20: times as a tuple": (lambda here: here.run(timeout=(1, 2)), "TypeError", f"{SECONDS} tuple"),
    "21: a total below nothing": (
        lambda here: here.run(timeout=Timeout(total=-1)),
        "InvalidInput",
        "timeout.total must be a positive number of seconds, or None for no limit; got -1",
    ),
    "22: a wait that is too long": (
        lambda here: here.run(wait=100),
        "InvalidInput",
        "wait is how long the server may hold the request: 1 to 60 seconds, got 100",
    ),
    "24: text in a buffer": (
        lambda here: here.run({"file": io.StringIO("x")}),
        "TypeError",
        "StringIO holds text, not bytes: pass the text itself, or encode it",
    ),
    "25: a closed file": (
        lambda here: here.run({"file": here.closed()}),
        "InvalidInput",
        "the input file 'closed.txt' is closed: open it again, and close it after the call",
    ),
    "26: a path as text": (
        lambda here: here.local.run("local/posterize", {"image": "a.png"}),
        "InvalidInput",
        (
            "422 Input validation failed: input.image: image must be a file: a data URI or a URL, not 'a.png' (pass a "
            "file itself, not its path)"
        ),
    ),
    "27: a file that is not there": (
        lambda here: here.run({"file": Path("nope.png")}),
        "FileNotFoundError",
        "the input file 'nope.png' does not exist",
    ),
    "28: a file that is too large": (
        lambda here: here.run({"file": here.huge()}),
        "InvalidInput",
        "the input file 'huge.bin' has 314572800 bytes, and the API accepts at most 104857600 (100 MB): pass a URL",
    ),
    "29: the same, inline": (
        lambda here: here.run({"file": here.huge()}, file_encoding_strategy="base64"),
        "InvalidInput",
        "the input file 'huge.bin' has 314572800 bytes, and the API accepts at most 104857600 (100 MB): pass a URL",
    ),
    "30: what JSON has not": (
        lambda here: here.run({"a": {"b": [decimal.Decimal(1)]}}),
        "TypeError",
        "input['a']['b'][0] is of type Decimal, which is neither JSON nor a file",
    ),
    "32: not a number": (
        lambda here: here.run({"a": {"b": [1, float("nan")]}}),
        "InvalidInput",
        "input['a']['b'][1] is nan, which JSON cannot hold",
    ),
    "33: a circle": (
        lambda here: here.run({"a": circle()}),
        "InvalidInput",
        "the input is nested more than 200 levels deep, or contains itself",
    ),
    "37: a page instead of JSON": (
        lambda here: here.told(200, b"<html>Welcome to the wifi</html>", "text/html").run("owner/llm"),
        "CreateOutcomeUnknown",
        (
            "a prediction may have been created, or not: POST https://api.example/v1/predictions: expected JSON, got "
            f"'HTML page: Welcome to the wifi' (Expecting value: line 1 column 1 (char 0)). {UNKNOWN}"
        ),
    ),
    "37: nothing instead of JSON": (
        lambda here: here.told(200).predictions.get("abc"),
        "ProtocolError",
        "GET https://api.example/v1/predictions/abc: expected JSON, got an empty body",
    ),
    "38: the page of a proxy": (
        lambda here: here.told(502, PAGE, "text/html").predictions.get("abc"),
        "ServerError",
        "GET https://api.example/v1/predictions/abc: 502 HTML page: 502 Bad Gateway",
    ),
    "39: a page to log in": (
        lambda here: here.told(302, location="https://login.example/").run("owner/llm"),
        "ProtocolError",
        (
            "POST https://api.example/v1/predictions was redirected (302) to 'https://login.example/', which is not "
            "followed: check base_url"
        ),
    ),
    "40: no credit": (
        lambda here: here.told(402, b'{"title": "Insufficient credit", "detail": "No credit."}').run("owner/llm"),
        "PaymentRequired",
        (
            "POST https://api.example/v1/predictions: 402 Insufficient credit: No credit. Add credit at "
            "https://replicate.com/account/billing"
        ),
    ),
    "40: too many requests": (
        lambda here: here.told(429, b'{"detail": "Throttled"}', **{"retry-after": "90"}).run("owner/llm"),
        "RateLimited",
        "POST https://api.example/v1/predictions: 429 Throttled; the server asks to wait 90 s",
    ),
    "41: a stream used twice": (
        lambda here: list(here.ended_stream()),
        "ReplicateHomeError",
        "this stream has ended, and a stream can be read only once: keep .result() or .text(), or run the model again",
    ),
    "45: opening a file that is elsewhere": (
        lambda here: os.fspath(here.client.run("owner/image")),
        "TypeError",
        "expected str, bytes or os.PathLike object, not FileResult",
    ),
    "46: saving to a file in text mode": (
        lambda here: here.client.run("owner/image").save(io.StringIO()),
        "TypeError",
        "save() takes a path or an open binary file, got a file in text mode: open it with mode 'wb'",
    ),
    "47: saving a list": (
        lambda here: here.client.run("owner/images").save("x.png"),
        "AttributeError",
        "the output is a JSON list, which has no 'save': see .files[0].save, and .save_all for all 2 files",
    ),
    "47: saving text": (
        lambda here: here.run().save("x.png"),
        "AttributeError",
        "the output is a JSON list, which has no 'save': see .output, .text and .files",
    ),
    "48: pickling a stream": (
        lambda here: pickle.dumps(here.ended_stream()),
        "TypeError",
        "a stream cannot be pickled or copied: it can be read only once; pass on .result()",
    ),
    "48: copying a stream": (
        lambda here: copy.copy(here.ended_stream()),
        "TypeError",
        "a stream cannot be pickled or copied: it can be read only once; pass on .result()",
    ),
    "49: a client in another process": (lambda here: here.pickled(TOKEN).run("owner/llm"), "AuthenticationError", LEFT),
    "50: a prediction in another process": (
        lambda here: pickle.loads(pickle.dumps(here.client.predictions.create("owner/llm"))).reload(),
        "ReplicateHomeError",
        "prediction * belongs to no client: use client.predictions.get('*')",
    ),
    "51: for over an async stream": (
        lambda here: asyncio.run(for_over_async(here)),
        "TypeError",
        "a stream of AsyncClient is iterated with `async for`",
    ),
    "51: with an async client": (
        with_async_client,
        "TypeError",
        "AsyncClient is entered with `async with`; or use Client",
    ),
    "54: proxies=": (
        lambda _: Client(proxies={}),
        "TypeError",
        f"Client() has no option 'proxies': set HTTPS_PROXY and NO_PROXY in the environment, or {NETWORK}",
    ),
    "54: verify=": (
        lambda _: Client(verify=False),
        "TypeError",
        "Client() has no option 'verify': set REQUESTS_CA_BUNDLE or SSL_CERT_FILE in the environment, or " + NETWORK,
    ),
    "54: a misspelt option of a client": (
        lambda _: Client(timout=3),
        "TypeError",
        (
            "Client() has no option 'timout': did you mean 'timeout'? The options are api_token, backend, base_url, "
            "timeout, max_retries, headers, transport, clock"
        ),
    ),
    "55: a bug in a model of one's own": (
        lambda here: here.client.run("owner/buggy"),
        "ModelError",
        "prediction * of owner/buggy failed: KeyError: ''; its traceback is in the logs",
    ),
    "56: an assert in a fake's function": (
        lambda here: here.client.run("owner/asserts"),
        "AssertionError",
        "the prompt is wrong",
    ),
    "57: a fake that was not told of a model": (
        lambda here: here.client.run("owner/other").then,
        "UnexpectedRequest",
        (
            "the fake was asked for the model 'owner/other'.\nDefined:\n  fake.on('owner/llm')\n"
            "  fake.on('owner/image')\n  fake.on('owner/images')\n  fake.on('owner/slow')\n  fake.on('owner/untold')\n"
            "  fake.on('owner/buggy')\n  fake.on('owner/asserts')\n"
            'Add, for example: fake.on("owner/other").streams("Hello", " world")'
        ),
    ),
    "58: a fake that was not told what to answer": (
        lambda here: here.client.run("owner/untold"),
        "UnexpectedRequest",
        (
            "the fake was asked for a prediction of 'owner/untold', for which fake.on('owner/untold') has no "
            "answer.\nDefined:\n  fake.on('owner/llm')\n  fake.on('owner/image')\n  fake.on('owner/images')\n"
            "  fake.on('owner/slow')\n  fake.on('owner/untold')\n  fake.on('owner/buggy')\n  fake.on('owner/asserts')\n"
            'Add, for example: fake.on("owner/untold").streams("Hello", " world")'
        ),
    ),
    "59: out of time, and left running": (
        lambda here: here.client.run("owner/slow", timeout=5, cancel_on_exit=False),
        "PredictionTimeout",
        (
            "prediction * was not finished within 5 s; it was not canceled and may still be running: "
            "client.predictions.get('*').wait() resumes it"
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_what_was_expected_what_came_and_what_to_do(mistake: str, here: Here) -> None:
    make, kind, message = MISTAKES[mistake]
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is compared below
        make(here)
    told = str(raised.value)
    ids = {call.prediction_id for call in here.fake.calls}
    ids |= {prediction.id for prediction in (getattr(raised.value, "prediction", None),) if prediction}
    for id in ids:
        told = told.replace(id, "*")
    assert (type(raised.value).__name__, told) == (kind, message)
    here.fake.unexpected.clear()


# -- what is no mistake any more


def test_things_that_used_to_fail_just_work(here: Here) -> None:
    text, kept = here.folder / "a.txt", io.BytesIO()
    text.write_text("hi")
    with text.open() as opened:
        here.run({"file": opened, "when": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "prompt": ""})
    here.run({"set": {7}, "image": Image.new("L", (1, 1))})
    assert here.fake.calls[1].input["set"] == [7]
    assert here.fake.calls[1].input["image"].startswith("data:image/png;base64,")
    here.client.run("owner/image").save(kept)
    assert (here.fake.calls[0].input["file"], kept.getvalue()) == ("data:text/plain;base64,aGk=", PNG)


async def listed(here: Here) -> list[str]:
    async with here.fake.async_client() as client:
        return [prediction.status async for prediction in client.predictions.list()]


def test_a_list_is_iterated_with_async_for_alone(here: Here) -> None:
    here.run()
    assert asyncio.run(listed(here)) == ["succeeded"]


def test_a_null_result_is_no_json_value_of_its_own_but_its_output_is(here: Here) -> None:
    here.fake.on("owner/null").returns(None)
    result = here.client.run("owner/null")
    assert (json.dumps(result.output), repr(result)) == ("null", "Result(None)")


@pytest.mark.parametrize(("model", "kind"), [("owner/image", "FileResult"), ("owner/null", "PlainResult")])
def test_what_json_cannot_hold_is_named_as_a_result(here: Here, model: str, kind: str) -> None:
    """The sentence is Python's own; ``use_file_output=False`` and ``.output`` are the ways out."""
    here.fake.on("owner/null").returns(None)
    with pytest.raises(TypeError, match=f"Object of type {kind} is not JSON serializable"):
        json.dumps(here.client.run(model))
    assert json.loads(json.dumps(here.client.run(model, use_file_output=False).output)) is not False


def test_a_server_that_is_not_there_is_named_and_was_sent_nothing() -> None:
    client = Client(TOKEN, base_url="http://127.0.0.1:9", max_retries=0)
    with client, pytest.raises(exceptions.ConnectFailed) as raised:
        client.run("owner/llm")
    assert raised.value.may_have_been_processed is False
    assert str(raised.value) == (
        "POST http://127.0.0.1:9/v1/predictions: the connection could not be made while connecting: [Errno 111] "
        "Connection refused"
    )


def test_one_client_works_in_one_event_loop_after_another(here: Here) -> None:
    client = here.fake.async_client()
    assert [asyncio.run(client.run("owner/llm")).text for _ in range(2)] == ["Hello", "Hello"]


def test_the_way_to_the_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@127.0.0.1:9")
    with Client(TOKEN, max_retries=0) as client, pytest.raises(exceptions.ProxyFailed) as raised:
        client.run("owner/llm")
    assert str(raised.value) == (
        "POST https://api.replicate.com/v1/predictions: the connection could not be made while reaching the proxy "
        "http://***@127.0.0.1:9 of HTTPS_PROXY: [Errno 111] Connection refused"
    )


def test_a_server_that_does_not_speak_tls_is_said_to_be_one(here: Here) -> None:
    with here.fake.serve() as url:
        plain = url.replace("http://", "https://")
        with Client(TOKEN, base_url=plain, max_retries=0) as client, pytest.raises(exceptions.TLSFailed) as raised:
            client.run("owner/llm")
    told, _, detail = str(raised.value).partition(" [SSL: WRONG_VERSION_NUMBER]")
    assert detail
    assert told == (
        f"POST {plain}/v1/predictions: TLS failed, for the server does not speak it (should the URL be http://?), "
        "while setting up TLS:"
    )


def test_the_exception_of_a_model_in_this_process_is_there_itself(here: Here) -> None:
    with pytest.raises(exceptions.ModelError) as raised:
        here.client.run("owner/buggy")
    last = raised.value.prediction.logs.splitlines()[-1]
    cause = raised.value.__cause__
    assert (repr(cause), last) == ("KeyError('')", "KeyError: ''")
    assert cause.__traceback__ is not None


def test_ids_of_predictions_in_this_process_are_new_each_time() -> None:
    runs = [Client.local({"local/a": lambda: "a"}).run("local/a").id for _ in range(3)]
    assert len(set(runs)) == 3


def test_the_functions_of_the_module_are_told_the_same() -> None:
    with pytest.raises(TypeError) as raised:
        replicate_home.run("owner/llm", temperature=0.3)
    assert str(raised.value) == (
        "run() has no option 'temperature': inputs of the model go into input={'temperature': ...}"
    )


def test_text_is_a_value_of_a_result_and_a_method_of_a_stream_whose_repr_says_so(here: Here) -> None:
    with here.client.stream("owner/llm") as stream:
        said = repr(stream)
        assert (stream.text(), here.run().text) == ("Hello", "Hello")
    assert said.endswith("; .text() and .result() wait for its end)")
