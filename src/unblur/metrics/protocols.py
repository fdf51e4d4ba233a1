"""The protocols that have a name.

Deblurring papers print "PSNR / SSIM" for at least four different measurements, and the same restored pictures differ
by 0.03 in SSIM and 3 dB in PSNR between them. Numbers may be compared within one protocol id only.
"""

from difflib import get_close_matches

import numpy as np

from unblur.errors import InputError
from unblur.metrics.protocol import Frames, Protocol

__all__ = ["get", "names"]

_DVD_FRAMES = tuple(int(index) - 1 for index in np.floor(np.linspace(2, 97, 30)))
"""MATLAB's floor(linspace(2, 97, 30)), which counts frames from 1."""

_PROTOCOLS = (
    Protocol(
        name="gopro-skimage",
        version=1,
        source=(
            "GoPro and HIDE by scikit-image, as the author of GoPro asks (DeepDeblur_release issue 51): RGB, 8 bit, no crop, every picture of the"
            " test split. Decided: rounded to 8 bit, although MIMO-UNet's script measures unrounded pictures."
        ),
    ),
    Protocol(
        name="gopro-matlab",
        version=1,
        source=(
            "GoPro and HIDE as scored by MATLAB's psnr and ssim on RGB arrays (MPRNet, Restormer) and by NAFNet's re-implementation:"
            " 8 bit, no crop, SSIM of the picture as a volume."
        ),
        ssim_forms=("ssim_3d",),
    ),
    Protocol(
        name="dvd-all",
        version=1,
        source=(
            "DVD (Su et al. 2017), quantitative subset, all frames of the ten test videos: RGB, 8 bit, averaged over all frames at once."
            " Decided: no crop; CDVD-TSP cuts 4 pixels a side."
        ),
    ),
    Protocol(
        name="dvd-30f",
        version=1,
        source=(
            "DVD as in the table of Su et al. 2017: 30 frames a video, floor(linspace(2, 97, 30)) counted from 1, scored by Köhler's"
            " evaluation (intensity scale, whole-pixel move, grey PSNR, MSSIM); mean of each video, then over videos."
        ),
        ssim_forms=("mssim", "ssim"),
        colour="grey",
        alignment="translation",
        frames=Frames(only=_DVD_FRAMES),
        averaging="sequences",
    ),
    Protocol(
        name="realblur-ecc",
        version=1,
        source=(
            "RealBlur-J and -R (Rim et al. 2020), public evaluation: RGB, 8 bit, intensity scale, ECC homography of 100 iterations, PSNR and"
            " SSIM over the covered positions. Decided: a picture that cannot be aligned is measured in place and counted by `aligned`."
        ),
        alignment="homography",
    ),
    Protocol(
        name="kohler",
        version=1,
        source=(
            "Köhler et al. 2012, public evaluation: 8 bit, intensity scale, whole-pixel move, grey PSNR and the MeTriX MuX MSSIM, zeros where"
            " the move leaves the truth uncovered; the best of each measure over the trajectory's truths (about 199)."
        ),
        ssim_forms=("mssim",),
        colour="grey",
        alignment="translation",
        several_truths=True,
    ),
    Protocol(
        name="reds-val300",
        version=1,
        source=(
            "REDS validation, every tenth frame (indices 9, 19 ... 99) of the 30 clips, as NAFNet reports it on the JPEG-compressed"
            " input: RGB, 8 bit, no crop, SSIM of the picture as a volume."
        ),
        ssim_forms=("ssim_3d",),
        frames=Frames(first=9, step=10),
    ),
    Protocol(
        name="bsd",
        version=1,
        source=(
            "BSD as ESTRNN (Zhong et al. 2020) scores it: RGB, 8 bit, no crop, scikit-image SSIM, without the first two and last two frames of"
            " each sequence. Decided: rounded to the nearest level, where ESTRNN's script cuts the fraction off."
        ),
        frames=Frames(first=2, skip_last=2),
    ),
)


def names() -> tuple[str, ...]:
    """Names that `get` takes, without versions."""
    return tuple(protocol.name for protocol in _PROTOCOLS)


def get(name: str) -> Protocol:
    """The protocol of that name, or of that id (`gopro-skimage@1`), which must be of the version that is here.

    Raises:
        InputError: if there is no such protocol, or the version is another one; near names are listed.

    Example:
        >>> get("kohler").id
        'kohler@1'
    """
    wanted, _, version = name.partition("@")
    for protocol in _PROTOCOLS:
        if protocol.name == wanted:
            if version and name != protocol.id:
                raise InputError(f"protocol {name!r} is not the version that is here, {protocol.id!r}; numbers of the two do not compare")
            return protocol
    near = get_close_matches(wanted.lower(), names(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(f"there is no protocol {name!r}; {hint}all of them: {', '.join(names())}")
