"""`unblur ablate`: train the rows of a study alike, and set them side by side. Thin, as all of the command line."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unblur.app.bench import DeviceOption
from unblur.app.choices import Device, Precision, changes_option, cluster_option
from unblur.app.ending import ends_soon
from unblur.app.synth import Bar
from unblur.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unblur.bench.ablate import Comparison, Study, StudyRow, Trained, TrainRow
    from unblur.bench.datasets import DataSet
    from unblur.metrics import Protocol
    from unblur.training.recipe import Recipe

__all__ = ["ablate"]

Folders = list[Path] | None


def ablate(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="`deepdeblur-scales`, `deepdeblur-parts`, `deepdeblur-adversary`, `mscnn-codecs`, `mscnn-generalisation`, `mdcn-alignment`, "
            "`astcn-alignment`, `astcn-filter` or `ppnet-modules`, which the papers have; `photo-systems`, `video-systems` or `all-systems` side by side.",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[str, typer.Option(metavar="DIR|LAYOUT:DIR", help="What to measure on, as for `unblur bench`.", show_default=False)],
    run: Annotated[
        Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the study; goes on with what is there.", show_default=False)
    ],
    photos: Annotated[
        Folders,
        typer.Option("--photos", metavar="DIR", help="Sharp photos to train on, by short schedules; may be repeated.", show_default=False),
    ] = None,
    train: Annotated[
        Folders,
        typer.Option(
            "--train", metavar="DIR", help="Data set to train on, exactly as the recipes say; may be repeated.", show_default=False
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time for each training.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each training.", show_default="those of the recipes")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row; what differs less than they do is noise.")] = 1,
    changes: Annotated[list[str] | None, changes_option("Change a key of all recipes")] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option("--row", help="Only this row, with its twin and the reference; may be repeated.", show_default="all"),
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="Narrow networks, to try a study on a processor.")] = False,
    protocol: Annotated[str, typer.Option(help="How to measure.")] = "gopro-skimage",
    save_pictures: Annotated[
        bool, typer.Option("--save-pictures", help="Keep every restored picture as PNG, in `pictures` of the run, for figures.")
    ] = False,
    recipes: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the recipes, `SYSTEM/NAME.yaml`.", show_default="the built-in ones")
    ] = None,
    device: DeviceOption = Device.auto,
    precision: Annotated[Precision, typer.Option(help="Of measuring.")] = Precision.auto,
    cluster: Annotated[
        str | None,
        cluster_option("Train and measure rows side by side on the workers of a Ray cluster, as `unblur restore` takes it."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processors of each worker of the cluster.", show_default="1 on a cluster")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Train and measure every row of a study, and print it beside what is published."""
    from unblur.bench.ablate import read_study, run_study
    from unblur.bench.datasets import open_data
    from unblur.metrics import protocols
    from unblur.synth.sources import find_photos
    from unblur.training.recipe import parse_changes

    if bool(photos) == bool(train):
        raise InputError("name either photos to train on, with `--photos`, or a data set, with `--train`")
    if steps is not None and minutes is not None:
        raise InputError("give `--steps` or `--minutes`, not both")
    if threads is not None and cluster is None:
        raise typer.BadParameter("it is for a cluster; leave it out, or set OMP_NUM_THREADS", param_hint="--threads")
    chosen, measured_by, measured_on = read_study(study, small=small, only=rows or []), protocols.get(protocol), open_data(data)
    pictures = find_photos(photos) if photos else []
    _refuse_shared(pictures, measured_on)
    values = parse_changes(changes or [])
    how: dict[str, Any] = {"steps": steps, "minutes": minutes, "photos": pictures, "data": train or [], "cpu": device is Device.cpu}
    measuring: dict[str, Any] = {"save_pictures": save_pictures, "device": device.value, "precision": precision.value}
    measuring |= {"seeds": range(1, seeds + 1), "run": run}

    def recipe_of(row: "StudyRow", seed: int) -> "Recipe":
        return _recipe(row, study=chosen, recipes=recipes, short=bool(photos), changes=values | {"seed": seed})

    with ends_soon(), Bar() as bar:
        if cluster is None:
            train_row = _trained_here(recipe_of, how, run=run, bar=bar)
        else:
            how["threads"] = threads or 1
            train_row = _trained_on_cluster(cluster, recipe_of, how, measuring, chosen, measured_on, measured_by, bar=bar)
        found = run_study(chosen, train_row, measured_on, measured_by, progress=bar.tell, **measuring)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2, default=str))
        return
    given = _budget(minutes, steps)
    changed = "".join(f", {change}" for change in changes or [])
    budget = f"{given}, {seeds} seed(s){', narrow networks' if small else ''}{', short schedules' if photos else ''}{changed}"
    _show(chosen, found, budget=budget, measured=f"{data} by {measured_by.id}")


