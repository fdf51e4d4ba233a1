"""Flow without a network."""

import numpy as np
import torch
from torch import Tensor

from unblur.flow import quick_flow
from unblur.layers.check import check_shape
from unblur.pixels import to_pixels

__all__ = ["inverse_search"]


@torch.no_grad()
def inverse_search(reference: Tensor, neighbour: Tensor) -> Tensor:
    """Flow from a reference to a neighbour by dense inverse search, on the processor, wherever the pictures are; no gradient flows.

    What a network makes of pictures unlike those that it was taught by may be far off; this compares brightness and nothing else.

    Args:
        reference: pictures in [0, 1].
        neighbour: the pictures to which they moved.

    Shape:
        (B, 3, H, W) each -> (B, 2, H, W), (dx, dy) in pixels, single precision; 0 in pictures of less than 12 pixels

    Source:
        Kroeger et al., "Fast optical flow using dense inverse search" (ECCV 2016), as OpenCV has it.
    """
    check_shape(reference, ("B", 3, "H", "W"), name="reference")
    check_shape(neighbour, tuple(reference.shape), name="neighbour")
    found: Tensor = _search(reference, neighbour)
    return found


@torch.library.custom_op("unblur::inverse_search", mutates_args=())  # for torch, one operation that it neither traces nor looks into
def _search(reference: Tensor, neighbour: Tensor) -> Tensor:
    pairs = ([to_pixels(each.float(), np.uint8) for each in pair] for pair in zip(reference, neighbour, strict=True))
    flows = [quick_flow(np.ascontiguousarray(one), np.ascontiguousarray(other)) for one, other in pairs]
    return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous().to(reference.device)


@_search.register_fake
def _like(reference: Tensor, neighbour: Tensor) -> Tensor:  # noqa: ARG001
    return reference.new_empty((reference.shape[0], 2, *reference.shape[-2:]), dtype=torch.float32)
