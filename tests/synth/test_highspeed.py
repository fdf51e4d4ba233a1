from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from unblur.errors import OutputError, UnblurError
from unblur.synth.highspeed import cache_frames, map_frames
from unblur.synth.sources import open_clip


def clip(path: Path, *, count: int = 7, seed: int = 0) -> Path:
    still = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(240), options={"crf": "4", "x264-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        for number in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(still, 2 * number, axis=1), "rgb24")))
        out.mux(stream.encode(None))
    return path


def test_frames_are_those_of_the_clip(tmp_path):
    path = clip(tmp_path / "a.mp4")
    frames = map_frames(cache_frames(path, tmp_path / "cache"))
    expected = [moment.pixels for moment in open_clip(path)]
    assert frames.shape == (7, 48, 80, 3)
    assert np.array_equal(frames, np.stack(expected))


def test_a_clip_is_decoded_once_whatever_its_name(tmp_path):
    path = clip(tmp_path / "a.mp4")
    first = cache_frames(path, tmp_path / "cache")
    made = first.stat().st_mtime_ns
    assert cache_frames(path.rename(tmp_path / "b.mp4"), tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == made
    other = cache_frames(clip(tmp_path / "a.mp4", seed=1), tmp_path / "cache")
    assert other != first
    assert sorted((tmp_path / "cache").iterdir()) == sorted([first, other])


def test_a_folder_of_frames_is_a_clip(tmp_path):
    (tmp_path / "frames").mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 12, 14, 3), np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), picture[..., ::-1])
    assert np.array_equal(map_frames(cache_frames(tmp_path / "frames", tmp_path / "cache")), pictures)


def test_what_is_no_clip_leaves_nothing_behind(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no clip at all")
    with pytest.raises(UnblurError, match=r"broken\.mp4"):
        cache_frames(tmp_path / "broken.mp4", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError):
        cache_frames(clip(tmp_path / "a.mp4"), tmp_path / "cache")