def _trained_here(recipe_of: "Callable[[StudyRow, int], Recipe]", how: dict[str, Any], *, run: Path, bar: Bar) -> "TrainRow":
    """Trains a row when it is called; `how` has arguments of `train_within`."""

    def train_row(row: "StudyRow", seed: int, folder: str) -> "Trained":
        from unblur.bench.ablate import Trained

        try:
            from unblur.training.budget import train_within
        except ImportError as error:
            raise _no_training(error) from error
        recipe = recipe_of(row, seed)
        out = run / "trainings" / folder
        kind = f"{recipe.data.kind}-{recipe.frames}-{'all' if recipe.all_truths else 'middle'}-{seed}"
        pool = run / "samples" / kind if how["photos"] else None
        budget = train_within(recipe, out=out, pool=pool, progress=lambda step, last: bar.tell(f"training {row.name}", step, last), **how)
        return Trained(out, budget.steps, budget.seconds)

    return train_row


def _trained_on_cluster(
    address: str,
    recipe_of: "Callable[[StudyRow, int], Recipe]",
    how: dict[str, Any],
    measuring: dict[str, Any],
    study: "Study",
    data: "DataSet",
    protocol: "Protocol",
    *,
    bar: Bar,
) -> "TrainRow":
    """Trains all rows at once, and measures them; gives what finds each. `how` has the fields of `Training`."""
    try:
        from unblur.cluster.studying import Training, study_on_cluster
    except ImportError as error:
        raise _no_training(error) from error
    for name in ("photos", "data"):
        how[name] = tuple(path.absolute() for path in how[name])
    trained = study_on_cluster(
        study,
        recipe_of,
        Training(**how),
        data,
        protocol,
        address=address,
        progress=lambda done, total: bar.tell("all trainings", done, total),
        **measuring,
    )
    return lambda _row, _seed, folder: trained[folder]


def _no_training(error: ImportError) -> InputError:
    return InputError(f"training needs more packages ({error}); `pip install 'unblur[train]'`")


def _refuse_shared(pictures: "Sequence[Path]", measured_on: "DataSet") -> None:
    shared = {path.resolve() for path in pictures} & {path.resolve() for sample in measured_on.samples for path in sample.sharp}
    if shared:
        raise InputError(f"`{min(shared)}` is both trained on and measured on; measure on other data")


def _budget(minutes: float | None, steps: int | None) -> str:
    """How long each row is trained, in words."""
    if minutes is not None:
        return f"{minutes:g} minutes each"
    return f"{steps} steps each" if steps is not None else "the steps of its recipe"


def _recipe(row: "StudyRow", *, study: "Study", recipes: Path | None, short: bool, changes: dict[str, Any]) -> "Recipe":
    """The recipe of a row: its own, made short and narrow where that is asked for, then changed."""
    from unblur.bench.ablate import short_changes
    from unblur.training.recipe import read_recipe

    path = row.recipe if recipes is None else recipes / f"{row.recipe}.yaml"
    own = read_recipe(path)
    narrow = {key: value for key, value in row.arguments.items() if own.arguments.get(key, value) is not None}
    made = short_changes(own.model_dump(), on_clips=study.on_clips, adversary=study.adversary) if short else {}
    alone = {"data.reference_only": True} if row.twin_of else {}
    return read_recipe(path, changes=made | {"arguments": own.arguments | narrow} | alone | changes)


