"""The command line. Thin: it reads options, shows progress, and says what happened; the work is done elsewhere.

Nothing heavy is imported until a command needs it, so that `unblur --help` answers at once.
"""

import io
import json
import signal
import sys
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperGroup

import unblur
from unblur.app import ablate, bench, data, export, inspect, models, page, pull, restore, synth, train
from unblur.app.web.command import web
from unblur.errors import InputError, UnblurError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from unblur.weights import Card

__all__ = ["app", "main"]


class _RestoreByDefault(TyperGroup):
    """`unblur photo.jpg` is short for `unblur restore photo.jpg`. An empty argument is refused: as a path it would be the current folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer and click each have a Context
        if any(not arg or (arg.startswith("--") and arg.endswith("=")) for arg in args):
            raise InputError("an argument is empty; perhaps a variable of the shell is not set")
        own = {"--help", "--version", "--install-completion", "--show-completion"}
        if args and args[0] not in self.commands and args[0].split("=")[0] not in own:
            near = get_close_matches(args[0], self.commands, n=1, cutoff=0.8)
            if near and not Path(args[0]).exists():
                raise InputError(f"there is no command and no file `{args[0]}`; did you mean `unblur {near[0]}`?")
            args = ["restore", *args]
        return super().parse_args(ctx, args)


class _ShowByDefault(TyperGroup):
    """`unblur models` and `unblur models NAME` are short for `unblur models show` and `unblur models show NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer and click each have a Context
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RestoreByDefault,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Remove motion blur from photos and videos. `unblur INPUT...` is short for `unblur restore INPUT...`.",
)

app.add_typer(synth.app, name="synth")
app.add_typer(data.app, name="data")
models_app = typer.Typer(
    cls=_ShowByDefault,
    help="List weights, print the card of one, pull published ones of others, check them, or say where they are. `unblur models [NAME]` is short for "
    "`unblur models show [NAME]`.",
)
app.add_typer(models_app, name="models")
models_app.command()(pull.pull)
models_app.command()(models.verify)
models_app.command()(models.path)
app.command()(restore.restore)
app.command()(train.train)
app.command()(train.recipes)
app.command()(train.export_weights)
app.command()(export.export)
app.command()(inspect.inspect)
app.command()(page.page)
app.command()(web)
for command in (bench.bench, bench.report, ablate.ablate, bench.published):
    app.command()(command)


def main() -> None:
    """Entry point of the `unblur` command: errors that were foreseen are one line and exit code 1.

    A request to end ends like Ctrl-C: what was half written is removed. Characters that the terminal's encoding does not have are
    printed as question marks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # one of Windows may know 256 characters
        sys.stdout.reconfigure(errors="replace")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except (UnblurError, OSError) as error:  # OSError: of a path that no command has foreseen
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    finally:  # for who calls this in a process of his own
        signal.signal(signal.SIGTERM, before)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"unblur {unblur.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@models_app.command("list")
def list_models(*, as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False) -> None:
    """List the built-in and pulled weights, a line each."""
    show(None, as_json=as_json)


@models_app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(help="Built-in or pulled weights, a file or a run, of which to print all of the card.", show_default=False),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON.")] = False,
) -> None:
    """List the built-in and pulled weights, a line each, or print the card of one in full."""
    from unblur.weights import card_of, names, pulled_names

    pulled, cards = pulled_names(), {}
    for each in [name] if name else [*names(), *pulled]:
        try:
            cards[each] = card_of(each)
        except WeightsError as error:  # in a list, the others are shown
            if each == name or each not in pulled:
                raise
            Console(stderr=True).print(f"[yellow]note:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card in cards.values()], indent=2))
    elif name:
        _print_card(cards[name], how=", pulled" if name in pulled else "")
    else:
        _print_list(cards, pulled=pulled)


def _print_list(cards: "Mapping[str, Card]", *, pulled: "Collection[str]") -> None:
    """One line for each card: name, kind, megabytes, and what the weights are for."""
    from unblur.weights import weights_path

    table = Table(
        Column("name", no_wrap=True),
        Column("kind", no_wrap=True),
        Column("MB", justify="right", no_wrap=True),
        "for",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name, card in cards.items():
        size = weights_path(name).stat().st_size
        kind = f"{card.kind}, pulled" if name in pulled else card.kind
        table.add_row(name, kind, f"{size / 1e6:.1f}", Text(card.summary, no_wrap=True, overflow="ellipsis"))
    console = Console()
    console.print(table, highlight=False)
    console.print("\nTraining data, licence and results of one: unblur models NAME", highlight=False, soft_wrap=True)


def _print_card(card: "Card", *, how: str) -> None:
    """Print all that a card says.

    Args:
        card: to print.
        how: added to its kind.
    """
    console = Console()
    console.print(f"[bold]{card.name}[/] ({card.kind}{how}): {escape(card.summary)}", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2))
    for key, value in (
        ("architecture", f"{card.architecture} {json.dumps(card.arguments)}"),
        ("origin", f"{card.origin}; {card.training_data}"),
        ("recipe", card.recipe),
        ("licence", card.licence),
        ("sha256", card.sha256),
        *((f"part {part}", f"those of {other}") for part, other in card.parts.items()),
        *([("revision", card.revision)] if card.revision else []),
    ):
        table.add_row(key, escape(value))
    for result in card.results:
        table.add_row("measured", escape(f"{result.measure}: {result.value:g} on {result.data} by {result.protocol} (`{result.command}`)"))
    console.print(table, highlight=False)


@app.command("convert-weights")
def convert_weights_command(
    source: Annotated[
        Path, typer.Argument(metavar="PUBLISHED", help="File, or for `dmphn` and `maxim` the folder of files.", show_default=False)
    ],
    *,
    network: Annotated[str, typer.Option(help="Whose weights these are: dmphn, maxim or pwcnet.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The `.safetensors` file; its card goes beside it.", show_default=False)],
    licence: Annotated[str, typer.Option(help="Of the weights, for the card; look it up where you got them.")] = "not stated",
    training_data: Annotated[str, typer.Option(help="What they were trained on, for the card.")] = "as published",
    num_stages: Annotated[int | None, typer.Option(help="First stages to take of `maxim`.", show_default="all", min=1, max=3)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Turn published weights into a `.safetensors` file and its card. Nothing in the files is run."""
    from unblur.weights.convert import convert_weights

    card = convert_weights(
        source, output, network=network, licence=licence, training_data=training_data, num_stages=num_stages, overwrite=overwrite
    )
    Console(stderr=True).print(
        f"[green]done[/] {escape(str(source))} → {escape(str(output))}: {card.architecture} {escape(json.dumps(card.arguments))}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Check versions, devices, precisions and codecs, and say whether all is well."""
    from unblur.app.doctor import examine

    console = Console(stderr=True)
    with console.status("looking"):
        findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False, padding=(0, 2))
        marks = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}
        for finding in findings:
            table.add_row(marks[finding.verdict], escape(finding.subject), escape(finding.text))
        Console().print(table, highlight=False)
        worst = [finding for finding in findings if finding.verdict == "bad"]
        verdict = (
            f"[red]{len(worst)} thing(s) to mend before `unblur` can work[/]"
            if worst
            else "[green]all is well[/]: `unblur` can work on this machine"
        )
        Console().print(verdict, highlight=False)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)
