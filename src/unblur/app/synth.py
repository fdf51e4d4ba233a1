"""`unblur synth`: make training data that looks like real blur. Thin, as all of the command line."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

import unblur
from unblur.app.choices import cluster_option

if TYPE_CHECKING:
    from rich.progress import TaskID

    from unblur.synth.make import Made
    from unblur.synth.plans import Plan

__all__ = ["Bar", "app"]

app = typer.Typer(no_args_is_help=True, help="Make training data: blurry and sharp pairs from clips or sharp photos.")


class Split(StrEnum):
    """Part of the data set."""

    train = "train"
    test = "test"


class Interpolate(StrEnum):
    """When frames are made between those of a clip."""

    auto = "auto"
    always = "always"
    never = "never"


Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to be made, in GoPro layout with a manifest.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Of all randomness: the same seed gives the same bytes.")]
SplitOption = Annotated[Split, typer.Option(help="Folder of the data set to write to.")]
Highlights = Annotated[float, typer.Option(min=0, max=1, help="Share with highlights far above white, which blur into streaks.")]
Noise = Annotated[float, typer.Option(min=0, max=1, help="Share with shot and read noise.")]
Sharpen = Annotated[float, typer.Option(min=0, max=1, help="Share sharpened in the camera.")]
Jpeg = Annotated[float, typer.Option(min=0, max=1, help="Share that went through JPEG.")]
H264 = Annotated[float, typer.Option(min=0, max=1, help="Share that went through H.264.")]
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
    frames_per_blur: Annotated[str, typer.Option(help="Frames averaged into one blur, odd, with commas.")] = "7,9,11,13",
    response: Annotated[str, typer.Option(help="Camera response: `gamma2.2`, `srgb`, `linear` or `curve:GAMMA,CONTRAST`.")] = "gamma2.2",
    latent_rate: Annotated[
        float, typer.Option(min=1, help="Frames a second in which they are counted, for clips slower than that.")
    ] = 240.0,
    interpolate: Annotated[
        Interpolate, typer.Option(help="Fill exposures along the optical flow; `auto`: for clips below 0.8 of that rate.")
    ] = Interpolate.auto,
    rate: Annotated[float | None, typer.Option(min=1, help="Frames a second of the source.", show_default="as the file says")] = None,
    scale: Annotated[float, typer.Option(max=1, help="Shrink frames by this factor first: hides blur and compression.")] = 1.0,
    start: Annotated[float, typer.Option(min=0, help="First second of each clip to use.")] = 0.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds of each clip to use.", show_default="all")] = None,
    shortest: Annotated[int, typer.Option(min=1, help="Pairs that a sequence must have, for networks that see several frames.")] = 1,
    least_detail: Annotated[float, typer.Option(min=0, max=1, help="Detail of a truth, against the clip's sharpest tenth.")] = 0.8,
    max_blurred: Annotated[float, typer.Option(min=0, max=1, help="Share of a truth that its own motion may have blurred.")] = 0.005,
    largest_disagreement: Annotated[float, typer.Option(min=0, max=1, help="Share of pixels whose flow may disagree.")] = 0.03,
    least_motion: Annotated[float, typer.Option(min=0, help="Pixels (of 640 across) that something must move.")] = 1.0,
    highlights: Highlights = 0.0,
    noise: Noise = 0.0,
    sharpen: Sharpen = 0.0,
    jpeg: Jpeg = 0.0,
    h264: H264 = 0.0,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Average frames of clips into blur: the recipe of the GoPro data set, at any frame rate."""
    from unblur.synth.plans import ClipPlan
    from unblur.synth.video import VideoBlur

    blur = VideoBlur(
        frames_per_blur=_odd_numbers(frames_per_blur),
        latent_rate=latent_rate,
        interpolate=interpolate.value,
        largest_disagreement=largest_disagreement,
        least_detail=least_detail,
        max_blurred=max_blurred,
        least_motion=least_motion,
        shortest=shortest,
        highlight_probability=highlights,
        noise_probability=noise,
        sharpen_probability=sharpen,
        jpeg_probability=jpeg,
        h264_probability=h264,
    )
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
    length: Annotated[
        str | None,
        typer.Option(help="Shortest and longest camera trajectory over the exposure in pixels, with a comma.", show_default="2,24; 1,16"),
    ] = None,
    nearly_sharp: Annotated[float, typer.Option(min=0, max=1, help="Share with almost no blur.")] = 0.12,
    exposure: Annotated[
        str, typer.Option(help="Sequences: lowest and highest share of the frame interval that the shutter is open.")
    ] = "0.3,0.95",
    shake: Annotated[float, typer.Option(help="Sequences: fastest swing of the hand, cycles in a frame interval.")] = 0.25,
    bright: Annotated[
        float, typer.Option(min=0, max=1, help="Sequences: share in bright light, exposed so briefly that they are nearly sharp.")
    ] = 0.0,
    tripod: Annotated[float, typer.Option(min=0, max=1, help="Share in which the camera stands still, and things move alone.")] = 0.0,
    defocus: Annotated[float, typer.Option(min=0, max=1, help="Share of things that are out of focus, in the truth too.")] = 0.0,
    dim: Annotated[float, typer.Option(min=0, max=1, help="Share taken in too little light, dark in the truth too.")] = 0.0,
    curves: Annotated[float, typer.Option(min=0, max=1, help="Share with a drawn camera curve instead of sRGB or gamma.")] = 0.0,
    highlights: Highlights = 0.0,
    noise: Noise = 0.8,
    sharpen: Sharpen = 0.0,
    jpeg: Jpeg = 0.4,
    h264: H264 = 0.0,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Move sharp photos before a camera: shaking hands, parallax, things that move by themselves."""
    from dataclasses import replace

    from unblur.synth.plans import StillsPlan
    from unblur.synth.sequence import SequenceBlur
    from unblur.synth.stills import StillsBlur

    blur: StillsBlur = (
        SequenceBlur(exposure=_range(exposure, "--exposure"), shake=shake, short_probability=bright) if sequence > 1 else StillsBlur()
    )
    blur = replace(
        blur,
        length=_range(length, "--length") if length is not None else blur.length,
        sharp_probability=nearly_sharp,
        tripod_probability=tripod,
        defocus_probability=defocus,
        dim_probability=dim,
        curve_probability=curves,
        highlight_probability=highlights,
        noise_probability=noise,
        sharpen_probability=sharpen,
        jpeg_probability=jpeg,
        h264_probability=h264,
    )
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
    length: Annotated[str, typer.Option(help="Shortest and longest camera trajectory over the exposure in pixels, with a comma.")] = "1,40",
    frames: Annotated[float, typer.Option(min=0, max=1, help="Weight of averages of real frames.")] = 0.2,
    sensor: Annotated[float, typer.Option(min=0, max=1, help="Share taken by a sensor with a Bayer mosaic.")] = 0.3,
    noise: Noise = 0.5,
    jpeg: Jpeg = 0.4,
    split: SplitOption = Split.train,
    seed: Seed = 0,
    cluster: Cluster = None,
) -> None:
    """Draw dynamic scenes: moving objects and parallax, averages of few instants and of real frames, sensors with a mosaic."""
    from unblur.synth.dynamic import DynamicBlur
    from unblur.synth.plans import ScenePlan

    blur = DynamicBlur(
        length=_range(length, "--length"),
        frames_probability=frames,
        sensor_probability=sensor,
        noise_probability=noise,
        jpeg_probability=jpeg,
    )
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


def _odd_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"`{text}` is no list of numbers such as 7,9,11,13", param_hint="--frames-per-blur") from None


def _range(text: str, option: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"`{text}` is not two numbers such as 2,24", param_hint=option) from None
    if not 0 < low <= high:
        raise typer.BadParameter(f"`{text}`: the numbers must be above 0 and in order", param_hint=option)
    return low, high


def _size(text: str) -> tuple[int, int]:
    """Height and width of `256` or `WIDTHxHEIGHT`."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"`{text}` is neither a side nor WIDTHxHEIGHT", param_hint="--size")
    return int(parts[-1]), int(parts[0])
