"""Has schemathesis try the hosted API's OpenAPI document on ``replicate-home serve``, in an environment of its own.

``python tests/schemathesis/run_against_emulator.py``, from anywhere. Without ``REPLICATE_HOME_TEST_DATA``, which names
the folder with the document, it says so and ends with 0. It finds no server error, no undocumented answer and no
request accepted that the document calls wrong; otherwise it ends with 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "emulator"))

import openapi_document  # noqa: E402

PACKAGES = (f"{ROOT}[cli]", "schemathesis>=4.32")
CHECKS = (
    "not_a_server_error",
    "response_schema_conformance",
    "content_type_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
)
TOKEN = "r8_schemathesis"
MODEL = """
from replicate_home import local_model

@local_model("local/echo")
def echo(text: str = "hello") -> str:
    return text
"""
VERSION = hashlib.sha256(b"local/echo").hexdigest()  # which the emulator gives a model of that name


def main() -> int:
    """Run it, and say how it went."""
    data = os.environ.get("REPLICATE_HOME_TEST_DATA")
    if not data:
        print(f"schemathesis: skipped, for REPLICATE_HOME_TEST_DATA names no folder with {openapi_document.NAME}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        code = run(Path(folder), data)
    print(f"schemathesis: {'failed' if code else 'passed'}")
    return code


def run(folder: Path, data: str) -> int:
    """The exit code of schemathesis in a new environment."""
    bin = folder / "venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([bin / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
    (folder / "own_models.py").write_text(MODEL)
    (folder / "openapi.json").write_text(json.dumps(narrowed(openapi_document.load(data))))
    env = {**os.environ, "PYTHONPATH": str(folder)}
    serve = [bin / "replicate-home", "serve", "--port", "0", "--token", TOKEN, "--import", "own_models"]
    with (
        open(folder / "log", "w") as log,
        subprocess.Popen(serve, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip() + "/v1"
            (folder / "schemathesis.toml").write_text(config(url))
            options = ["--url", url, "--header", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(CHECKS)]
            options += ["--max-examples", "50", "--continue-on-failure", "--suppress-health-check", "all"]
            command = [bin / "st", "run", "openapi.json", *options, "--warnings", "off", "--seed", "1"]
            return subprocess.run(command, cwd=folder, check=False).returncode
        finally:
            server.terminate()


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what this server has, so that good requests are found where any string would be documented."""
    slug, address = {"pattern": "^[a-z][a-z0-9-]{1,20}$"}, {"format": "uri"}
    known = {
        "model": {"enum": ["local/echo"]},
        "version": {"enum": [VERSION, "local/echo", f"local/echo:{VERSION}"]},
        "hardware": {"enum": ["cpu", "gpu-t4"]},
        "destination": {"pattern": "^local/[a-z][a-z0-9-]{1,20}$"},
        "webhook": {"enum": ["http://127.0.0.1:9/"]},
        "name": slug,
        "owner": slug,
        **{f"{name}_url": address for name in ("cover_image", "github", "license", "paper", "weights")},
    }
    bodies = [
        content["schema"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    shared = [schema for name, schema in document["components"]["schemas"].items() if name.endswith("_request")]
    for schema in (*bodies, *shared):
        for name in schema.get("properties", {}).keys() & known.keys():
            schema["properties"][name].pop("example", None)
            schema["properties"][name].update(known[name])
    # The parts of a form have no types: false arrives as the text "false", and an empty list not at all.
    form = document["paths"]["/files"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"] = {"content": form["properties"]["content"], "filename": {}, "metadata": {}, "type": {}}
    # The URL of a download is signed: the document's own example asks without a token.
    document["paths"]["/files/{file_id}/download"]["get"]["security"] = []
    return document


def config(url: str) -> str:
    """Names and ids of what is there, some of it made for the purpose."""
    deployment = {"name": "app", "model": "local/echo", "version": VERSION, "hardware": "cpu"}
    ask(url, "/deployments", {**deployment, "min_instances": 1, "max_instances": 1})
    path = f"/models/local/echo/versions/{VERSION}/trainings"
    values = {
        "model_owner": "local",
        "model_name": "echo",
        "version_id": VERSION,
        "collection_slug": "super-resolution",
        "deployment_owner": "local",
        "deployment_name": "app",
        "prediction_id": ask(url, "/predictions", {"version": "local/echo", "input": {}})["id"],
        "training_id": ask(url, path, {"destination": "local/made", "input": {}})["id"],
    }
    return "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in values.items())


def ask(url: str, path: str, body: dict[str, Any]) -> Any:
    """What the server answers to a POST."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = Request(url + path, json.dumps(body).encode(), headers, method="POST")  # to this machine
    with urlopen(request, timeout=20) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
