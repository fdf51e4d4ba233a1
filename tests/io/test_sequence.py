"""Image sequences of AVIF: read frame by frame, and written as WebP, PNG or GIF."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.animation import animation_of, frames_of, is_animation
from unblur.io.animation_write import animation_suffix, write_animation
from unblur.io.boxes import box_of
from unblur.io.image import read_image
from unblur.io.kind import kind_of
from unblur.io.sequence import sequence_of

MILLISECONDS = (100, 50, 200, 40)
TIMES = tuple(Fraction(each, 1000) for each in MILLISECONDS)
XMP = b"<x:xmpmeta>A cat</x:xmpmeta>"


def pictures(channels=3):
    y, x = np.mgrid[0:40, 0:48] / [[[40]], [[48]]]
    return [
        np.rint(np.stack([x, y, np.full_like(x, number / 4), 1 - x / 2][:channels], axis=-1) * 255).astype(np.uint8) for number in range(4)
    ]


def avif(path, channels=3, **options):
    first, *others = [PillowImage.fromarray(each) for each in pictures(channels)]
    first.save(path, save_all=True, append_images=others, duration=list(MILLISECONDS), quality=95, subsampling="4:4:4", **options)
    return path


@pytest.mark.parametrize("channels", [3, 4])
def test_frames_and_times(tmp_path, channels):
    path = avif(tmp_path / "a.avif", channels, xmp=XMP)
    assert is_animation(path)
    assert kind_of(path) == "video"
    about = animation_of(path)
    assert (about.format, about.width, about.height, about.durations, about.plays) == ("AVIF", 48, 40, TIMES, 0)
    assert about.metadata.xmp == XMP
    assert about.notes == ()
    for frame, expected in zip(frames_of(about), pictures(channels), strict=True):
        assert np.abs(frame[..., :channels].astype(int) - expected).max() <= 12
    with pytest.raises(UnsupportedError, match="animation"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_it_is_written_in_another_format_which_is_said(tmp_path, suffix):
    about = animation_of(avif(tmp_path / "a.avif"))
    notes = write_animation(tmp_path / f"b{suffix}", about, frames_of(about))
    assert notes[0] == f"animations of AVIF cannot be written; the result is a `{suffix}` file"
    back = animation_of(tmp_path / f"b{suffix}")
    assert (back.durations, back.plays) == (TIMES, 0)
    for frame, expected in zip(frames_of(back), frames_of(about), strict=True):
        assert np.abs(frame.astype(int) - expected).mean() <= 4


def test_suffix_of_the_result(tmp_path):
    path = avif(tmp_path / "a.avif")
    assert animation_suffix(path) == ".webp"
    data = path.read_bytes()
    place = data.index(b"colrnclx") + 8
    wide = data[:place] + struct.pack(">HH", 9, 16) + data[place + 4 :]  # BT.2020, PQ
    path.write_bytes(wide)
    assert animation_of(path).metadata.cicp == (9, 16, 0, 1)
    assert animation_suffix(path) == ".png"


def test_still_avif_is_a_photo(tmp_path):
    PillowImage.fromarray(pictures()[0]).save(tmp_path / "a.avif")
    assert not is_animation(tmp_path / "a.avif")
    assert kind_of(tmp_path / "a.avif") == "photo"


def test_broken_off(tmp_path):
    path = avif(tmp_path / "a.avif")
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UnreadableError, match="copy it again"):
        list(frames_of(animation_of(path)))


def track(handler, *, times=((2, 10),), scale=100, edits=b"", length=20, described=b""):
    listed = struct.pack(">II", 0, len(times)) + b"".join(struct.pack(">II", *each) for each in times)
    table = box_of(b"stbl", box_of(b"stsd", described) + box_of(b"stts", listed))
    media = (
        box_of(b"mdhd", bytes(12) + struct.pack(">I", scale) + bytes(8))
        + box_of(b"hdlr", bytes(8) + handler + bytes(12))
        + box_of(b"minf", table)
    )
    return box_of(b"trak", box_of(b"tkhd", bytes(20) + struct.pack(">I", length) + bytes(60)) + edits + box_of(b"mdia", media))


def edit(flags, part):
    return box_of(b"edts", box_of(b"elst", struct.pack(">IIIII", flags, 1, part, 0, 1 << 16)))


def moov(*tracks):
    return box_of(b"moov", b"".join(tracks))


@pytest.mark.parametrize(
    ("edits", "length", "plays"),
    [(b"", 20, 0), (edit(0, 20), 20, 1), (edit(1, 20), 60, 3), (edit(1, 20), 0xFFFFFFFF, 0), (edit(1, 20), 50, 3)],
)
def test_how_often_it_is_shown(edits, length, plays):
    assert sequence_of(moov(track(b"pict", edits=edits, length=length))).plays == plays


def test_times_of_runs_and_other_tracks():
    found = sequence_of(
        moov(
            track(b"pict", times=((2, 10), (1, 25))),
            track(b"auxv", described=b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth"),
            track(b"soun"),
            track(b"meta"),
        )
    )
    assert found.durations == (Fraction(1, 10), Fraction(1, 10), Fraction(1, 4))
    assert found.notes == ("its sound was not kept", "its depth map was not kept", "further tracks in it (meta) were not kept")
    assert sequence_of(moov(track(b"pict"), track(b"auxv", described=b"auxiliary:alpha"))).notes == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        moov(),
        moov(track(b"soun")),
        moov(track(b"pict", times=((1, 10),))),
        moov(track(b"pict", scale=0)),
        moov(track(b"pict", edits=edit(1, 0))),
    ],
)
def test_what_is_no_sequence(data):
    assert sequence_of(data) is None


def test_sequence_of_heic_is_refused(tmp_path):
    pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
    (tmp_path / "a.heics").write_bytes(box_of(b"ftyp", b"hevc\0\0\0\0msf1hevc") + moov(track(b"pict")) + box_of(b"mdat", bytes(40)))
    with pytest.raises(UnsupportedError, match="is an animation; convert it to a video"):
        read_image(tmp_path / "a.heics")
