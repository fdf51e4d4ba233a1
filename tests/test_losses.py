import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unblur import losses
from unblur.errors import ShapeError
from unblur.layers.pyramid import area_halve, gaussian_halve

PAIRED = [losses.mse, losses.l1, losses.charbonnier, losses.edge, losses.frequency]


def pictures(*shape, seed=0):
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("loss", PAIRED)
def test_equal_pictures_lose_nothing_and_order_does_not_matter(loss):
    one, other = pictures(2, 3, 6, 8)
    assert loss(one, one).item() == pytest.approx(1e-3 if loss is losses.charbonnier else 0)
    assert loss(one, other) > 1e-2
    torch.testing.assert_close(loss(one, other), loss(other, one))


@pytest.mark.parametrize(("down", "across"), [(0, 0), (3, -3), (-1, 2)])
def test_a_shifted_picture_loses_nothing_where_shifts_are_tried(down, across):
    one, other = torch.rand(2, 2, 3, 20, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shifted = torch.stack([one[0].roll((down, across), (-2, -1)), one[1]])  # each picture has a shift of its own
    assert losses.shifted_charbonnier(shifted, one).item() == pytest.approx(1e-3)
    assert losses.shifted_charbonnier(shifted, one, reach=0).item() == pytest.approx(losses.charbonnier(shifted, one).item())
    assert losses.shifted_charbonnier(other, one) > 0.1
    too_far = one.roll(4, -1)
    assert losses.shifted_charbonnier(too_far, one) > 0.1


def test_of_pictures_that_fit_everywhere_the_nearest_shift_counts():
    restored = torch.full((1, 1, 9, 9), 0.5, requires_grad=True)
    sharp = torch.zeros(1, 1, 9, 9)
    losses.shifted_charbonnier(restored, sharp).backward()
    gradient = restored.grad
    assert gradient[..., 3:6, 3:6].min() > 0
    assert gradient.count_nonzero() == 9  # what is within reach of a border does not count


def test_shifts_need_room():
    with pytest.raises(ShapeError, match="more than 6 pixels"):
        losses.shifted_charbonnier(torch.zeros(1, 3, 6, 9), torch.zeros(1, 3, 6, 9))
    with pytest.raises(ShapeError, match="same shape"):
        losses.shifted_charbonnier(torch.zeros(1, 3, 8, 9), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("loss", PAIRED)
def test_does_not_grow_with_the_batch(loss):
    one, other = pictures(1, 3, 6, 8)
    torch.testing.assert_close(loss(one.repeat(3, 1, 1, 1), other.repeat(3, 1, 1, 1)), loss(one, other))


@pytest.mark.parametrize("loss", PAIRED)
def test_gradient_is_finite_where_the_pictures_agree(loss):
    image = torch.rand(1, 3, 4, 4, requires_grad=True)
    loss(image, image.detach()).backward()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("loss", PAIRED)
def test_half_precision_is_compared_in_float32(loss):
    one, other = pictures(1, 3, 4, 4)
    value = loss(one.bfloat16(), other.float())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(one.bfloat16().double(), other).float(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("loss", PAIRED)
def test_shapes_must_agree(loss):
    with pytest.raises(ShapeError, match="same shape"):
        loss(torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4))


def test_by_hand():
    restored, sharp = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])
    assert losses.mse(restored, sharp) == 5
    assert losses.l1(restored, sharp) == 2
    assert losses.charbonnier(restored, sharp, epsilon=math.sqrt(7)).item() == pytest.approx((math.sqrt(8) + 4) / 2)


