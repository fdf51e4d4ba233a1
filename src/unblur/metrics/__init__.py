"""Measures of restoration quality, and the named protocols by which they are reported.

    restored, sharp ── pictures ── align ── psnr, ssim, ssim_3d, ssim_y, ms_ssim ── Protocol.measure ── Protocol.average
                                             shifted_psnr, gmsd, detail: beside a protocol's own
    frames, guide ──── temporal ── warping_error

A number is always printed with its protocol: `protocols.get("gopro-skimage").measure(restored, sharp)`. Measures that
need learnt weights or fitted statistics have no place here yet.
"""

from unblur.metrics import protocols
from unblur.metrics.align import Aligned, align_homography, align_translation
from unblur.metrics.detail import Detail, detail
from unblur.metrics.gradients import gmsd
from unblur.metrics.pictures import from_uint8, to_8_bit
from unblur.metrics.protocol import Average, Frames, Protocol
from unblur.metrics.psnr import psnr
from unblur.metrics.shifted import ShiftedPsnr, shifted_psnr
from unblur.metrics.ssim import ms_ssim, ssim, ssim_3d, ssim_y
from unblur.metrics.temporal import WarpingError, warping_error

__all__ = [
    "Aligned",
    "Average",
    "Detail",
    "Frames",
    "Protocol",
    "ShiftedPsnr",
    "WarpingError",
    "align_homography",
    "align_translation",
    "detail",
    "from_uint8",
    "gmsd",
    "ms_ssim",
    "protocols",
    "psnr",
    "shifted_psnr",
    "ssim",
    "ssim_3d",
    "ssim_y",
    "to_8_bit",
    "warping_error",
]
