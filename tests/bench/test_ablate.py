"""Ablations: the studies fit the networks and the published tables, and differences are judged as they should be."""

import numpy as np
import pytest
import torch

from unblur.bench.ablate import compare, read_study, run_study, studies
from unblur.bench.datasets import open_data
from unblur.bench.published import find
from unblur.bench.rows import ModelRow, read_rows
from unblur.errors import InputError
from unblur.metrics import protocols
from unblur.models import create

SCALES = read_study("deepdeblur-scales", small=True)


@pytest.mark.parametrize("name", studies())
@pytest.mark.parametrize("small", [False, True])
def test_rows_are_networks_that_differ(name, small):
    study = read_study(name, small=small)
    with torch.device("meta"):
        nets = [create(study.system, **row.arguments) for row in study.rows]
    assert study.reference in {row.name for row in study.rows}
    assert len({str(net) + str([module.kernel_size for module in net.modules() if hasattr(module, "kernel_size")]) for net in nets}) == len(
        nets
    )


@pytest.mark.parametrize("name", studies())
def test_small_is_smaller(name):
    def parameters(study):
        with torch.device("meta"):
            return [sum(each.numel() for each in create(study.system, **row.arguments).parameters()) for row in study.rows]

    wide, narrow = parameters(read_study(name)), parameters(read_study(name, small=True))
    assert all(less < 0.2 * more for less, more in zip(narrow, wide, strict=True))


@pytest.mark.parametrize("name", studies())
def test_published_numbers_are_those_of_the_table(name):
    study = read_study(name)
    published = {row.row: row.values["psnr"] for row in find(system=study.system) if f"{row.source}, {row.table}" == study.source}
    assert {row.name: row.published_psnr for row in study.rows} == published


def test_unknown_study_is_an_error():
    with pytest.raises(InputError, match="mscnn-codecs"):
        read_study("mscnn")


def verdicts(blurry=10, **psnr):
    measured = {f"K = {key[1]}": [{"psnr": value} for value in np.atleast_1d(values)] for key, values in psnr.items()}
    return [each.verdict for each in compare(SCALES, measured, blurry_psnr=blurry)]


def test_verdicts_by_sign_and_noise():
    """Published: K = 1 is 0.15 below K = 3, K = 2 0.15 above."""
    assert verdicts(K1=20, K2=22, K3=21) == ["same sign", "same sign", "reference"]
    assert verdicts(K1=22, K2=20, K3=21) == ["other sign", "other sign", "reference"]
    assert verdicts(K1=20.96, K2=21.06, K3=21) == ["within noise", "same sign", "reference"]


def test_what_is_no_better_than_the_input_has_not_learnt():
    assert verdicts(blurry=20.5, K1=20, K2=22, K3=21) == ["not learnt", "same sign", "reference"]
    assert verdicts(blurry=21.5, K1=20, K2=22, K3=21) == ["not learnt", "not learnt", "reference"]


def test_seeds_say_what_is_noise():
    assert verdicts(K1=[20.6, 20.6], K2=[21.5, 21.5], K3=[20.5, 21.5]) == ["within noise", "within noise", "reference"]
    found = compare(
        SCALES, {"K = 1": [{"psnr": 20.0}, {"psnr": 20.2}], "K = 2": [{"psnr": 21}], "K = 3": [{"psnr": 21}, {"psnr": 21}]}, blurry_psnr=10
    )
    assert found[0].spread == pytest.approx(0.2)
    assert found[0].measured_difference == pytest.approx(-0.9)
    assert found[0].published_difference == pytest.approx(-0.15)
    assert found[1].spread is None


def test_missing_row_is_an_error():
    with pytest.raises(InputError, match="K = 2"):
        verdicts(K1=20, K3=20)


def test_every_row_is_trained_with_its_arguments_and_measured(pairs, tmp_path):
    asked = []

    def train_row(name, arguments, steps):
        asked.append((name, arguments, steps))
        torch.manual_seed(0)
        return create(name, **arguments).eval()

    study = read_study("deepdeblur-scales", small=True)
    found = run_study(
        study, [train_row], open_data(str(pairs)), protocols.get("gopro-skimage"), steps=7, run=tmp_path / "run", device="cpu"
    )
    assert asked == [("deepdeblur", row.arguments, 7) for row in study.rows]
    assert [each.row.name for each in found] == ["K = 1", "K = 2", "K = 3"]
    assert {each.verdict for each in found} == {"reference", "not learnt"}
    assert found[0].blurry_psnr > 20
    assert all({"psnr", "ssim"} <= set(each.means) for each in found)
    assert [row.model for row in read_rows(tmp_path / "run") if isinstance(row, ModelRow)] == [
        f"deepdeblur-scales: K = {k}, seed 0" for k in (1, 2, 3)
    ]
    with pytest.raises(InputError, match="way to train"):
        run_study(study, [], open_data(str(pairs)), protocols.get("gopro-skimage"), steps=7, run=tmp_path / "run")
