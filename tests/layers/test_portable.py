import threading

import pytest
import torch

from unblur.layers.blind_deconvolution import BlindDeconvolution, KernelEstimator
from unblur.layers.deconvolution import accelerated_richardson_lucy
from unblur.layers.deform import deform_sample, modulated_deform_sample
from unblur.layers.filtering import dynamic_local_filter
from unblur.layers.finite_differences import divergence, forward_difference
from unblur.layers.fourier import SpectrumPair, irfft2, phasors, rfft2
from unblur.layers.kernel_estimation import estimate_kernel, prepare_windows
from unblur.layers.kernel_evidence import kernel_evidence, spectral_correlation
from unblur.layers.kernels import exposure_midpoint, frequencies, kernel_spectrum, normalise_kernel, power_spectrum
from unblur.layers.motion_blur import sample_along
from unblur.layers.pixel_unshuffle import pixel_unshuffle
from unblur.layers.portable import constant, is_portable, portable_operators
from unblur.layers.resize import resized
from unblur.layers.sampling import FEW_CHANNELS, bilinear_read
from unblur.layers.windows import WindowLayout

SHAPES = [(6, 8), (7, 8), (8, 7), (5, 9), (1, 4), (3, 1)]


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def both(function):
    """What a function gives by default, and with portable operators."""
    with portable_operators():
        portable = function()
    return function(), portable


def close(pair, *, atol=1e-5):
    torch.testing.assert_close(pair[1], pair[0], atol=atol, rtol=1e-4)


def test_holds_inside_the_block_and_in_its_thread_alone():
    seen = []
    with pytest.raises(KeyError), portable_operators():
        assert is_portable()
        other = threading.Thread(target=lambda: seen.append(is_portable()))
        other.start()
        other.join()
        raise KeyError
    assert seen == [False]
    assert not is_portable()


def test_a_constant_is_made_once_a_block():
    made = []

    def make():
        made.append(len(made))
        return made[-1]

    assert [constant(make, key="one"), constant(make, key="one")] == [0, 1]
    with portable_operators():
        assert [constant(make, key="one"), constant(make, key="other"), constant(make, key="one")] == [2, 3, 2]
    with portable_operators():
        assert constant(make, key="one") == 4


@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_are_those_of_torch(shape):
    picture = random(2, 3, *shape)
    exact = torch.fft.rfft2(picture)
    with portable_operators():
        pair = rfft2(picture)
        assert isinstance(pair, SpectrumPair)
        back = irfft2(pair, s=shape)
    torch.testing.assert_close(torch.complex(pair.real, pair.imag), exact, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(back, picture, atol=1e-6, rtol=1e-5)
    assert torch.equal(rfft2(picture), exact)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_spectrum_of_no_picture_is_inverted_as_torch_does(shape):
    """Parts that a real picture does not have are left out by both."""
    count = shape[1] // 2 + 1
    spectrum = torch.complex(random(*shape[:1], count), random(*shape[:1], count, seed=1))
    with portable_operators():
        inverted = irfft2(SpectrumPair(spectrum.real, spectrum.imag), s=shape)
    torch.testing.assert_close(inverted, torch.fft.irfft2(spectrum, s=shape), atol=1e-6, rtol=1e-5)


def test_pairs_compute_as_complex_tensors():
    one, other = (torch.complex(random(2, 3, 3, seed=seed), random(2, 3, 3, seed=seed + 9)) for seed in (1, 2))
    pairs = [SpectrumPair(each.real, each.imag) for each in (one, other)]
    weight = random(3, 3, seed=5)

    def compute(a, b):
        first, second = a
        return torch.stack(
            [torch.add(a * b, b.conj(), alpha=0.3)[0], (first * second).addcmul_(b[0], b[1]), (a @ b)[1], a[0] * weight, a[1].mul_(2.0)]
        )

    exact, pair = compute(one.clone(), other.clone()), compute(*pairs)
    torch.testing.assert_close(torch.complex(pair.real, pair.imag), exact)
    assert pair.shape == exact.shape
    assert pair.is_complex()


@pytest.mark.parametrize("shape", SHAPES)
def test_frequencies_and_phasors(shape):
    close(both(lambda: torch.cat([each.flatten() for each in frequencies(shape, like=torch.zeros(1))])), atol=1e-6)
    with portable_operators():
        pair = phasors(random(4))
    torch.testing.assert_close(torch.complex(pair.real, pair.imag), phasors(random(4)))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("old", "new"), [((8, 12), (4, 3)), ((9, 7), (5, 6)), ((6, 5), (12, 8)), ((10, 10), (10, 10)), ((40, 30), (9, 7))])