def test_edge_by_hand():
    """A dot of 1 in 3x3: the one inner Laplacian is -4. A ramp has none."""
    dot = torch.zeros(1, 1, 3, 3)
    dot[..., 1, 1] = 1
    assert losses.edge(dot, torch.zeros_like(dot)) == 4
    corner = dot.roll((1, 1), (2, 3))
    assert losses.edge(corner, torch.zeros_like(dot)) == 0
    ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    assert losses.edge(ramp, torch.zeros_like(ramp)) == 0
    assert losses.edge(ramp.square(), torch.zeros_like(ramp)) == 2
    with pytest.raises(ShapeError, match="3x3"):
        losses.edge(torch.zeros(1, 1, 2, 5), torch.zeros(1, 1, 2, 5))


def test_frequency_by_hand():
    """A constant of 1 in 2x2: only the mean's coefficient, 4 / sqrt(4) = 2; mean over 4 real and 4 imaginary parts."""
    constant = torch.ones(1, 1, 2, 2)
    assert losses.frequency(constant, torch.zeros_like(constant)).item() == pytest.approx(2 / 8)
    """A dot of 1: every coefficient is 1 / 2 and real."""
    dot = torch.zeros(1, 1, 2, 2)
    dot[..., 0, 0] = 1
    assert losses.frequency(dot, torch.zeros_like(dot)).item() == pytest.approx(4 * 0.5 / 8)


# --- over scales -----------------------------------------------------------------------------------------------------


def test_content_by_hand():
    """K = 2, differences 2 and 3 everywhere: (4 + 9) / (2 * 2). Sizes and channels do not matter."""
    restored = [torch.full((1, 3, 8, 8), 2.0), torch.full((1, 3, 4, 4), 3.0)]
    assert losses.multiscale_content(restored, torch.zeros(1, 3, 8, 8)).item() == pytest.approx(13 / 4)
    assert losses.multiscale_mse(restored, torch.zeros(1, 3, 8, 8)).item() == pytest.approx(13)


@pytest.mark.parametrize(("loss", "halve"), [(losses.multiscale_content, gaussian_halve), (losses.multiscale_mse, area_halve)])
def test_the_truth_is_brought_to_each_scale(loss, halve):
    sharp = torch.rand(1, 3, 8, 8)
    truths = [sharp, halve(sharp), halve(halve(sharp))]
    assert loss(truths, sharp).item() == pytest.approx(0, abs=1e-12)
    other = {gaussian_halve: area_halve, area_halve: gaussian_halve}[halve]
    assert loss(truths, sharp, halve=other) > 1e-5


def test_outputs_of_equal_size_meet_the_same_truth():
    sharp = torch.rand(1, 3, 8, 8)
    assert losses.multiscale_mse([sharp, sharp + 1], sharp).item() == pytest.approx(1)


@pytest.mark.parametrize("loss", [losses.multiscale_content, losses.multiscale_mse])
def test_scales_that_do_not_fit_are_refused(loss):
    sharp = torch.rand(1, 3, 8, 8)
    for restored in ([], [torch.rand(1, 3, 3, 3)], [torch.rand(1, 3, 16, 16)], [torch.rand(1, 3, 4, 4), sharp]):
        with pytest.raises(ShapeError):
            loss(restored, sharp)


# --- adversarial -----------------------------------------------------------------------------------------------------


@given(st.floats(-8, 8), st.floats(-8, 8))
def test_logits_give_the_logarithms_of_the_paper(real, fake):
    d_real, d_fake = (1 / (1 + math.exp(-x)) for x in (real, fake))
    sharp, restored = torch.tensor([[real]], dtype=torch.float64), torch.tensor([[fake]], dtype=torch.float64)
    expected = -math.log(d_real) - math.log(1 - d_fake)
    assert losses.adversarial_discriminator(sharp, restored).item() == pytest.approx(expected, rel=1e-6)
    assert losses.adversarial_generator(restored).item() == pytest.approx(math.log(1 - d_fake), rel=1e-6)
    assert losses.adversarial_generator(restored, saturating=False).item() == pytest.approx(-math.log(d_fake), rel=1e-6)


def test_sure_discriminators_stay_finite():
    logits = torch.tensor([[1e4], [-1e4]])
    assert losses.adversarial_discriminator(-logits, logits).isfinite()
    assert losses.adversarial_generator(logits).isfinite()


