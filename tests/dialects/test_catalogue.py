from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.dialects import catalogue
from replicate_home.dialects.catalogue import resolve_alias, suggestion

GEMMA = "google-deepmind/gemma-2b-it"


def test_the_homepage_runs_one_text_model_and_three_image_models() -> None:
    assert catalogue.models == [
        GEMMA,
        "stability-ai/stable-diffusion-3",
        "bytedance/sdxl-lightning-4step",
        "playgroundai/playground-v2.5-1024px-aesthetic",
    ]
    assert catalogue.default_model in catalogue.text_models
    assert catalogue.default_image_model in catalogue.image_models


def test_every_model_and_alias_has_a_version_to_ask_for() -> None:
    wanted = {*catalogue.models, *catalogue.model_aliases.values(), *catalogue.EARLIER_ALIASES.values()}
    assert wanted <= catalogue.model_versions.keys()


def test_the_current_models_come_first_and_the_version_to_ask_for_is_the_first_of_each() -> None:
    assert set(list(catalogue.KNOWN)[:4]) == set(catalogue.models)
    assert list(catalogue.model_versions.items()) == [(name, ids[0]) for name, ids in catalogue.KNOWN.items()]


def test_versions_are_hashes_or_deployment_ids_and_none_is_listed_twice_for_a_model() -> None:
    for versions in catalogue.KNOWN.values():
        assert all(re.fullmatch(r"[0-9a-f]{64}|dp-[0-9a-f]{32}", version) for version in versions)
        assert len(set(versions)) == len(versions)


@pytest.mark.parametrize(
    ("name", "full_name"),
    [
        ("gemma-2b", GEMMA),
        ("Gemma-2B", GEMMA),
        (" SD-3 ", "stability-ai/stable-diffusion-3"),
        ("flux-schnell", "black-forest-labs/flux-schnell"),
        ("stable-diffusion-3", "stability-ai/stable-diffusion-3"),
        (GEMMA.upper(), GEMMA),
        ("gemma", None),
        ("owner/name", None),
        ("", None),
    ],
)
def test_a_name_in_any_case_stands_for_a_full_name_or_for_nothing(name, full_name) -> None:
    assert resolve_alias(name) == full_name


@given(st.sampled_from(sorted(catalogue.KNOWN)))
def test_a_full_name_stands_for_itself(name) -> None:
    assert resolve_alias(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gemma-2b", f"write '{GEMMA}'"),
        ("gema-2b", f"did you mean '{GEMMA}'?"),
        ("stability-ai/stable-difusion-3", "did you mean 'stability-ai/stable-diffusion-3'?"),
        ("qqq", "the homepage runs " + ", ".join(catalogue.models)),
    ],
)
def test_an_error_can_say_what_to_write_instead(name, words) -> None:
    assert suggestion(name) == words


@given(st.text())
def test_any_text_gets_some_suggestion(text) -> None:
    assert suggestion(text)
