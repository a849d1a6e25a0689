"""``completion``: what a shell needs to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and their values on the Tab key.

    \b
      bash   eval "$(replicate-home completion bash)"          in ~/.bashrc
      zsh    eval "$(replicate-home completion zsh)"           in ~/.zshrc
      fish   replicate-home completion fish | source           in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "replicate-home", "_REPLICATE_HOME_COMPLETE").source())
