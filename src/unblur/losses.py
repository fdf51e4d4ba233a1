"""Losses: pure functions of what a network restored and of the truth, each returning one number.

Every mean is over all elements: pictures of the batch, channels, rows and columns, so that a loss does not grow with
the crop or the batch. Losses over scales take the list that `Net.forward_scales` gives and bring the truth
to the size of each of its entries themselves. What autocast left in half precision is compared in float32.

Adversarial losses take logits, the discriminator's output before its sigmoid.
"""

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, softplus

from unblur.errors import ShapeError
from unblur.layers.pyramid import area_halve, gaussian_halve

__all__ = [
    "adversarial_discriminator",
    "adversarial_generator",
    "charbonnier",
    "edge",
    "frequency",
    "gradient_penalty",
    "l1",
    "log_kernel",
    "log_mse",
    "mse",
    "multiscale_content",
    "multiscale_epe",
    "multiscale_mse",
    "relativistic_average",
    "shifted_charbonnier",
    "wasserstein_critic",
    "wasserstein_generator",
]


def mse(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean squared error.

    Raises:
        ShapeError: if the shapes differ; so do all losses that compare two pictures.

    Example:
        >>> mse(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0]))
        tensor(0.5000)
    """
    return _difference(restored, sharp).square().mean()


def l1(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute error."""
    return _difference(restored, sharp).abs().mean()


