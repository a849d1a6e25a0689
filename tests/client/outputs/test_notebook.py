"""What a notebook shows of outputs, predictions and batches; and the notebook of the pages, executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from replicate_home.testing import FakeReplicate

PNG = b"\x89PNG\r\n\x1a\n"
IMG = '<img src="data:image/png;base64,iVBORw0KGgo=" style="max-width: 100%">'
TEXT = '<div style="white-space: pre-wrap">'
ROW = '<div style="display: flex; flex-wrap: wrap; gap: 8px">'
NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebook.ipynb"


@pytest.fixture
def fake() -> Iterator[FakeReplicate]:
    with FakeReplicate() as fake:
        yield fake


@pytest.mark.parametrize(
    ("output", "html"),
    [
        (["<b>Hi", "\n& bye"], f"{TEXT}&lt;b&gt;Hi\n&amp; bye</div>"),
        ("<script>", f"{TEXT}&lt;script&gt;</div>"),
        ([PNG, PNG], f"{ROW}{IMG}{IMG}</div>"),
        (
            {"<mask>": PNG, "score": 0.5},
            f"<table><tr><th>&lt;mask&gt;</th><td>{IMG}</td></tr><tr><th>score</th><td>{TEXT}0.5</div></td></tr></table>",
        ),
        ([1, ["<"]], f"{TEXT}[1, [&quot;&lt;&quot;]]</div>"),
        ([b"ID3"], f'{ROW}<audio controls src="data:audio/mpeg;base64,SUQz"></audio></div>'),
    ],
)
def test_a_result_is_shown_as_text_pictures_players_and_tables(fake, output, html):
    fake.on("owner/model").returns(output)
    result = fake.client().run("owner/model")
    assert result._repr_mimebundle_() == {"text/html": html, "text/plain": repr(result)}


@pytest.mark.parametrize("output", [1, 2.5, True, None])
def test_a_result_that_is_no_text_and_no_file_is_shown_as_it_is(fake, output):
    fake.on("owner/model").returns(output)
    result = fake.client().run("owner/model")
    assert result._repr_mimebundle_(include=None) == {"text/plain": repr(result)}


def test_a_result_that_is_a_file_is_shown_as_files_are(fake):
    fake.on("owner/model").returns(PNG)
    result = fake.client().run("owner/model")
    assert result._repr_mimebundle_() == {"image/png": "iVBORw0KGgo=", "text/plain": repr(result)}


def test_a_prediction_is_a_table_with_its_output(fake):
    fake.on("owner/model").returns([PNG])
    prediction = fake.client().predictions.create("owner/model").wait()
    assert prediction._repr_html_() == (
        f"<table><tr><th>id</th><td>{TEXT}{prediction.id}</div></td></tr>"
        f"<tr><th>model</th><td>{TEXT}owner/model</div></td></tr>"
        f"<tr><th>status</th><td>{TEXT}succeeded</div></td></tr>"
        f'<tr><th>output</th><td><div style="display: flex; flex-wrap: wrap; gap: 8px">{IMG}</div></td></tr></table>'
    )


def test_a_batch_is_a_table_of_how_it_went(fake):
    fake.on("owner/model").returns("x")
    with fake.client().map("owner/model", [{"prompt": "a"}, {"prompt": "b"}]) as batch:
        list(batch)
        assert batch._repr_html_().startswith(f"<table><tr><th>done</th><td>{TEXT}2</div></td></tr>")


EXECUTE = f"""
import json, nbformat
from nbclient import NotebookClient
notebook = nbformat.read({str(NOTEBOOK)!r}, as_version=4)
NotebookClient(notebook, timeout=60).execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
print(json.dumps([output.get("data", output) for output in outputs]))
"""


@pytest.mark.long
@pytest.mark.skipif(find_spec("nbclient") is None, reason="nbclient comes with the extra tools")
def test_the_notebook_of_the_pages_runs_and_shows_what_it_says(tmp_path):
    environment = {name: value for name, value in os.environ.items() if "REPLICATE" not in name}
    done = subprocess.run(  # in a process of its own, for it leaves the sockets of its kernel open
        [sys.executable, "-c", EXECUTE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stderr
    text, picture, pictures, prediction, batch = json.loads(done.stdout)
    assert [sorted(shown) for shown in (text, pictures, prediction, batch)] == [["text/html", "text/plain"]] * 4
    assert sorted(picture) == ["image/png", "text/plain"]
    assert pictures["text/html"].count("<img ") == 3
    assert "succeeded" in prediction["text/html"]
    assert batch["text/html"].startswith(f"<table><tr><th>done</th><td>{TEXT}2</div></td></tr>")
