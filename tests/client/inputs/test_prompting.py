"""How ``input``, ``prompt`` and ``messages`` become one input."""

from __future__ import annotations

import re
from collections import UserDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicate_home.client.inputs.prompting import checked_input, checked_messages, one_prompt, with_messages

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "Hello."}


def refused(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}")


# ---- the input ----


@pytest.mark.parametrize("make", [dict, UserDict, MappingProxyType])
def test_the_prompt_is_put_into_a_copy_of_the_input(make: Any) -> None:
    mine = make({"steps": 4})
    assert checked_input(mine, "Hi", None) == {"steps": 4, "prompt": "Hi"}
    assert dict(mine) == {"steps": 4}


def test_no_input_is_an_empty_one() -> None:
    assert checked_input(None, None, None) == {}
    assert checked_input({}, None, [USER]) == {}


@pytest.mark.parametrize(
    ("input", "prompt", "messages", "error", "message"),
    [
        ("Hi", None, None, TypeError, "input must be a mapping such as {'prompt': '...'}, got str"),
        (["Hi"], None, None, TypeError, "input must be a mapping such as {'prompt': '...'}, got list"),
        ({1: 2}, None, None, TypeError, "names of inputs must be strings, got 1"),
        (None, "Hi", [USER], TypeError, "pass prompt= or messages=, not both"),
        ({"prompt": "Hi"}, "Hi", None, TypeError, "prompt is given twice: as prompt= and in the input"),
        ({"messages": []}, None, [USER], TypeError, "messages is given twice: as messages= and in the input"),
        (None, 5, None, TypeError, "prompt must be a string, got int"),
        (None, b"Hi", None, TypeError, "prompt must be a string, got bytes"),
    ],
)
def test_what_cannot_be_one_input_is_refused(
    input: Any, prompt: Any, messages: Any, error: type[Exception], message: str
) -> None:
    with refused(error, message):
        checked_input(input, prompt, messages)


def test_a_prompt_in_the_input_may_be_what_the_model_takes() -> None:
    assert checked_input({"prompt": ["a", "b"]}, None, None) == {"prompt": ["a", "b"]}
    assert checked_input({"prompt": None}, None, None) == {"prompt": None}


# ---- messages ----


def test_messages_are_roles_and_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"text": "b"}, "c"]
    given_messages = (SYSTEM, {"role": "user", "content": parts, "name": "me"}, {"role": "user", "content": ()})
    assert checked_messages(given_messages) == [
        SYSTEM,
        {"role": "user", "content": "abc"},
        {"role": "user", "content": ""},
    ]


@pytest.mark.parametrize(
    ("messages", "error", "message"),
    [
        ([], ValueError, "messages is empty: it needs at least one message"),
        ("Hi", TypeError, "messages must be a list such as [{'role': 'user', 'content': 'Hi'}]"),
        (USER, TypeError, "messages must be a list"),
        (iter([USER]), TypeError, "messages must be a list"),
        (["Hi"], ValueError, "a message must be {'role': ..., 'content': ...}, got 'Hi'"),
        ([{"content": "Hi"}], ValueError, "a message must be {'role': ..., 'content': ...}, got \"{'content': 'Hi'}\""),
        ([{"role": "user"}], ValueError, "a message must be {'role': ..., 'content': ...}"),
        ([{"role": 1, "content": "Hi"}], ValueError, "a message must be {'role': ..., 'content': ...}"),
        ([{"role": "user", "content": None}], ValueError, "a message's content must be a string or a list"),
        ([{"role": "user", "content": b"Hi"}], ValueError, "a message's content must be a string or a list"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            ValueError,
            "messages can only contain text, got a part of type 'image_url': pass files as model inputs",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], ValueError, "messages can only contain text"),
        ([{"role": "user", "content": [b"x"]}], ValueError, "messages can only contain text, got a part of type 'byt"),
    ],
)
def test_what_is_no_message_is_refused(messages: Any, error: type[Exception], message: str) -> None:
    with refused(error, message):
        checked_messages(messages)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER], "Hi"),
        ([SYSTEM], "Be brief."),
        ([SYSTEM, USER], "System: Be brief.\nUser: Hi\nAssistant:"),
        ([USER, ANSWER, USER], "User: Hi\nAssistant: Hello.\nUser: Hi\nAssistant:"),
        ([USER, {"role": "assistant", "content": " "}], "User: Hi\nAssistant:"),
        ([{"role": "TOOL", "content": "7"}, USER], "Tool: 7\nUser: Hi\nAssistant:"),
    ],
)
def test_several_messages_become_lines_and_one_its_text(messages: list[dict[str, str]], expected: str) -> None:
    assert one_prompt(messages) == expected


