"""A network made ready for pictures of any size and clips of any length."""

import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor

import unblur
from unblur.errors import InputError, UnsupportedError
from unblur.io.animation import animation_of, frames_of
from unblur.io.animation_write import write_animation
from unblur.io.frame_folder import FrameFolder, frames_identity
from unblur.io.segment_writer import Segment, SegmentWriter
from unblur.io.video import Frame, Interlaced, VideoReader, VideoWriter
from unblur.models.base import Net
from unblur.models.recurrent import RecurrentNet
from unblur.pixels import to_pixels, to_tensor
from unblur.restore.blurred import BlurMeter
from unblur.restore.checks import as_path, check_how, check_number, check_whole
from unblur.restore.clip import ClipRestorer
from unblur.restore.executor import bytes_per_pixel, mixed_safely, within_memory
from unblur.restore.memory import free_bytes
from unblur.restore.multi_scale import Restored, area, finer_scales_add_nothing, joined, shape_at, shapes, shrunk
from unblur.restore.multi_scale_clip import MultiScaleClip
from unblur.restore.pillow_pictures import upright, with_pixels
from unblur.restore.pipeline import overlapped
from unblur.restore.precision import Setup
from unblur.restore.report import PhotoReport, Picture, VideoReport, kept_input_note
from unblur.restore.temporal_fusion import TemporalFusion
from unblur.restore.tiles import BAND, Pixels, best_core, restore_tiled
from unblur.weights import Card

__all__ = ["SMALLEST_TILE", "Deblurrer", "source_identity"]

SMALLEST_TILE = 64
"""Side of a tile's core, pixels; a smaller one would be nearly all halo."""
_SHARE_OF_FREE = 0.5
_WIDEST_HALO = 192
"""Pixels around a tile's core, at most. Networks of many scales can be reached from farther away, in theory; the built-in
weights are not: beyond 128 pixels, nothing changes a value by a thousandth (`tests/restore/test_halo.py`)."""
_LARGE = 4096  # pixels of a frame's side, for which all sizes must find room
_CPU_BUDGET = 1200 << 20  # bytes; more than this makes nothing faster on a processor


@dataclass
class _Tally:
    """What is counted during one call.

    Attributes:
        kept_input: share of the area where the fail-safe kept the input, summed over the pictures or frames.
        skipped_sharp: pictures or frames that were sharp and were left as they are.
        network_seconds: how long the network has worked.
    """

    kept_input: float = 0.0
    skipped_sharp: int = 0
    network_seconds: float = 0.0