def charbonnier(restored: Tensor, sharp: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Mean of sqrt(difference^2 + epsilon^2): the absolute error, smooth at zero, where it is epsilon.

    Source: Charbonnier et al. (ICIP 1994); epsilon as in Lai et al. (CVPR 2017).
    """
    return (_difference(restored, sharp).square() + epsilon**2).sqrt().mean()


def shifted_charbonnier(restored: Tensor, sharp: Tensor, *, reach: int = 3, epsilon: float = 1e-3) -> Tensor:
    """`charbonnier` after each restored picture was laid over the truth where it fits best: at a shift of whole pixels, the nearest of equal ones.

    The position of the sharp picture within the exposure does not follow from the blurry one where the camera moves unevenly. Compared as it
    lies, such a picture teaches a network to restore all positions at once, which is blur. This loss does not say where pictures should lie: add some of
    `charbonnier`, so that they do not wander.

    Decided, no paper's; the pixels within `reach` of a border, which have no counterpart at every shift, do not count.

    Args:
        restored: what a network made.
        sharp: the truth.
        reach: largest shift along each axis, pixels.
        epsilon: as for `charbonnier`.

    Shape:
        two of (B, C, H, W), H and W above 2 · reach -> ()

    Raises:
        ShapeError: if the shapes differ or a side is too short.
    """
    if min(restored.shape[-2:]) <= 2 * reach:
        raise ShapeError(f"shifts of up to {reach} pixels need pictures of more than {2 * reach} pixels, got {tuple(restored.shape)}")
    error = _difference(restored, sharp)  # of the same shape
    height, width = (side - 2 * reach for side in error.shape[-2:])
    inner = restored[..., reach : reach + height, reach : reach + width]
    shifts = sorted(product(range(2 * reach + 1), repeat=2), key=lambda at: (at[0] - reach) ** 2 + (at[1] - reach) ** 2)
    windows = [sharp[..., top : top + height, left : left + width] for top, left in shifts]
    with torch.no_grad():
        errors = torch.stack([_difference(inner, window).square().flatten(1).mean(dim=1) for window in windows])  # (shifts, B)
    aligned = torch.stack([windows[best][number] for number, best in enumerate(errors.argmin(dim=0).tolist())])
    return charbonnier(inner, aligned, epsilon=epsilon)


def log_mse(restored: Tensor, sharp: Tensor, *, floor: float = 3e-6) -> Tensor:
    """Mean over the batch of the logarithm of each picture's mean squared error: its negative PSNR, but for the scale.

    A picture with little blur counts as much as one with much, so that what is nearly sharp is not harmed.

    Source: the PSNR loss of Chen et al. (ECCV 2022); decided: `floor` is added to the error, so that a perfect
    picture, below which 8 bits do not go, no longer pulls.

    Shape:
        two of (B, ...) -> ()
    """
    error = _difference(restored, sharp).square().flatten(1).mean(dim=1)
    return (error + floor).log().mean()


def log_kernel(found: Tensor, truth: Tensor, *, floor: float = 1e-5) -> Tensor:
    """Mean over the batch of the logarithm of each kernel's error, as what it does to a picture.

    The error is that of the kernel's Fourier transform, squared, where frequencies count as pictures have light there: in inverse proportion
    to how high they are. Kernels count in proportion to how far they reach (the standard deviation of their places), since one that
    blurs nothing is soon found, and teaches nothing.

    Decided, all of it: no paper's. `floor` is added to the error, so that what is as good as exact no longer pulls.

    Shape:
        two of (B, K, K), of sum 1 each -> ()
    """
    size = truth.shape[-1]
    difference = torch.fft.rfft2(_difference(found, truth), s=(2 * size, 2 * size))
    down, across = (each(2 * size, device=truth.device) for each in (torch.fft.fftfreq, torch.fft.rfftfreq))
    counts = (down[:, None].square() + across.square() + 1e-4).rsqrt()  # cycles a pixel; a kernel's sum is known
    error = (counts / counts.sum() * difference.abs().square()).sum((1, 2))  # (B,)
    place = torch.arange(size, device=truth.device, dtype=truth.dtype)
    spans = [(share * place.square()).sum(1) - (share * place).sum(1).square() for share in (truth.sum(1), truth.sum(2))]
    reach = sum(spans, torch.zeros_like(error)).clamp_min(0.05).sqrt()  # (B,), pixels
    return ((error + floor).log() * reach).sum() / reach.sum()


def edge(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of the Laplacians (sum of the four neighbours minus four times the pixel), inside.

    Decided: the outermost pixels, which lack a neighbour, do not count.

    Shape:
        two of (..., H, W), H and W at least 3 -> ()

    Raises:
        ShapeError: if the shapes differ or a side is shorter than 3.
    """
    difference = _difference(restored, sharp)  # the Laplacian is linear
    if min(difference.shape[-2:]) < 3:
        raise ShapeError(f"the edge loss needs pictures of at least 3x3, got {tuple(difference.shape)}")
    centre = difference[..., 1:-1, 1:-1]
    vertical = difference[..., :-2, 1:-1] + difference[..., 2:, 1:-1]
    horizontal = difference[..., 1:-1, :-2] + difference[..., 1:-1, 2:]
    return (vertical + horizontal - 4 * centre).abs().mean()


def frequency(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of the real and imaginary parts of the two-dimensional Fourier transforms.

    Source: Cho et al. (ICCV 2021), the multi-scale frequency reconstruction loss, at one scale.
    Decided: the transform is orthonormal, so that the loss does not grow with the crop.

    Shape:
        two of (..., H, W) -> ()
    """
    spectrum = torch.fft.fft2(_difference(restored, sharp), norm="ortho")  # the transform is linear
    return torch.view_as_real(spectrum).abs().mean()


def multiscale_content(restored: Sequence[Tensor], sharp: Tensor, *, halve: Callable[[Tensor], Tensor] = gaussian_halve) -> Tensor:
    """Multi-scale content loss: 1/(2K) * sum over k of 1/(c_k w_k h_k) * ||L_k - S_k||^2.

    Source: Nah et al. (CVPR 2017), eq. (4); S_k is the Gaussian pyramid of the truth.
    State normalisation: each scale is the mean over its own elements (and over the batch), so that all scales weigh the
    same whatever their size; half of the mean over the scales.

    Args:
        restored: outputs of the scales, finest first.
        sharp: the truth at the finest size.
        halve: how the truth is brought to the next coarser size.

    Shape:
        restored: (B, C, H/2^i, W/2^i) each, equal sizes allowed; sharp (B, C, H, W) -> ()

    Raises:
        ShapeError: if an output is neither of the truth's size nor of one of its halvings.
    """
    return _over_scales(restored, sharp, halve) / (2 * len(restored))


def multiscale_mse(restored: Sequence[Tensor], sharp: Tensor, *, halve: Callable[[Tensor], Tensor] = area_halve) -> Tensor:
    """Multi-scale mean squared error: sum over i of 1/N_i * ||S_i - GT_i||^2.

    Source: Tang et al. (2022), eq. (17); the same as Tao et al. (CVPR 2018) with unit weights.
    Decided: N_i counts the elements of scale i, channels included.

    Args:
        restored: outputs of the scales, finest first.
        sharp: the truth at the finest size.
        halve: how the truth is brought to the next coarser size.

    Shape:
        restored: (B, C, H/2^i, W/2^i) each, equal sizes allowed; sharp (B, C, H, W) -> ()

    Raises:
        ShapeError: if an output is neither of the truth's size nor of one of its halvings.
    """
    return _over_scales(restored, sharp, halve)


def multiscale_epe(flows: Sequence[Tensor], flow: Tensor, *, weights: Sequence[float], unit: float = 20.0) -> Tensor:
    """Multi-scale end-point error: the sum over levels l of alpha_l * sum over positions x of |w_l(x) - w_GT,l(x)|.

    Source: Sun et al. (CVPR 2018), section 3, "Training loss" (as Dosovitskiy et al., ICCV 2015): the true flow divided by 20
    and brought to each level's size, whose values are not scaled further.
    Decided: the true flow is brought there by the mean over areas; the sum over positions is divided by the number of positions
    of the finest level and of pictures, so that the levels weigh against each other as published, on any crop and batch; all
    positions count, also those that are covered or outside in the other frame. The published penalty on the weights is left to
    the optimiser.

    Args:
        flows: estimates of the levels, finest first, (dx, dy) in pixels of their own resolution.
        flow: the truth at full resolution, in its pixels.
        weights: alpha of each level, finest first.
        unit: pixels at full resolution that count as 1.

    Shape:
        flows (B, 2, H/2^i, W/2^i) each; flow (B, 2, H, W) -> ()

    Raises:
        ShapeError: if an estimate's size does not divide the truth's, or there are not as many weights as estimates.

    Example:
        >>> still, truth = torch.zeros(1, 2, 2, 2), torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        >>> multiscale_epe([still], truth, weights=[2.0], unit=10.0)  # 5 pixels are half a unit
        tensor(1.)
    """
    if not flows or len(flows) != len(weights):
        raise ShapeError(f"there must be one weight for each level of the flow, got {len(weights)} weights for {len(flows)} level(s)")
    flow = _at_least_float32(flow)
    positions = flows[0].shape[-2] * flows[0].shape[-1]
    total = flow.new_zeros(())
    for weight, estimate in zip(weights, flows, strict=True):
        scale = flow.shape[-1] // max(estimate.shape[-1], 1)
        if (flow.shape[0], 2, estimate.shape[-2] * scale, estimate.shape[-1] * scale) != tuple(flow.shape) or estimate.shape[1] != 2:
            raise ShapeError(f"an estimate of {tuple(estimate.shape)} does not belong to a flow of {tuple(flow.shape)}")
        error = (_at_least_float32(estimate) * scale - avg_pool2d(flow, scale)) / unit
        total = total + weight * error.norm(dim=1).mean() * (estimate.shape[-2] * estimate.shape[-1] / positions)
    return total


def adversarial_discriminator(sharp_logits: Tensor, restored_logits: Tensor) -> Tensor:
    """What the discriminator minimises: -E[log D(S)] - E[log(1 - D(G(B)))].

    Source: Nah et al. (CVPR 2017), eq. (5), whose maximum over D is sought.

    Example:
        >>> adversarial_discriminator(torch.zeros(1), torch.zeros(1))  # undecided: 2 log 2
        tensor(1.3863)
    """
    return softplus(-_at_least_float32(sharp_logits)).mean() + softplus(_at_least_float32(restored_logits)).mean()


def adversarial_generator(restored_logits: Tensor, *, saturating: bool = True) -> Tensor:
    """What the generator minimises: E[log(1 - D(G(B)))]; the term of eq. (5) that depends on it.

    Source: Nah et al. (CVPR 2017), eq. (5), weighted by 1e-4 in eq. (6).

    Args:
        restored_logits: the discriminator's output for restored pictures.
        saturating: true for the source's form; false for -E[log D(G(B))] (Goodfellow et al., 2014), whose gradient does not
            vanish while the discriminator is sure.
    """
    logits = _at_least_float32(restored_logits)
    return -softplus(logits).mean() if saturating else softplus(-logits).mean()


def relativistic_average(higher_logits: Tensor, lower_logits: Tensor) -> Tensor:
    """Relativistic average loss: -E[log σ(H - E[L])] - E[log(1 - σ(L - E[H]))] for logits H that shall be above the mean of the logits L.

    The discriminator minimises it with the real pictures first, the generator with its own first.

    Source: Jolicoeur-Martineau (ICLR 2019), as Zhang et al. (CVPR 2020) use it for blurry pictures.

    Example:
        >>> relativistic_average(torch.ones(2), torch.ones(2))  # undecided: 2 log 2
        tensor(1.3863)
    """
    higher, lower = _at_least_float32(higher_logits), _at_least_float32(lower_logits)
    return softplus(lower.mean() - higher).mean() + softplus(lower - higher.mean()).mean()


def wasserstein_critic(sharp_scores: Tensor, restored_scores: Tensor) -> Tensor:
    """What a critic minimises, apart from `gradient_penalty`: E[D(G(B))] - E[D(S)].

    Source: Arjovsky et al. (2017), as Kupyn et al. (CVPR 2018) use it.
    """
    return _at_least_float32(restored_scores).mean() - _at_least_float32(sharp_scores).mean()


def wasserstein_generator(restored_scores: Tensor) -> Tensor:
    """What the generator minimises against a critic: -E[D(G(B))].

    Source: Kupyn et al. (CVPR 2018).
    """
    return -_at_least_float32(restored_scores).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], sharp: Tensor, restored: Tensor, *, generator: torch.Generator, weight: float = 10.0
) -> Tensor:
    """Penalty on a critic whose gradient between the sharp and the restored pictures is not of length 1.

    Source: Gulrajani et al. (NeurIPS 2017), eq. (3).

    Args:
        critic: gives scores for a batch of pictures, of any shape after the batch; those of one picture are averaged.
        sharp: true pictures.
        restored: restored pictures; no gradient reaches them.
        generator: draws, for each picture, the place between the two; a CPU generator serves every device.
        weight: the source's lambda.

    Shape:
        sharp, restored (B, C, H, W) -> ()
    """
    _check_same(restored, sharp)
    share = torch.rand((sharp.shape[0], 1, 1, 1), generator=generator, device=generator.device).to(sharp)
    between = torch.lerp(restored.detach(), sharp.detach(), share).requires_grad_()
    scores = critic(between).reshape(len(sharp), -1).mean(dim=1).sum()  # the gradient of the sum keeps the pictures apart
    (gradient,) = torch.autograd.grad(scores, between, create_graph=True)
    length = _at_least_float32(gradient).flatten(1).norm(dim=1)
    return weight * (length - 1).square().mean()


def _over_scales(restored: Sequence[Tensor], sharp: Tensor, halve: Callable[[Tensor], Tensor]) -> Tensor:
    if not restored:
        raise ShapeError("restored holds no scale; call the network's `forward_scales`")
    sharp = _at_least_float32(sharp)
    total = sharp.new_zeros(())
    for image in restored:
        while sharp.shape[-1] > image.shape[-1]:
            sharp = halve(sharp)
        total = total + mse(image, sharp)
    return total


def _difference(restored: Tensor, sharp: Tensor) -> Tensor:
    _check_same(restored, sharp)
    return _at_least_float32(restored) - _at_least_float32(sharp)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _check_same(restored: Tensor, sharp: Tensor) -> None:
    if restored.shape != sharp.shape:
        raise ShapeError(f"restored and sharp must have the same shape, got {tuple(restored.shape)} and {tuple(sharp.shape)}")
