"""Predictors that import ``cog``, run by ``Client.local`` where Cog is installed; run by run_real_servers.py."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
sys.dont_write_bytecode = True
warnings.simplefilter("ignore", DeprecationWarning)  # Cog's own, for the old names

from replicate_home import Client, InvalidInput  # noqa: E402 - the path comes first
from replicate_home.cli.loading import named_model  # noqa: E402


def main() -> None:
    """Run each, and compare."""
    models = {
        f"local/{name}": named_model(f"{HERE}/models/{name}/predict.py:Predictor")[1]
        for name in ("text", "image", "structured", "async")
    }
    with Client.local(models) as client:
        assert list(client.stream("local/text", prompt="x", input={"n": 2, "delay": 0})) == ["tok0 ", "tok1 "]
        assert client.run("local/text", prompt="x", input={"n": 1, "mode": "loud"}).text == "TOK0 "
        try:
            client.run("local/text", prompt="x", input={"n": 99999})
        except InvalidInput as error:
            said = str(error)
        assert "10000" in said, said
        image = client.run("local/image", {"size": 16})
        assert image.read().startswith(b"\x89PNG")
        assert client.run("local/image", {"size": 16, "image": image}).read().startswith(b"\x89PNG")
        made = client.run("local/structured", {"text": "hello"})
        assert (made["text"], made["tags"], made["file"].read()) == ("HELLO", ["1", "2"], b'{"n": 3}')
        assert list(client.stream("local/async", {"n": 2, "delay": 0})) == ["x0 ", "x1 "]
    print("predictors that import cog: passed")


if __name__ == "__main__":
    main()
