"""Tables for papers and spreadsheets, and lines of models that differ by their seed."""

import csv
import re
from statistics import mean, stdev

import pytest

from unblur.bench.contender import open_contender
from unblur.bench.datasets import open_data
from unblur.bench.export import render_latex, render_markdown, write_csv, write_tables
from unblur.bench.report import Line, render_report
from unblur.bench.rows import PictureRow, read_rows
from unblur.bench.run import run_bench
from unblur.bench.table import display_names, grouped, summarise
from unblur.errors import InputError, OutputError
from unblur.metrics import protocols


@pytest.fixture
def run(pairs, trained, tmp_path):
    """A run of the blurry input and of two trainings that differ by their seed, the second of both protocols."""
    contenders = [open_contender(str(each), device="cpu", precision="fp32") for each in ("blurry", trained(1), trained(2))]
    chosen = [protocols.get(name) for name in ("gopro-skimage", "gopro-matlab")]
    run_bench(contenders, [open_data(str(pairs))], chosen, run=tmp_path / "run", extras=["gmsd"])
    return tmp_path / "run"


def test_every_picture_has_a_row_with_all_that_was_measured(run, tmp_path):
    write_csv([run], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = [row for row in read_rows(run) if isinstance(row, PictureRow)]
    assert len(rows) == len(known) == 3 * 2 * 6
    for row, expected in zip(rows, known, strict=True):
        assert (row["model"], row["sequence"], int(row["frame"]), row["protocol"]) == (
            expected.model,
            expected.sequence,
            expected.frame,
            expected.protocol,
        )
        assert {name: float(row[name]) for name in expected.measures} == expected.measures
        assert {name: float(row[f"blurry {name}"]) for name in expected.before} == expected.before
        assert float(row["gmsd"]) == expected.extras["gmsd"]
        assert (row["ssim"] == "") is (row["protocol"] == "gopro-matlab@1")
    assert {row["system"] for row in rows} == {"blurry", "deepdeblur"}
    with pytest.raises(OutputError, match="exists"):
        write_csv([run], tmp_path / "rows.csv")
    write_csv([run, run], tmp_path / "rows.csv", overwrite=True)  # the same rows, twice
    assert len((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(known)


def test_means_and_deviations_are_those_of_the_seeds(run, tmp_path):
    summaries = summarise(read_rows(run))
    seeds = [each for each in summaries if each.system == "deepdeblur" and each.protocol == "gopro-skimage@1"]
    psnr = [each.means["psnr"] for each in seeds]
    assert psnr[0] != psnr[1]
    names = display_names(summaries)
    group = next(each for each in grouped(summaries, names=names, patterns={"deep": "deepdeblur-*"}) if each.name == "deep")
    assert group.measure("psnr") == pytest.approx((mean(psnr), stdev(psnr)))
    assert group.measure("gain") == pytest.approx((mean(each.gain for each in seeds), stdev(each.gain for each in seeds)))
    text = f"{mean(psnr):.2f} ± {stdev(psnr):.2f}"
    write_tables([run], tmp_path / "table.md", means={"deep": "deepdeblur-*"})
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| deep \| {re.escape(text)} \|", page, re.MULTILINE)
    assert "deepdeblur-1" not in page
    assert "mean ± sample deviation over 2 models" in page
    assert text in render_report([run], means={"deep": "deepdeblur-*"})


def test_a_model_alone_has_no_deviation(run, tmp_path):
    write_tables([run], tmp_path / "table.md")
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "±" not in page
    assert all(f"| {name} |" in page for name in ("blurry", "deepdeblur-1", "deepdeblur-2"))
    assert "M parameters | G mult-adds, 720p | remarks |" in page
    assert re.search(r"^\| blurry \|.* \|  \|  \|  \|  \| 6 pictures \|$", page, re.MULTILINE)  # it costs nothing


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ({"deep": "srn-*"}, r"`srn-\*` fits no model; .* deepdeblur-1, deepdeblur-2"),
        ({"deep": "*-1"}, "fits only `deepdeblur-1`"),
        ({"deep": "*"}, "differ in `system`"),
        ({"a": "deep*", "b": "*deblur*"}, "fits both"),
    ],
)
def test_what_is_no_mean_over_seeds_is_refused(run, tmp_path, patterns, words):
    with pytest.raises(InputError, match=words):
        write_tables([run], tmp_path / "table.md", means=patterns)
    assert not (tmp_path / "table.md").exists()


LINES = [
    Line(
        "a_b",
        published=False,
        note="6 pictures",
        colour="",
        psnr=30.0,
        cells={"PSNR, dB": "30.00 ± 0.10", "GMSD": "0.1000", "peak MB": "3"},
    ),
    Line("c & d", published=False, note="", colour="", psnr=29.0, cells={"PSNR, dB": "29.00", "GMSD": "0.0500"}),
]


def test_latex_marks_the_best_and_escapes_names():
    assert render_latex("gopro/test/blur_gamma", "gopro-skimage@1", LINES).splitlines() == [
        r"\begin{table}",
        r"  \centering",
        r"  \caption{gopro/test/blur\_gamma, measured by \texttt{gopro-skimage@1}.}",
        r"  \begin{tabular}{lrrr}",
        r"    \toprule",
        r"    Method & PSNR, dB & GMSD & peak MB \\",
        r"    \midrule",
        r"    a\_b & \textbf{30.00 $\pm$ 0.10} & 0.1000 & 3 \\",
        r"    c \& d & 29.00 & \textbf{0.0500} &  \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "% a_b: 6 pictures",
        "% c & d: ",
    ]


def test_markdown_keeps_its_columns():
    line = Line("a|b", published=False, note="x", colour="", psnr=1.0, cells={"SSIM": "0.9"})
    assert render_markdown("data", "bsd@1", [line]).splitlines() == [
        "data by `bsd@1`",
        "",
        "| method | SSIM | remarks |",
        "| --- | ---: | --- |",
        r"| a\|b | 0.9 | x |",
    ]


def test_unknown_forms_and_empty_runs_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"must end in .tex or .md"):
        write_tables([run], tmp_path / "table.doc")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "rows.jsonl").touch()
    for write, name in ((write_csv, "a.csv"), (write_tables, "a.md")):
        with pytest.raises(InputError, match="nothing to report"):
            write([tmp_path / "empty"], tmp_path / name)
