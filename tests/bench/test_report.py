"""The page: its structure, read without a browser."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from unblur.bench.contender import open_contender
from unblur.bench.crops import read_crops
from unblur.bench.datasets import open_data
from unblur.bench.extras import MEANINGS
from unblur.bench.published import find
from unblur.bench.report import _other_pictures, render_report, write_report
from unblur.bench.run import run_bench
from unblur.errors import InputError, OutputError
from unblur.metrics import protocols

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Collects the elements of a page, and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag, **wanted):
        return [attrs for name, attrs in self.elements if name == tag and all(attrs.get(key) == value for key, value in wanted.items())]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def run(pairs, weights, tmp_path):
    """A run of two models on a folder in the layout of GoPro and on a plain one."""
    root = tmp_path / "gopro" / "test"
    for clip, name in (("clip0", "GOPR0384_11_00"), ("clip1", "GOPR0854_11_00")):
        for kind, called in (("blurry", "blur"), ("sharp", "sharp")):
            (root / name).mkdir(parents=True, exist_ok=True)
            shutil.copytree(pairs / kind / clip, root / name / called)
    contenders = [open_contender(name, device="cpu", precision="fp32") for name in ("blurry", str(weights("deepdeblur")))]
    data = [open_data(str(pairs)), open_data(f"gopro:{tmp_path / 'gopro'}")]
    run_bench(contenders, data, [protocols.get("gopro-skimage")], run=tmp_path / "run", temporal=True)
    return tmp_path / "run"


def test_page_is_self_contained(run):
    text = render_report([run])
    page = Page(text)
    for tag, attrs in page.elements:
        assert tag not in {"iframe", "object", "embed"}
        for name in ("src", "href"):
            assert attrs.get(name, "data:").startswith("data:"), (tag, name)
        assert tag != "script" or not attrs
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
    assert page.all("meta", name="viewport")


def test_published_lines_are_marked_and_measured_ones_are_not(run):
    page = Page(render_report([run]))
    measured, published = page.all("tr", **{"class": "measured"}), page.all("tr", **{"class": "published"})
    assert len(measured) == 4
    assert len(published) > 20
    assert len(page.all("span", **{"class": "tag"})) == len(published) + 1  # and the one that explains the tag
    for words in ("gopro/test/blur by gopro-skimage@1", "pairs by gopro-skimage@1", "mscnn: MSCNN-4-Codecs", "SSIM, form not stated"):
        assert words in page.text
    assert page.text.count("tang2022, table 4") == 0  # on DVD, of a system that was not measured


def test_published_cells_say_over_how_many_pictures(run):
    """Of six pictures of GoPro, beside figures over all 1,111."""
    page = Page(render_report([run]))
    assert "29.08 (over 1,111 pictures; ours over 6)" in page.text  # the source does not say; the test part of GoPro has so many
    assert "31.24 (over 1,111 pictures; ours over 6)" in page.text
    assert "0.9452 (over 1,111 pictures; ours over 6)" in page.text
    assert "16.1 (over" not in page.text  # parameters are those of the network
    row = next(row for row in find(system="mscnn") if row.pictures == 1111)
    assert _other_pictures(row, ours=[1111]) == ""
    assert _other_pictures(row, ours=[14, 20]) == " (over 1,111 pictures; ours over 14 to 20)"
    assert _other_pictures(replace(row, protocol="", data="elsewhere"), ours=[14]) == " (pictures not stated; ours over 14)"


def test_published_of_a_measured_system_on_other_data_stands_apart(run):
    page = Page(render_report([run]))
    apart = page.text.split("Published of these systems on other data")[1]
    assert "Köhler" in apart
    assert "26.48" in apart


def test_plots_of_time_memory_and_sequences(run):
    page = Page(render_report([run]))
    labels = [attrs["aria-label"] for attrs in page.all("svg")]
    assert labels == ["PSNR against time", "PSNR against memory", "PSNR of each sequence"] * 2
    assert "GOPR0854_11_00" in page.text
    rings = page.all("circle", **{"class": "published"})
    assert len(rings) >= 2  # deepdeblur on the two sequences of GoPro, from table 2
    assert "deepdeblur, published, GOPR0384_11_00: 31.44" in page.text


def test_worst_cases_come_first_with_a_slider_each(run):
    page = Page(render_report([run], cases=3))
    assert len(page.all("figure", **{"class": "case"})) == len(page.all("input", type="range")) == 3
    crops = [crop for crop in read_crops(run) if crop.model != "blurry"][:3]
    places = [page.text.index(f"→ {crop.psnr:.2f} dB") for crop in crops]
    assert places == sorted(places)
    strip = np.asarray(Image.open(crops[0].file))
    for place, (kind, key) in enumerate((("over", "data-blurry"), ("under", "src"), ("over", "data-sharp"))):
        uri = page.all("img", **{"class": kind})[0][key]
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
        assert np.array_equal(shown, strip[:, 40 * place : 40 * (place + 1)])
    assert not Page(render_report([run], cases=0)).all("figure", **{"class": "case"})


def test_protocol_and_weights_are_told(run, tmp_path):
    page = Page(render_report([run]))
    assert protocols.get("gopro-skimage").source in page.text
    assert any(len(word) == 64 for word in page.text.split())
    assert str(tmp_path) not in page.text


def test_measures_beside_those_of_the_protocol_have_columns_and_are_explained(run, pairs, tmp_path):
    assert "GMSD" not in Page(render_report([run])).text
    contenders, data = [open_contender("blurry")], [open_data(str(pairs))]
    run_bench(contenders, data, [protocols.get("gopro-skimage")], run=tmp_path / "beside", extras=["shifted", "gmsd", "detail"])
    page = Page(render_report([tmp_path / "beside"]))
    assert "PSNR, dB SSIM gain, dB shifted PSNR, dB shift, pixels GMSD detail coherent detail remarks" in page.text
    assert all(meaning in page.text for meaning in MEANINGS.values())


def test_weights_of_the_same_name_are_told_apart(pairs, weights, tmp_path):
    for number, seed in enumerate((0, 1)):
        contender = open_contender(str(weights("deepdeblur", seed=seed)), device="cpu", precision="fp32")
        run_bench([contender], [open_data(str(pairs))], [protocols.get("gopro-skimage")], run=tmp_path / f"run{number}")
    page = Page(render_report([tmp_path / "run0", tmp_path / "run1"]))
    assert len(set(re.findall(r"deepdeblur \(\w{6}\)", page.text))) == 2


def test_what_exists_is_not_overwritten(run, tmp_path):
    target = tmp_path / "report.html"
    write_report([run], target, cases=1)
    with pytest.raises(OutputError, match="exists"):
        write_report([run], target)
    write_report([run], target, cases=0, overwrite=True)
    assert 'class="case"' not in target.read_text()


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        render_report([tmp_path])
    (tmp_path / "rows.jsonl").touch()
    with pytest.raises(InputError, match="nothing to report"):
        render_report([tmp_path])
