import math
from itertools import pairwise

import pytest
import torch
from blurred_pictures import CURVE, blurred, leaves

from unblur.layers.deconvolution import _shrink, accelerated_richardson_lucy, edge_taper, fourier_blur, hyper_laplacian, richardson_lucy
from unblur.layers.kernels import kernel_spectrum


def known(light):
    return kernel_spectrum(CURVE, light.shape[-2:]).expand(light.shape[0], -1, -1)


def undone(light, kernel, *, iterations):
    blur, adjoint = fourier_blur(kernel)
    return richardson_lucy(light, blur=blur, adjoint=adjoint, iterations=iterations)


def leapt(light, kernel, *, iterations):
    """As `undone`, with a leap from each of the iterations to the next."""
    return accelerated_richardson_lucy(light, kernel=kernel, iterations=[(after - before,) for before, after in pairwise((0, *iterations))])


both = pytest.mark.parametrize("method", [undone, leapt])


def pictures(**arguments):
    return leaves(**arguments)[:, None].expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.6, 0.3])[:, None, None]


def error(one, other):
    return float((one - other).square().mean())


@both
def test_where_nothing_was_blurred_nothing_changes(method):
    light = pictures()
    still = torch.ones(1, 128, 65, dtype=torch.complex64)
    for result in method(light, still, iterations=(1, 4)):
        torch.testing.assert_close(result, light, rtol=1e-4, atol=1e-4)


def by_the_book(blurry, kernel, *, iterations):
    """Richardson-Lucy as it was published, turn by turn."""
    forward, back = kernel[:, None], kernel.conj()[:, None]
    light = blurry
    for _ in range(iterations):
        ratio = blurry / torch.fft.irfft2(torch.fft.rfft2(light) * forward)
        light = light * torch.fft.irfft2(torch.fft.rfft2(ratio) * back)
    return light


def test_a_leap_of_one_turn_is_one_turn():
    blurry = blurred(pictures(), CURVE[:, None])
    kernel = known(blurry)
    torch.testing.assert_close(
        accelerated_richardson_lucy(blurry, kernel=kernel, iterations=((1,),))[0],
        by_the_book(blurry, kernel, iterations=1),
        rtol=5e-3,
        atol=2e-3,
    )


def test_leaps_go_on_from_each_other_whether_they_are_shown_or_not():
    blurry = blurred(pictures(), CURVE[:, None])
    kernel = known(blurry)
    first, second = accelerated_richardson_lucy(blurry, kernel=kernel, iterations=((2,), (3, 4)))
    each = accelerated_richardson_lucy(blurry, kernel=kernel, iterations=((2,), (3,), (4,)))
    assert torch.equal(first, each[0])
    assert torch.equal(second, each[2])


@pytest.mark.parametrize("iterations", [2, 7])
def test_a_leap_goes_as_far_as_its_turns_where_light_is_nearly_even(iterations):
    blurry = 0.5 + 0.002 * (blurred(pictures(), CURVE[:, None]) - 0.5)
    kernel = known(blurry)
    change = by_the_book(blurry, kernel, iterations=iterations) - blurry
    difference = accelerated_richardson_lucy(blurry, kernel=kernel, iterations=((iterations,),))[0] - blurry - change
    assert float(difference.norm()) < 0.03 * float(change.norm())


def test_a_leap_passes_gradients_to_the_kernel_where_nothing_is_blurred():
    """There, nothing is left after a turn."""
    kernel = torch.zeros(1, 3, 3)
    kernel[:, 1, 1] = 1
    kernel.requires_grad_()
    light = pictures()
    accelerated_richardson_lucy(light, kernel=kernel_spectrum(kernel, light.shape[-2:]), iterations=((3, 10),))[
        -1
    ].square().sum().backward()
    assert kernel.grad.isfinite().all()
    assert kernel.grad.any()


def test_a_full_sensor_contradicts_no_leap():
    sharp = pictures() * 0.5
    sharp[..., 40:46, 60:66] = 6
    blurry = blurred(sharp, CURVE[:, None]).clamp(max=1)
    plain, told = (
        accelerated_richardson_lucy(blurry, kernel=known(sharp), iterations=((3, 6, 10),), white_level=full)[-1]
        for full in (math.inf, 0.99)
    )
    assert error(told.clamp(max=1), sharp.clamp(max=1)) < error(plain.clamp(max=1), sharp.clamp(max=1))


def test_a_full_sensor_contradicts_nothing():
    sharp = pictures() * 0.5
    sharp[..., 40:46, 60:66] = 6
    blurry = blurred(sharp, CURVE[:, None]).clamp(max=1)
    blur, adjoint = fourier_blur(known(sharp))
    plain, told = (richardson_lucy(blurry, blur=blur, adjoint=adjoint, iterations=(10,), white_level=full)[0] for full in (math.inf, 0.99))
    assert error(told.clamp(max=1), sharp.clamp(max=1)) < 0.8 * error(plain.clamp(max=1), sharp.clamp(max=1))
    assert float(told[..., 40:46, 60:66].mean()) > 1.5 * float(plain[..., 40:46, 60:66].mean())


def test_what_is_nowhere_full_is_undone_as_ever():
    blurry = blurred(pictures(), CURVE[:, None]) * 0.9
    blur, adjoint = fourier_blur(known(blurry))
    one, other = (richardson_lucy(blurry, blur=blur, adjoint=adjoint, iterations=(4,), white_level=full)[0] for full in (math.inf, 0.99))
    assert float(blurry.max()) < 0.99
    assert torch.equal(one, other)