def test_both_generator_losses_fall_as_the_picture_looks_sharper():
    for saturating in (True, False):
        low, high = (losses.adversarial_generator(torch.tensor([x]), saturating=saturating) for x in (-1.0, 1.0))
        assert high < low


def test_relativistic_average_by_hand():
    sharp, restored = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    expected = (
        sum(math.log(1 + math.exp(-(x + 0.5))) + math.log(1 + math.exp(y - 2)) for x, y in ((1.0, -1.0), (3.0, 0.0))) / 2
    )  # means 2 and -0.5
    assert losses.relativistic_average(sharp, restored).item() == pytest.approx(expected, rel=1e-6)
    assert losses.relativistic_average(sharp + 5, restored + 5).item() == pytest.approx(expected, rel=1e-5)  # only differences count
    assert losses.relativistic_average(restored, sharp) > losses.relativistic_average(sharp, restored)


def test_wasserstein_by_hand():
    sharp, restored = torch.tensor([1.0, 3.0]), torch.tensor([5.0, 9.0])
    assert losses.wasserstein_critic(sharp, restored) == 5
    assert losses.wasserstein_generator(restored) == -7


def penalty(critic, *, weight=10.0, seed=0, sharp=None, restored=None):
    sharp = torch.ones(2, 3, 2, 2) if sharp is None else sharp
    restored = torch.zeros(2, 3, 2, 2) if restored is None else restored
    return losses.gradient_penalty(critic, sharp, restored, generator=torch.Generator().manual_seed(seed), weight=weight)


def test_gradient_penalty_by_hand():
    """A critic a * sum(x) over 12 elements has a gradient of length a * sqrt(12)."""
    for a, weight in ((1 / math.sqrt(12), 10.0), (0.5, 10.0), (0.5, 3.0)):
        expected = weight * (a * math.sqrt(12) - 1) ** 2
        assert penalty(lambda x, a=a: a * x.sum(dim=(1, 2, 3)), weight=weight).item() == pytest.approx(expected, abs=1e-6)


def test_gradient_penalty_averages_the_scores_of_a_picture():
    by_patch = penalty(lambda x: torch.stack([x, 3 * x], dim=1) / 2)
    whole = penalty(lambda x: x.mean(dim=(1, 2, 3)))
    assert by_patch.item() == pytest.approx(whole.item(), abs=1e-6)


def test_gradient_penalty_looks_between_the_pictures_where_the_generator_says():
    seen = []

    def critic(x):
        seen.append(x)
        return x.square().sum(dim=(1, 2, 3))

    values = [penalty(critic, seed=seed).item() for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    shares = seen[0].flatten(1)
    assert (shares > 0).all()
    assert (shares < 1).all()
    assert torch.equal(shares, shares[:, :1].expand_as(shares))  # one place a picture
    assert shares[0, 0] != shares[1, 0]


def test_gradient_penalty_trains_the_critic_only():
    factor = torch.tensor(0.5, requires_grad=True)
    restored = torch.zeros(2, 3, 2, 2, requires_grad=True)
    penalty(lambda x: factor * x.square().sum(dim=(1, 2, 3)), restored=restored).backward()
    assert factor.grad.abs() > 0
    assert restored.grad is None
    with pytest.raises(ShapeError):
        penalty(lambda x: x, restored=torch.zeros(1, 3, 2, 2))


# Flow


def test_end_point_error_by_hand():
    """Level 2 of 4x4 is half a unit off everywhere; of its two positions, level 3's one is off by the mean motion."""
    truth = torch.zeros(1, 2, 4, 8)
    truth[:, 0, :, 4:] = 6.0  # the right half moves by 6, so 3 on average
    levels = [torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)[..., :1]]
    levels[0][0, 0] = 6.0 / 4  # in pixels of its own resolution: right on the right, 6 off on the left
    with pytest.raises(ShapeError, match="does not belong"):
        losses.multiscale_epe(levels, truth, weights=[1.0, 0.5], unit=2.0)
    square = torch.cat((truth, truth), dim=2)
    levels = [levels[0].expand(1, 2, 2, 2), torch.zeros(1, 2, 1, 1)]
    finest, coarsest = (6 + 0) / 2 / 2, 3 / 2
    expected = 1.0 * finest + 0.5 * coarsest / 4  # one position to four
    assert losses.multiscale_epe(levels, square, weights=[1.0, 0.5], unit=2.0).item() == pytest.approx(expected)


