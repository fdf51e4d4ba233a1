"""`l0`: blind deconvolution with one blur kernel for the whole picture. There is nothing to train.

Source: Xu, Zheng, Jia, "Unnatural L0 Sparse Representation for Natural Image Deblurring", CVPR 2013.

    B ── linear light y ──┬── luma ── edges of few gradients (L0) ⇄ kernel, coarse to fine ── k ──┐
                          │                                                                       │
                          └── mirrored border ── deconvolution with a hyper-Laplacian prior ◄─────┘
                                                           │
                                                        restored

No parameters. On GoPro (test) Tang et al. (2022) measured 22.00 dB / 0.7665: blur that differs from place to place has no single kernel.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from unblur.layers.blind_deconvolution import WHITE_LEVEL
from unblur.layers.check import check_multiple, check_shape
from unblur.layers.deconvolution import edge_taper, hyper_laplacian
from unblur.layers.kernel_estimation import ITERATIONS, KernelWindows, estimate_kernel, prepare_windows, sharp_edges
from unblur.layers.kernel_input import normalise_contrast, unsaturated
from unblur.layers.kernels import centre_kernel, exposure_midpoint, kernel_spectrum
from unblur.layers.light import GAMMA, MIN_LIGHT, luma
from unblur.models.base import Net
from unblur.models.diagnostic import Diagnostic

__all__ = ["L0", "SMALLEST_SIDE"]

SMALLEST_SIDE = 24
"""Pictures with a shorter side, in pixels, are returned as they are: too little is seen in them to find a kernel."""


class L0(Net):
    """Estimate the kernel that blurred the picture, and deconvolve the picture with it.

    Eq. (5) and (6) of the source alternate in `unblur.layers.kernel_estimation`, which says what differs from the source; the last step, section 3.3, is
    `unblur.layers.deconvolution.hyper_laplacian`.
    Decided: pictures are brought to linear light, where blur is a convolution; the kernel is estimated from luma, without the surroundings of clipped
    highlights; the middle of the kernel is that of the exposure, which a blurry picture leaves open; borders are mirrored.

    Args:
        kernel_size: side of the kernel, pixels, odd; blur that reaches further than half of it is not found. The source leaves it to the user.
        iterations: of the alternation at full scale, at the next coarser one, ..., see `estimate_kernel`.
        data_weight: of the deconvolution, see `hyper_laplacian`.
        gamma: exponent from pixel values to linear light; 1 leaves them as they are.

    Attributes:
        global_context: true, for the kernel is that of the whole picture. A tile has a kernel of its own.
    """

    size_multiple = 1
    global_context = True
    preferred_tile = 2048
    precisions = ("fp32",)

    def __init__(
        self, *, kernel_size: int = 31, iterations: tuple[int, ...] = ITERATIONS, data_weight: float = 500.0, gamma: float = GAMMA
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0 or kernel_size < 3:
            raise ValueError(f"`kernel_size` must be odd and at least 3, got {kernel_size}")
        if not iterations or min(iterations) < 0 or not any(iterations):
            raise ValueError(f"`iterations` names iterations at each scale, some of them above 0, got {iterations}")
        if data_weight <= 0 or gamma <= 0:
            raise ValueError(f"`data_weight` and `gamma` must be above 0, got {data_weight} and {gamma}")
        self.kernel_size, self.iterations = kernel_size, tuple(iterations)
        self.data_weight, self.gamma = data_weight, gamma
        self.receptive_radius = 2 * kernel_size  # what lies further away changes little but by the kernel

    def forward(self, blurry: Tensor) -> Tensor:
        check_shape(blurry, ("B", 3, "H", "W"), name="blurry")
        check_multiple(blurry, self.size_multiple, name="blurry")
        height, width = blurry.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            return blurry.clone()
        with torch.autocast(blurry.device.type, enabled=False):
            light = blurry.float().clamp(0, 1) ** self.gamma  # y; (B, 3, H, W)
            kernel = self.estimate(self.windows(light))  # k; (B, K, K), eq. (5) and (6)
            border = min(self.kernel_size // 2, height - 1, width - 1)
            wide = edge_taper(pad(light, (border,) * 4, mode="reflect"), edge=border)  # (B, 3, H + 2·border, W + 2·border)
            latent = hyper_laplacian(wide, kernel=kernel_spectrum(kernel, wide.shape[-2:]), data_weight=self.data_weight)  # section 3.3
            inside = latent[..., border : border + height, border : border + width]
            return inside.clamp(MIN_LIGHT, 1.0) ** (1 / self.gamma)

    def windows(self, light: Tensor) -> KernelWindows:
        """What the kernel is estimated from, one window a picture: (B, 3, H, W) in linear light."""
        mask = unsaturated(light, white_level=WHITE_LEVEL, reach=self.kernel_size // 2)  # (B, H, W)
        return prepare_windows(normalise_contrast(luma(light)[:, 0], mask=mask), size=self.kernel_size, mask=mask)

    def estimate(self, windows: KernelWindows) -> Tensor:
        """The blur kernel of each picture, (B, K, K) of sum 1, with the middle of the exposure as origin."""
        kernel = estimate_kernel(windows, iterations=self.iterations)
        return centre_kernel(kernel, exposure_midpoint(kernel))

    def diagnostics(self, blurry: Tensor) -> list[Diagnostic]:
        """The kernel, and the sharp edges that it was found by, the source's unnatural representation."""
        if min(blurry.shape[-2:]) < SMALLEST_SIDE:
            return []
        windows = self.windows(blurry.float().clamp(0, 1) ** self.gamma)
        kernel = self.estimate(windows)
        edges = sharp_edges(windows, kernel, start=windows.light)[:, None]  # (1, 1, H, W)
        least, most = float(edges.min()), float(edges.max())
        return [
            Diagnostic(
                name="kernels",
                kind="kernel",
                caption="the kernel of the picture: bright where the camera rested, in the middle where it was in the middle of the exposure",
                rows=({"found": kernel.flatten(1)[..., None, None]},),
            ),
            Diagnostic(
                name="edges",
                kind="map",
                caption=f"the luma with few non-zero gradients that the kernel blurs into the picture: {least:.2f} violet to {most:.2f} yellow",
                rows=({"edges": edges},),
                value_range=(least, most),
            ),
        ]