@both
def test_each_turn_comes_nearer_to_the_truth(method):
    sharp = pictures()
    blurry = blurred(sharp, CURVE[:, None])
    results = method(blurry, known(sharp), iterations=(1, 2, 4, 8))
    errors = [error(result, sharp) for result in (blurry, *results)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 3.5  # 5.4 dB


def test_accelerated_turns_go_further_than_plain_ones():
    sharp = pictures()
    blurry, kernel = blurred(sharp, CURVE[:, None]), known(sharp)
    fast = undone(blurry, kernel, iterations=(6,))[0]
    assert error(fast, sharp) < error(by_the_book(blurry, kernel, iterations=6), sharp)


@both
def test_light_is_kept(method):
    sharp = pictures()
    result = method(blurred(sharp, CURVE[:, None]), known(sharp), iterations=(4,))[0]
    torch.testing.assert_close(result.mean((-2, -1)), sharp.mean((-2, -1)), rtol=0.02, atol=0)


@both
def test_pictures_of_a_batch_do_not_touch_each_other(method):
    light = pictures(count=2)
    together = method(light, known(light), iterations=(3,))[0]
    alone = torch.cat([method(one[None], known(one[None]), iterations=(3,))[0] for one in light])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@both
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_stay(method, value):
    light = torch.full((1, 3, 32, 32), value)
    result = method(light, kernel_spectrum(CURVE, (32, 32)), iterations=(5,))[0]
    torch.testing.assert_close(result, light, rtol=1e-3, atol=2e-3)


def test_the_adjoint_of_a_blur_by_transform():
    """⟨blur x, y⟩ = ⟨x, adjoint y⟩"""
    x, y = torch.rand(2, 1, 3, 24, 20, dtype=torch.float64)
    blur, adjoint = fourier_blur(kernel_spectrum(CURVE.double(), (24, 20)))
    torch.testing.assert_close((blur(x) * y).sum(), (x * adjoint(y)).sum())
    assert not torch.allclose(blur(x), adjoint(x))


def test_any_blur_can_be_undone():
    """Such as one in space: a pixel and its right neighbour, each half."""
    sharp = pictures()
    blur, adjoint = (lambda light, step=step: (light + light.roll(step, -1)) / 2 for step in (-1, 1))
    blurry = blur(sharp)
    result = richardson_lucy(blurry, blur=blur, adjoint=adjoint, iterations=(5,))[0]
    assert error(result, sharp) < error(blurry, sharp) / 4


def test_what_meets_at_the_border_makes_no_waves_inside():
    """A window cut out of a larger picture, dark on the left and bright on the right: the kernel reaches from one to the other."""
    ramp = (
        torch.linspace(0.05, 0.95, 128)[None, None, None].expand(1, 1, 128, 128).contiguous()
    )  # a straight rise is what blur leaves of it
    blur, adjoint = fourier_blur(known(ramp[:, 0]))
    plain = richardson_lucy(ramp, blur=blur, adjoint=adjoint, iterations=(10,))[0]
    smooth = richardson_lucy(edge_taper(ramp, edge=16), blur=blur, adjoint=adjoint, iterations=(10,))[0]
    waves = [float(result[..., 24:-24, 24:-24].diff(dim=-1).std()) for result in (plain, smooth)]
    assert waves[1] < 0.5 * waves[0]


def test_opposite_borders_meet_and_what_is_inside_stays():
    sharp = pictures()
    faded = edge_taper(sharp, edge=16)
    assert torch.equal(faded[..., 16:-16, 16:-16], sharp[..., 16:-16, 16:-16])
    for axis in (-1, -2):
        steps = faded.diff(dim=axis, append=faded.narrow(axis, 0, 1)).abs()
        assert (
            steps.narrow(axis, -1, 1).max() < 0.02 < sharp.diff(dim=axis, append=sharp.narrow(axis, 0, 1)).abs().narrow(axis, -1, 1).max()
        )
    even = torch.full_like(sharp, 0.4)
    torch.testing.assert_close(edge_taper(even, edge=16), even)


def test_shrinking_minimises_the_splitting():
    candidates = torch.linspace(-1.5, 1.5, 30_001, dtype=torch.float64)
    for penalty in (1.0, 8.0, 181.0):
        for gradient in (-1.0, -0.3, 0.0, 0.02, 0.1, 0.7, 1.2):
            best = candidates[(candidates.abs().sqrt() + penalty / 2 * (candidates - gradient).square()).argmin()]
            shrunk = _shrink(torch.tensor([gradient], dtype=torch.float64), penalty=penalty)
            assert float(shrunk) == pytest.approx(float(best), abs=2e-4)


def test_hyper_laplacian_keeps_what_is_even_and_follows_a_shift():
    even = torch.full((1, 3, 32, 40), 0.3)
    torch.testing.assert_close(hyper_laplacian(even, kernel=known(even), data_weight=500.0), even)
    light = blurred(pictures(), CURVE[:, None])
    restored, shifted = (hyper_laplacian(each, kernel=known(light), data_weight=500.0) for each in (light, light.roll((5, -9), (-2, -1))))
    torch.testing.assert_close(shifted, restored.roll((5, -9), (-2, -1)), rtol=1e-3, atol=1e-3)


def test_hyper_laplacian_comes_near_to_the_sharp_picture_and_smooths_noise():
    sharp = pictures()
    light = blurred(sharp, CURVE[:, None])
    assert error(hyper_laplacian(light, kernel=known(light), data_weight=5000.0), sharp) < 0.1 * error(light, sharp)
    noisy = light + 0.02 * torch.randn(light.shape, generator=torch.Generator().manual_seed(0))
    errors = [error(hyper_laplacian(noisy, kernel=known(light), data_weight=weight), sharp) for weight in (500.0, 50_000.0)]
    assert errors[0] < errors[1]
    assert errors[0] < error(noisy, sharp)
