from fractions import Fraction

import av
import numpy as np
import pytest
from clips import Clip, copy, number_of

from unblur.errors import UnsupportedError
from unblur.io.fields import deinterlaced
from unblur.io.video import VideoReader

FIELDS = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:log-level=none", "crf": "1"}


def combed(frame) -> float:
    """How much neighbouring lines differ."""
    return float(np.abs(np.diff(frame.to_ndarray(format="gray").astype(float), axis=0)).mean())


def interlaced(path, *, count: int = 9):
    """Write frames whose two fields show a bar at two places, as they move."""
    pictures = []
    for number in range(count):
        picture = np.full((48, 64, 3), 60, np.uint8)
        for line in range(48):
            at = 4 + 4 * number + 2 * (line % 2)
            picture[line, at : at + 8] = 200
        pictures.append(picture)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options=FIELDS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_one_progressive_frame_for_each_at_its_time(tmp_path):
    path = interlaced(tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        before = [(frame.pts, combed(frame)) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        after = [(frame.pts, combed(frame), frame.interlaced_frame) for frame in deinterlaced(container.decode(video=0))]
    assert [pts for pts, _, _ in after] == [pts for pts, _ in before]
    assert not any(flag for _, _, flag in after)
    assert max(lines for _, lines, _ in after) < 0.5 * min(lines for _, lines in before)


def test_progressive_frames_stay_as_they_are(tmp_path):
    path = Clip().make(tmp_path / "a.mp4")
    with av.open(str(path)) as a, av.open(str(path)) as b:
        for before, after in zip(a.decode(video=0), deinterlaced(b.decode(video=0)), strict=True):
            assert np.array_equal(before.to_ndarray(), after.to_ndarray())
    assert list(deinterlaced([])) == []


def test_reader_deinterlaces_on_request(tmp_path):
    path = interlaced(tmp_path / "a.mp4")
    with pytest.raises(UnsupportedError, match="--interlaced deinterlace"):
        VideoReader(path)
    reader = VideoReader(path, interlaced="deinterlace")
    assert reader.deinterlaces
    frames = list(reader)
    assert [frame.pts * reader.info.time_base for frame in frames] == [Fraction(i, 25) for i in range(9)]
    assert reader.interlaced_frames == 0
    for begin in range(1, 9):  # a run that is resumed sees the same
        rest = list(reader.frames_from(frames[begin].pts))
        assert [frame.pts for frame in rest] == [frame.pts for frame in frames[begin:]]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(rest, frames[begin:], strict=True))
    copy(path, tmp_path / "b.mp4", interlaced="deinterlace")
    assert not VideoReader(tmp_path / "b.mp4").info.interlaced
    plain = VideoReader(Clip().make(tmp_path / "c.mp4"), interlaced="deinterlace")
    assert not plain.deinterlaces
    assert [number_of(frame.pixels) for frame in plain] == list(range(15))