def test_end_point_error_of_the_truth_is_nothing_and_does_not_grow_with_batch_or_crop():
    truth = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(3))
    exact = [torch.nn.functional.avg_pool2d(truth, scale) / scale for scale in (4, 8)]
    assert losses.multiscale_epe(exact, truth, weights=[1.0, 2.0]).item() == pytest.approx(0, abs=1e-7)
    wrong = [(level + 1).requires_grad_() for level in exact]
    one = losses.multiscale_epe(wrong, truth, weights=[1.0, 2.0])
    more = losses.multiscale_epe([level.repeat(2, 1, 3, 3) for level in wrong], truth.repeat(2, 1, 3, 3), weights=[1.0, 2.0])
    torch.testing.assert_close(one, more)
    assert not torch.isclose(one, losses.multiscale_epe(wrong, truth, weights=[1.0, 1.0]))
    assert not torch.isclose(one, losses.multiscale_epe(wrong, truth, weights=[1.0, 2.0], unit=10.0))
    with pytest.raises(ShapeError, match="one weight for each level"):
        losses.multiscale_epe(wrong, truth, weights=[1.0])


def test_end_point_error_has_a_gradient_at_the_truth():
    still = torch.zeros(1, 2, 4, 4, requires_grad=True)
    losses.multiscale_epe([still], torch.zeros(1, 2, 8, 8), weights=[1.0]).backward()
    assert still.grad.isfinite().all()


def kernels(*places: tuple[int, int]) -> torch.Tensor:
    """One kernel of 7x7 for each place, with all its light there."""
    kernel = torch.zeros(len(places), 7, 7)
    for each, (row, column) in zip(kernel, places, strict=True):
        each[row, column] = 1
    return kernel


def test_kernel_error_by_hand():
    """A kernel and the same one pixel to the right: at each frequency, their transforms are 2 sin(pi f) apart."""
    across = torch.fft.rfftfreq(14).expand(14, 8)
    counts = (torch.fft.fftfreq(14)[:, None] ** 2 + across**2 + 1e-4) ** -0.5
    error = (counts * (2 * torch.sin(torch.pi * across)) ** 2).sum() / counts.sum()
    assert losses.log_kernel(kernels((3, 4)), kernels((3, 3)), floor=0) == pytest.approx(float(error.log()), rel=1e-5)


def test_kernel_error_grows_with_the_distance_and_ends_at_the_floor():
    truth = kernels((3, 3))
    found = [float(losses.log_kernel(kernels((3, 3 + far)), truth)) for far in range(4)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(math.log(1e-5))


def test_kernels_that_reach_far_count_for_more():
    """Wrong by a pixel in the one that blurs nothing, or in one of two ends six pixels apart."""
    far = (kernels((3, 0)) + kernels((3, 6))) / 2
    truth = torch.cat([kernels((3, 3)), far])
    wrong_near, wrong_far = torch.cat([kernels((3, 4)), far]), torch.cat([kernels((3, 3)), far.roll(1, 1)])
    assert losses.log_kernel(wrong_far, truth) > losses.log_kernel(wrong_near, truth) + 1


def test_kernel_error_has_a_gradient_at_the_truth():
    found = kernels((3, 3), (2, 4)).requires_grad_()
    losses.log_kernel(found, found.detach().clone()).backward()
    assert found.grad.isfinite().all()
