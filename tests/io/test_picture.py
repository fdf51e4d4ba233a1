import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.errors import ShapeError
from unblur.io.picture import HEAD_SIZE, Canvas, Coding, Image, Metadata, head_with, row_blocks


def test_with_pixels_keeps_all_else():
    image = Image(
        np.zeros((2, 3, 3), np.uint16),
        np.ones((2, 3), np.uint16),
        Metadata(exif=b"exif", icc=b"icc", dpi=(72, 72)),
        Coding("TIFF", compressed=False),
        ("a note",),
    )
    pixels = np.full((2, 3, 3), 7, np.uint16)
    other = image.with_pixels(pixels)
    assert other.pixels is pixels
    assert other.alpha is image.alpha
    assert (other.metadata, other.source, other.notes) == (image.metadata, image.source, image.notes)
    assert image.pixels.max() == 0


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, 3, 1), np.uint8), ((3, 2, 3), np.uint8), ((2, 3, 3), np.uint16), ((2, 3, 3), np.float32)]
)
def test_with_pixels_of_another_kind(shape, dtype):
    with pytest.raises(ShapeError, match=r"\(2, 3, 3\) of uint8"):
        Image(np.zeros((2, 3, 3), np.uint8)).with_pixels(np.zeros(shape, dtype))


@pytest.mark.parametrize(("shape", "dtype"), [((2, 3), np.uint8), ((2, 3, 4), np.uint8), ((0, 3, 3), np.uint8), ((2, 3, 3), np.float64)])
def test_pixels_that_are_no_picture(shape, dtype):
    with pytest.raises(ShapeError, match="pixels"):
        Image(np.zeros(shape, dtype))


@pytest.mark.parametrize(("shape", "dtype"), [((2, 3, 1), np.uint8), ((3, 2), np.uint8), ((2, 3), np.uint16)])
def test_alpha_that_does_not_fit(shape, dtype):
    with pytest.raises(ShapeError, match="alpha"):
        Image(np.zeros((2, 3, 3), np.uint8), np.zeros(shape, dtype))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, ["abc", "def"]),
        (2, ["cba", "fed"]),
        (3, ["fed", "cba"]),
        (4, ["def", "abc"]),
        (5, ["ad", "be", "cf"]),
        (6, ["da", "eb", "fc"]),
        (7, ["fc", "eb", "da"]),
        (8, ["cf", "be", "ad"]),
    ],
)
def test_canvas_turns_what_is_laid_down(orientation, upright):
    """Stored is "abc" over "def"; EXIF says where its first row and column belong."""
    stored = np.array([list(b"abc"), list(b"def")], np.uint8)
    canvas = Canvas(3, 2, channels=1, has_alpha=True, orientation=orientation)
    canvas.put(0, 0, np.stack([stored[:, :2]] * 2, axis=-1))
    canvas.put(0, 2, np.stack([stored[:, 2:]] * 2, axis=-1))
    assert [bytes(row).decode() for row in canvas.pixels[..., 0]] == upright
    assert [bytes(row).decode() for row in canvas.alpha] == upright
    planes = Canvas(3, 2, channels=3, has_alpha=True, orientation=orientation)
    for plane in range(4):
        planes.put_plane(0, 0, stored + np.uint8(plane), plane=plane)
    np.testing.assert_array_equal(planes.pixels - np.arange(3, dtype=np.uint8), np.repeat(canvas.pixels, 3, axis=2))
    np.testing.assert_array_equal(planes.alpha, canvas.alpha + 3)


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), pixels=st.integers(1, 1 << 20))
def test_row_blocks_cover_every_row_once(width, height, pixels):
    blocks = row_blocks(width, height, pixels=pixels)
    assert [row for top, bottom in blocks for row in range(top, bottom)] == list(range(height))
    assert all((bottom - top) * width <= max(pixels, width) for top, bottom in blocks)


def test_a_file_is_read_whole_only_where_its_head_is_not_enough(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"early" + bytes(HEAD_SIZE) + b"late")
    assert len(head_with(path, lambda head: b"early" in head)) == HEAD_SIZE
    assert head_with(path, lambda head: b"late" in head) == path.read_bytes()
