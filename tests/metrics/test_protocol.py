import math
from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from unblur.errors import InputError, ShapeError
from unblur.metrics import Frames, Protocol, align_homography, align_translation, ms_ssim, psnr, ssim, ssim_3d, ssim_y, to_8_bit
from unblur.metrics.pictures import luma


@pytest.fixture
def plain():
    return Protocol(name="plain", version=3, source="for tests")


def test_the_id_carries_the_version(plain):
    assert plain.id == "plain@3"
    assert replace(plain, version=4).id == "plain@4"
    assert plain.measures == ("psnr", "ssim")
    with pytest.raises(FrozenInstanceError):
        plain.border = 4


def test_plain_measurement_is_that_of_8_bit_pictures(plain, picture, noisy):
    sharp = picture(24, 24)
    restored = noisy(sharp, 0.05)
    row = plain.measure(restored, sharp)
    assert row == {
        "psnr": psnr(to_8_bit(restored), to_8_bit(sharp)).item(),
        "ssim": ssim(to_8_bit(restored), to_8_bit(sharp)).item(),
    }


def test_rounding_changes_the_result_and_can_be_left_out(plain, picture):
    sharp = to_8_bit(picture(24, 24))
    restored = sharp + 0.3 / 255  # rounds back to the truth
    assert plain.measure(restored, sharp)["psnr"] == math.inf
    unrounded = replace(plain, round_to_8_bit=False)
    assert unrounded.measure(restored, sharp)["psnr"] == pytest.approx(20 * math.log10(255 / 0.3), abs=1e-6)
    bright = torch.ones(1, 3, 24, 24)
    assert unrounded.measure(bright * 1.5, bright)["psnr"] == math.inf  # clamped all the same


def test_border_is_cut_before_measuring(plain, picture):
    sharp = picture(32, 32)
    restored = sharp.clone()
    restored[..., :4] = 0
    assert plain.measure(restored, sharp)["psnr"] < 30
    assert replace(plain, border=4).measure(restored, sharp)["psnr"] == math.inf
    assert replace(plain, border=3).measure(restored, sharp)["psnr"] < 40


def test_colour_is_what_psnr_is_measured_on(plain, picture, noisy):
    sharp = to_8_bit(picture(24, 24))
    restored = to_8_bit(noisy(sharp, 0.05))
    grey = replace(plain, colour="grey").measure(restored, sharp)
    assert grey["psnr"] == pytest.approx(psnr(luma(restored), luma(sharp)).item())
    assert grey["psnr"] > plain.measure(restored, sharp)["psnr"] + 1
    assert grey["ssim"] == plain.measure(restored, sharp)["ssim"]


def test_forms_come_in_the_order_of_the_protocol_and_side_by_side(plain, picture, noisy):
    sharp = to_8_bit(picture(161, 165))
    restored = to_8_bit(noisy(sharp, 0.05))
    volume = replace(plain, ssim_forms=("ssim_3d", "ssim"))
    assert list(volume.measure(restored, sharp)) == ["psnr", "ssim_3d", "ssim"]
    row = volume.measure(restored, sharp, every_form=True)
    assert list(row) == ["psnr", "ssim_3d", "ssim", "ssim_y", "mssim"]
    assert row["ssim_3d"] == ssim_3d(restored, sharp).item()
    assert row["ssim_y"] == ssim_y(restored, sharp).item()
    assert row["mssim"] == ms_ssim(restored, sharp, form="metrix").item()
    small = volume.measure(restored[..., :40], sharp[..., :40], every_form=True)
    assert "mssim" not in small
    assert "ssim_y" in small


def test_homography_is_measured_where_the_truth_is_covered(plain, picture):
    scene = picture(80, 90)
    sharp, restored = scene[..., 8:-8, 8:-8], 0.8 * scene[..., 6:-10, 11:-5]
    ecc = replace(plain, alignment="homography")
    row = ecc.measure(restored, sharp)
    aligned = align_homography(to_8_bit(restored), to_8_bit(sharp))
    assert row["aligned"] == 1
    assert row["psnr"] == psnr(aligned.restored, aligned.sharp, mask=aligned.mask).item()
    assert row["ssim"] == ssim(aligned.restored, aligned.sharp, mask=aligned.mask).item()
    assert row["psnr"] > plain.measure(restored, sharp)["psnr"] + 10
    assert "mssim" not in ecc.measure(restored, sharp, every_form=True)
    assert ecc.measure(torch.full_like(sharp, 0.3), sharp)["aligned"] == 0


def test_translation_counts_the_uncovered_zeros(plain, picture):
    scene = (picture(60, 60) + torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0))) / 2
    sharp, restored = scene[..., 8:-8, 8:-8], 0.9 * scene[..., 6:-10, 11:-5]
    row = replace(plain, alignment="translation").measure(restored, sharp)
    aligned = align_translation(to_8_bit(restored), to_8_bit(sharp))
    assert row["psnr"] == psnr(aligned.restored, aligned.sharp).item()
    assert row["psnr"] < psnr(aligned.restored, aligned.sharp, mask=aligned.mask).item() + 10 * math.log10(60**2 / 41**2)
    assert row["psnr"] > plain.measure(restored, sharp)["psnr"] + 3
    assert "aligned" not in row


