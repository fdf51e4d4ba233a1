"""`unblur bench`, `report` and `published`: measure methods and compare. Thin, as all of the command line."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unblur.app.choices import NETWORK_HELP, WEIGHTS_HELP, Device, Precision, cluster_option
from unblur.app.synth import Bar
from unblur.app.tasks import TaskOptions, bench_tasks, say_where
from unblur.errors import InputError

if TYPE_CHECKING:
    from unblur.bench.contender import Contender
    from unblur.bench.datasets import DataSet
    from unblur.bench.fit import Method
    from unblur.bench.published import Published
    from unblur.bench.rows import Row
    from unblur.bench.table import Summary
    from unblur.metrics import Protocol

__all__ = ["DeviceOption", "bench", "published", "report"]

_FORMATS = {
    "psnr": ".2f",
    "shifted psnr": ".2f",
    "shift": ".2f",
    "detail": ".3f",
    "coherent detail": ".3f",
    "ssim": ".4f",
    "mssim": ".4f",
    "parameters_m": ".1f",
    "seconds": ".2f",
}


DeviceOption = Annotated[Device, typer.Option(help="Where to run.")]


def bench(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Built-in weights, a `.safetensors` file, the folder of a run, or `blurry` for the input itself. Again for more.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[list[str] | None, typer.Option(metavar="PATH", help=NETWORK_HELP + " Again for more.", show_default=False)] = None,
    weights: Annotated[
        list[Path] | None, typer.Option(help=WEIGHTS_HELP.replace("Instead of", "As") + " Again for more.", show_default=False)
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Pictures that another program restored, named like those of the data set, in the place of a model. Again for more.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR|LAYOUT:DIR",
            help="Folder with `blurry` and `sharp`, or such as `gopro/test/blur_gamma:DIR`. Again for more.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="How to measure, such as `gopro-skimage`. Again for more.", show_default=False)
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA=PROTOCOL",
            help="A data set and the protocol by which it alone is measured, such as `realblur/J:DIR=realblur-ecc`. Again for more.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK[:DIR]",
            help="Instead of `--data`: read `text` or `codes` in blurry, restored and sharp pictures that are drawn here, or in photos of a folder "
            "with a `text.csv`. Needs the extra `tasks`. Again for more.",
            show_default=False,
        ),
    ] = None,
    task_pictures: Annotated[int, typer.Option(min=1, help="Pictures that are drawn for each task.")] = 60,
    task_seed: Annotated[int, typer.Option(min=0, help="Of these pictures.")] = 0,
    run: Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the run; goes on with what is there.")],
    extra: Annotated[
        list[str] | None,
        typer.Option(
            help="`shifted`, `gmsd` or `detail`; `lpips`, `dists`, `niqe` or `musiq`, if their library is installed. Again for more.",
            show_default="none",
        ),
    ] = None,
    metric_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with the weights that `lpips` and the like need; none are downloaded.",
            show_default="what their library keeps",
        ),
    ] = None,
    save_pictures: Annotated[
        bool, typer.Option("--save-pictures", help="Keep every restored picture as PNG, in `pictures` of the run.")
    ] = False,
    temporal: Annotated[bool, typer.Option("--temporal", help="Also the warping error of clips.")] = False,
    crops: Annotated[int, typer.Option(min=0, help="Worst pictures of each model and data set to keep a crop of.")] = 8,
    device: DeviceOption = Device.auto,
    precision: Annotated[Precision, typer.Option(help="Of the arithmetic.")] = Precision.auto,
    tool: Annotated[
        bool, typer.Option("--tool", help="Measure photo networks as `unblur restore` uses them, with tiles and fail-safe.")
    ] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Show networks of several frames copies of each frame in place of its neighbours.")
    ] = False,
    self_ensemble: Annotated[int, typer.Option(help="1, 2, 4 or 8 mirrored and turned views of which the mean is taken.")] = 1,
    cluster: Annotated[
        str | None,
        cluster_option("Measure on the workers of a Ray cluster, as `unblur restore` takes it. Times are then those of busy machines."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the averages as JSON.")] = False,
) -> None:
    """Measure models on data sets by named protocols, or by what can be read; what was measured before is not measured again."""
    from unblur.bench.contender import frames_of, open_contender
    from unblur.bench.datasets import open_data
    from unblur.bench.fit import Method, check_fit
    from unblur.bench.run import run_bench
    from unblur.bench.table import summarise
    from unblur.metrics import protocols

    networks = network or []
    named = [*((name, False) for name in model or []), *((str(path), True) for path in weights or [])]
    if not (named or results):
        raise typer.BadParameter("give at least one, or `--weights` or `--results`", param_hint="--model")
    if bool(data) != bool(protocol) or bool(data or pair) == bool(task):
        raise typer.BadParameter("give `--data` and `--protocol`, `--pair`, or both; or `--task`", param_hint="--data")
    if cluster is not None and (task or results):
        raise typer.BadParameter("`--task` and `--results` are measured on one machine; leave them out", param_hint="--cluster")
    if task and (extra or temporal or results):
        raise typer.BadParameter("`--extra`, `--temporal` and `--results` are for data sets; leave them out", param_hint="--task")
    chosen = [protocols.get(name) for name in protocol or []]
    data_sets = [open_data(spec) for spec in data or []]
    pairs = [_pair(text) for text in pair or []]
    methods = [
        Method(name, frames_of(name, published=published, as_tool=tool, alone=alone, networks=networks)) for name, published in named
    ]
    opened = partial(open_contender, device=device.value, precision=precision.value, as_tool=tool, alone=alone)
    models = (opened(name, published=published, self_ensemble=self_ensemble, networks=networks) for name, published in named)
    if task:
        options = TaskOptions(count=task_pictures, seed=task_seed, save_pictures=save_pictures, as_json=as_json)
        bench_tasks(task, methods, models, run=run, options=options, alone=alone)
        return
    plan = [*((each, by) for each in data_sets for by in chosen), *pairs]
    check_fit(methods, plan)
    how: dict[str, Any] = {"temporal": temporal, "crops": crops, "save_pictures": save_pictures, "metric_weights": metric_weights}
    if cluster is not None:
        how |= {"device": device.value, "precision": precision.value, "as_tool": tool, "alone": alone, "self_ensemble": self_ensemble}
        named_so = [(method, is_published) for method, (_, is_published) in zip(methods, named, strict=True)]
        rows = _on_cluster(cluster, named_so, plan, how | {"networks": tuple(networks), "extras": tuple(extra or ())}, run=run)
    else:
        made_elsewhere = _results(results or [], plan, temporal=temporal, taken={name for name, _ in named})
        with Bar() as bar:
            rows = run_bench(
                chain(models, made_elsewhere), data_sets, chosen, run=run, extras=extra or [], pairs=pairs, progress=bar.tell, **how
            )
    summaries = summarise(rows)
    if as_json:
        typer.echo(json.dumps([asdict(summary) for summary in summaries], indent=2))
        return
    _show(summaries)
    say_where("rows", run=run)


def _on_cluster(
    address: str, methods: "Sequence[tuple[Method, bool]]", plan: "Sequence[tuple[DataSet, Protocol]]", how: dict[str, Any], *, run: Path
) -> "list[Row]":
    """Measure on a cluster; `how` has the fields of `Asked`."""
    from unblur.cluster.measuring import Asked, bench_on_cluster, works_of

    if how["metric_weights"] is not None:
        how["metric_weights"] = how["metric_weights"].absolute()
    works = works_of(methods, plan, asked=Asked(**how), run=run)
    with Bar() as bar:
        return bench_on_cluster(works, address=address, progress=bar.tell)


def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Folders of runs; none for a figure of `--results`.", show_default=False)
    ] = None,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write: a page, `.html`; tables, `.tex` or `.md`; a row for each picture, `.csv`; or, with `--crop`, a figure, `.png`.",
            show_default=False,
        ),
    ],
    mean: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATTERN",
            help="Models that differ by their seed and share a line, with mean and deviation, such as `srn=srn-seed-*`. Again for more.",
            show_default=False,
        ),
    ] = None,
    cases: Annotated[int, typer.Option(min=0, help="Worst pictures to show on a page.")] = 12,
    crop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="A place for the figure, `SEQUENCE/NAME:LEFT,TOP,WIDTH,HEIGHT`, of which the runs keep the restored pictures. Again for more.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR|LAYOUT:DIR", help="Where the pictures of the figure are, as for `unblur bench`.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=LABEL]", help="A method that the figure shows, in this order. Again for more.", show_default="all of the runs"
        ),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=FOLDER",
            help="Restored pictures of a folder `--data` that has no reference, for a figure without runs and without PSNR. Again for more.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Make one page of runs, with tables, plots and pictures, that needs nothing else; or tables or a figure for a paper, or a table of all pictures."""
    from unblur.bench.export import write_csv, write_tables
    from unblur.bench.report import write_report

    means = _by_name(
        "--mean", mean or [], wrong="names no line of its own and its models; write such as `--mean 'srn=srn-seed-*'`, each name once"
    )
    suffix = output.suffix.lower()
    if (suffix == ".png") != bool(crop and data) or (suffix != ".png" and (crop or data or model)):
        raise typer.BadParameter(
            "a figure needs `--crop`, `--data` and a name that ends in .png, and nothing else takes them", param_hint="--crop"
        )
    if bool(runs) == bool(results) or (results and (suffix != ".png" or model)):
        raise typer.BadParameter("name runs, or, for a figure of pictures without a reference, `--results` alone", param_hint="RUN...")
    runs = runs or []
    match suffix:
        case ".png" if means:
            raise typer.BadParameter("`.png` shows single methods, and no means", param_hint="--mean")
        case ".png" if results:
            _figure_of_folders(results, output, data=data or "", crops=crop or [], overwrite=overwrite)
        case ".png":
            _figure(runs, output, data=data or "", crops=crop or [], methods=model or [], overwrite=overwrite)
        case ".csv" if means:
            raise typer.BadParameter("`.csv` has a row for each picture of each model, and no means", param_hint="--mean")
        case ".csv":
            write_csv(runs, output, overwrite=overwrite)
        case ".tex" | ".md":
            write_tables(runs, output, means=means, overwrite=overwrite)
        case ".html" | ".htm":
            write_report(runs, output, cases=cases, means=means, overwrite=overwrite)
        case _:
            raise typer.BadParameter(f"`{output}` must end in .html, .tex, .md, .csv or .png", param_hint="--output")
    Console(stderr=True).print(f"[green]done[/] {escape(str(output))}", highlight=False, soft_wrap=True)


