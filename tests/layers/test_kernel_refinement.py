"""What is said of kernels before and after it was learnt."""

import pytest
import torch
from blurred_pictures import CURVE, LINE, blurred, leaves

from unblur.layers.kernel_estimation import prepare_windows
from unblur.layers.kernel_evidence import EVIDENCE_CHANNELS, kernel_evidence, spectral_correlation
from unblur.layers.kernel_refinement import CONFIDENCE_CHANNELS, KernelRefiner, kernel_confidence


@pytest.mark.parametrize("kernel", [CURVE, LINE], ids=["curve", "line"])
def test_untrained_it_says_what_was_found(kernel):
    path = KernelRefiner(widths=(8,), blocks=(1,))(kernel_evidence(prepare_windows(blurred(leaves(), kernel), size=31), kernel))
    torch.testing.assert_close(path, kernel, rtol=0, atol=2e-3)


@pytest.mark.parametrize("size", [3, 5, 31])
def test_says_whole_kernels(size):
    net = KernelRefiner(widths=(8, 8, 8), blocks=(1, 1, 1))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = net(torch.rand(4, EVIDENCE_CHANNELS, size, size, generator=torch.Generator().manual_seed(0))).detach()
    assert path.shape == (4, size, size)
    assert float(path.min()) >= 0
    torch.testing.assert_close(path.sum((1, 2)), torch.ones(4))


def test_learns_to_leave_out_specks():
    """Half of the light is strewn about; the correlation knows nothing of it."""
    torch.manual_seed(0)
    net = KernelRefiner(widths=(16,), blocks=(1,))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    paths = torch.cat([CURVE, LINE, CURVE.flip(-1), LINE.mT])

    def wrong():
        specks = torch.rand(4, 31, 31, generator=generator)
        specks = specks * (specks > 0.97)
        maps = torch.zeros(4, EVIDENCE_CHANNELS, 31, 31)
        maps[:, 0] = (paths + specks / specks.sum((1, 2), keepdim=True)) / 2
        maps[:, 2] = paths / paths.amax((1, 2), keepdim=True)
        return (net(maps) - paths).abs().sum((1, 2)).mean()

    with torch.no_grad():
        first = float(wrong())
    for _ in range(60):
        optimiser.zero_grad()
        wrong().backward()
        optimiser.step()
    with torch.no_grad():
        assert float(wrong()) < first / 2


def test_is_surer_of_a_true_path_than_of_a_wrong_one():
    """Both are judged by what the same picture tells."""
    light = blurred(leaves(), CURVE)
    told = kernel_evidence(prepare_windows(light, size=31), CURVE)
    true, wrong = (kernel_confidence(path, told, light)[0] for path in (CURVE, CURVE.flip(-1)))
    assert true.shape == (CONFIDENCE_CHANNELS,)
    assert all(true[:3] > wrong[:3] + 0.1)
    assert true[3] == wrong[3]  # says nothing of the path
    assert torch.equal(true[5:], spectral_correlation(light, CURVE)[0])


def test_says_how_little_light_is_spread():
    still = torch.zeros(1, 31, 31)
    still[:, 15, 15] = 1
    told = kernel_evidence(prepare_windows(leaves(), size=31), still)
    still, line, curve = (float(kernel_confidence(path, told, leaves())[0, 4]) for path in (still, LINE, CURVE))
    assert curve < line < still == 1
