"""Which path a hand would have drawn, where a kernel was found that a noisy picture has left thick, ragged and out of place."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, pad

from unblur.layers.kernel_estimation import BANDS, EVIDENCE, spectral_correlation
from unblur.layers.unet import UNet

__all__ = ["CONFIDENCE", "KernelRefiner", "kernel_confidence"]

CONFIDENCE = 5 + 2 * (len(BANDS) - 1)
"""Numbers of `kernel_confidence`."""

_LEAST = 1e-5  # of the light, that the network takes to be everywhere: it can find a path where none was
_SHARPER = 4.0  # logarithm by which a network that says 1 raises the light of a place
_KERNELS = 10.0  # by which maps that are kernels are raised, to be about as large as the others


class KernelRefiner(nn.Module):
    """Sees what a window says of its kernel, and says how much light fell where, counted from where the middle of the exposure was.

    Args:
        widths: features at the resolution of the kernel, at a half, ...
        blocks: residual blocks there, see `UNet`.
    """

    def __init__(self, *, widths: tuple[int, ...] = (64, 128, 192), blocks: tuple[int, ...] = (1, 2, 2)) -> None:
        super().__init__()
        self.unet = UNet(in_channels=EVIDENCE, out_channels=1, widths=widths, blocks=blocks)

    def forward(self, evidence: Tensor) -> Tensor:
        """Untrained, it says what was found.

        Args:
            evidence: see `unblur.layers.kernel_estimation.evidence`.

        Returns:
            kernels of sum 1, with their middle where the middle of the exposure is.

        Shape:
            (N, 8, K, K) -> (N, K, K)
        """
        found, size = evidence[:, 0], evidence.shape[-1]
        seen = torch.cat([evidence[:, :2] * _KERNELS, evidence[:, 2:]], dim=1)
        more = -size % self.unet.size_multiple
        said = self.unet(pad(seen, (0, more, 0, more)))[:, 0, :size, :size].float()  # (N, K, K)
        light = _SHARPER * said + torch.log(found + _LEAST)
        return light.flatten(1).softmax(dim=1).view_as(found)


@torch.no_grad()
def kernel_confidence(path: Tensor, evidence: Tensor, light: Tensor) -> Tensor:
    """What tells whether a path is the true one, as numbers of its window.

    A path that little was changed for, that the picture tells of again once edges are put as it would have them, and that shows in the picture's
    spectrum, is more often true.

    Args:
        path: what was made of the kernels, see `KernelRefiner`.
        evidence: of what it was made.
        light: windows in linear light, one channel, of which that is the evidence.

    Returns:
        how alike the path is to the kernel that was found, to the least-squares kernel and to the correlation, as cosines; how strongly edges and light are
        correlated at most; how little the light is spread, 1 where nothing is blurred; and the numbers of `unblur.layers.kernel_estimation.spectral_correlation`.

    Shape:
        (N, K, K), (N, 8, K, K), (N, H, W) -> (N, 13)
    """
    told = evidence[:, :3].flatten(2)  # (N, 3, K·K)
    alike = cosine_similarity(told, path.flatten(1)[:, None], dim=-1)  # (N, 3)
    return torch.cat([alike, told[:, 2:].amax(-1), path.flatten(1).norm(dim=1, keepdim=True), spectral_correlation(light, path)], dim=1)
