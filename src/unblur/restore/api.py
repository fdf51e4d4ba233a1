"""The functions by which programs restore pictures, clips and folders: the command line calls them as well.

Importing this module imports nothing heavy.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from unblur.restore.observer import Observer
from unblur.restore.report import Report

if TYPE_CHECKING:
    from unblur.io.video import Interlaced
    from unblur.restore.auto import AutoDeblurrer
    from unblur.restore.batch import Folders
    from unblur.restore.deblurrer import Deblurrer
    from unblur.restore.precision import Device, Precision
    from unblur.restore.runtimes import Runtime
    from unblur.weights import Quality

__all__ = ["load", "restore"]


def restore(
    source: Any,  # noqa: ANN401 - a path, several paths, or a picture of any kind
    target: str | Path | None = None,
    *,
    model: str | Path = "auto",
    network: str | None = None,
    weights: str | Path | None = None,
    quality: "Quality" = "best",
    strength: float = 1.0,
    scale: float | None = None,
    self_ensemble: int | None = None,
    single_scale: bool = False,
    temporal_fusion: bool = True,
    skip_sharp: bool = False,
    start: float = 0.0,
    duration: float | None = None,
    interlaced: "Interlaced" = "refuse",
    codec: str | None = None,
    file_quality: int | None = None,
    device: "Device" = "auto",
    precision: "Precision" = "auto",
    runtime: "Runtime" = "torch",
    tile: int | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    folders: "Folders" = "auto",
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Report:
    """Restore a photo, a clip, all that is in a folder, several of these, or a picture in memory: what `unblur restore` does, with its options.

    Inputs are never changed. A clip that was stopped is gone on with by the same call.

    Args:
        source: path of a photo, a video or a folder; a list of such paths; or a picture in memory, as `Deblurrer.photo` takes it.
        target: file for the result, or folder: a name without a suffix is one. None for beside the input, `_unblurred` added. A picture in memory has
            none; its result is `Report.picture`.
        model: name of built-in or pulled weights, a `.safetensors` file with its card, or the folder of a run of `unblur train`. `auto` takes the
            best built-in ones for a photo or a video; where they would take more than half a minute for a photo, a smaller scale or faster
            ones, and the outcome's warnings say so.
        network: import path of a network that is not part of the package, `package.module:function`, if the weights in `model` are of one. Its code is
            run; weights alone never cause that.
        weights: instead, a published checkpoint of a third-party network, see `load`.
        quality: of the built-in weights that `auto` takes: `best`, or `good` and `fast`, which take less time (`unblur.weights.QUALITIES`).
        strength: 0 leaves everything as it is, 1 restores fully.
        scale: of the photo that the network sees, in (0, 1], see `Deblurrer.photo`; None for 1, or less where a photo would take too long.
        self_ensemble: 1, 2, 4 or 8 mirrored and turned views, of which the mean is taken (`unblur.restore.self_ensemble`). None for 1, or for that
            with which a clip was begun.
        single_scale: restore at the size that there is, and not at smaller ones as well (`unblur.restore.multi_scale`).
        temporal_fusion: put each frame of a clip together with its neighbours (`unblur.restore.temporal_fusion`).
        skip_sharp: leave photos and frames alone, bit for bit, that are sharp (`unblur.restore.blurred`).
        start: first second of a clip to restore.
        duration: seconds of a clip to restore; None for all.
        interlaced: `refuse` interlaced clips, `keep` their frames as if they were progressive, or `deinterlace` them first (FFmpeg's filter bwdif).
        codec: of the written video: h264, hevc, vp9, av1, prores or ffv1; that of the source if None.
        file_quality: of the written file, 1 (small) to 100 (best); as the source, without visible loss, if None.
        device: where to run; `auto` takes a GPU if there is one.
        precision: of the arithmetic; `auto` takes what is fast here and tests it.
        runtime: what computes the network that `model` names: `torch`, or `onnx` or `openvino`, to which it is exported (extra `export`); `auto` takes the
            fastest that passes its self-test.
        tile: largest side of a tile in pixels; chosen by free memory if None.
        threads: of the processor, at most; as many as are free if None.
        time_limit: minutes that all may take, about: takes the best built-in weights and number of views for that.
        folders: how a folder of numbered pictures of one size is read: `clips` as the frames of a clip, `photos` one by one; `auto` as a clip if `model`
            looks at several frames. A folder that is read as a clip gives a folder of frames, and is gone on with if it was stopped; `clips` allows
            numbers to be missing, and takes the weights for videos where `model` is `auto`.
        overwrite: replace results that exist.
        observer: hears how the work gets on.

    Returns:
        One outcome a file. Of a list, or of a folder, files that cannot be restored are outcomes whose status is `failed`.

    Raises:
        UnblurError: if a single file or a picture cannot be restored, if nothing in a folder is a photo or a video, or if an argument or a network
            cannot be used; its subclasses tell what kind of fault it is (`unblur.errors`).

    Example:
        >>> import numpy as np, unblur
        >>> report = unblur.restore(np.zeros((9, 13, 3), np.uint8), model="swift", device="cpu")
        >>> report.picture.shape
        (9, 13, 3)
    """
    from unblur.errors import InputError
    from unblur.restore import runner
    from unblur.restore.batch import Options, check_folders
    from unblur.restore.checks import as_path
    from unblur.restore.networks import Request

    check_folders(folders)
    request = Request(
        model, weights, quality, self_ensemble, single_scale, skip_sharp, device, precision, tile, threads, time_limit, network, runtime
    )
    options = Options(
        strength=strength,
        scale=scale,
        temporal_fusion=temporal_fusion,
        start=start,
        duration=duration,
        interlaced=interlaced,
        codec=codec,
        file_quality=file_quality,
        overwrite=overwrite,
    )
    if runner.is_picture(source):
        if target is not None:
            raise InputError("a picture in memory has no target; take `Report.picture`, or give the path of a file")
        return runner.restore_picture(source, request=request, options=options, observer=observer)
    place = None if target is None else as_path(target)
    if isinstance(source, str | os.PathLike):
        return runner.restore_file(as_path(source), place, request=request, options=options, folders=folders, observer=observer)
    if isinstance(source, Sequence):
        paths = [as_path(each) for each in source]
        return runner.restore_files(paths, place, request=request, options=options, folders=folders, observer=observer)
    raise InputError(f"a source is a path, a list of paths, an array, a Pillow picture or a tensor, got {type(source).__name__}")


@overload
def load(
    model: Literal["auto"] = "auto",
    *,
    weights: None = None,
    quality: "Quality" = "best",
    device: "Device" = "auto",
    precision: "Precision" = "auto",
    tile: int | None = None,
    skip_sharp: bool = False,
    self_ensemble: int | None = None,
    single_scale: bool = False,
    threads: int | None = None,
) -> "AutoDeblurrer": ...


@overload
def load(
    model: str | Path = "auto",
    *,
    network: str | None = None,
    weights: str | Path | None = None,
    quality: "Quality" = "best",
    device: "Device" = "auto",
    precision: "Precision" = "auto",
    runtime: "Runtime" = "torch",
    tile: int | None = None,
    skip_sharp: bool = False,
    self_ensemble: int | None = None,
    single_scale: bool = False,
    threads: int | None = None,
) -> "Deblurrer": ...


def load(
    model: str | Path = "auto",
    *,
    network: str | None = None,
    weights: str | Path | None = None,
    quality: "Quality" = "best",
    device: "Device" = "auto",
    precision: "Precision" = "auto",
    runtime: "Runtime" = "torch",
    tile: int | None = None,
    skip_sharp: bool = False,
    self_ensemble: int | None = None,
    single_scale: bool = False,
    threads: int | None = None,
) -> "AutoDeblurrer | Deblurrer":
    """Load weights and keep them ready, to restore many pictures and clips.

    Args:
        model: as for `restore`. `auto` gives an `AutoDeblurrer`, which takes the weights that `restore` takes for each picture and clip, and loads
            them when they are first used; any other gives a `Deblurrer` with that network.
        network: as for `restore`.
        weights: instead, a published checkpoint of a third-party network, a `.pth`, `.pt`, `.ckpt` or `.safetensors` file. It is read
            without running anything in it, by the library spandrel, which `unblur[peers]` installs (`unblur.weights.foreign`).
        quality: as for `restore`.
        device: as for `restore`.
        precision: as for `restore`.
        runtime: as for `restore`.
        tile: as for `restore`.
        skip_sharp: as for `restore`.
        self_ensemble: as for `restore`.
        single_scale: as for `restore`.
        threads: as for `restore`.

    Raises:
        UnblurError: if there are no such weights, they are damaged, unsafe or of another network, the device or precision is not there, or an argument
            cannot be used.

    Example:
        >>> import numpy as np, unblur
        >>> unblur.load("swift", device="cpu").photo(np.zeros((9, 13, 3), np.uint8)).shape
        (9, 13, 3)
    """
    from unblur.restore.auto import AutoDeblurrer
    from unblur.restore.networks import Networks, Request

    request = Request(
        model, weights, quality, self_ensemble, single_scale, skip_sharp, device, precision, tile, threads, network=network, runtime=runtime
    )
    networks = Networks(request)
    return AutoDeblurrer(networks) if request.chooses else networks.for_kind("photo")
