"""Kernels of pictures that were blurred with known ones, and what holds for all."""

import math

import pytest
import torch
from blurred_pictures import CURVE, LINE, blurred, drawn, leaves

from unblur.layers.kernel_estimation import _fast_length, estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import BANDS, EVIDENCE_CHANNELS, kernel_evidence, spectral_correlation
from unblur.layers.kernel_input import normalise_contrast, unsaturated
from unblur.layers.kernels import centre_kernel, exposure_midpoint
from unblur.layers.windows import taper


def alike(one, other):
    """Largest correlation of two kernels over all shifts, 1 for the same."""
    product = torch.fft.irfft2(torch.fft.rfft2(one) * torch.fft.rfft2(other).conj(), s=one.shape[-2:])
    return float(product.max() / (one.norm() * other.norm()))


@pytest.mark.parametrize("kernel", [CURVE, LINE], ids=["curve", "line"])
def test_finds_the_path_and_not_another(kernel):
    found = estimate_kernel(prepare_windows(blurred(leaves(), kernel), size=31))
    assert alike(found, kernel) > 0.8
    other = LINE if kernel is CURVE else CURVE
    assert alike(found, kernel) > alike(found, other.flip(-1)) + 0.1


@pytest.mark.parametrize("length", [1.0, 22.6, 45.3, 90.5, 158.4, 181.0, 183.0, 2897.0])
def test_sides_on_the_way_are_the_nearest_with_quick_transforms(length):
    quick = [2 * 2**a * 3**b * 5**c * 7**d for a in range(11) for b in range(8) for c in range(6) for d in range(5)]
    assert abs(_fast_length(length) - length) == min(abs(side - length) for side in quick)
    assert _fast_length(length) in quick


@pytest.mark.parametrize("kernel", [CURVE, LINE], ids=["curve", "line"])
def test_finds_it_in_fewer_steps_where_turns_go_on_from_each_other(kernel, monkeypatch):
    steps, found = [], []
    monkeypatch.setattr(
        "unblur.layers.kernel_estimation.irfft2", lambda *given, **named: steps.append(1) or torch.fft.irfft2(*given, **named)
    )
    for restart_edges in (True, False):
        found.append(estimate_kernel(prepare_windows(blurred(leaves(), kernel), size=31), restart_edges=restart_edges))
        steps.append(0)
    count = [sum(steps[: steps.index(0)]), sum(steps[steps.index(0) :])]
    assert count[1] < 0.8 * count[0]
    assert not torch.equal(*found)
    assert alike(found[1], kernel) > 0.8


def test_turns_with_the_picture():
    light = blurred(leaves(), CURVE)
    found, turned = estimate_kernel(prepare_windows(light, size=31)), estimate_kernel(prepare_windows(light.rot90(1, (-2, -1)), size=31))
    assert alike(found.rot90(1, (-2, -1)), turned) > 0.8


def test_a_sharp_picture_has_a_kernel_of_one_place():
    found = estimate_kernel(prepare_windows(leaves(), size=31))
    assert float(found.amax()) > 0.8
    assert float(exposure_midpoint(found).norm()) < 0.5


@pytest.mark.parametrize("shape", [(64, 96), (7, 50), (8, 8), (3, 3), (33, 90)])
def test_kernels_are_whole_whatever_the_window(shape):
    """Also of noise, and of flat windows."""
    noise = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    for light in (noise, torch.zeros(1, *shape), torch.ones(1, *shape)):
        kernel = estimate_kernel(prepare_windows(light, size=31))
        assert kernel.shape[-1] == kernel.shape[-2] <= 31
        assert kernel.shape[-1] % 2 == 1
        assert float(kernel.min()) >= 0
        assert float(kernel.sum()) == pytest.approx(1, abs=1e-4)
        assert exposure_midpoint(kernel).isfinite().all()


def test_flat_windows_are_not_blurred():
    kernel = estimate_kernel(prepare_windows(torch.full((1, 64, 64), 0.3), size=31))
    assert float(kernel[0, 15, 15]) == pytest.approx(1, abs=1e-4)


def test_windows_of_a_batch_do_not_touch_each_other():
    light = blurred(leaves(count=2), CURVE)
    light[1] = leaves(seed=1)[0]
    together = estimate_kernel(prepare_windows(light, size=31))
    for number in range(2):
        torch.testing.assert_close(
            together[number], estimate_kernel(prepare_windows(light[number : number + 1], size=31))[0], rtol=1e-3, atol=1e-4
        )


def test_in_little_light_the_same_is_found():
    light = blurred(leaves(), CURVE)
    dark, darker = normalise_contrast(0.25 * light), normalise_contrast(0.125 * light)
    torch.testing.assert_close(dark, darker)
    assert alike(estimate_kernel(prepare_windows(darker, size=31)), CURVE) > 0.8
    assert alike(estimate_kernel(prepare_windows(0.125 * light, size=31)), CURVE) < 0.6  # as it is, too little of it is an edge


