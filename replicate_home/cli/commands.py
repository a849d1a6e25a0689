"""The commands of ``replicate-home``. Each reads its arguments, calls a client, and prints the result.

Heavy modules are imported by the command that needs them, so ``--help`` loads only click.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from . import exit_codes

if TYPE_CHECKING:
    from ..client.client import Client

Command = Callable[..., None]


@contextmanager
def _reported() -> Iterator[None]:
    """Turns errors into one line and an exit code, before click handles some of them its own way."""
    try:
        yield
    except (click.exceptions.Exit, SystemExit):
        raise
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" See {context.command_path} --help" if context else ""
        exit_codes.say(error.format_message() + hint)
        raise click.exceptions.Exit(exit_codes.USAGE) from None
    except BaseException as error:
        code = exit_codes.reported(error)
        if code is None:
            raise
        raise click.exceptions.Exit(code) from error


class _Commands(click.Group):
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reported():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reported():
            return super().invoke(ctx)


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="replicate-home", message="%(prog)s %(version)s")
def commands() -> None:
    """Run AI models on Replicate, its homepage, a Cog server, or in this process.

    \b
      replicate-home stream local/markov prompt="The interpreter"
      replicate-home run local/plasma prompt="sunset over the sea"

    These two need no account and no network. Hosted models need a token in REPLICATE_API_TOKEN. It is never given
    on the command line, where other users could see it.

    The output goes to stdout, everything else to stderr. Exit codes: 0 success, 1 the model failed, 2 wrong usage,
    3 authentication, 4 timeout or rate limit, 5 any other failure, 130 Ctrl-C.
    """


_OPTIONS = (
    click.argument("model"),
    click.argument("inputs", nargs=-1, metavar="[NAME=VALUE]..."),
    click.option("--backend", metavar="NAME", help="replicate, home, cog or local; default: as for the client."),
    click.option("--base-url", metavar="URL", help="URL of the API; REPLICATE_BASE_URL if not given."),
    click.option("--timeout", metavar="SECONDS", help="For the whole call, 600 by default; 'none' for no limit."),
    click.option("--wait", type=float, metavar="SECONDS", help="How long the server may hold the first request."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON: the prediction, or one event per line."),
    click.option(
        "--output-directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="Save files here, and print their paths. Otherwise URLs are printed; files from local models, which "
        "have no URL, are saved in the current folder. No file is overwritten.",
    ),
    click.option("--no-cancel", is_flag=True, help="Keep the prediction running if this command ends early."),
)
_IMPORT = click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import a module that registers your own models."
)


def _calling(command: Command) -> Command:
    for option in reversed((*_OPTIONS, _IMPORT)):
        command = option(command)
    return command


_VALUES = """

    \b
    Inputs:
      name=value    text; or a number, true or false, if the schema of the
                    model says so
      name=@path    a file
      name=@-       stdin: text, or a file if it is not UTF-8
      name:=json    JSON, such as seed:=null or prompt:='"@home"'
"""


def _explained(command: Command) -> Command:
    command.__doc__ = (command.__doc__ or "").rstrip() + _VALUES
    return command


@commands.command()
@_calling
@_explained
def run(model: str, as_json: bool, output_directory: Path | None, **options: Any) -> None:
    """Run MODEL and print its output when it is done."""
    from ..exceptions import ModelError
    from .printing import Files, StatusLine, show_output, show_prediction

    files = Files(output_directory)
    with _client(options) as client:
        call = _call(client, model, options)
        try:
            with StatusLine() as status:
                result = client.run(model, on_update=status, **call)
        except ModelError as error:
            if as_json and error.prediction is not None:
                show_prediction(error.prediction, None, files)
            raise
        if as_json:
            show_prediction(result.prediction, result.output, files)
        else:
            show_output(result.output, files)


@commands.command()
@_calling
@_explained
def stream(model: str, as_json: bool, output_directory: Path | None, **options: Any) -> None:
    """Run MODEL and print its output as it arrives."""
    from .printing import Files, show_events, show_pieces

    files = Files(output_directory)
    with _client(options) as client, client.stream(model, **_call(client, model, options)) as pieces:
        if as_json:
            show_events(pieces.events(), files)
        else:
            show_pieces(pieces, files)


@commands.command()
@click.argument("served", nargs=-1, metavar="[WHERE:NAME]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 picks a free port.")
@click.option("--token", metavar="TOKEN", help="Accept only this token (make one up); by default, any.")
@click.option("--rate-limits", is_flag=True, help="Apply the hosted service's rate limits, with status 429.")
@click.option("--run-limit", is_flag=True, help="Fail runs after 30 minutes, as the hosted service does.")
@click.option("--retention", is_flag=True, help="Remove inputs, outputs, logs and files an hour after a run ends.")
@click.option("--webhooks-anywhere", is_flag=True, help="Send webhooks to other computers too.")
@click.option("--allow-others", is_flag=True, help="Accept other computers and any host name; see --host.")
@click.option("--model", "models", multiple=True, metavar="WHERE:NAME", help="Serve local/NAME, a callable or class.")
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file of faults, such as a burst of 503 or a stream that is cut.",
)
@_IMPORT
def serve(modules: tuple[str, ...], served: tuple[str, ...], models: tuple[str, ...], **options: Any) -> None:
    """Serve a small Replicate with the toy models, for any client, until Ctrl-C.

    The first line of output is its address. Every request is logged on stderr. WHERE is a module or a file, as in
    predict.py:Predictor or --model my.models:upscale. A class is a Cog predictor, with setup and predict.
    """
    from ..protocol.urls import is_loopback
    from .serving import ServeOptions, serve_until_stopped

    told = ServeOptions(models=(*served, *models), **options)
    if not told.allow_others and not is_loopback(f"http://{_in_url(told.host)}"):
        raise click.BadParameter(f"other computers can reach {told.host!r}: add --allow-others", param_hint="--host")

    def announce(url: str) -> None:
        click.echo(url)
        if not is_loopback(url):
            exit_codes.say(f"warning: anyone who can reach {url} can run these models")

    _import(modules)
    try:
        serve_until_stopped(told, announce)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _client(options: Mapping[str, Any]) -> Iterator[Client]:
    """The client that the options ask for."""
    from ..client.client import Client

    _import(options["modules"])
    given: dict[str, Any] = {} if options["timeout"] is None else {"timeout": _seconds(options["timeout"])}
    with Client(backend=options["backend"], base_url=options["base_url"], **given) as client:
        yield client


def _seconds(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number of seconds or 'none'.", param_hint="--timeout") from None


def _call(client: Client, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``client.run`` or ``client.stream``; reads the model's schema if an input is in doubt."""
    from .arguments import read_inputs

    inputs = read_inputs(options["inputs"], lambda: sys.stdin.buffer.read())
    given = inputs.typed(_schema(client, model) if inputs.in_doubt else {})
    return {
        "messages": given.pop("messages", None),
        "input": given,
        "wait": options["wait"],
        "cancel_on_exit": not options["no_cancel"],
    }


def _schema(client: Client, model: str) -> Mapping[str, Any]:
    """The schema of the model's inputs; empty if it is not available."""
    from ..exceptions import ReplicateHomeError

    try:
        return client.models.schema(model).input
    except ReplicateHomeError:
        return {}


def _import(modules: tuple[str, ...]) -> None:
    """Import the user's modules, also from the current folder."""
    from importlib import import_module

    if modules and "" not in sys.path:
        sys.path.insert(0, "")
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise click.BadParameter(f"there is no module {name!r}.", param_hint="--import") from None
