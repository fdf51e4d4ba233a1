from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from unblur.errors import InputError, UnreadableError, UnsupportedError
from unblur.synth.sources import find_photos, open_clip, read_cutout, read_photo, sha256_of

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def png(path: Path, pixels: np.ndarray = PICTURE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def movie(path: Path, *, count: int = 5, rotation: int = 0, transfer: int = 1) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(25), options={"crf": "5", "x264-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.color_trc = transfer
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            pixels = np.full((48, 64, 3), 40 + 30 * number, np.uint8)
            pixels[:8, :8] = 255  # top left
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(stream.encode(None))
    return path


def test_photos_are_found_at_any_depth_once_and_in_order(tmp_path):
    for name in ("b.png", "a/z.png", "a/.hidden.png", ".dir/c.png"):
        png(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    found = find_photos([tmp_path, tmp_path / "b.png"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/z.png", "b.png"]


def test_no_photo_is_an_error_that_names_the_place(tmp_path):
    with pytest.raises(InputError, match="no picture in"):
        find_photos([tmp_path])
    with pytest.raises(InputError, match=r"gone.png` is not there"):
        find_photos([tmp_path / "gone.png"])


def test_sixteen_bit_grey_and_turned_pictures_are_read_as_eight_bit_rgb_upright(tmp_path):
    deep = png(tmp_path / "deep.png", PICTURE.astype(np.uint16) * 257)
    assert np.array_equal(read_photo(deep), PICTURE)
    grey = read_photo(png(tmp_path / "grey.png", PICTURE[..., 0]))
    assert np.array_equal(grey, PICTURE[..., :1].repeat(3, axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    Image.fromarray(PICTURE).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_photo(tmp_path / "turned.png"), np.rot90(PICTURE, -1))


def test_black_and_broken_pictures_are_refused_by_name(tmp_path):
    for value in (0, 90):
        with pytest.raises(UnreadableError, match=f"flat{value}.png` shows nothing"):
            read_photo(png(tmp_path / f"flat{value}.png", np.full((9, 9, 3), value, np.uint8)))
    whole = png(tmp_path / "whole.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableError, match=r"broken.png"):
        read_photo(tmp_path / "broken.png")


def test_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    first = sha256_of(png(tmp_path / "f" / "0.png").parent)
    png(tmp_path / "f" / "1.png")
    assert sha256_of(tmp_path / "f") != first


def test_folder_of_frames_needs_a_rate(tmp_path):
    png(tmp_path / "f" / "0.png")
    with pytest.raises(InputError, match="--rate"):
        open_clip(tmp_path / "f")
    assert open_clip(tmp_path / "f", rate=50).rate == 50
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableError, match="no pictures"):
        open_clip(tmp_path / "empty", rate=50)


def test_part_and_scale_of_a_folder(tmp_path):
    for number in range(6):
        png(tmp_path / "f" / f"{number}.png", PICTURE // (number + 1))
    clip = open_clip(tmp_path / "f", rate=10, start=0.2, duration=0.2, scale=0.5)
    moments = list(clip)
    assert [(moment.number, moment.seconds) for moment in moments] == [(2, pytest.approx(0.2)), (3, pytest.approx(0.3))]
    assert moments[0].pixels.shape == (6, 10, 3)
    for scale in (0, 1.5):
        with pytest.raises(InputError, match="scale"):
            open_clip(tmp_path / "f", rate=10, scale=scale)


def test_frames_of_two_sizes_are_refused(tmp_path):
    png(tmp_path / "f" / "0.png")
    png(tmp_path / "f" / "1.png", PICTURE[:10])
    with pytest.raises(InputError, match="differ in size"):
        list(open_clip(tmp_path / "f", rate=10))


def test_video_is_read_at_its_rate_as_often_as_wanted(tmp_path):
    clip = open_clip(movie(tmp_path / "clip.mp4"))
    assert clip.rate == pytest.approx(25)
    assert open_clip(tmp_path / "clip.mp4", rate=240).rate == 240
    for _ in range(2):
        moments = list(clip)
        assert [moment.seconds for moment in moments] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert [round(float(moment.pixels[24:, 32:].mean()) - 40, -1) / 30 for moment in moments] == pytest.approx(range(5), abs=0.1)
    assert len(list(open_clip(tmp_path / "clip.mp4", start=0.08))) == 3
    assert len(list(open_clip(tmp_path / "clip.mp4", duration=0.08))) == 2


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_turned_video_is_read_upright(tmp_path, rotation):
    pixels = next(iter(open_clip(movie(tmp_path / "clip.mp4", rotation=rotation)))).pixels
    upright = np.rot90(next(iter(open_clip(movie(tmp_path / "plain.mp4")))).pixels, rotation // 90)
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= 2


def test_broken_and_hdr_clips_are_refused_by_name(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is no clip")
    with pytest.raises(UnreadableError, match=r"broken.mp4"):
        open_clip(tmp_path / "broken.mp4")
    with pytest.raises(UnsupportedError, match=r"bright.mp4` is HDR \(PQ\)"):
        open_clip(movie(tmp_path / "bright.mp4", transfer=16))


def test_cutouts_have_colours_and_opacity(tmp_path):
    opacity = np.zeros((12, 20, 1), np.uint8)
    opacity[3:9, 4:12] = 200
    cutout = np.concatenate([PICTURE, opacity], axis=2)
    Image.fromarray(cutout).save(tmp_path / "object.png")
    assert np.array_equal(read_cutout(tmp_path / "object.png"), cutout)
    deep = cutout[..., [2, 1, 0, 3]].astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.array_equal(read_cutout(tmp_path / "deep.png"), cutout)


@pytest.mark.parametrize("opacity", [None, 0, 255])
def test_what_is_not_cut_out_is_an_error(tmp_path, opacity):
    pixels = PICTURE if opacity is None else np.concatenate([PICTURE, np.full((12, 20, 1), opacity, np.uint8)], axis=2)
    Image.fromarray(pixels).save(tmp_path / "object.png")
    with pytest.raises(UnreadableError, match="no cut-out object"):
        read_cutout(tmp_path / "object.png")
