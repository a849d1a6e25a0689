"""How ``input``, ``prompt`` and ``messages`` become one input. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...exceptions import InvalidInput

Messages = Sequence[Mapping[str, Any]]


def checked_input(value: Any, prompt: str | None, messages: Messages | None) -> dict[str, Any]:
    """The input without the messages; raises TypeError for a wrong type, or an input that is given twice."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"input must be a mapping such as {{'prompt': '...'}}, got {type(value).__name__}")
    inputs = dict(value or {})
    for name in inputs:
        if not isinstance(name, str):
            raise TypeError(f"names of inputs must be strings, got {name!r}")
    if prompt is not None and messages is not None:
        raise TypeError("pass prompt= or messages=, not both")
    for name, given in (("prompt", prompt), ("messages", messages)):
        if given is not None and name in inputs:
            raise TypeError(f"{name} is given twice: as {name}= and in the input")
    if prompt is not None:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be a string, got {type(prompt).__name__}")
        inputs["prompt"] = prompt
    return inputs


DEEPEST = 200


def is_json(value: Any, levels: int = DEEPEST) -> bool:
    """Whether a value is JSON already: nothing in it is a file or needs converting.

    Raises InvalidInput for a value that is nested too deeply or contains itself.
    """
    kind = type(value)
    if kind in (str, int, float, bool) or value is None:
        return True
    if kind is not dict and kind is not list:
        return False
    if not levels:
        raise InvalidInput(f"the input is nested more than {DEEPEST} levels deep, or contains itself")
    if kind is dict and not set(map(type, value)) <= {str}:
        return False
    return all(is_json(item, levels - 1) for item in (value.values() if kind is dict else value))


def not_json_at(value: Any, path: str = "input") -> str:
    """Where in an input the first number is that JSON does not have, with the number; empty if there is none."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"{path} is {value}"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, item in items if (found := not_json_at(item, f"{path}[{key!r}]"))), "")


def checked_messages(messages: Messages) -> list[dict[str, str]]:
    """Role and text of each message; raises InvalidInput for an empty list or a part that is not text."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise TypeError("messages must be a list such as [{'role': 'user', 'content': 'Hi'}]")
    if not messages:
        raise InvalidInput("messages is empty: it needs at least one message")
    return [{"role": _role(message), "content": _text(message)} for message in messages]


def _role(message: Any) -> str:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
        raise InvalidInput(f"a message must be {{'role': ..., 'content': ...}}, got {str(message)[:100]!r}")
    return str(message["role"])


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        kind = type(content).__name__
        raise InvalidInput(f"a message's content must be a string or a list of text parts, got {kind}")
    return "".join(_part(part) for part in content)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise InvalidInput(f"messages can only contain text, got a part of type {kind!r}: pass files as model inputs")


def one_prompt(messages: list[dict[str, str]]) -> str:
    """Messages as one prompt: the text of a single message, or ``Role: text`` lines and a final ``Assistant:``."""
    if len(messages) == 1:
        text = messages[0]["content"]
    else:
        said = [f"{m['role'].capitalize()}: {m['content']}" for m in messages if m["content"].strip()]
        text = "\n".join([*said, "Assistant:"]) if said else ""
    if not text.strip():
        raise InvalidInput("messages is empty: no message has any text")
    return text


def with_messages(inputs: dict[str, Any], messages: list[dict[str, str]], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The input with the messages added, as the schema of the model's inputs allows."""
    if "messages" in schema:
        one_prompt(messages)  # raises if there is no text at all
        return {**inputs, "messages": messages}
    if "prompt" in inputs:
        raise TypeError("prompt is given twice: in the input, and as messages=")
    field = next((name for name in ("system_prompt", "system") if name in schema and name not in inputs), None)
    system = [m["content"] for m in messages if m["role"] == "system" and m["content"].strip()]
    others = [m for m in messages if m["role"] != "system"]
    if field and system and others:
        return {**inputs, field: "\n".join(system), "prompt": one_prompt(others)}
    return {**inputs, "prompt": one_prompt(messages)}
