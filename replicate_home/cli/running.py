"""The commands that run a model: ``run`` and ``stream``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import AuthenticationError, ConnectFailed, InvalidInput, ReplicateHomeError
from ..records.schema import Schema
from . import completion, describing
from .arguments import Stdin, read_inputs
from .exit_codes import say
from .following import fate_of, follow, is_local, show_result, watched
from .options import answers, asks_server, with_options
from .printing import Answer, show_prediction
from .status_line import is_terminal

if TYPE_CHECKING:
    from ..client.client import Client

_VALUES = """

    \b
    Inputs:
      name=value    text; or a number, true or false, if the schema of the
                    model says so
      name=@path    a file
      name=@-       stdin: text, or a file if it is not UTF-8
      name:=json    JSON, such as seed:=null or prompt:='"@home"'
      name={{.output[0]}}
                    from the JSON on stdin, as run --json prints it

    Text on stdin is the prompt if none is given. MODEL --help shows the inputs of a model.
"""
_OPTIONS = (
    click.argument("model", required=False, metavar="MODEL", shell_complete=completion.models),
    click.argument("inputs", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=completion.inputs),
    click.option(
        "--wait",
        type=click.FloatRange(0, 60),
        metavar="SECONDS",
        help="How long the server may hold the first request.",
    ),
    click.option("--no-cancel", is_flag=True, help="Keep the prediction running if this command ends early."),
    click.option("-h", "--help", "helps", is_flag=True, help="Show this message, or the inputs of MODEL, and exit."),
)


def _runs_model(command: Callable[..., None], *more: Callable[[Any], Any]) -> click.Command:
    """The command of a function that is given the client, the model, the arguments of the call, and ``more``."""

    def call(
        client: Client,
        model: str | None,
        inputs: tuple[str, ...],
        wait: float | None,
        no_cancel: bool,
        helps: bool,
        **rest: Any,
    ) -> None:
        context = click.get_current_context()
        if model is None and helps:
            click.echo(context.get_help())
        elif model is None:
            raise click.MissingParameter(ctx=context, param=context.command.params[0])
        elif helps:
            _show_inputs(client, model, context)
        else:
            given = {**_inputs(client, model, inputs), "wait": wait, "cancel_on_exit": not no_cancel}
            command(client, model, given, **rest)

    call.__doc__ = (command.__doc__ or "").rstrip() + _VALUES
    decorated = with_options(answers(asks_server(call)), *_OPTIONS, *more)
    return click.command(command.__name__.removeprefix("_"), add_help_option=False)(decorated)


def _run(client: Client, model: str, call: dict[str, Any], no_wait: bool, answer: Answer, form: str | None) -> None:
    """Run MODEL and print its output when it is done."""
    if no_wait:
        _create(client, model, call, answer, form)
    elif form == "jsonl":
        _stream(client, model, call, answer, form)
    else:
        if call["wait"] is None and is_terminal(sys.stderr):
            call["wait"] = 0  # a server that holds its answer has nothing to show meanwhile
        with watched(model, call["cancel_on_exit"]) as status:
            result = client.run(model, on_update=status, **call)
        show_result(result, answer, form)


def _create(client: Client, model: str, call: dict[str, Any], answer: Answer, form: str | None) -> None:
    del call["cancel_on_exit"]
    prediction = client.predictions.create(model, **call)
    if is_local(prediction.snapshot):
        raise InvalidInput("a model in this process ends with it: leave out --no-wait")
    if form is None:
        answer.write(f"{prediction.id}\n")
    else:
        show_prediction(prediction.snapshot, None, answer)
    fate = fate_of(prediction.snapshot, cancels=False)
    if fate is not None:
        say(fate)


def _stream(client: Client, model: str, call: dict[str, Any], answer: Answer, form: str | None) -> None:
    """Run MODEL and print its output as it arrives."""
    with (
        watched(model, call["cancel_on_exit"]) as status,
        client.stream(model, on_update=status, **call) as pieces,
    ):
        follow(pieces, status, answer, form)


run = _runs_model(
    _run, click.option("--no-wait", is_flag=True, help="Print the id of the prediction and exit; it runs on.")
)
stream = _runs_model(_stream)


def _inputs(client: Client, model: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    """``input`` and ``messages`` for ``client.run``, as the model's schema types them."""
    stdin = Stdin(sys.stdin)
    inputs = read_inputs(arguments, stdin.read)
    schema = schema_of(client, model) if arguments or stdin.has_more() else Schema()
    given = inputs.typed(schema)
    for name, value in given.items():
        describing.check(schema, model, name, value)
    if not {"prompt", "messages"} & given.keys() and ("prompt" in schema.input or not arguments) and stdin.has_more():
        given.update(stdin.prompt())
    return {"messages": given.pop("messages", None), "input": given}


def schema_of(client: Client, model: str) -> Schema:
    """The model's schema; empty if this server has none to give."""
    try:
        return client.models.schema(model)
    except (AuthenticationError, ConnectFailed):  # which would be no different for the run itself
        raise
    except ReplicateHomeError:
        return Schema()


def _show_inputs(client: Client, model: str, context: click.Context) -> None:
    schema = client.models.schema(model)
    formatter = context.make_formatter()
    formatter.write_usage(context.command_path, f"{model} [NAME=VALUE]...")
    with formatter.section("Inputs"):
        formatter.write_dl(describing.inputs(schema) or [("none", "the model's schema lists no inputs")])
    with formatter.section("Output"):
        formatter.write_text(describing.output(schema))
    formatter.write_paragraph()
    formatter.write_text(f"See {context.command_path} --help for the options.")
    click.echo(formatter.getvalue(), nl=False)
