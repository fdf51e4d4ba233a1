"""Studies: they fit the recipes and the published tables, and differences are judged as they should be."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small import SMALL

from unblur.bench.ablate import Measured, Trained, compare, read_study, run_study, short_changes, studies
from unblur.bench.datasets import open_data
from unblur.bench.published import find
from unblur.bench.rows import ModelRow, read_rows
from unblur.errors import InputError
from unblur.metrics import protocols
from unblur.models import create, names
from unblur.models.flow import FlowNet
from unblur.training.recipe import read_recipe
from unblur.weights import load_tensors

SCALES = read_study("deepdeblur-scales", small=True)
VIDEO = read_study("video-systems", small=True)
ABLATIONS = [name for name in studies() if read_study(name).reference]
PUBLISHED = [name for name in ABLATIONS if read_study(name).sources]
SKIMAGE = protocols.get("gopro-skimage")
PAGE = Path(__file__).parents[2] / "docs/how-to/compare-methods.md"


NETS = {}
"""Networks of rows: several studies have the same."""


def net_of(row):
    key = row.recipe, str(row.arguments)
    if key not in NETS:
        own = read_recipe(row.recipe)
        assert own.model == row.system
        arguments = {name: value for name, value in row.arguments.items() if own.arguments.get(name, 0) is not None}
        with torch.device("meta"):
            NETS[key] = create(row.system, **(own.arguments | arguments))
    return NETS[key]


def parameters(study):
    """Of each row's network, without its flow network, which is built in and the same."""
    return [sum(each.numel() for name, each in net_of(row).named_parameters() if "flow." not in name) for row in study.rows]


def test_all_studies_of_the_papers_and_the_systems_side_by_side_are_there():
    assert {name.split("-")[0] for name in ABLATIONS} == {"deepdeblur", "mscnn", "mdcn", "astcn", "ppnet"}
    assert set(studies()) - set(ABLATIONS) == {"photo-systems", "video-systems", "all-systems"}
    photo, video, every = (
        [row.name for row in read_study(f"{which}-systems").rows if not row.twin_of] for which in ("photo", "video", "all")
    )
    ours = {"swift_best", "swift_fused", "swift_video", "swift_video_best"}  # later stages of `swift`, whose trainings build on it
    frames = {name: create(name, **SMALL.get(name, {})).num_frames for name in {*names()} - ours - {"l0", "maxim"}}
    assert sorted(photo) == sorted(name for name, count in frames.items() if count == 1)
    assert sorted(video) == sorted(name for name, count in frames.items() if count > 1)
    assert sorted(every) == sorted(frames)
    (left_out,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if "leave out" in line)
    assert set(re.findall(r"`(\w+)`", left_out)) & {*names()} - {"swift"} == {*names()} - set(frames)


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("small", [False, True])
def test_rows_are_networks_that_differ(name, small):
    study = read_study(name, small=small)
    nets = [net_of(row) for row in study.rows]
    assert study.reference in {row.name for row in study.rows}
    if study.adversary:
        nets = nets[:1]  # one network, trained in two ways
        assert len({read_recipe(row.recipe).objective.kind for row in study.rows}) == len(study.rows)
    assert len({described(net) for net in nets}) == len(nets)


def described(net):
    """All that distinguishes networks: their modules, and sizes and switches that these do not print."""
    switches = [value for module in net.modules() for value in vars(module).values() if isinstance(value, bool)]
    return str(net), str([module.kernel_size for module in net.modules() if hasattr(module, "kernel_size")]), str(switches)


