"""A network that refines blur kernels estimated from noisy pictures, and measurements that tell how reliable a kernel is."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, pad

from unblur.layers.kernel_evidence import BANDS, EVIDENCE_CHANNELS, spectral_correlation
from unblur.layers.unet import UNet

__all__ = ["CONFIDENCE_CHANNELS", "KernelRefiner", "kernel_confidence"]

CONFIDENCE_CHANNELS = 5 + 2 * (len(BANDS) - 1)
"""Numbers that `kernel_confidence` gives."""

_PRIOR = 1e-5  # light that each pixel of a kernel has at least, so that the network can raise it
_LOGIT_SCALE = 4.0  # change of a kernel's logarithm for a network output of 1
_KERNEL_SCALE = 10.0  # factor on the channels that are kernels, to bring them to the range of the others


class KernelRefiner(nn.Module):
    """Turns a rough kernel and the evidence for it into the kernel of a smooth camera trajectory, with the middle of the exposure as origin.

    An estimated kernel of a noisy picture is thick and ragged, and its origin is unknown. A U-Net sees it beside the evidence and adds to its logarithm.
    Decided here, no paper's.

    Args:
        widths: features at the resolution of the kernel, at half of it, ...
        blocks: residual blocks there, see `UNet`.
    """

    def __init__(self, *, widths: tuple[int, ...] = (64, 128, 192), blocks: tuple[int, ...] = (1, 2, 2)) -> None:
        super().__init__()
        self.unet = UNet(in_channels=EVIDENCE_CHANNELS, out_channels=1, widths=widths, blocks=blocks)

    def forward(self, evidence: Tensor) -> Tensor:
        """Refined kernels of sum 1; untrained, the estimated ones.

        Args:
            evidence: see `unblur.layers.kernel_evidence.kernel_evidence`.

        Shape:
            (N, 8, K, K) -> (N, K, K)
        """
        estimated, size = evidence[:, 0], evidence.shape[-1]
        inputs = torch.cat([evidence[:, :2] * _KERNEL_SCALE, evidence[:, 2:]], dim=1)
        extra = -size % self.unet.size_multiple
        change = self.unet(pad(inputs, (0, extra, 0, extra)))[:, 0, :size, :size].float()  # (N, K, K)
        logits = _LOGIT_SCALE * change + torch.log(estimated + _PRIOR)
        return logits.flatten(1).softmax(dim=1).view_as(estimated)


@torch.no_grad()
def kernel_confidence(kernel: Tensor, evidence: Tensor, light: Tensor) -> Tensor:
    """Measurements from which a network can tell whether a refined kernel is the true one.

    A kernel is more often right where refinement changed little, where the correlations of the window agree with it, and where its zeros show in the window's spectrum.

    Args:
        kernel: refined, see `KernelRefiner`.
        evidence: from which it was made.
        light: the windows, linear, one channel.

    Returns:
        Cosine similarity of the kernel with channels 0, 1 and 2 of the evidence; the largest correlation (channel 2); the norm of the kernel, 1 for no blur; and the
        eight numbers of `unblur.layers.kernel_evidence.spectral_correlation`.

    Shape:
        (N, K, K), (N, 8, K, K), (N, H, W) -> (N, 13)
    """
    maps = evidence[:, :3].flatten(2)  # (N, 3, K·K)
    similarity = cosine_similarity(maps, kernel.flatten(1)[:, None], dim=-1)  # (N, 3)
    numbers = [similarity, maps[:, 2:].amax(-1), kernel.flatten(1).norm(dim=1, keepdim=True), spectral_correlation(light, kernel)]
    return torch.cat(numbers, dim=1)
