"""What all demo models have in common."""

from __future__ import annotations

import subprocess
import sys

import pytest

from replicate_home import MissingExtra
from replicate_home.demo import MODELS
from replicate_home.demo.extra import borrow
from replicate_home.emulator.registry import LocalModel


def test_there_are_four_and_each_says_that_it_is_a_toy() -> None:
    assert list(MODELS) == ["local/markov", "local/eliza", "local/plasma", "local/posterize"]
    assert all("a toy, not a neural network" in (model.__doc__ or "") for model in MODELS.values())


def test_importing_them_imports_none_of_the_libraries_they_borrow() -> None:
    program = (
        "import sys, replicate_home.demo;"
        "print(sorted({'markovify', 'nltk', 'PIL', 'numpy', 'pydoc_data.topics'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_their_schemas_name_their_inputs_and_say_which_output_is_text_and_which_a_file() -> None:
    schemas = {name: LocalModel.of(name, model).openapi()["components"]["schemas"] for name, model in MODELS.items()}
    inputs = {name: list(schema["Input"]["properties"]) for name, schema in schemas.items()}
    assert inputs == {
        "local/markov": ["prompt", "max_words", "tokens_per_second", "seed"],
        "local/eliza": ["prompt", "messages", "tokens_per_second", "seed"],
        "local/plasma": ["prompt", "width", "height", "seed"],
        "local/posterize": ["image", "levels", "seconds"],
    }
    text = {
        "title": "Output",
        "type": "array",
        "items": {"type": "string"},
        "x-cog-array-type": "iterator",
        "x-cog-array-display": "concatenate",
    }
    file = {"title": "Output", "type": "string", "format": "uri"}
    assert [schema["Output"] for schema in schemas.values()] == [text, text, file, file]


@pytest.mark.parametrize(
    ("name", "library", "installed", "arguments"),
    [
        ("local/markov", "markovify", "markovify", {"prompt": "The interpreter"}),
        ("local/eliza", "nltk", "nltk", {"prompt": "Hello"}),
        ("local/plasma", "PIL", "Pillow", {"prompt": "sea"}),
        ("local/posterize", "PIL", "Pillow", {"image": "picture.png"}),
    ],
)
def test_a_missing_library_names_the_command_that_installs_it(
    name, library, installed, arguments, run, monkeypatch
) -> None:
    from replicate_home.demo import markov

    markov._build.cache_clear()
    for module in [known for known in sys.modules if known.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Without(library), *sys.meta_path])

    with pytest.raises(MissingExtra) as caught:
        list(MODELS[name](run, **arguments))

    assert str(caught.value) == f"the toy models need {installed}: python -m pip install {installed}"


def test_a_library_that_lacks_something_itself_says_so_in_its_own_words(monkeypatch, tmp_path) -> None:
    (tmp_path / "half_installed.py").write_text("import nowhere_to_be_found")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere_to_be_found'"):
        borrow("half_installed")


class _Without:
    """An import system in which one library is not installed."""

    def __init__(self, library: str) -> None:
        self._library = library

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self._library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