@pytest.mark.parametrize("texts", [[""], ["", " \n"]])
def test_messages_without_any_text_are_refused_whatever_the_model_takes(texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    for schema in ({}, {"messages": {}}, {"system_prompt": {}}):
        with refused(ValueError, "messages is empty: no message has any text"):
            with_messages({}, messages, schema)


# ---- what the model takes ----


@pytest.mark.parametrize(
    ("inputs", "messages", "schema", "expected"),
    [
        ({"a": 1}, [SYSTEM, USER], {"messages": {}, "prompt": {}}, {"a": 1, "messages": [SYSTEM, USER]}),
        ({"prompt": "p"}, [USER], {"messages": {}}, {"prompt": "p", "messages": [USER]}),
        ({"a": 1}, [USER], {}, {"a": 1, "prompt": "Hi"}),
        ({}, [SYSTEM, USER], {"prompt": {}}, {"prompt": "System: Be brief.\nUser: Hi\nAssistant:"}),
        ({}, [SYSTEM, USER], {"system_prompt": {}}, {"system_prompt": "Be brief.", "prompt": "Hi"}),
        ({}, [SYSTEM, USER], {"system": {}}, {"system": "Be brief.", "prompt": "Hi"}),
        ({}, [SYSTEM, USER], {"system": {}, "system_prompt": {}}, {"system_prompt": "Be brief.", "prompt": "Hi"}),
        ({}, [SYSTEM, USER, SYSTEM], {"system": {}}, {"system": "Be brief.\nBe brief.", "prompt": "Hi"}),
        ({}, [USER], {"system_prompt": {}}, {"prompt": "Hi"}),
        ({}, [SYSTEM], {"system_prompt": {}}, {"prompt": "Be brief."}),
        (
            {"system_prompt": "Mine."},
            [SYSTEM, USER],
            {"system_prompt": {}},
            {"system_prompt": "Mine.", "prompt": "System: Be brief.\nUser: Hi\nAssistant:"},
        ),
        (
            {},
            [SYSTEM, USER, ANSWER, USER],
            {"system": {}},
            {"system": "Be brief.", "prompt": "User: Hi\nAssistant: Hello.\nUser: Hi\nAssistant:"},
        ),
    ],
)
def test_messages_go_where_the_schema_has_a_place_for_them(
    inputs: dict[str, Any], messages: list[dict[str, str]], schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = dict(inputs)
    assert with_messages(inputs, messages, schema) == expected
    assert inputs == before


def test_messages_and_a_prompt_for_a_model_that_takes_one_prompt_are_two_sources() -> None:
    with refused(TypeError, "prompt is given twice: in the input, and as messages="):
        with_messages({"prompt": "p"}, [USER], {"prompt": {}})


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text()), min_size=1))
def test_no_text_is_lost_on_the_way_into_one_prompt(said: list[tuple[str, str]]) -> None:
    messages = checked_messages([{"role": role, "content": text} for role, text in said])
    if any(text.strip() for _, text in said):
        prompt = with_messages({}, messages, {})["prompt"]
        assert all(text in prompt for _, text in said if text.strip())
