"""`unblur synth`: make training data that looks like real blur. Thin, as all of the command line."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

import unblur
from unblur.app.choices import changes_option, cluster_option

if TYPE_CHECKING:
    from rich.progress import TaskID

    from unblur.synth.camera import CameraRanges
    from unblur.synth.make import Made
    from unblur.synth.plans import Plan

__all__ = ["Bar", "app"]

Kind = TypeVar("Kind", bound="CameraRanges")

app = typer.Typer(no_args_is_help=True, help="Make training data: blurry and sharp pairs from clips or sharp photos.")


class Split(StrEnum):
    """Part of the data set."""

    train = "train"
    test = "test"


Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to be made, in GoPro layout with a manifest.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Of all randomness: the same seed gives the same bytes.")]
SplitOption = Annotated[Split, typer.Option(help="Folder of the data set to write to.")]
Changes = Annotated[
    list[str] | None,
    changes_option("Change a range from which blur and faults of the camera are drawn, such as `length=[3, 12]` or `noise_probability=0`"),
]
Cutouts = Annotated[
    list[Path] | None, typer.Option(metavar="DIR", help="Objects with opacity (PNG, WebP); may be repeated.", show_default=False)
]
Highspeed = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Clip of about 240 frames a second; may be repeated.", show_default=False)
]
Cluster = Annotated[
    str | None,
    cluster_option("Make it on the workers of a Ray cluster, as `unblur restore` takes it: the same bytes."),
]


@app.command()
def video(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Sharp clips, or folders of numbered frames.", show_default=False)],
    *,
    output: Output,
    response: Annotated[str, typer.Option(help="Camera response: `gamma2.2`, `srgb`, `linear` or `curve:GAMMA,CONTRAST`.")] = "gamma2.2",
    rate: Annotated[float | None, typer.Option(min=1, help="Frames a second of the source.", show_default="as the file says")] = None,
    scale: Annotated[float, typer.Option(max=1, help="Shrink frames by this factor first: hides blur and compression.")] = 1.0,
    start: Annotated[float, typer.Option(min=0, help="First second of each clip to use.")] = 0.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds of each clip to use.", show_default="all")] = None,
    changes: Changes = None,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Average frames of clips into blur: the recipe of the GoPro data set, at any frame rate."""
    from unblur.synth.plans import ClipPlan
    from unblur.synth.video import VideoBlur

    blur = _changed(VideoBlur, changes)
    plan = ClipPlan(tuple(clips), response, blur, seed, rate=rate, start=start, duration=duration, scale=scale)
    _make(plan, output, split=split, cluster=cluster)