def _show(study: "Study", found: "list[Comparison]", *, budget: str, measured: str) -> None:
    console = Console()
    lines = [
        f"[bold]{study.name}[/]: {study.question}",
        f"  measured on {escape(measured)}, trained for {escape(budget)}",
        f"  published: {'; '.join(study.sources) or 'no numbers'}",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(_ablation(found) if study.reference else _systems(found), highlight=False)
    for line in _words(study, found):
        console.print(line, highlight=False, soft_wrap=True)


def _ablation(found: "list[Comparison]") -> Table:
    table = _table("row", "M par.", "steps", "min", "PSNR", "SSIM", "gain", "diff.", "published", "diff.", "")
    for each in found:
        table.add_row(
            *_measured(each),
            f"{each.difference:+.2f}",
            _published(each),
            f"{each.published_difference:+.2f}" if each.published_difference is not None else each.row.claim,
            each.verdict,
        )
    return table


def _systems(found: "list[Comparison]") -> Table:
    """Systems, the best first, each before its twin."""
    twins = {each.row.twin_of: each for each in found if each.row.twin_of}
    over = ["over alone"] if twins else []
    table = _table("system", "M par.", "steps", "min", "PSNR", "SSIM", "gain", *over, "published", "")
    for each in sorted((each for each in found if not each.row.twin_of), key=lambda each: -each.means["psnr"]):
        own = [f"{each.difference:+.2f}" if each.difference is not None else ""] if twins else []
        table.add_row(*_measured(each), *own, _published(each), each.verdict)
        if each.row.name in twins:
            twin = twins[each.row.name]
            table.add_row(*_measured(twin), "", "", twin.verdict)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 1))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"row", "system", ""} else "right")
    return table


def _measured(each: "Comparison") -> list[str]:
    deviation = f" ±{each.psnr_range / 2:.2f}" if each.psnr_range is not None else ""
    return [
        escape(each.row.name),
        f"{each.parameters / 1e6:.2f}",
        f"{each.steps:.0f}",
        f"{each.seconds / 60:.2g}",
        f"{each.means['psnr']:.2f}{deviation}",
        f"{each.means['ssim']:.4f}" if "ssim" in each.means else "",
        f"{each.gain:+.2f}",
    ]


def _published(each: "Comparison") -> str:
    return f"{each.row.published.values['psnr']:.2f}" if each.row.published is not None else ""


def _words(study: "Study", found: "list[Comparison]") -> list[str]:
    """What the table says, and what it does not."""
    blurry = found[0].means["psnr"] - found[0].gain
    lines = [f"gain: dB over the blurry input, {blurry:.2f} dB. min: minutes of the training, on a processor those for which it worked."]
    if study.reference:
        return [*lines, *_words_of_ablation(study, found)]
    learnt = [each for each in found if each.verdict == "learnt"]
    lines.append(f"{len(learnt)} of {len(found)} trainings are above the blurry input.")
    pairs = [each.difference for each in found if each.difference is not None]
    if pairs:
        lines.append(
            f"alone: trained and measured with copies of the frame in place of its neighbours. {sum(difference > 0 for difference in pairs)} of "
            f"{len(pairs)} systems are above their own twin."
        )
    return [*lines, "published: on other data, after days of training; not to be compared with what was measured here."]


def _words_of_ablation(study: "Study", found: "list[Comparison]") -> list[str]:
    verdicts = [each.verdict for each in found if each.verdict != "reference" and (each.published_difference is not None or each.row.claim)]
    same, other = verdicts.count("same sign"), verdicts.count("other sign")
    claimed = " `better` and `worse`: what the source says in words." if any(each.row.claim for each in found) else ""
    said = (
        f" Of {len(verdicts)} published differences, {same} have the same sign at this budget, {other} "
        f"the other, and {len(verdicts) - same - other} say nothing: within noise, or not better than the blurry input."
        if verdicts
        else " The source says nothing of what is better."
    )
    return [f"diff.: to `{study.reference}`, dB.{claimed}{said} A small budget confirms no published number."]