def test_contrast_is_raised_to_the_usual_and_never_lowered():
    light = leaves(count=2) * torch.tensor([0.1, 1.0])[:, None, None]
    low, high = normalise_contrast(light)
    assert float(low.std(correction=0)) == pytest.approx(0.2, rel=1e-3)
    assert torch.equal(high, light[1])
    torch.testing.assert_close(normalise_contrast(light * 1e-3)[0], light[0] * 8e-3)  # what is nearly flat may be noise
    lamp = light.clone()
    lamp[:, :8, :8] = 50
    seen = torch.ones_like(light)
    seen[:, :8, :8] = 0
    assert float(normalise_contrast(lamp, mask=seen)[0, 8:, 8:].std()) == pytest.approx(0.2, rel=0.05)  # what is not seen does not count


def test_what_is_not_seen_fades_into_what_is_around():
    light = leaves()
    light[:, 40:72, 50:90] = 30
    seen = torch.ones_like(light)
    seen[:, 32:80, 42:98] = 0
    level = normalise_contrast(light, mask=seen)
    assert float(level.max()) <= float(light[seen > 0].max()) * 1.01
    torch.testing.assert_close(level[:, :, 120:], light[:, :, 120:])  # far from it nothing changes
    edges = [(level.roll(1, axis) - level).abs()[:, 1:, 1:].max() for axis in (-1, -2)]
    assert max(edges) <= float((leaves().roll(1, -1) - leaves()).abs().max()) * 1.05  # and there is no new edge


@pytest.mark.parametrize("shape", [(50, 70), (64, 64), (9, 33)])
def test_where_all_is_seen_nothing_fades(shape):
    light = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalise_contrast(light, mask=torch.ones_like(light)), normalise_contrast(light))


def test_where_nothing_is_seen_there_is_nothing_to_find():
    kernel = estimate_kernel(prepare_windows(torch.ones(1, 64, 64), size=31, mask=torch.zeros(1, 64, 64)))
    assert float(kernel[0, 15, 15]) == pytest.approx(1, abs=1e-4)


def test_what_light_that_was_cut_off_may_reach_is_not_seen():
    light = torch.full((1, 3, 40, 60), 0.5)
    light[:, :2, 10:14, 20:24] = 1  # two of three channels
    seen = unsaturated(light, white_level=0.97, reach=6)
    assert seen.shape == (1, 40, 60)
    assert float(seen[:, 4:20, 14:30].max()) == 0
    seen[:, 2:22, 12:32] = 1
    assert float(seen.min()) == 1


def test_one_channel_or_a_spark_is_no_light_that_was_cut_off():
    light = torch.full((1, 3, 41, 61), 0.5)
    light[:, 0, 10:14] = 1
    light[:, :, 30] = 1
    assert float(unsaturated(light, white_level=0.97, reach=6).min()) == 1


def test_lamps_do_not_hide_the_path_where_they_are_not_looked_at():
    scene = leaves()[:, None].repeat(1, 3, 1, 1) * 0.4
    for place in (20, 60, 100):
        scene[..., place : place + 5, 120 - place : 125 - place] = 20
    picture = blurred(scene, CURVE[:, None]).clamp(max=1)
    seen = unsaturated(picture, white_level=0.97, reach=7)
    blind = estimate_kernel(prepare_windows(picture.mean(1), size=31))
    light = normalise_contrast(picture.mean(1), mask=seen)
    told = estimate_kernel(prepare_windows(light, size=31, mask=seen))
    assert alike(told, CURVE) > 0.8
    assert alike(told, CURVE) > alike(blind, CURVE) + 0.1
    assert (
        float(
            (
                kernel_evidence(prepare_windows(light, size=31, mask=seen), CURVE)[:, 1]
                - kernel_evidence(prepare_windows(light, size=31), CURVE)[:, 1]
            )
            .abs()
            .max()
        )
        > 1e-3
    )


def test_transfer_of_a_moved_point_moves_a_picture():
    light = leaves()
    torch.testing.assert_close(blurred(light, drawn([(3, -2)])), light.roll((-2, 3), (-2, -1)), rtol=1e-4, atol=1e-5)


def test_placed_kernels_have_their_middle_in_the_middle():
    middle = exposure_midpoint(CURVE)
    torch.testing.assert_close(centre_kernel(drawn([(3, -2)]), torch.tensor([[3.0, -2.0]])), drawn([(0, 0)]), rtol=0, atol=1e-6)
    assert float(exposure_midpoint(centre_kernel(CURVE, middle)).norm()) < 0.3
    half = centre_kernel(CURVE, torch.tensor([[0.5, 0.0]]))  # between two columns, the mean of both
    torch.testing.assert_close(half, (CURVE + CURVE.roll(-1, -1)) / 2, rtol=0, atol=1e-6)


def test_of_the_true_kernel_there_is_more_evidence_than_of_another():
    """Least squares find more light on the path from the edges that the true kernel leads to, and these are correlated with the light along it."""
    light = blurred(leaves(), CURVE)
    true, other = (kernel_evidence(prepare_windows(light, size=31), kernel) for kernel in (CURVE, LINE))
    assert true.shape == (1, EVIDENCE_CHANNELS, 31, 31)
    assert torch.equal(true[:, 0], CURVE)
    for number in (1, 2):
        on_path = [float(maps[0, number][CURVE[0] > 0].sum()) for maps in (true, other)]
        assert on_path[0] > on_path[1]
    assert alike(true[:, 1].clamp_min(0), CURVE) > 0.8


