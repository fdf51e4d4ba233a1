"""Triton kernels of `unblur.layers.fused`: reading the taps of a deformable convolution, and the derivative of that.

Imported only where Triton is installed. One program handles a block of output positions and one tap; the channels of a pixel lie side
by side in memory, so that each of the four pixels around a position is read in one piece. Positions and sums are in single precision.
"""

from contextlib import nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["read_taps", "scatter_taps"]

_BLOCK = 1024  # values that a program holds of each of the four pixels, 8 a thread; not tuned on any GPU


@triton.jit
def _positions(offset, pixel, there, tap, height, width, KERNEL_HEIGHT: tl.constexpr, KERNEL_WIDTH: tl.constexpr):
    """Where a tap reads: first row and column of the four pixels, how far beyond them it lies, and the frame."""
    area = height * width
    frame = pixel // area
    place = pixel % area
    dy = offset + (frame * (2 * KERNEL_HEIGHT * KERNEL_WIDTH) + 2 * tap) * area + place
    y = tl.load(dy, mask=there, other=0.0).to(tl.float32) + (place // width + (tap // KERNEL_WIDTH - KERNEL_HEIGHT // 2)).to(tl.float32)
    x = tl.load(dy + area, mask=there, other=0.0).to(tl.float32) + (place % width + (tap % KERNEL_WIDTH - KERNEL_WIDTH // 2)).to(tl.float32)
    # From -2 and from size + 1 on none of the four pixels lies in the frame. What is not a number is not equal to itself, and stays that.
    near_y = tl.minimum(tl.maximum(y, -2.0), height + 1.0)
    near_x = tl.minimum(tl.maximum(x, -2.0), width + 1.0)
    top = tl.floor(tl.where(y == y, near_y, -2.0))
    left = tl.floor(tl.where(x == x, near_x, -2.0))
    down = tl.where(y == y, near_y, y) - top
    right = tl.where(x == x, near_x, x) - left
    return frame, top.to(tl.int32), left.to(tl.int32), down, right


@triton.jit
def _corner(frame, row, column, there, height, width):
    """Number of a pixel in the batch, and whether it lies in the frame."""
    inside = there & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return (frame * height + row) * width + column, inside


@triton.jit
def _read_taps(
    feat,
    offset,
    mask,
    columns,
    pixels,
    height,
    width,
    channels,
    MASKED: tl.constexpr,
    KERNEL_HEIGHT: tl.constexpr,
    KERNEL_WIDTH: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    tap = tl.program_id(1)
    pixel = tl.program_id(0).to(tl.int64) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    there = pixel < pixels
    frame, top, left, down, right = _positions(offset, pixel, there, tap, height, width, KERNEL_HEIGHT, KERNEL_WIDTH)
    up = 1.0 - down
    over = 1.0 - right
    at00, in00 = _corner(frame, top, left, there, height, width)
    at01, in01 = _corner(frame, top, left + 1, there, height, width)
    at10, in10 = _corner(frame, top + 1, left, there, height, width)
    at11, in11 = _corner(frame, top + 1, left + 1, there, height, width)
    s00 = up * over
    s01 = up * right
    s10 = down * over
    s11 = down * right
    if MASKED:
        factor = s00 * tl.load(mask + at00, mask=in00, other=0.0).to(tl.float32)
        factor += s01 * tl.load(mask + at01, mask=in01, other=0.0).to(tl.float32)
        factor += s10 * tl.load(mask + at10, mask=in10, other=0.0).to(tl.float32)
        factor += s11 * tl.load(mask + at11, mask=in11, other=0.0).to(tl.float32)
    for first in range(0, channels, BLOCK_CHANNELS):
        channel = first + tl.arange(0, BLOCK_CHANNELS)
        real = (channel < channels)[None, :]
        value = s00[:, None] * tl.load(feat + at00[:, None] * channels + channel[None, :], mask=in00[:, None] & real, other=0.0).to(
            tl.float32
        )
        value += s01[:, None] * tl.load(feat + at01[:, None] * channels + channel[None, :], mask=in01[:, None] & real, other=0.0).to(
            tl.float32
        )
        value += s10[:, None] * tl.load(feat + at10[:, None] * channels + channel[None, :], mask=in10[:, None] & real, other=0.0).to(
            tl.float32
        )
        value += s11[:, None] * tl.load(feat + at11[:, None] * channels + channel[None, :], mask=in11[:, None] & real, other=0.0).to(
            tl.float32
        )
        if MASKED:
            value *= factor[:, None]
        target = columns + (pixel * (KERNEL_HEIGHT * KERNEL_WIDTH) + tap)[:, None] * channels + channel[None, :]
        tl.store(target, value.to(columns.dtype.element_ty), mask=there[:, None] & real)


@triton.jit
def _scatter_taps(
    grad,
    feat,
    offset,
    mask,
    grad_feat,
    grad_offset,
    grad_mask,
    pixels,
    height,
    width,
    channels,
    MASKED: tl.constexpr,
    KERNEL_HEIGHT: tl.constexpr,
    KERNEL_WIDTH: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    tap = tl.program_id(1)
    pixel = tl.program_id(0).to(tl.int64) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    there = pixel < pixels
    frame, top, left, down, right = _positions(offset, pixel, there, tap, height, width, KERNEL_HEIGHT, KERNEL_WIDTH)
    up = 1.0 - down
    over = 1.0 - right
    at00, in00 = _corner(frame, top, left, there, height, width)
    at01, in01 = _corner(frame, top, left + 1, there, height, width)
    at10, in10 = _corner(frame, top + 1, left, there, height, width)
    at11, in11 = _corner(frame, top + 1, left + 1, there, height, width)
    s00 = up * over
    s01 = up * right
    s10 = down * over
    s11 = down * right
    if MASKED:
        m00 = tl.load(mask + at00, mask=in00, other=0.0).to(tl.float32)
        m01 = tl.load(mask + at01, mask=in01, other=0.0).to(tl.float32)
        m10 = tl.load(mask + at10, mask=in10, other=0.0).to(tl.float32)
        m11 = tl.load(mask + at11, mask=in11, other=0.0).to(tl.float32)
        factor = s00 * m00 + s01 * m01 + s10 * m10 + s11 * m11
    # The derivative by what is read is a sum over the channels with each of the four pixels; all else follows from these.
    g00 = tl.zeros([BLOCK_PIXELS], dtype=tl.float32)
    g01 = tl.zeros([BLOCK_PIXELS], dtype=tl.float32)
    g10 = tl.zeros([BLOCK_PIXELS], dtype=tl.float32)
    g11 = tl.zeros([BLOCK_PIXELS], dtype=tl.float32)
    for first in range(0, channels, BLOCK_CHANNELS):
        channel = first + tl.arange(0, BLOCK_CHANNELS)
        real = (channel < channels)[None, :]
        source = grad + (pixel * (KERNEL_HEIGHT * KERNEL_WIDTH) + tap)[:, None] * channels + channel[None, :]
        by_read = tl.load(source, mask=there[:, None] & real, other=0.0).to(tl.float32)
        by_value = by_read
        if MASKED:
            by_value = by_read * factor[:, None]
        to00 = at00[:, None] * channels + channel[None, :]
        to01 = at01[:, None] * channels + channel[None, :]
        to10 = at10[:, None] * channels + channel[None, :]
        to11 = at11[:, None] * channels + channel[None, :]
        g00 += tl.sum(by_read * tl.load(feat + to00, mask=in00[:, None] & real, other=0.0).to(tl.float32), axis=1)
        g01 += tl.sum(by_read * tl.load(feat + to01, mask=in01[:, None] & real, other=0.0).to(tl.float32), axis=1)
        g10 += tl.sum(by_read * tl.load(feat + to10, mask=in10[:, None] & real, other=0.0).to(tl.float32), axis=1)
        g11 += tl.sum(by_read * tl.load(feat + to11, mask=in11[:, None] & real, other=0.0).to(tl.float32), axis=1)
        tl.atomic_add(grad_feat + to00, s00[:, None] * by_value, mask=in00[:, None] & real)
        tl.atomic_add(grad_feat + to01, s01[:, None] * by_value, mask=in01[:, None] & real)
        tl.atomic_add(grad_feat + to10, s10[:, None] * by_value, mask=in10[:, None] & real)
        tl.atomic_add(grad_feat + to11, s11[:, None] * by_value, mask=in11[:, None] & real)
    by_y = over * (g10 - g00) + right * (g11 - g01)
    by_x = up * (g01 - g00) + down * (g11 - g10)
    if MASKED:
        by_factor = s00 * g00 + s01 * g01 + s10 * g10 + s11 * g11
        by_y = by_y * factor + by_factor * (over * (m10 - m00) + right * (m11 - m01))
        by_x = by_x * factor + by_factor * (up * (m01 - m00) + down * (m11 - m10))
        tl.atomic_add(grad_mask + at00, s00 * by_factor, mask=in00)
        tl.atomic_add(grad_mask + at01, s01 * by_factor, mask=in01)
        tl.atomic_add(grad_mask + at10, s10 * by_factor, mask=in10)
        tl.atomic_add(grad_mask + at11, s11 * by_factor, mask=in11)
    area = height * width
    target = grad_offset + (frame * (2 * KERNEL_HEIGHT * KERNEL_WIDTH) + 2 * tap) * area + pixel % area
    tl.store(target, by_y, mask=there)
    tl.store(target + area, by_x, mask=there)


def read_taps(feat: Tensor, offset: Tensor, mask: Tensor | None, *, kernel: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """What every tap reads, times the mask there.

    Shape:
        feat (B, H, W, C), contiguous; offset (B, 2K, H, W); mask (B, 1, H, W) -> (B * H * W, K * C) in `dtype`
    """
    batch, height, width, channels = feat.shape
    taps = kernel[0] * kernel[1]
    columns = torch.empty(batch * height * width, taps * channels, dtype=dtype, device=feat.device)
    grid, sizes = _launch(feat, kernel)
    with torch.cuda.device(feat.device) if feat.device.type == "cuda" else nullcontext():
        _read_taps[grid](feat, offset, feat if mask is None else mask, columns, *sizes, MASKED=mask is not None, **_blocks(feat, kernel))
    return columns


def scatter_taps(
    grad: Tensor, feat: Tensor, offset: Tensor, mask: Tensor | None, *, kernel: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The derivatives of `read_taps` by features, offsets and mask, in single precision; `grad` is that by what it gives.

    Additions to one pixel come in any order, so that the last bits differ from run to run.
    """
    by_feat = torch.zeros(feat.shape, dtype=torch.float32, device=feat.device)
    by_offset = torch.empty(offset.shape, dtype=torch.float32, device=feat.device)
    by_mask = None if mask is None else torch.zeros(mask.shape, dtype=torch.float32, device=feat.device)
    grid, sizes = _launch(feat, kernel)
    tensors = grad, feat, offset, feat if mask is None else mask, by_feat, by_offset, by_feat if by_mask is None else by_mask
    with torch.cuda.device(feat.device) if feat.device.type == "cuda" else nullcontext():
        _scatter_taps[grid](*tensors, *sizes, MASKED=mask is not None, **_blocks(feat, kernel))
    return by_feat, by_offset, by_mask


def _launch(feat: Tensor, kernel: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    batch, height, width, channels = feat.shape
    pixels = batch * height * width
    return (triton.cdiv(pixels, _blocks(feat, kernel)["BLOCK_PIXELS"]), kernel[0] * kernel[1]), (pixels, height, width, channels)


def _blocks(feat: Tensor, kernel: tuple[int, int]) -> dict[str, int]:
    channels = min(128, max(16, triton.next_power_of_2(feat.shape[3])))
    return {
        "KERNEL_HEIGHT": kernel[0],
        "KERNEL_WIDTH": kernel[1],
        "BLOCK_PIXELS": min(128, _BLOCK // channels),
        "BLOCK_CHANNELS": channels,
    }