@pytest.mark.parametrize("name", studies())
def test_small_is_smaller(name):
    wide, narrow = parameters(read_study(name)), parameters(read_study(name, small=True))
    assert all(less < 0.3 * more for less, more in zip(narrow, wide, strict=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers_are_those_of_the_table(name):
    study = read_study(name)
    (source,) = study.sources
    table = {row.row: row for row in find() if source == f"{row.source}, {row.table}, on {row.data}"}
    assert {row.name: row.published for row in study.rows} == {
        row: each for row, each in table.items() if each.system in {row.system for row in study.rows}
    }


@pytest.mark.parametrize("name", sorted(set(ABLATIONS) - set(PUBLISHED)))
def test_what_is_said_in_words_is_of_rows_beside_the_reference(name):
    study = read_study(name)
    claims = {row.name: row.claim for row in study.rows if row.claim}
    assert set(claims.values()) <= {"better", "worse"}
    assert study.reference not in claims
    assert not study.sources


def test_published_numbers_of_systems():
    published = {row.name: row.published for row in read_study("photo-systems").rows}
    assert published["mscnn"].values["psnr"] == 31.15
    assert published["swift"] is None
    published = {row.name: row.published for row in VIDEO.rows}
    assert published["astcn"].values["psnr"] == 32.54
    assert published["astcn, alone"] is None
    assert {row.data for row in published.values() if row} == {"DVD"}


def test_each_twin_follows_its_row_and_has_its_network():
    for row, twin in zip(VIDEO.rows[::2], VIDEO.rows[1::2], strict=True):
        assert not row.twin_of
        assert twin.twin_of == row.name
        assert (twin.recipe, twin.arguments) == (row.recipe, row.arguments)


@pytest.mark.parametrize("name", studies())
def test_short_recipes_fit_their_networks(name):
    study = read_study(name, small=True)
    for row in study.rows:
        if row.twin_of:
            continue
        own = read_recipe(row.recipe)
        flow = bool(own.flow_weights) and own.arguments["flow"] is not None and own.arguments.get("align", True)
        changes = short_changes(own.model_dump(), on_clips=study.on_clips, adversary=study.adversary)
        short = read_recipe(row.recipe, changes=changes)
        assert short.data.kind == ("sequences" if own.several_frames or study.on_clips else "stills")
        assert short.middle_only == (study.on_clips and net_of(row).num_frames == 1)
        assert short.crop % net_of(row).size_multiple == 0
        assert (short.optimiser, short.steps, short.objective.loss) == ("muon", 1000, own.objective.loss)
        assert short.objective == own.objective if study.adversary else short.objective.kind == "content"
        assert {part: lr for part, lr in short.lr_of.items() if lr != 1e-4} == {part: 2e-5 for part in own.lr_of if flow and "flow" in part}
        flows = [module for module in net_of(row).modules() if isinstance(module, FlowNet) and list(module.parameters())]
        assert len(flows) == flow
        for module in flows:
            shapes = {name: tensor.shape for name, tensor in load_tensors(short.flow_weights).items()}
            assert shapes == {name: tensor.shape for name, tensor in module.state_dict().items()}
        assert short.all_truths == own.all_truths
        assert short.frames == (7 if short.all_truths else 5 if short.middle_only else own.frames)


@pytest.mark.parametrize("name", studies())
def test_folders_of_rows_differ(name, tmp_path):
    folders = []

    def train_row(_row, _seed, folder):
        folders.append(folder)
        raise InterruptedError

    study = read_study(name)
    for row in study.rows:
        with pytest.raises(InterruptedError):
            run_study(replace(study, rows=(row,)), train_row, None, SKIMAGE, run=tmp_path)
    assert len(set(folders)) == len(study.rows)
    assert all(re.fullmatch(r"[a-z0-9-]+", folder) for folder in folders)


def test_some_rows_only():
    assert [row.name for row in read_study("mscnn-codecs", only=["MSCNN-1-Codec"]).rows] == ["MSCNN-1-Codec", "MSCNN"]
    assert [row.name for row in read_study("video-systems", only=["ovd"]).rows] == ["ovd", "ovd, alone"]
    with pytest.raises(InputError, match="no row `MSCNN-9`; choose from MSCNN-1-Codec"):
        read_study("mscnn-codecs", only=["MSCNN-9"])


def test_unknown_study_is_an_error():
    with pytest.raises(InputError, match="mscnn-codecs"):
        read_study("mscnn")


def measured(psnr, *, steps=10, seconds=60.0):
    return [Measured(Trained(Path("run"), steps, seconds), {"psnr": value}, 1, 2) for value in np.atleast_1d(psnr)]


def compared(study=SCALES, *, blurry=10, **psnr):
    rows = {f"K = {key[1]}" if study is SCALES else key.replace("_", ", "): measured(values) for key, values in psnr.items()}
    return compare(study, rows, blurry_psnr=blurry)


def verdicts(**options):
    return [each.verdict for each in compared(**options)]


def test_verdicts_by_sign_and_noise():
    """Published: K = 1 is 0.15 below K = 3, K = 2 0.15 above."""
    assert verdicts(K1=20, K2=22, K3=21) == ["same sign", "same sign", "reference"]
    assert verdicts(K1=22, K2=20, K3=21) == ["other sign", "other sign", "reference"]
    assert verdicts(K1=20.96, K2=21.06, K3=21) == ["within noise", "same sign", "reference"]


def test_verdicts_by_what_is_said_in_words():
    """Pictures aligned by flow are said to be worse than features, and nothing of deformable convolutions."""
    study = read_study("mdcn-alignment")

    def judged(pictures, deformable):
        psnr = {"pictures by flow": pictures, "features by flow": 21.0, "deformable": deformable}
        found = compare(study, {name: measured(value) for name, value in psnr.items()}, blurry_psnr=10)
        assert {each.published_difference for each in found} == {None}
        return [each.verdict for each in found]

    assert judged(20, 22) == ["same sign", "reference", "learnt"]
    assert judged(22, 9) == ["other sign", "reference", "not learnt"]
    assert judged(21.01, 20) == ["within noise", "reference", "learnt"]


def test_networks_for_photos_are_trained_on_what_those_for_video_see():
    """Otherwise the same: a row on clips differs from a row of several frames in what is shown of the clip alone."""
    own, other = (read_recipe(name).model_dump() for name in ("srn/dvd", "mdcn/dvd"))
    on_clips, of_clips = short_changes(own, on_clips=True), short_changes(other, on_clips=True)
    assert on_clips["data"] == of_clips["data"] | {"middle_only": True}
    assert {key for key in of_clips if on_clips[key] != of_clips[key]} == {"data", "lr_of", "objective"}
    assert on_clips["objective"] == {"kind": "content", "loss": own["objective"]["loss"], "truths": "middle"}
    assert of_clips == short_changes(other)
    assert short_changes(own)["data"]["kind"] == "stills"


def test_what_is_no_better_than_the_input_has_not_learnt():
    assert verdicts(blurry=20.5, K1=20, K2=22, K3=21) == ["not learnt", "same sign", "reference"]
    assert verdicts(blurry=21.5, K1=20, K2=22, K3=21) == ["not learnt", "not learnt", "reference"]


def test_seeds_say_what_is_noise():
    assert verdicts(K1=[20.6, 20.6], K2=[21.5, 21.5], K3=[20.5, 21.5]) == ["within noise", "within noise", "reference"]
    found = compared(K1=[20.0, 20.2], K2=21, K3=[21, 21])
    assert found[0].psnr_range == pytest.approx(0.2)
    assert found[0].difference == pytest.approx(-0.9)
    assert found[0].published_difference == pytest.approx(-0.15)
    assert found[0].gain == pytest.approx(10.1)
    assert (found[0].steps, found[0].seconds) == (10, 60)
    assert found[1].psnr_range is None


def test_systems_are_compared_with_the_input_and_their_twins():
    psnr = {row.name.replace(", ", "_"): 20.0 for row in VIDEO.rows} | {"mdcn": 21.0, "astcn": 19.0, "astcn_alone": 8.0}
    found = {each.row.name: each for each in compared(VIDEO, **psnr)}
    assert found["mdcn"].difference == 1.0
    assert found["astcn"].difference == 11.0
    assert found["mdcn, alone"].difference is None
    assert (found["mdcn"].verdict, found["astcn, alone"].verdict) == ("learnt", "not learnt")
    assert found["astcn"].verdict == "learnt"


def test_missing_row_is_an_error():
    with pytest.raises(InputError, match="K = 2"):
        verdicts(K1=20, K3=20)


def test_every_row_is_trained_and_measured(pairs, trained, tmp_path):
    asked = []

    def train_row(row, seed, folder):
        asked.append((row.name, seed, folder))
        return Trained(trained(seed + 10 * len(asked)), 7, 3.0)

    data = open_data(str(pairs))
    found = run_study(SCALES, train_row, data, SKIMAGE, seeds=(1, 2), run=tmp_path / "run", device="cpu")
    assert asked == [(f"K = {k}", seed, f"k-{k}-seed-{seed}") for k in (1, 2, 3) for seed in (1, 2)]
    assert [each.row.name for each in found] == ["K = 1", "K = 2", "K = 3"]
    assert {each.verdict for each in found} == {"reference", "not learnt"}
    assert found[0].means["psnr"] - found[0].gain > 20
    assert all({"psnr", "ssim"} <= set(each.means) for each in found)
    models = [row.model for row in read_rows(tmp_path / "run") if isinstance(row, ModelRow)]
    assert models == [f"deepdeblur-scales: K = {k}, seed {seed}" for k in (1, 2, 3) for seed in (1, 2)]
    with pytest.raises(InputError, match="at least one seed"):
        run_study(SCALES, train_row, data, SKIMAGE, seeds=(), run=tmp_path / "run")


def test_pictures_that_changed_are_not_averaged_with_what_they_were(pairs, trained, tmp_path):
    study = replace(SCALES, rows=SCALES.rows[2:])

    def psnr(run):
        (row,) = run_study(study, lambda *_: Trained(trained(0), 7, 3.0), open_data(str(pairs)), SKIMAGE, run=run, device="cpu")
        return row.means["psnr"]

    before = psnr(tmp_path / "run")
    cv2.imwrite(str(pairs / "blurry/clip0/001.png"), np.full((40, 48, 3), 90, np.uint8))
    assert before != psnr(tmp_path / "run") == psnr(tmp_path / "other")


def test_a_twin_is_measured_alone(pairs, trained, tmp_path):
    run_study(
        replace(VIDEO, rows=VIDEO.rows[:2]),
        lambda *_: Trained(trained(0, system="ifirnn"), 7, 3.0),
        open_data(str(pairs)),
        SKIMAGE,
        run=tmp_path / "run",
        device="cpu",
    )
    models = [row for row in read_rows(tmp_path / "run") if isinstance(row, ModelRow)]
    assert {row.way for row in models if "alone" in row.model} == {"alone"}
    assert {row.way for row in models if "alone" not in row.model} == {"network"}
