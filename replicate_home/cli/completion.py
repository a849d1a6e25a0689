"""What the Tab key completes: the script that a shell needs, models, and their inputs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
def completion(shell: str) -> None:
    """Print a script for bash, zsh or fish that completes commands and options on the Tab key.

    \b
      bash   eval "$(replicate-home completion bash)"          in ~/.bashrc
      zsh    eval "$(replicate-home completion zsh)"           in ~/.zshrc
      fish   replicate-home completion fish | source           in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "replicate-home", "_REPLICATE_HOME_COMPLETE").source())


def models(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The models of this process and of the homepage whose names begin so; no server is asked."""
    from ..demo import MODELS
    from ..dialects import catalogue

    return [name for name in (*MODELS, *catalogue.models) if name.startswith(incomplete)]


def inputs(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """``name=`` for the inputs of a model in this process; others would cost a request."""
    from ..client.client import Client
    from ..exceptions import ReplicateHomeError

    model = context.params.get("model") or ""
    if not model.startswith("local/"):
        return []
    try:
        with Client(backend="local") as client:
            return [f"{name}=" for name in client.models.schema(model).input if name.startswith(incomplete)]
    except ReplicateHomeError:
        return []
