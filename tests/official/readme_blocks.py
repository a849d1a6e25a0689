"""The Python blocks of the official client's README, read from the installed package, run with only the import changed.

Against a fake over sockets, which plays the models that the README names. What the README leaves to its reader, such as
``file_path`` or ``input={...}``, is filled in.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import django.conf
import django.http
import django.test
import django.views.decorators.http
import fastapi.responses
import flask
from PIL import Image

import replicate_home
from replicate_home.testing import FakeReplicate

BLOCKS = dict(enumerate(re.findall(r"^```python\n(.*?)^```", str(metadata("replicate").get_payload()), re.M | re.S), 1))
# Four of them are not Python. Two lack one character, which is added; the others are left out.
MENDED = {
    3: ("as e\n", "as e:\n", "the colon of an `except`"),
    30: ("]\n", "],\n", "the comma between two arguments"),
}
LEFT_OUT = {
    19: "it says `await for`, and writes bytes to a file that it opened as text",
    23: "it is JavaScript: `const replicate = ...;`",
}
PICTURE = io.BytesIO()
Image.new("RGB", (4, 3), "red").save(PICTURE, "PNG")
PNG = PICTURE.getvalue()
Names = dict[str, Any]


def code_of(number: int) -> str:
    """A block as a program that imports ours; of a session at the prompt, what was typed there."""
    block = BLOCKS[number]
    if number in MENDED:
        assert not is_python(block), f"block {number} is Python after all"
        block = block.replace(*MENDED[number][:2], 1)
    typed = "\n".join(map(statement, block.split(">>> ")[1:])) if block.startswith(">>>") else block
    typed = re.sub(r"^import replicate$", "import replicate_home as replicate", typed, flags=re.M)
    return re.sub(r"^from replicate\.", "from replicate_home.", typed, flags=re.M)


def is_python(code: str) -> bool:
    """Whether it can be compiled."""
    with contextlib.suppress(SyntaxError):
        return bool(ast.parse(code))
    return False


def statement(typed: str) -> str:
    """The statement at the beginning; what follows it is what it has printed."""
    lines = typed.splitlines()
    prefixes = ("\n".join(lines[:end]) for end in range(1, len(lines) + 1))
    return next(filter(is_python, prefixes), typed)


class Filled(ast.NodeTransformer):
    """``input={...}`` with an input."""

    def visit_Set(self, node: ast.Set) -> ast.AST:
        return ast.parse(repr({"prompt": "one picture"}), mode="eval").body


def run(number: int, names: Names) -> str:
    """Run a block, as a notebook would, and return what it has printed."""
    tree = ast.fix_missing_locations(Filled().visit(ast.parse(code_of(number))))
    code = compile(tree, "README", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, names))
        else:
            exec(code, names)
    return printed.getvalue()


def upscaled(image: bytes) -> bytes:
    """What swinir makes of a picture."""
    return image + b" upscaled"


def played(fake: FakeReplicate) -> None:
    """The models that the README names."""
    poem = ("Llamas ", "hum.")
    fake.on("acmecorp/acme-model").returns(PNG)
    fake.on("black-forest-labs/flux-schnell").returns([PNG])
    fake.on("black-forest-labs/flux-schnell", prompt="one picture").returns(PNG)
    fake.on("stability-ai/stable-diffusion-3").fails("out of memory").logs("(some known issue)")
    fake.on("meta/meta-llama-3-70b-instruct").streams(*poem)
    answers = {"andreasjansson/blip-2": "an astronaut riding a horse", "pixray/text2image": [PNG, PNG]}
    answers |= {"stability-ai/sdxl": [PNG], "stability-ai/stable-diffusion": [PNG], "ai-forever/kandinsky-2.2": PNG}
    answers |= {"kvfrans/clipdraw": PNG, "afiaka87/laionide-v4": PNG}
    for name, answer in answers.items():
        fake.on(named(name)).returns(answer).takes(5)
    fake.on(named("jingyunliang/swinir")).calls(upscaled)
    fake.on_training("stability-ai/sdxl").returns(b"weights")


def named(model: str) -> str:
    """A model with its version, which the README names next, beside it or on its own."""
    for block in BLOCKS.values():
        found = re.search(rf'{re.escape(model)}[:"].*?([0-9a-f]{{64}})', block, re.S)
        if found:
            return f"{model}:{found[1]}"
    raise AssertionError(f"the README names no version of {model}")


def seen_by_django(names: Names, _: str) -> bytes:
    return names["stream_response"](django.test.RequestFactory().get("/")).content


def seen_by_fastapi(names: Names, _: str) -> bytes:
    async def body() -> bytes:
        response = await names["main"]()
        return b"".join([piece async for piece in response.body_iterator])

    return asyncio.run(body())


def seen_by_flask(names: Names, _: str) -> bytes:
    return names["app"].test_client().get("/stream").data


def file(name: str) -> Callable[[Names, str], bytes]:
    """What a block has written there."""
    return lambda *_: Path(name).read_bytes()


# What a block is to have brought about: how it is seen, and what it is.
OUTCOMES: dict[int, tuple[Callable[[Names, str], Any], Any]] = {
    1: (lambda names, _: names["output"].startswith("http"), True),
    2: (file("output_0.webp"), PNG),
    3: (lambda _, printed: printed.startswith("Failed prediction: "), True),
    4: (lambda names, _: [result[0].read() for result in names["results"]], [PNG] * 4),
    5: (lambda names, _: names["output"], "an astronaut riding a horse"),
    6: (lambda _, printed: printed, "Llamas hum."),
    7: (lambda _, printed: printed, "Llamas hum."),
    8: (file("output.png"), PNG),
    9: (lambda names, _: names["prediction"].webhook, "https://example.com/your-webhook"),
    10: (lambda names, _: names["upscaled_image"].read(), PNG + b" upscaled"),
    11: (file("file_1.png"), PNG),
    12: (lambda names, _: names["prediction"].status, "canceled"),
    15: (lambda names, _: names["background"].size, (4, 3)),
    16: (lambda _, printed: printed.startswith("http"), True),
    17: (file("output.bin"), PNG),
    18: (file("copy.png"), PNG),
    20: (seen_by_django, PNG),
    21: (seen_by_fastapi, PNG),
    22: (seen_by_flask, PNG),
    25: (lambda names, _: len(names["models"]) >= 10, True),
    26: (lambda names, _: bool(names["collections"][0].slug), True),
    27: (lambda names, _: names["model"].id, "your-username/my-model"),
    28: (lambda names, _: names["replicate"].hardware.list()[0].sku, "cpu"),
    29: (lambda names, _: names["training"].wait().destination, "your-username/model-name"),
    30: (lambda names, _: len(names["replicate"].models.list()) >= 10, True),
}


def left_to_the_reader(number: int) -> Names:
    """What a block takes from the text around it."""
    names: Names = {"replicate": replicate_home}
    if number in (16, 17, 18):
        names |= {"output": replicate_home.run("acmecorp/acme-model"), "file_path": "copy.png"}
    if number == 20:
        names |= {"condition": django.views.decorators.http.condition, "HttpResponse": django.http.HttpResponse}
    if number == 21:
        names |= {"app": fastapi.FastAPI(), "StreamingResponse": fastapi.responses.StreamingResponse}
    if number == 22:
        names |= {"app": flask.Flask("readme"), "stream_with_context": flask.stream_with_context}
    return names


@contextlib.contextmanager
def somewhere() -> Iterator[None]:
    """A folder to write in, with the picture that the README sends."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.makedirs("path/to")
        Path("path/to/mystery.jpg").write_bytes(PNG)
        yield


def main() -> None:
    """Run every block that is Python."""
    assert len(BLOCKS) == 30, len(BLOCKS)
    assert len(LEFT_OUT) <= 3
    django.conf.settings.configure()
    os.environ["SOME_OTHER_REPLICATE_API_TOKEN"] = "r8_other"
    with somewhere(), FakeReplicate() as fake, fake.serve():
        played(fake)
        for number, block in BLOCKS.items():
            if number in LEFT_OUT:
                assert not is_python(block), f"block {number} is Python after all"
                continue
            names = left_to_the_reader(number)
            printed = run(number, names)
            see, expected = OUTCOMES.get(number, (lambda *_: None, None))
            seen = see(names, printed)
            assert seen == expected, f"block {number}: {seen!r:.200}, expected {expected!r:.200}"
        replicate_home.default_client.close()
    done = len(BLOCKS) - len(MENDED) - len(LEFT_OUT)
    print(f"  {done} of the {len(BLOCKS)} blocks of its README run, {len(MENDED)} more with a missing character added")


if __name__ == "__main__":
    sys.exit(main())