@app.command()
def stills(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTOS...", help="Sharp photos, or folders of them.", show_default=False)],
    *,
    output: Output,
    count: Annotated[int, typer.Option(min=1, help="Pairs, or sequences, to draw.")] = 100,
    size: Annotated[str, typer.Option(help="Side in pixels; of a sequence also WIDTHxHEIGHT. Multiples of 4.")] = "256",
    sequence: Annotated[int, typer.Option(min=1, help="Frames of continuing motion in each draw; 1 for single pairs.")] = 1,
    motion: Annotated[bool, typer.Option("--motion", help="Store the exact motion of each picture as .npz.")] = False,
    changes: Changes = None,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Move sharp photos before a camera: shaking hands, parallax, things that move by themselves."""
    from unblur.synth.plans import StillsPlan
    from unblur.synth.sequence import SequenceBlur
    from unblur.synth.stills import StillsBlur

    blur: StillsBlur = _changed(SequenceBlur, changes) if sequence > 1 else _changed(StillsBlur, changes)
    plan = StillsPlan(tuple(photos), blur, seed, count, _size(size), num_frames=sequence, with_motion=motion)
    _make(plan, output, split=split, cluster=cluster)


@app.command()
def dynamic(
    photos: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTOS...", help="Sharp photos, or folders of them.", show_default=False)
    ] = None,
    *,
    output: Output,
    cutouts: Cutouts = None,
    highspeed: Highspeed = None,
    count: Annotated[int, typer.Option(min=1, help="Pairs to draw.")] = 100,
    size: Annotated[int, typer.Option(min=16, help="Side in pixels.")] = 256,
    changes: Changes = None,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Draw dynamic scenes: moving objects and parallax, averages of few instants and of real frames, sensors with a mosaic."""
    from unblur.synth.dynamic import DynamicBlur
    from unblur.synth.plans import ScenePlan

    blur = _changed(DynamicBlur, changes)
    plan = ScenePlan(tuple(photos or ()), tuple(cutouts or ()), tuple(highspeed or ()), blur, seed, count, size)
    _make(plan, output, split=split, cluster=cluster)


@app.command()
def mixed(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or a built-in one: `shared`, `light`, `light-clips`.", show_default=False)
    ],
    photos: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTOS...", help="Sharp photos, or folders of them.", show_default=False)
    ] = None,
    *,
    output: Output,
    cutouts: Cutouts = None,
    highspeed: Highspeed = None,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Make one data set of several kinds of pairs and sequences, by a recipe, for networks that are to see the same pictures."""
    from unblur.synth.mixed import Sources, plan_of, read_set_recipe

    sources = Sources(tuple(photos or ()), tuple(cutouts or ()), tuple(highspeed or ()))
    _make(plan_of(read_set_recipe(recipe), sources, seed=seed), output, split=split, cluster=cluster)


@app.command()
def sheet(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A data set, made here or published.", show_default=False)],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Pairs on the sheet, spread evenly over the data set.")] = 8,
    columns: Annotated[int, typer.Option(min=1, help="Pairs in a row.")] = 4,
    width: Annotated[int, typer.Option(min=16, help="Pixels across of each picture.")] = 240,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture if it exists.")] = False,
) -> None:
    """Lay pairs of a data set out on one picture, blurry above sharp: look before you train."""
    import numpy as np

    from unblur.data.layouts import find_layout, read_layout
    from unblur.errors import InputError
    from unblur.io.whole import refuse_inputs
    from unblur.synth.sheet import write_sheet
    from unblur.synth.sources import read_photo

    layout = find_layout(data)
    samples = []
    for choice in layout.choices:
        try:
            samples += read_layout(layout.name, data, choice=choice)
        except InputError:
            continue
    if not samples:
        raise InputError(f"`{data}` holds no pairs; look at it with `unblur data check`")
    refuse_inputs(output, (path for sample in samples for path in (sample.reference, *sample.sharp)))
    chosen = [samples[place] for place in np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)]
    pairs = [(read_photo(sample.reference), read_photo(sample.sharp[len(sample.sharp) // 2])) for sample in chosen]
    write_sheet(pairs, output, columns=columns, width=width, overwrite=overwrite)


class Bar:
    """Progress on a terminal, nothing elsewhere."""

    def __enter__(self) -> "Bar":
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._progress.start()
        self._tasks: dict[str, TaskID] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str, done: int, total: int | None) -> None:
        for other in [name for name in self._tasks if name != what]:
            self._progress.remove_task(self._tasks.pop(other))
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(escape(what), total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)


def _make(plan: "Plan", output: Path, *, split: Split, cluster: str | None) -> None:
    """Make the data set here or on a cluster, and say what came out."""
    with Bar() as bar:
        if cluster is None:
            from unblur.synth.make import make

            made = make(plan, output, version=unblur.__version__, split=split.value, progress=bar.tell)
        else:
            from unblur.cluster.making import make_on_cluster

            made = make_on_cluster(
                plan,
                output,
                version=unblur.__version__,
                address=cluster,
                split=split.value,
                progress=lambda done, total: bar.tell("making", done, total),
            )
    _report(made, output)


def _report(made: "Made", output: Path) -> None:
    console = Console(stderr=True)
    words = f"[green]done[/] {made.pairs} pairs in {made.sequences} sequences → {escape(str(output))}"
    console.print(words, highlight=False, soft_wrap=True)
    for reason, count in made.left_out.most_common():
        console.print(f"  left out: {count} × {reason}", highlight=False, soft_wrap=True)
    for path, message in made.failed:
        console.print(f"  [red]failed[/] {escape(str(path))}: {escape(message)}", highlight=False, soft_wrap=True)
    if made.failed:
        raise typer.Exit(1)


def _changed(kind: "type[Kind]", changes: list[str] | None) -> "Kind":
    """The ranges of a kind of blur, with those of `--set`."""
    from unblur.synth.ranges import changed
    from unblur.training.recipe import parse_changes

    return changed(kind, parse_changes(changes or []))


def _size(text: str) -> tuple[int, int]:
    """Height and width of `256` or `WIDTHxHEIGHT`."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"`{text}` is neither a side nor WIDTHxHEIGHT", param_hint="--size")
    return int(parts[-1]), int(parts[0])