def test_resizing_is_that_of_torch(mode, old, new):
    close(both(lambda: resized(random(2, 3, *old), new, mode=mode)), atol=1e-6)


@pytest.mark.parametrize("channels", [3, FEW_CHANNELS])
def test_reading_between_pixels(channels):
    feat, place = random(2, channels, 6, 7), random(2, 2, 4, 5, seed=1) * 12 - 3
    close(both(lambda: bilinear_read(feat, place[:, 0], place[:, 1])))


@pytest.mark.parametrize("out_channels", [3, FEW_CHANNELS])
def test_deformable_convolutions(out_channels):
    feat, offset, weight = random(1, 4, 6, 7), random(1, 18, 6, 7, seed=1) * 4 - 2, random(out_channels, 4, 3, 3, seed=2)
    close(both(lambda: deform_sample(feat, offset, weight, mask=random(1, 1, 6, 7, seed=3))))
    close(both(lambda: modulated_deform_sample(feat, offset, weight, modulation=random(1, 9, 6, 7, seed=4))))


@pytest.mark.parametrize("shape", [(6, 9), (1, 5)])
def test_samples_along_the_blur(shape):
    picture, blur_field = random(1, 3, *shape), random(1, 3, *shape, seed=1) * 6 - 3
    close(both(lambda: sample_along(picture, blur_field, positions=(-0.5, 0.25))))


@pytest.mark.parametrize("axis", [-1, -2])
def test_differences_of_periodic_pictures(axis):
    close(both(lambda: forward_difference(random(2, 5, 4), axis)), atol=0)
    close(both(lambda: divergence(random(2, 5, 4), random(2, 5, 4, seed=1))), atol=0)


def test_dynamic_local_filters():
    feats, masks = random(1, 3, 4, 6, 7), random(1, 3, 1, 6, 7, seed=1)
    close(both(lambda: dynamic_local_filter(feats, masks, kernel_size=3)))


def test_all_windows_are_deconvolved_at_once():
    """As many as on a CPU at a time would be exported several times over."""
    layer = BlindDeconvolution(
        kernel_estimator=KernelEstimator(size=3, iterations=(1,), refiner_widths=(4,), refiner_blocks=(1,)),
        layout=WindowLayout(side=24, stride=10),
        iterations=((1,),),
    ).eval()
    sizes = []
    layer.kernel_estimator.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    with torch.no_grad():
        close(both(lambda: layer(random(1, 3, 72, 72))[0]), atol=1e-3)
    assert sizes[0] > 16 >= max(sizes[1:])
    assert sum(sizes[1:]) == sizes[0]


def test_pixel_unshuffle():
    close(both(lambda: pixel_unshuffle(random(2, 3, 8, 12), factor=4)), atol=0)


def test_the_search_for_kernels_and_deconvolution():
    light, kernel = random(2, 40, 36), normalise_kernel(random(2, 5, 5, seed=1))

    def estimated():
        windows = prepare_windows(light, size=7)
        found = estimate_kernel(windows, iterations=(1, 1), restart_edges=False)
        return torch.cat([found.flatten(), kernel_evidence(windows, found).flatten()])

    def deconvolved():
        spectrum = kernel_spectrum(kernel, light.shape[1:])
        return torch.cat(accelerated_richardson_lucy(light[:, None], kernel=spectrum, iterations=((1, 2), (3,))))

    close(both(estimated), atol=1e-3)
    close(both(deconvolved), atol=1e-4)
    close(both(lambda: spectral_correlation(light, kernel)), atol=1e-4)
    close(both(lambda: exposure_midpoint(kernel)), atol=1e-5)
    close(both(lambda: power_spectrum(kernel_spectrum(kernel, (16, 15)))))
