"""Real Cog servers on this machine, each with one of the models beside this file."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

HERE = Path(__file__).resolve().parent
# By the version: the interpreter of an environment with that Cog, as run_real_servers.py sets them.
PYTHONS = {version: os.environ.get(f"COG_PYTHON_{version.replace('.', '_')}") for version in ("0.23", "0.16", "0.9")}
_OPENER = build_opener(ProxyHandler({}))


@contextmanager
def cog_server(
    model: str, version: str = "0.23", *, until: str = "READY", schema: bool = True, options: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[str]:  # fmt: skip
    """The address of a server with ``model``, once its health is ``until``; ``schema=False`` leaves out its schema."""
    python = PYTHONS[version]
    assert python, f"there is no Cog {version}: run tests/cog/run_real_servers.py"
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(HERE / "models" / model, folder, dirs_exist_ok=True)
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("COG_", "REPLICATE_", "PYTHON"))},
        # Its worker is a plain `python`, which has to be that of the environment.
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        "PORT": str(port),
        "COG_PREDICT_TYPE_STUB": "predict.py:Predictor",
        "COG_MAX_CONCURRENCY": "4" if model == "async" else "1",
        "COG_SETUP_TIMEOUT": "60",
        "COG_LOG_LEVEL": "warn",
        "NO_PROXY": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    if version == "0.23" and schema:
        subprocess.run([python, HERE / "write_schema.py", "predict.py:Predictor"], cwd=folder, env=env, check=True)
    command = [python, "-m", "cog.server.http", "--host", "127.0.0.1", *options]
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True) as server,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, server, folder / "log", until)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str, json_body: Any = None) -> Any:
    """The JSON in the answer, with a POST where there is a body."""
    data = None if json_body is None else json.dumps(json_body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})
    with _OPENER.open(request, timeout=10) as answer:
        return json.load(answer)


def health(url: str) -> str:
    """The server's own word on how it is."""
    return str(asked(url + "/health-check")["status"])


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    """Return when ``condition()`` holds; AssertionError where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path, until: str) -> None:
    end = time.monotonic() + 60
    while True:
        assert server.poll() is None, f"the server ended:\n{log.read_text()[-3000:]}"
        try:
            found = health(url)
        except OSError:
            found = "not there"
        if found == until:
            return
        assert time.monotonic() < end, f"it is {found} and not {until}:\n{log.read_text()[-3000:]}"
        time.sleep(0.05)