def test_the_best_of_several_truths_counts_measure_by_measure(plain, picture, noisy):
    several = replace(plain, several_truths=True)
    restored = picture(24, 24)
    near, far = noisy(restored, 0.02, seed=3), noisy(restored, 0.2, seed=4)
    best = several.measure(restored, torch.cat([far, near, far]))
    assert best == plain.measure(restored, near)
    assert best == several.measure(restored, iter([far, near]))
    assert best["psnr"] > plain.measure(restored, far)["psnr"]
    # a truth that wins one measure and loses the other: an offset costs PSNR, hardly any SSIM
    offset = (restored + 0.06).clamp(0, 1)
    mixed = several.measure(restored, [near, offset])
    apart = [plain.measure(restored, truth) for truth in (near, offset)]
    assert apart[0]["psnr"] > apart[1]["psnr"]
    assert apart[0]["ssim"] < apart[1]["ssim"]
    assert mixed == {"psnr": apart[0]["psnr"], "ssim": apart[1]["ssim"]}


def test_refusals_to_measure(plain, picture):
    sharp = picture(16, 16)
    with pytest.raises(InputError, match="one truth"):
        plain.measure(sharp, sharp.repeat(2, 1, 1, 1))
    with pytest.raises(InputError, match="needs a truth"):
        plain.measure(sharp, [])
    with pytest.raises(ShapeError, match="restored"):
        plain.measure(sharp.repeat(2, 1, 1, 1), sharp)
    with pytest.raises(ShapeError, match="sharp"):
        plain.measure(sharp, sharp[0])
    with pytest.raises(InputError, match="restored holds NaN"):
        plain.measure(sharp * math.nan, sharp)
    with pytest.raises(InputError, match="no masked form"):
        replace(plain, alignment="homography", ssim_forms=("mssim",))
    with pytest.raises(InputError, match="negative"):
        replace(plain, border=-1)


# Frames -----------------------------------------------------------------------------------------------------------


def test_frame_selection():
    assert Frames().select(4) == (0, 1, 2, 3)
    assert Frames(first=2, skip_last=2).select(6) == (2, 3)
    assert Frames(first=1, step=3).select(9) == (1, 4, 7)
    assert Frames(only=(5, 1)).select(6) == (5, 1)


@pytest.mark.parametrize(("frames", "count"), [(Frames(), 0), (Frames(first=2, skip_last=2), 4), (Frames(only=(5,)), 5)])
def test_sequences_that_are_too_short(frames, count):
    with pytest.raises(InputError, match=f"{count} frames is too short"):
        frames.select(count)


# Averages ---------------------------------------------------------------------------------------------------------


def test_infinite_values_are_left_out_and_counted(plain):
    average = plain.average([{"psnr": 30.0, "ssim": 0.8}, {"psnr": math.inf, "ssim": 1.0}, {"psnr": 20.0, "ssim": 0.6}])
    assert average.protocol == "plain@3"
    assert average.means == {"psnr": pytest.approx(25), "ssim": pytest.approx(0.8)}
    assert average.infinite == {"psnr": 1, "ssim": 0}
    assert (average.pictures, average.sequences) == (3, None)
    assert plain.average([{"psnr": math.inf}] * 2).means == {"psnr": math.inf}


def test_sequences_count_alike_whatever_their_length(plain):
    rows = [{"psnr": value} for value in (20.0, 20.0, 20.0, 40.0)]
    names = ["a", "a", "a", "b"]
    assert plain.average(rows, sequences=names).means["psnr"] == pytest.approx(25)
    by_sequence = replace(plain, averaging="sequences")
    average = by_sequence.average(rows, sequences=names)
    assert average.means["psnr"] == pytest.approx(30)
    assert (average.pictures, average.sequences) == (4, 2)
    identical = by_sequence.average([*rows, {"psnr": math.inf}], sequences=[*names, "c"])
    assert identical.means["psnr"] == pytest.approx(30)
    assert identical.infinite == {"psnr": 1}


def test_refusals_to_average(plain):
    with pytest.raises(InputError, match="nothing to average"):
        plain.average([])
    with pytest.raises(InputError, match="row 1 has measures"):
        plain.average([{"psnr": 1.0}, {"ssim": 1.0}])
    with pytest.raises(InputError, match="row 0 holds NaN"):
        plain.average([{"psnr": math.nan}])
    by_sequence = replace(plain, averaging="sequences")
    for sequences in (None, ["a", "b"]):
        with pytest.raises(InputError, match="one name for each of the 1 rows"):
            by_sequence.average([{"psnr": 1.0}], sequences=sequences)
