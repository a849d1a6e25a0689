"""Mistakes that type checkers must find: one on each line that says so."""

from __future__ import annotations

import replicate_home
from replicate_home import AsyncClient, Client


def mistakes(client: Client) -> None:
    """What does not exist."""
    for chunk in client.stream("owner/llm", prompt="Hi"):
        chunk.no_such_method()  # wrong
    client.run("owner/llm", promt="Hi")  # wrong
    client.stream("owner/llm", prompt="Hi", timout=5)  # wrong
    client.use("owner/llm", wiat=5)  # wrong
    client.predictions.create("owner/llm", {"prompt": "Hi"}, wehbook="https://example.com")  # wrong
    replicate_home.run("owner/llm", promt="Hi")  # wrong
    replicate_home.stream("owner/llm", prompt=3)  # wrong
    client.predictions.get("abc").no_such_method()  # wrong


async def awaited(client: AsyncClient) -> None:
    """The same, awaited."""
    await client.run("owner/llm", promt="Hi")  # wrong
    await replicate_home.async_run("owner/llm", promt="Hi")  # wrong
    async for chunk in client.stream("owner/llm", prompt="Hi"):
        chunk.no_such_method()  # wrong