def published(
    *,
    system: Annotated[str | None, typer.Option(help="Rows of this system only, such as `mscnn`.", show_default="all")] = None,
    data: Annotated[str | None, typer.Option(help="Rows of this data set only, such as `GoPro`.", show_default="all")] = None,
    sequences: Annotated[bool, typer.Option("--sequences", help="Also those of single sequences.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Print results as they were published, with their source and protocol."""
    from unblur.bench.published import find

    rows = find(system=system, data=data, sequences=sequences)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    console = Console()
    for source in dict.fromkeys(row.source for row in rows):
        own = [row for row in rows if row.source == source]
        console.print(f"[bold]{source}[/]: {escape(own[0].citation)}", highlight=False, soft_wrap=True)
        for name in dict.fromkeys(row.table for row in own):
            part = [row for row in own if row.table == name]
            hardware = f"; seconds on {part[0].hardware}" if part[0].hardware else ""
            paper = "; from the cited paper, not from the documents that the project follows" if part[0].origin == "paper" else ""
            console.print(
                f"  {escape(name)}, {part[0].data}. {escape(part[0].protocol + hardware + paper)}", highlight=False, soft_wrap=True
            )
            for note in dict.fromkeys(row.note for row in part if row.note):
                named = [row.row for row in part if row.note == note]
                of = "" if len(named) == len(part) else f"{', '.join(named)}: "
                console.print(f"  {escape(of + note)}", highlight=False, soft_wrap=True)
            console.print(_published_table(part, sequences=sequences), highlight=False)


def _figure(runs: Sequence[Path], target: Path, *, data: str, crops: Sequence[str], methods: Sequence[str], overwrite: bool) -> None:
    """Draw the places that `--crop` names."""
    from unblur.bench.datasets import open_data
    from unblur.bench.figure import read_place, write_figure

    labels = {name: label or name for name, _, label in (text.partition("=") for text in methods)}
    write_figure(runs, open_data(data), [read_place(text) for text in crops], target, methods=labels, overwrite=overwrite)


def _figure_of_folders(texts: Sequence[str], target: Path, *, data: str, crops: Sequence[str], overwrite: bool) -> None:
    """Draw the places that `--crop` names, of pictures without a reference."""
    from unblur.bench.figure import read_place, write_figure_of_folders

    wrong = "names no folder of a method of its own; write `--results LABEL=FOLDER`, each label once"
    folders = {label: Path(folder) for label, folder in _by_name("--results", texts, wrong=wrong).items()}
    write_figure_of_folders(Path(data), folders, [read_place(text) for text in crops], target, overwrite=overwrite)


def _pair(text: str) -> "tuple[DataSet, Protocol]":
    """The data set and the protocol of `DATA=PROTOCOL`; a path may hold further equals signs."""
    from unblur.bench.datasets import open_data
    from unblur.metrics import protocols

    spec, given, name = text.rpartition("=")
    if not given or not spec:
        raise InputError(f"`--pair {text}` does not name both; write `--pair DATA=PROTOCOL`, such as `--pair hide:DIR=gopro-skimage`")
    return open_data(spec), protocols.get(name)


def _results(
    texts: Sequence[str], plan: "Sequence[tuple[DataSet, Protocol]]", *, temporal: bool, taken: Collection[str]
) -> "list[Contender]":
    """The methods of `NAME=FOLDER`, one for each data set."""
    from unblur.bench.results import open_results

    found: list[Contender] = []
    names: set[str] = set(taken)
    for text in texts:
        name, given, folder = text.partition("=")
        if not (given and name and folder):
            raise InputError(f"`--results {text}` names no folder of results; write `--results NAME=FOLDER`")
        if name in names:
            raise InputError(f"two methods are called `{name}`; give the results in `{folder}` another name")
        names.add(name)
        for data in {data.name: data for data, _ in plan}.values():
            by = [protocol for other, protocol in plan if other.name == data.name]
            found.append(open_results(name, Path(folder), data=data, protocols=by, temporal=temporal))
    return found


def _by_name(option: str, texts: Sequence[str], *, wrong: str) -> dict[str, str]:
    """What `NAME=VALUE` give, by their names, of which there is one each.

    Raises:
        InputError: if one is not of this form, or two have one name; `wrong` says what is the matter then, and what to write.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, given, value = text.partition("=")
        if not (given and name and value) or name in found:
            raise InputError(f"`{option} {text}` {wrong}")
        found[name] = value
    return found


def _show(summaries: "list[Summary]") -> None:
    """Print a table for each data set and protocol."""
    from unblur.bench.extras import MEANINGS

    console = Console()
    for data, protocol in dict.fromkeys((summary.data, summary.protocol) for summary in summaries):
        part = [summary for summary in summaries if (summary.data, summary.protocol) == (data, protocol)]
        console.print(f"[bold]{escape(data)}[/] by [bold]{protocol}[/]", highlight=False, soft_wrap=True)
        table = Table(box=None, padding=(0, 1))
        measures = list(dict.fromkeys(name for summary in part for name in summary.means))
        temporal = ["warping"] if any(summary.warping_error is not None for summary in part) else []
        columns = ["pict.", *measures, "gain", *temporal, "s", "MB", "M par.", "G MACs"]
        table.add_column("model")
        for heading in columns:
            table.add_column(escape(heading), justify="right")
        for summary in part:
            values = [f"{summary.means[name]:{_FORMATS.get(name, '.4f')}}" if name in summary.means else "" for name in measures]
            over_time = [f"{summary.warping_error:.5f}" if summary.warping_error is not None else ""] if temporal else []
            table.add_row(
                escape(summary.model),
                str(summary.pictures),
                *values,
                f"{summary.gain:+.2f}",
                *over_time,
                *_cost(summary),
            )
        console.print(table, highlight=False)
        for summary in part:
            perfect = f"; {summary.infinite} perfect picture(s) left out of the mean PSNR" if summary.infinite else ""
            way = {"network": "", "tool": ", as the tool uses it", "alone": ", each frame alone", "results": ""}[summary.way]
            way += f", self-ensemble of {summary.self_ensemble}" if summary.self_ensemble > 1 else ""
            where = f"{escape(summary.device)}, {summary.precision}" if summary.way != "results" else "restored by another program"
            console.print(f"  {escape(summary.model)}: {where}{way}{perfect}", highlight=False, soft_wrap=True)
    console.print(
        "gain: dB over the blurry pictures. s: median of a picture. MB: most that its tensors held. "
        "G MACs: multiply-adds for a frame of 1280×720.",
        highlight=False,
        soft_wrap=True,
    )
    for name, meaning in MEANINGS.items():
        if any(name in summary.means for summary in summaries):
            console.print(f"{name}: {meaning}", highlight=False, soft_wrap=True)


def _cost(summary: "Summary") -> list[str]:
    """Seconds, MB, millions of parameters and billions of multiply-adds of a line; empty where no network was run."""
    if not summary.has_cost:
        return [""] * 4
    return [
        f"{summary.seconds:.3f}",
        f"{summary.peak_bytes / 1e6:.0f}",
        f"{summary.parameters / 1e6:.2f}",
        f"{summary.multiply_adds / 1e9:.1f}",
    ]


def _published_table(rows: "list[Published]", *, sequences: bool) -> Table:
    table = Table(box=None, padding=(0, 2))
    measures = list(dict.fromkeys(measure for row in rows for measure in row.values))
    for heading in ("system", "row", *(["sequence"] if sequences else []), *measures):
        table.add_column(heading, justify="right" if heading in measures else "left")
    for row in rows:
        values = [f"{row.values[measure]:{_FORMATS[measure]}}" if measure in row.values else "" for measure in measures]
        table.add_row(row.system, escape(row.row), *([row.sequence or "all"] if sequences else []), *values)
    return table