class Deblurrer:
    """Restores pictures and clips with one network. Made by `unblur.load`.

    Args:
        net: the network, on its device.
        setup: device and precision.
        card: the card of its weights, if they came from a file.
        tile: largest side of a tile's core in pixels, or None to choose by free memory.
        meter: tells which pictures and frames are sharp and to be left alone; None restores all.
        single_scale: restore pictures at their own size alone, and not at smaller ones as well (`unblur.restore.multi_scale`).
        model: what `unblur.load` was called with, so that a clip that was stopped can be gone on with by the same weights.
    """

    def __init__(
        self,
        net: Net,
        *,
        setup: Setup,
        card: Card | None = None,
        tile: int | None = None,
        meter: BlurMeter | None = None,
        single_scale: bool = False,
        model: str = "",
    ) -> None:
        if tile is not None:
            check_whole("tile", tile, least=SMALLEST_TILE)
        self.net, self.setup, self.card, self.meter, self.model = net, setup, card, meter, model
        self.scale_step = None if single_scale else net.scale_step
        self._tile, self._halo = tile, min(net.receptive_radius, _WIDEST_HALO) + BAND
        self._limit = math.inf  # largest core for which memory has sufficed
        self._pixels: float | None = None  # what a tile may have by free memory, with its halo

    def photo(self, image: Picture, *, strength: float = 1.0, scale: float = 1.0) -> Picture:
        """Restore one picture; returns what was given, of the same kind, shape and type.

        A Pillow picture comes back upright, as programs that show it would turn it (EXIF Orientation), with its EXIF, ICC profile and all else in
        its `info`; its height and width change places if it was stored on its side.

        Args:
            image: an array (H, W), (H, W, 1), (H, W, 3) or, with opacity, (H, W, 2) or (H, W, 4), grey or RGB, 8 or 16
                bit or float in [0, 1]; a Pillow picture; or a tensor (3, H, W) or (B, 3, H, W), float in [0, 1]. Opacity
                is passed through.
            strength: 0 gives the picture back, 1 the network's result, between them a mix.
            scale: of the picture that the network sees, in (0, 1]; the change that it makes is enlarged, so that what is finer stays. A large
                picture with far blur loses little by it, and takes a fraction of the time.

        Raises:
            InputError: if the picture is none of these, `strength` is not in [0, 1], or `scale` not in (0, 1].
            DeviceError: if memory is too small even for the smallest tile.
            UnsupportedError: if the network looks at several frames.
        """
        return self.photo_report(image, strength=strength, scale=scale).picture

    def photo_report(self, image: Picture, *, strength: float = 1.0, scale: float = 1.0) -> PhotoReport[Picture]:
        """Restore one picture, as `photo` does, and say what was done."""
        check_number("strength", strength, least=0, most=1)
        check_number("scale", scale, above=0, most=1)
        if self.net.num_frames != 1:
            raise UnsupportedError(
                f"this network looks at {self.net.num_frames} frames of a clip and cannot restore a single picture; "
                "use weights for photos, such as `swift`"
            )
        tally = _Tally()
        restored: Any
        if isinstance(image, Tensor):
            restored = self._tensor(image, strength, scale, tally)
        elif isinstance(image, PillowImage.Image):
            turned = upright(image)
            restored = with_pixels(self._array(np.asarray(turned), strength, scale, tally), image)
        elif isinstance(image, np.ndarray):
            restored = self._array(image, strength, scale, tally)
        else:
            raise InputError(f"a picture is an array, a Pillow picture or a tensor, got {type(image).__name__}")
        return PhotoReport(restored, tally.kept_input, tally.skipped_sharp, tally.network_seconds)

    def video(
        self,
        source: str | Path,
        target: str | Path,
        *,
        strength: float = 1.0,
        temporal_fusion: bool = True,
        start: float = 0.0,
        duration: float | None = None,
        interlaced: Interlaced = "refuse",
        codec: str | None = None,
        file_quality: int | None = None,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> VideoReport:
        """Restore a clip; sound, times, colour tags and all other streams stay as they are.

        A photo network restores each frame by itself, a video network with those around it, within a shot.

        A clip that was stopped, in whatever way, is gone on with by the same call: what is finished is kept beside the target
        (`unblur.io.journal`) until the clip is whole. The clip is then the same, packet for packet, as if it had not been stopped, on the same
        machine with as many threads and tiles of the same size; but the state of a recurrent network begins some frames before the place.

        Args:
            source: the clip.
            target: the restored clip; the suffix says the container.
            strength: as for `photo`.
            temporal_fusion: put each restored frame together with its neighbours, see `unblur.restore.temporal_fusion`: sharper, and with less flicker.
            start: first second to restore, for a preview; the rest is left out.
            duration: seconds to restore, for a preview; None for all.
            interlaced: see `VideoReader`.
            codec: h264, hevc, vp9, av1, prores or ffv1; that of the source, where it can be written, if None.
            file_quality: of the encoding, 1 (small) to 100 (lossless, where the codec can); visually lossless if None.
            overwrite: replace `target` if it exists.
            progress: called after each frame with the number of frames done and, if known, about the number in all;
                from the thread that writes. An error that it raises ends the work and is raised here.
            notify: called before the work begins with what the user should know by then, a sentence; it is in the report as well.

        Raises:
            InputError: if the source cannot be read or an argument does not fit.
            OutputError: if the target cannot be written.
            DeviceError: if memory is too small even for the smallest tile.
        """
        check_how(strength=strength, start=start, duration=duration, file_quality=file_quality)
        source, target = as_path(source), as_path(target)
        began = time.monotonic()
        done = 0
        tally = _Tally()
        with VideoReader(source, start=start, duration=duration, interlaced=interlaced) as reader:
            total = reader.frame_count
            restore = self._restoring(strength=strength, temporal_fusion=temporal_fusion, tally=tally)

            def write(restored: list[tuple[Frame, NDArray[Any]]]) -> None:
                nonlocal done
                for frame, pixels in restored:
                    if writer.begin_at is not None and frame.pts < writer.begin_at:
                        continue  # only there to be seen beside its neighbours
                    writer.write(pixels, frame)
                    done += 1
                    if progress is not None:
                        progress(done, total)

            work = self._work(source_identity(source), strength=strength, temporal_fusion=temporal_fusion)
            work |= {"part": [start, duration], "deinterlaced": reader.deinterlaces}
            with VideoWriter(target, reader, codec=codec, quality=file_quality, overwrite=overwrite, work=work) as writer:
                done = before = writer.frames_before
                if writer.discarded and notify is not None:
                    notify(writer.discarded)
                lead = self._lead(temporal_fusion=temporal_fusion)
                frames = reader if writer.begin_at is None else reader.frames_from(writer.time_before(lead))
                overlapped(chain(frames, (None,)), restore, write)
            kept = tally.kept_input / max(done - before, 1)
            warnings = _warnings(reader, writer, kept_input=kept, skipped_sharp=tally.skipped_sharp, frames=done - before)
        return VideoReport(done, time.monotonic() - began, tally.network_seconds, kept, before, tuple(warnings))

    def overlap(self, *, temporal_fusion: bool = True) -> int | None:
        """Frames before a part of a clip that must be restored as well, so that the part is restored as in the whole; None if none suffice.

        Args:
            temporal_fusion: as for `video`.
        """
        return None if isinstance(self.net, RecurrentNet) else self._lead(temporal_fusion=temporal_fusion)

    def segment(
        self,
        source: Path,
        target: Path,
        segment: Segment,
        *,
        strength: float = 1.0,
        temporal_fusion: bool = True,
        interlaced: Interlaced = "refuse",
        codec: str | None = None,
        file_quality: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> VideoReport:
        """Restore one segment of a clip and encode it into a journal beside the target, as one of several processes (`unblur.io.segment_writer`).

        Args:
            source: as for `video`.
            target: as for `video`.
            segment: which one, with as many frames before it as `overlap` says.
            strength: as for `video`.
            temporal_fusion: as for `video`.
            interlaced: as for `video`.
            codec: as for `video`.
            file_quality: as for `video`.
            progress: as for `video`, with the frames of the segment.

        Raises:
            UnsupportedError: if the frames have other times than their packets, or are damaged.
            UnblurError: as `video` does.
        """
        began, tally = time.monotonic(), _Tally()
        own = frozenset(segment.times)
        complete = threading.Event()
        with VideoReader(source, interlaced=interlaced) as reader:
            work = self._work(source_identity(source), strength=strength, temporal_fusion=temporal_fusion)
            work |= {"part": [0.0, None], "deinterlaced": reader.deinterlaces}
            writer = SegmentWriter(target, reader, segment=segment, codec=codec, quality=file_quality, work=work)
            if writer.is_there:
                return VideoReport(len(own), time.monotonic() - began, 0.0, 0.0, len(own), ())
            restore = self._restoring(strength=strength, temporal_fusion=temporal_fusion, tally=tally)

            def write(restored: list[tuple[Frame, NDArray[Any]]]) -> None:
                for frame, pixels in restored:
                    if frame.pts in own:
                        writer.write(pixels, frame)
                        if progress is not None:
                            progress(len(writer.expected.pts), len(own))
                if writer.is_complete:
                    complete.set()

            with writer:
                frames = chain(_as_foreseen(reader, segment, until=complete), (None,))
                overlapped(frames, lambda frame: [] if complete.is_set() else restore(frame), write)
                if reader.decode_failures or reader.repaired_times or reader.truncated:
                    raise UnsupportedError(f"a part of `{source}` is damaged")
            said = _said_of_frames(kept_input=tally.kept_input / len(own), skipped_sharp=0, frames=len(own))
        return VideoReport(len(own), time.monotonic() - began, tally.network_seconds, tally.kept_input / len(own), 0, tuple(said))

    def frame_folder(
        self,
        frames: Sequence[Path],
        target: str | Path,
        *,
        strength: float = 1.0,
        temporal_fusion: bool = True,
        file_quality: int | None = None,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> VideoReport:
        """Restore a clip whose frames are pictures in a folder, into a folder of pictures of the same names.

        Each keeps what its file said besides, as a photo does. A clip that was stopped is gone on with by the same call: frames that are finished are
        not restored again (`unblur.io.frame_folder`). The others are the same as if it had not been stopped, as for `video`.

        Args:
            frames: files of the frames, in order (`unblur.io.numbered.frames_in`).
            target: folder for the restored frames, made if it is not there.
            strength: as for `photo`.
            temporal_fusion: as for `video`.
            file_quality: of JPEG, WebP, HEIC and AVIF, 1 (small) to 100 (best); as the source, without visible loss, if None.
            overwrite: replace frames that exist.
            progress: as for `video`.

        Raises:
            InputError: if a frame cannot be read or an argument does not fit.
            OutputError: if a frame cannot be written, is there already, or `target` holds frames of other work.
            DeviceError: if memory is too small even for the smallest tile.
        """
        check_how(strength=strength, file_quality=file_quality)
        if not frames:
            raise InputError("a clip has at least one frame")
        began = time.monotonic()
        tally = _Tally()
        work = self._work(frames_identity(frames), strength=strength, temporal_fusion=temporal_fusion) | {"file_quality": file_quality}
        restore = self._restoring(strength=strength, temporal_fusion=temporal_fusion, tally=tally)
        results = FrameFolder(
            frames, as_path(target), work=work, quality=file_quality, copy_unchanged=self.meter is not None, overwrite=overwrite
        )
        done = results.finished

        def write(restored: list[tuple[Frame, NDArray[Any]]]) -> None:
            nonlocal done
            for frame, pixels in restored:
                done += results.write(frame.pts, pixels)
                if progress is not None:
                    progress(done, len(frames))

        with results:
            read = (Frame(pixels, pts=place) for place, pixels in results.read(lead=self._lead(temporal_fusion=temporal_fusion)))
            overlapped(chain(read, (None,)), restore, write)
        new = max(done - results.finished, 1)
        warnings = [note if count == 1 else f"{note} ({count} frames)" for note, count in results.notes.items()]
        kept = min(tally.kept_input / new, 1.0)  # frames that were only seen beside others are counted, too
        warnings += _said_of_frames(kept_input=kept, skipped_sharp=min(tally.skipped_sharp, new), frames=new)
        return VideoReport(done, time.monotonic() - began, tally.network_seconds, kept, results.finished, tuple(warnings))

    def animation(
        self,
        source: str | Path,
        target: str | Path,
        *,
        strength: float = 1.0,
        temporal_fusion: bool = True,
        file_quality: int | None = None,
        overwrite: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> VideoReport:
        """Restore the frames of a GIF, animated WebP, APNG or AVIF; times, repeats, opacity and metadata stay as they are.

        It is made in one go: one that was stopped is begun anew.

        Args:
            source: the animation.
            target: the restored one; its suffix says the format (`unblur.io.animation_write.SUFFIXES`).
            strength: as for `photo`.
            temporal_fusion: as for `video`.
            file_quality: of WebP, 1 (small) to 100 (best); as the source, without visible loss, if None.
            overwrite: replace `target` if it exists.
            progress: as for `video`.

        Raises:
            InputError: if the source cannot be read or an argument does not fit.
            OutputError: if the target cannot be written.
            DeviceError: if memory is too small even for the smallest tile.
        """
        check_how(strength=strength, file_quality=file_quality)
        began = time.monotonic()
        tally = _Tally()
        about = animation_of(as_path(source))
        restore = self._restoring(strength=strength, temporal_fusion=temporal_fusion, tally=tally)

        def restored() -> Iterator[NDArray[np.uint8]]:
            opacity: deque[NDArray[np.uint8]] = deque()  # of the frames that wait for others
            done = 0
            for place, shown in enumerate(chain(frames_of(about), (None,))):
                if shown is not None:
                    opacity.append(shown[..., 3:])
                frame = None if shown is None else Frame(np.ascontiguousarray(shown[..., :3]), pts=place)
                for _, pixels in restore(frame):
                    yield np.concatenate([pixels, opacity.popleft()], axis=2)
                    done += 1
                    if progress is not None:
                        progress(done, about.pictures)

        lost = write_animation(as_path(target), about, restored(), quality=file_quality, overwrite=overwrite)
        kept = tally.kept_input / about.pictures
        said = _said_of_frames(kept_input=kept, skipped_sharp=tally.skipped_sharp, frames=about.pictures)
        return VideoReport(about.pictures, time.monotonic() - began, tally.network_seconds, kept, 0, (*about.notes, *lost, *said))

    def _work(self, source: list[str | int], *, strength: float, temporal_fusion: bool) -> dict[str, Any]:
        """What a clip that is stopped must be gone on with, as JSON has it, see `unblur.io.journal`.

        Args:
            source: what tells it from another.
            strength: as for `video`.
            temporal_fusion: as for `video`.
        """
        return {
            "unblur": unblur.__version__,
            "source": source,
            "weights": self.fingerprint(),
            "precision": str(self.setup.precision),
            "self_ensemble": self.setup.self_ensemble,
            "scale_step": self.scale_step,
            "skip_sharp": self.meter is not None,
            "strength": strength,
            "temporal_fusion": temporal_fusion,
            **({} if self.setup.runtime == "torch" else {"runtime": self.setup.runtime}),
            "settings": {"model": self.model, "precision": self.setup.precision, "self_ensemble": self.setup.self_ensemble},
        }

    def frames(self, frames: Iterable[NDArray[Any]], *, strength: float = 1.0, temporal_fusion: bool = True) -> Iterator[NDArray[Any]]:
        """Restore the frames of a clip that is in no file; yields as many as it takes, in order, reading a few ahead.

        Args:
            frames: RGB (H, W, 3), 8 or 16 bit. Another size begins a new shot.
            strength: as for `photo`.
            temporal_fusion: as for `video`.

        Raises:
            InputError: if a frame is none of these, or `strength` is not in [0, 1].
            DeviceError: if memory is too small even for the smallest tile.

        Example:
            >>> import numpy as np, unblur
            >>> clip = [np.zeros((40, 56, 3), np.uint8)] * 4
            >>> [frame.shape for frame in unblur.load("swift_video", device="cpu").frames(clip)]
            [(40, 56, 3), (40, 56, 3), (40, 56, 3), (40, 56, 3)]
        """
        check_number("strength", strength, least=0, most=1)
        if not isinstance(frames, Iterable):
            raise InputError(f"frames are an iterable of arrays, got {type(frames).__name__}")
        restore = self._restoring(strength=strength, temporal_fusion=temporal_fusion, tally=_Tally())
        for number, pixels in enumerate(frames):
            if not isinstance(pixels, np.ndarray) or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
                what = f"{pixels.dtype} of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
                raise InputError(f"a frame must be an array (H, W, 3) of uint8 or uint16, got {what}")
            yield from (restored for _, restored in restore(Frame(pixels, pts=number)))
        yield from (restored for _, restored in restore(None))

    def _restoring(
        self, *, strength: float, temporal_fusion: bool, tally: _Tally
    ) -> Callable[[Frame | None], list[tuple[Frame, NDArray[Any]]]]:
        """What restores the frames of a clip one after the other: called with each, and with None at the end, it gives those that are done."""
        clip = self._clip(strength) if self.net.num_frames > 1 and strength > 0 else None
        fusion: TemporalFusion[Frame] | None = TemporalFusion(strength=strength) if temporal_fusion and strength > 0 else None

        def restore(frame: Frame | None) -> list[tuple[Frame, NDArray[Any]]]:
            if clip is not None:
                pairs = clip.finish() if frame is None else clip.push(frame)
                pairs = [(each, each.pixels if self._is_sharp(each.pixels, tally) else pixels) for each, pixels in pairs]
                tally.kept_input, tally.network_seconds = clip.kept_input, clip.network_seconds
            elif frame is None:
                pairs = []
            else:
                pairs = [(frame, self._array(frame.pixels, strength, 1.0, tally))]
            if fusion is None:
                return pairs
            with self.setup.threads.running(max((math.prod(pixels.shape[:2]) for _, pixels in pairs), default=1)):
                return _fused(pairs, fusion, ends=frame is None)

        return restore

    def _lead(self, *, temporal_fusion: bool) -> int:
        """Frames to look at before the one from which a clip is gone on with."""
        cuts = 10  # the detector of cuts remembers nine differences
        return int(temporal_fusion) if self.net.num_frames == 1 else self.net.num_frames + cuts

    def fingerprint(self) -> str:
        """SHA-256 of what the network is: of the settings of all its parts, which are their public attributes of plain values, and of its weights."""
        digest = hashlib.sha256()
        for name, part in self.net.named_modules():
            settings = {key: value for key, value in vars(part).items() if not key.startswith("_") and _is_setting(value)}
            digest.update(f"{name} {type(part).__name__} {sorted(settings.items())}".encode())
        for name, tensor in self.net.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().numpy().tobytes())
        return digest.hexdigest()

    def _clip(self, strength: float) -> MultiScaleClip:
        budget = self._budget(self._free()) / area(_LARGE, _LARGE, step=self.scale_step)  # of each size; smaller ones take less than theirs

        def restorer() -> ClipRestorer:
            return ClipRestorer(
                self.net,
                setup=self.setup,
                strength=strength,
                tile=self._tile,
                smallest=SMALLEST_TILE,
                halo=self._halo - BAND,
                budget=budget,
            )

        return MultiScaleClip(restorer, step=self.scale_step)

    def _tensor(self, image: Tensor, strength: float, scale: float, tally: _Tally) -> Tensor:
        if image.layout != torch.strided or image.is_meta:
            raise InputError("a tensor must be dense and hold values; convert it first")
        if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape or not image.is_floating_point():
            raise InputError(f"a tensor must be float of shape (3, H, W) or (B, 3, H, W), got {image.dtype} of shape {tuple(image.shape)}")
        if strength == 0:
            return image.detach().clone()
        batch = image.detach().float().cpu().reshape(-1, *image.shape[-3:]).permute(0, 2, 3, 1).numpy()
        _check_range(batch)
        restored = [torch.from_numpy(self._restore(picture, strength, scale, tally)).permute(2, 0, 1) for picture in batch]
        tally.kept_input /= len(batch)
        return torch.stack(restored).reshape(image.shape).to(image)

    def _array(self, image: NDArray[Any], strength: float, scale: float, tally: _Tally) -> NDArray[Any]:
        if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)):
            raise InputError(f"an array must be (H, W) or (H, W, C) with 1 to 4 channels and at least one pixel, got {image.shape}")
        floating = np.issubdtype(image.dtype, np.floating)
        if not floating and image.dtype not in (np.uint8, np.uint16):
            raise InputError(f"an array must be uint8, uint16 or float in [0, 1], got {image.dtype}; convert it first")
        if strength == 0:
            return image.copy()
        picture = image[..., None] if image.ndim == 2 else image
        colours = picture.shape[2] - (picture.shape[2] in (2, 4))  # channels without opacity
        blurry = picture[..., :colours]
        if floating:
            _check_range(blurry)
            blurry = blurry.astype(np.float32, copy=False)
        restored = self._restore(blurry, strength, scale, tally).astype(image.dtype, copy=False)
        return (
            np.concatenate([restored, picture[..., colours:]], axis=2).reshape(image.shape)
            if colours < picture.shape[2]
            else restored.reshape(image.shape)
        )

    def _is_sharp(self, picture: Pixels, tally: _Tally) -> bool:
        sharp = self.meter is not None and self.meter.is_sharp(picture)
        tally.skipped_sharp += sharp
        return sharp

    def _restore(self, picture: Pixels, strength: float, scale: float, tally: _Tally) -> Pixels:
        """Restore (H, W, 1 or 3), at several sizes if the network gains by that, none larger than `scale` times its own."""
        if self._is_sharp(picture, tally):
            return picture
        sizes: list[Restored] = []
        kept = 1.0
        for shape in shapes(*shape_at(picture, scale), step=self.scale_step):
            if finer_scales_add_nothing(sizes):
                break
            small = shrunk(picture, shape)
            restored, kept_here = self._restore_at_once(small, strength, tally)
            sizes.append(Restored(small, restored))
            kept = min(kept, kept_here)
        tally.kept_input += kept
        return joined(picture, sizes) if len(sizes) > 1 or scale < 1 else sizes[0].restored

    def _restore_at_once(self, picture: Pixels, strength: float, tally: _Tally) -> tuple[Pixels, float]:
        """Restore at one size, with tiles that are halved as long as memory runs out; also gives the share that kept its input."""
        core = SMALLEST_TILE, SMALLEST_TILE

        def attempt() -> tuple[Pixels, float]:
            nonlocal core
            core = SMALLEST_TILE, SMALLEST_TILE  # where memory does not even suffice to measure what a tile takes
            core = self._core(picture)
            return self._restore_with(picture, strength, tally, core=core)

        def shrink() -> bool:
            if max(core) <= SMALLEST_TILE:
                return False
            self._limit = max(min(max(core), max(picture.shape[:2])) // 2, SMALLEST_TILE)
            return True

        return within_memory(attempt, shrink=shrink, net=self.net, setup=self.setup)

    def _restore_with(self, picture: Pixels, strength: float, tally: _Tally, *, core: tuple[int, int]) -> tuple[Pixels, float]:
        kept = area = 0.0

        def restore(cut: Pixels) -> Tensor:
            nonlocal kept, area
            blurry = to_tensor(cut, self.setup.device)
            since = time.monotonic()
            restored = self.setup.run(self.net, blurry)[0]
            self.setup.wait()
            tally.network_seconds += time.monotonic() - since
            mixed = mixed_safely(blurry[0], restored, strength=strength)
            pixels = blurry.shape[2] * blurry.shape[3]
            kept, area = kept + mixed.kept * pixels, area + pixels
            return mixed.restored

        result = np.empty_like(picture)
        tiled = restore_tiled(picture, restore, core=core, halo=self._halo, multiple=self.net.tile_multiple, fit=self.net.fit_size)
        for first, rows in tiled:
            grey = picture.shape[2] == 1
            result[first : first + rows.shape[1]] = to_pixels(rows.mean(dim=0, keepdim=True) if grey else rows, picture.dtype)
        return result, kept / area

    def _core(self, picture: Pixels) -> tuple[int, int]:
        if self._tile is not None:
            side = int(min(self._tile, self._limit))
            return side, side
        if self._pixels is None:
            # Once, before the first tile: later, what was taken for tiles and is kept for the next would not count as free.
            self._pixels = self._tile_pixels()
        height, width = picture.shape[:2]
        halo = self._halo + max(self.net.size_multiple, self.net.tile_multiple)  # as tiles begin and end at multiples
        if self.net.size_square:
            whole = max(height, width)
            fits = math.prod(self.net.fit_size(whole, whole)) <= self._pixels
            side = int(max(min(whole if fits else math.sqrt(self._pixels) - 2 * halo, self._limit), SMALLEST_TILE))
            return side, side
        return best_core(height, width, pixels=self._pixels, halo=halo, smallest=SMALLEST_TILE, largest=self._limit)

    def _tile_pixels(self) -> float:
        """Pixels that a tile may have with its halo: by the budget, or as many as the network prefers, if there is room."""
        free, needed = self._free(), bytes_per_pixel(self.net, self.setup)
        return max(self._budget(free), min(free, self.net.preferred_tile**2 * needed)) / needed

    def _free(self) -> float:
        """Bytes that may be taken."""
        return free_bytes(self.setup.device) * _SHARE_OF_FREE

    def _budget(self, free: float) -> float:
        """Bytes that a tile should take, of those that are free."""
        return min(free, _CPU_BUDGET) if self.setup.device.type == "cpu" else free


def _fused(pairs: list[tuple[Frame, NDArray[Any]]], fusion: TemporalFusion[Frame], *, ends: bool) -> list[tuple[Frame, NDArray[Any]]]:
    """Restored frames after temporal fusion; sharp frames that were skipped stay as they are."""
    fused = [each for frame, pixels in pairs for each in fusion.push(frame, pixels, alone=np.array_equal(pixels, frame.pixels))]
    return fused + fusion.finish() if ends else fused


def source_identity(source: Path) -> list[str | int]:
    """What tells a file from one that has been changed, as JSON has it.

    Raises:
        OSError: if it cannot be read.
    """
    about = source.stat()
    with source.open("rb") as file:
        return [str(source.resolve()), about.st_size, about.st_mtime_ns, hashlib.sha256(file.read(1 << 20)).hexdigest()]


def _as_foreseen(reader: VideoReader, segment: Segment, *, until: threading.Event) -> Iterator[Frame]:
    """The frames of a segment, with those around it, up to the moment at which no more are needed.

    Raises:
        UnsupportedError: if their times are others.
    """
    expected = (*segment.before, *segment.times, segment.following)
    for place, frame in enumerate(reader.frames_from(expected[0])):
        if until.is_set():
            return
        if place < len(expected) and frame.pts != expected[place]:
            raise UnsupportedError(f"the times of the frames in `{reader.info.path}` are not those of its packets")
        yield frame


def _check_range(picture: NDArray[Any]) -> None:
    """Refuse what would be cut off, such as floats in 0…255."""
    least, most = float(picture.min()), float(picture.max())
    if not (least >= 0 and most <= 1):  # also where a value is not a number
        raise InputError(f"values of float pictures must lie in [0, 1], got {least:g} to {most:g}; scale or clip them first")


def _warnings(reader: VideoReader, writer: VideoWriter, *, kept_input: float, skipped_sharp: int, frames: int) -> list[str]:
    """What the user should know of a clip that was read and written, and of how many frames that were restored now."""
    said = [
        *([writer.discarded] if writer.discarded else []),
        *writer.notes,
    ]
    if reader.deinterlaces:
        said.append("the frames were deinterlaced")
    if reader.interlaced_frames and not reader.info.interlaced:
        said.append(f"{reader.interlaced_frames} of the frames are interlaced, and were restored as if they were progressive")
    if reader.truncated:
        said.append("the clip is broken off; what there was of it has been restored")
    if reader.decode_failures:
        said.append(f"{reader.decode_failures} damaged part(s) of the video could not be decoded")
    if reader.repaired_times:
        said.append(f"{reader.repaired_times} frame(s) had no later time than the one before, and were moved by a tick")
    return said + _said_of_frames(kept_input=kept_input, skipped_sharp=skipped_sharp, frames=frames)


def _said_of_frames(*, kept_input: float, skipped_sharp: int, frames: int) -> list[str]:
    """What the user should know of frames that were restored now."""
    said = []
    if kept_input:
        said.append(kept_input_note(kept_input))
    if skipped_sharp:
        said.append(f"{skipped_sharp} of {frames} frames are sharp and were left as they are")
    return said


def _is_setting(value: object) -> bool:
    """Tell whether an attribute of a network's part is a plain value, which says of it what its weights do not."""
    return value is None or isinstance(value, bool | int | float | str | tuple) or is_dataclass(value)
