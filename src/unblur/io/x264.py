"""Parameters of x264 by which the same frames become the same bytes."""

import cv2

__all__ = ["reproducible"]

AVX_512F = 13
"""OpenCV's number of the instruction set (`CV_CPU_AVX_512F`), for which its Python module has no name."""

WITHOUT_AVX_512 = "asm=AVX2,FMA3,BMI1,BMI2,LZCNT"
"""What every processor with AVX-512 has besides, by x264's names."""


def reproducible(parameters: str = "") -> str:
    """Parameters of `x264-params`, and if need be one that leaves AVX-512 out.

    With AVX-512, x264 (core 165, as PyAV 18 brings it) gave other bytes for the same small frames in most runs, in B-frames and with its macroblock tree;
    without, or on processors that have none, the same each time. Found by the tests of clips that are joined of segments.
    """
    own = WITHOUT_AVX_512 if cv2.checkHardwareSupport(AVX_512F) else ""
    return ":".join(each for each in (parameters, own) if each)