def test_evidence_is_of_light_that_is_like_itself_where_it_is_moved_along_the_path():
    still, across = (kernel_evidence(prepare_windows(light, size=31), drawn([(0, 0)])) for light in (leaves(), blurred(leaves(), LINE)))
    torch.testing.assert_close(across[0, 3:5, 15, 15], torch.ones(2))
    assert float(across[0, 3, 15, 18] - still[0, 3, 15, 18]) > 0.1


@pytest.mark.parametrize("shape", [(64, 48), (51, 64), (48, 45)])
def test_how_light_is_like_itself_is_what_whole_transforms_say(shape):
    """Of which the evidence makes only the places near the middle."""
    light = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    kernel = torch.zeros(2, 9, 9)
    kernel[:, 4, 4] = 1
    across, down = kernel_evidence(prepare_windows(light, size=9), kernel)[:, 3:5].unbind(1)
    for axis, found in ((-1, across), (-2, down)):
        steps = (light.roll(-1, axis) - light) * taper(shape, edge=4, like=light)
        power = torch.fft.rfft2(steps).abs().square()
        whole = torch.fft.irfft2(power, s=shape).roll((4, 4), (-2, -1))[:, :9, :9]
        torch.testing.assert_close(found, whole / whole[:, 4:5, 4:5], rtol=0, atol=1e-5)


def test_evidence_of_nothing_is_finite():
    for light in (torch.zeros(1, 64, 64), torch.ones(1, 16, 9)):
        assert kernel_evidence(prepare_windows(light, size=7), drawn([(0, 0)])[:, 12:19, 12:19]).isfinite().all()


@pytest.mark.parametrize("kernel", [CURVE, LINE], ids=["curve", "line"])
def test_a_path_shows_in_the_spectrum_of_what_it_blurred(kernel):
    """One that is turned less so, and none in a sharp picture."""
    light, bands = leaves(), len(BANDS) - 1
    true, wrong = (spectral_correlation(blurred(light, kernel), path)[0] for path in (kernel, kernel.rot90(1, (1, 2))))
    assert all(true[1:bands] > 0.35)
    assert all(true[:bands] > wrong[:bands] + 0.1)
    assert all(spectral_correlation(light, kernel)[0, :bands].abs() < 0.2)


def test_in_a_spectrum_counts_how_much_the_kernel_varies_in_a_band():
    """A short path only darkens high frequencies; no path, none."""
    still, short = torch.zeros(2, 1, 31, 31)
    still[:, 15, 15] = 1
    short[:, 15, 14:17] = 1 / 3
    none, some, more = (spectral_correlation(leaves(), path)[0, len(BANDS) - 1 :] for path in (still, short, LINE))
    assert none.abs().max() < 1e-3
    assert all(some.diff() > 0)
    assert more[0] > 3 * some[0]


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (20, 30)])
def test_every_window_has_a_spectrum(shape):
    size = 1 if min(shape) == 1 else min(*shape, 31) // 2 * 2 - 1
    kernel = torch.full((2, size, size), 1 / size**2)
    for light in (torch.zeros(2, *shape), torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))):
        assert spectral_correlation(light, kernel).isfinite().all()


def test_the_middle_halves_the_light_along_the_path():
    """Of an angle with a long and a short leg: not where the mean is, but along the long one."""
    long, short = [(x, 0) for x in range(-10, 1)], [(0, y) for y in range(1, 5)]
    x, y = exposure_midpoint(drawn([*long, *short]))[0].tolist()
    assert math.hypot(x + 3, y) < 0.6
    rested = exposure_midpoint(drawn([*long, *short, *[(0, 4)] * 30]))[0]  # the hand rests at the end
    assert float((rested - torch.tensor([0.0, 4.0])).norm()) < 0.8


def test_the_middle_moves_with_the_kernel():
    moved = CURVE.roll((2, 5), (-2, -1))
    torch.testing.assert_close(exposure_midpoint(moved), exposure_midpoint(CURVE) + torch.tensor([5.0, 2.0]))


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_the_middle_lies_among_the_light(count):
    """Also where the strongest places of a kernel are fewer than those that are looked at."""
    generator = torch.Generator().manual_seed(count)
    kernels = torch.zeros(50, 31 * 31)
    for kernel in kernels:
        kernel[torch.randperm(31 * 31, generator=generator)[:count]] = torch.rand(count, generator=generator) + 0.01
    kernels = kernels.view(50, 31, 31) / kernels.sum(1)[:, None, None]
    for kernel, middle in zip(kernels, exposure_midpoint(kernels), strict=True):
        places = (kernel > 0).nonzero().flip(1) - 15.0
        assert (places.amin(0) - 1e-3 <= middle).all()
        assert (middle <= places.amax(0) + 1e-3).all()
