"""Deformable sampling on a GPU by kernels of its own: when they are chosen, and their place in the differentiation.

The plain operations of `unblur.layers.deform` pass over memory many times: positions, shares and rows of a table for every
tap. Here one kernel (Triton) goes from offsets to what the taps read, times the mask there, and one goes back. The product with the
weights, most of the arithmetic, is left to torch.

The kernels were checked against the plain operations in Triton's interpreter, which runs them on a processor
(`tests/layers/test_fused.py`); they have been timed on no GPU. Therefore each device is tried first: on a small example, values and
derivatives have to agree with the plain operations, or those are used, with a warning.
"""

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unblur.layers.concatenate import compute_dtype
from unblur.layers.sampling import bilinear_read, pixel_grid
from unblur.layers.traced import is_traced

__all__ = ["is_chosen", "read_taps"]

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def is_chosen(feat: Tensor, *others: Tensor | None) -> bool:
    """Whether the kernels are to be used for these inputs.

    They are on a CUDA device where Triton is installed and the kernels have passed their trial, but not in double precision, not
    where torch compiles, exports or traces (the plain operations are what it can look into), and not where
    deterministic algorithms are asked for (derivatives are summed up in any order).
    """
    return (
        feat.device.type == "cuda"
        and all(tensor.dtype in _DTYPES for tensor in (feat, *others) if tensor is not None)
        and not torch.are_deterministic_algorithms_enabled()
        and not is_traced(feat)
        and _work_on(feat.device)
    )


def read_taps(feat: Tensor, offset: Tensor, *, kernel: tuple[int, int], mask: Tensor | None = None) -> Tensor:
    """What each tap of a deformable convolution reads, times the mask read at the same position.

    Args:
        feat: features.
        offset: (dy, dx) of tap 0, then of tap 1, ... in pixels.
        kernel: height and width of the kernel, odd; K is their product.
        mask: of each position.

    Returns:
        A row for each output position, the channels of tap 0, then of tap 1, ...; in the precision of autocast, or of `feat`.
        Positions, reading and derivatives are in single precision.

    Shape:
        feat (B, C, H, W); offset (B, 2K, H, W); mask (B, 1, H, W) -> (B * H * W, K * C)
    """
    columns: Tensor = _ReadTaps.apply(feat, offset, mask, kernel, compute_dtype(feat))  # type: ignore[no-untyped-call]
    return columns


class _ReadTaps(torch.autograd.Function):
    """`read_taps` and its derivatives by features, offsets and mask."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        feat: Tensor,
        offset: Tensor,
        mask: Tensor | None,
        kernel: tuple[int, int],
        dtype: torch.dtype,
    ) -> Tensor:
        from unblur.layers import fused_kernels

        pixels, offset = feat.permute(0, 2, 3, 1).contiguous(), offset.contiguous()
        mask = None if mask is None else mask.contiguous()
        ctx.save_for_backward(pixels, offset, mask)
        ctx.kernel, ctx.dtypes = kernel, (feat.dtype, offset.dtype, None if mask is None else mask.dtype)
        return fused_kernels.read_taps(pixels, offset, mask, kernel=kernel, dtype=dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        from unblur.layers import fused_kernels

        pixels, offset, mask = ctx.saved_tensors
        by_feat, by_offset, by_mask = fused_kernels.scatter_taps(grad.contiguous(), pixels, offset, mask, kernel=ctx.kernel)
        of_feat, of_offset, of_mask = ctx.dtypes
        return (
            by_feat.permute(0, 3, 1, 2).to(of_feat),
            by_offset.to(of_offset),
            None if by_mask is None else by_mask.to(of_mask),
            None,
            None,
        )


@cache
def _work_on(device: torch.device) -> bool:
    """Whether the kernels can be built and give the right numbers there; says so once if they do not."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    try:
        worst = _trial(device)
        if worst <= 1e-4:
            return True
        reason = f"its results differ by {worst:.1g}"
    except Exception as error:  # noqa: BLE001 - whatever Triton meets, such as a machine without a compiler
        reason = f"{type(error).__name__}: {error}"
    warnings.warn(f"the fused deformable sampling does not work on `{device}` ({reason}); plain operations are used", stacklevel=2)
    return False


def _trial(device: torch.device) -> float:
    """The largest difference of values and derivatives from those of plain operations on a small example."""
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        generator = torch.Generator().manual_seed(0)
        shapes = (2, 20, 6, 7), (2, 18, 6, 7), (2, 1, 6, 7)
        inputs = [torch.randn(shape, generator=generator).to(device).requires_grad_() for shape in shapes]
        results = [
            (columns, *torch.autograd.grad(columns.square().sum() / 100, inputs))
            for columns in (read_taps(inputs[0], inputs[1], kernel=(3, 3), mask=inputs[2]), _read_plainly(*inputs))
        ]
        return max(float((one - other).detach().abs().max()) for one, other in zip(*results, strict=True))


def _read_plainly(feat: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """`read_taps` for a 3x3 kernel, by plain operations."""
    rows, columns = pixel_grid(feat, dtype=offset.dtype)
    read = []
    for tap in range(9):
        y, x = offset[:, 2 * tap] + rows + tap // 3 - 1, offset[:, 2 * tap + 1] + columns + tap % 3 - 1
        read.append((bilinear_read(feat, y, x) * bilinear_read(mask, y, x)).permute(0, 2, 3, 1).flatten(0, 2))
    return torch.cat(read, dim=1)
