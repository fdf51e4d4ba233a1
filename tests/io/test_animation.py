"""Animations keep their frames, times, repeats, opacity and metadata, in their own format and in the others."""

import io
import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageSequence, PngImagePlugin

from unblur.errors import OutputError, UnreadableError
from unblur.io.animation import animation_of, frames_of, is_animation
from unblur.io.animation_write import animation_suffix, write_animation
from unblur.io.kind import kind_of

SUFFIXES = [".gif", ".webp", ".png"]
TIMES = [40, 200, 90]
HEIGHT, WIDTH = 30, 40


def frames(*, with_holes=False, colours=12):
    """Three frames of few colours in which a block moves; where it is, there can be a hole."""
    shown = []
    for place in range(3):
        frame = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
        frame[..., 0] = np.arange(WIDTH) // (WIDTH // colours + 1) * 20
        frame[..., 1] = 60
        frame[5:15, 5 + 8 * place : 15 + 8 * place, 2] = 10
        if with_holes:
            frame[5:15, 5 + 8 * place : 15 + 8 * place, 3] = 0
        shown.append(frame)
    return shown


def made(path, shown, **options):
    """Write an animation by Pillow."""
    pictures = [PillowImage.fromarray(frame) for frame in shown]
    if (shown[0][..., 3] == 255).all():
        pictures = [picture.convert("RGB") for picture in pictures]
    options = {"duration": TIMES, "loop": 3, "lossless": True, "disposal": 2 if path.suffix == ".gif" else 0} | options
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


def by_pillow(path):
    with PillowImage.open(path) as picture:
        return [(np.asarray(frame.convert("RGBA")), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)]


def same(one, other):
    """Whether two frames show the same: what cannot be seen may have any colour."""
    np.testing.assert_array_equal(one[..., 3], other[..., 3])
    seen = one[..., 3] > 0
    np.testing.assert_array_equal(one[seen], other[seen])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("with_holes", [False, True])
def test_frames_times_and_repeats_survive(tmp_path, suffix, with_holes):
    shown = frames(with_holes=with_holes)
    source = made(tmp_path / f"a{suffix}", shown)
    if suffix == ".gif":
        shown = [frame for frame, _ in by_pillow(source)]  # with the colours that Pillow has given it
    assert is_animation(source)
    assert kind_of(source) == "video"
    for path in (source, tmp_path / f"b{suffix}"):
        about = animation_of(source)
        if path != source:
            write_animation(path, about, frames_of(about))
            about = animation_of(path)
        assert (about.width, about.height, about.pictures, about.has_still) == (WIDTH, HEIGHT, 3, False)
        assert about.durations == tuple(Fraction(time, 1000) for time in TIMES)
        assert about.plays == (4 if suffix == ".gif" else 3)  # in GIF, Pillow states how often it is repeated
        for frame, expected in zip(frames_of(about), shown, strict=True):
            same(frame, expected)
        for (frame, time), expected, stated in zip(by_pillow(path), shown, TIMES, strict=True):
            same(frame, expected)
            assert time == stated


@pytest.mark.parametrize("before", SUFFIXES)
@pytest.mark.parametrize("after", SUFFIXES)
def test_from_format_to_format(tmp_path, before, after):
    source, target = made(tmp_path / f"a{before}", frames(with_holes=True), loop=0), tmp_path / f"b{after}"
    notes = write_animation(target, animation_of(source), frames_of(animation_of(source)))
    assert (notes != ()) == (after == ".gif")
    about = animation_of(target)
    assert (about.durations, about.plays) == (animation_of(source).durations, 0)
    for frame, (expected, _) in zip(frames_of(about), by_pillow(source), strict=True):
        same(frame, expected)


def test_frames_that_are_the_same_are_kept_apart(tmp_path):
    about = animation_of(made(tmp_path / "a.png", frames()))
    for suffix in SUFFIXES:
        write_animation(tmp_path / f"b{suffix}", about, iter([frames()[0]] * 3))
        assert animation_of(tmp_path / f"b{suffix}").durations == about.durations


def test_more_colours_than_gif_holds(tmp_path):
    about = animation_of(made(tmp_path / "a.png", frames()))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rich = np.stack([x * 6, y * 8, (x * y) % 256, np.full_like(x, 255)], axis=-1).astype(np.uint8)
    (note,) = write_animation(tmp_path / "b.gif", about, iter([rich] * 3))
    assert note == "GIF holds 255 colours a frame, to which the restored ones were reduced where they are more"
    shown = next(frames_of(animation_of(tmp_path / "b.gif")))
    assert np.abs(shown.astype(int) - rich).mean() < 8


def test_lossy_webp_stays_lossy(tmp_path):
    shown = frames()
    about = animation_of(made(tmp_path / "a.webp", shown, lossless=False, quality=80))
    assert not about.lossless
    write_animation(tmp_path / "b.webp", about, iter(shown))
    assert not animation_of(tmp_path / "b.webp").lossless
    assert np.abs(next(frames_of(animation_of(tmp_path / "b.webp"))).astype(int) - shown[0]).mean() < 6


def test_metadata_of_webp(tmp_path):
    exif, xmp, icc = b"II*\0" + struct.pack("<IHI", 8, 0, 0), b"<x/>", bytes(128)
    source = made(tmp_path / "a.webp", frames(), exif=exif, xmp=xmp, icc_profile=icc)
    write_animation(tmp_path / "b.webp", animation_of(source), frames_of(animation_of(source)))
    kept = animation_of(tmp_path / "b.webp").metadata
    assert (kept.exif, kept.xmp, kept.icc) == (exif, xmp, icc)
    notes = write_animation(tmp_path / "b.gif", animation_of(source), frames_of(animation_of(source)))
    assert notes[0] == "GIF does not hold its EXIF, which was not kept"
    kept = animation_of(tmp_path / "b.gif").metadata
    assert (kept.xmp, kept.icc) == (xmp, icc)


def test_bytes_between_frames_of_gif_are_passed_over(tmp_path):
    data = made(tmp_path / "a.gif", frames()).read_bytes()
    at = data.rindex(b"\x21\xf9")
    (tmp_path / "a.gif").write_bytes(data[:at] + b"\0\0" + data[at:])
    assert len(animation_of(tmp_path / "a.gif").durations) == len(list(frames_of(animation_of(tmp_path / "a.gif")))) == 3


def test_comments_of_gif(tmp_path):
    source = made(tmp_path / "a.gif", frames(), comment=b"a cat" * 90)
    write_animation(tmp_path / "b.gif", animation_of(source), frames_of(animation_of(source)))
    assert animation_of(tmp_path / "b.gif").metadata.comments == (b"a cat" * 90,)


def test_chunks_and_the_still_picture_of_a_png(tmp_path):
    still = PillowImage.new("RGB", (WIDTH, HEIGHT), (9, 8, 7))
    moving = [PillowImage.fromarray(frame).convert("RGB") for frame in frames()]
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a cat")
    still.save(tmp_path / "a.png", save_all=True, default_image=True, append_images=moving, duration=TIMES, pnginfo=text)
    about = animation_of(tmp_path / "a.png")
    assert (about.has_still, about.pictures, len(about.durations)) == (True, 4, 3)
    write_animation(tmp_path / "b.png", about, frames_of(about))
    with PillowImage.open(tmp_path / "b.png") as seen:
        assert seen.text == {"Title": "a cat"}
        assert seen.info["default_image"]
        assert seen.convert("RGB").getpixel((0, 0)) == (9, 8, 7)
    assert animation_of(tmp_path / "b.png").durations == about.durations
    notes = write_animation(tmp_path / "b.webp", about, frames_of(about))
    assert "WebP has no still picture beside the frames, which was not kept" in notes
    for frame, expected in zip(frames_of(animation_of(tmp_path / "b.webp")), frames(), strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 1


def test_exact_durations_of_png_are_rounded_where_they_must_be(tmp_path):
    data = bytearray(made(tmp_path / "a.png", frames()).read_bytes())
    at = data.index(b"fcTL") + 24
    data[at : at + 4] = struct.pack(">HH", 1, 3)
    (tmp_path / "a.png").write_bytes(bytes(data))
    about = animation_of(tmp_path / "a.png")
    assert about.durations[0] == Fraction(1, 3)
    shown = frames()
    assert write_animation(tmp_path / "b.png", about, iter(shown)) == ()
    assert animation_of(tmp_path / "b.png").durations == about.durations
    assert "rounded to 1 ms" in write_animation(tmp_path / "b.webp", about, iter(shown))[0]
    assert animation_of(tmp_path / "b.webp").durations[0] == Fraction(333, 1000)


def test_a_single_picture_is_a_photo(tmp_path):
    for suffix, kind in {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}.items():
        data = io.BytesIO()
        PillowImage.new("RGB", (8, 8)).save(data, format=kind)
        (tmp_path / f"a{suffix}").write_bytes(data.getvalue())
        assert not is_animation(tmp_path / f"a{suffix}")
        assert kind_of(tmp_path / f"a{suffix}") == "photo"
    (tmp_path / "b").write_bytes(b"GIF89a")
    assert not is_animation(tmp_path / "b")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_broken_off(tmp_path, suffix):
    data = made(tmp_path / f"a{suffix}", frames(colours=40)).read_bytes()
    about = animation_of(tmp_path / f"a{suffix}")
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableError):
        write_animation(tmp_path / f"b{suffix}", about, frames_of(about))
    assert not (tmp_path / f"b{suffix}").exists()


def test_suffixes(tmp_path):
    source = made(tmp_path / "a.gif", frames())
    source.rename(tmp_path / "a.png")
    assert animation_suffix(tmp_path / "a.png") == ".gif"
    about = animation_of(tmp_path / "a.png")
    with pytest.raises(OutputError, match=r"\.gif, \.webp"):
        write_animation(tmp_path / "b.jpg", about, frames_of(about))
