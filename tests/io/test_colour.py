import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from unblur.errors import UnsupportedError
from unblur.io.colour import LUMA_WEIGHTS, Colour, PixelConverter, bit_depth

HEIGHT, WIDTH = 49, 65
DEPTHS = {8: (np.uint8, 255), 10: (np.uint16, 65535)}


def smooth(depth: int) -> np.ndarray:
    """A colourful picture without edges, so that resampled chroma has little to lose."""
    dtype, peak = DEPTHS[depth]
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    channels = [0.5 + 0.4 * np.sin(x / 17 + 2 * c) * np.cos(y / 13 - c) for c in range(3)]
    return (np.stack(channels, -1) * peak).round().astype(dtype)


def converter(pixel_format: str, *, matrix: int, code_range: int) -> PixelConverter:
    return PixelConverter(pixel_format, colour=Colour(matrix=matrix, range=code_range), width=WIDTH, height=HEIGHT)


def planes(frame: av.VideoFrame, dtype: type) -> list[np.ndarray]:
    """The samples of each plane, without what pads its rows."""
    return [np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]


def grey_levels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference in steps of 8 bits."""
    return (a.astype(float) - b) / (257 if a.dtype == np.uint16 else 1)


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv422p", "yuv420p", "yuv444p10le", "yuv422p10le", "yuv420p10le"])
@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_round_trip_has_no_tint(pixel_format, matrix, code_range):
    pixels = smooth(bit_depth(pixel_format))
    convert = converter(pixel_format, matrix=matrix, code_range=code_range)
    once = convert.to_rgb(convert.to_frame(pixels))
    twice = convert.to_rgb(convert.to_frame(once))
    assert once.dtype == pixels.dtype
    assert np.abs(grey_levels(once, pixels).mean(axis=(0, 1))).max() < 0.4  # one rounding; chroma of 8 bits counts double in blue
    assert np.abs(grey_levels(once, pixels)).mean() < 1
    # What has been through the video once stays as it is: this is what happens to a frame that is left alone.
    assert np.abs(grey_levels(twice, once)).mean() < 0.25
    assert np.abs(grey_levels(twice, once).mean(axis=(0, 1))).max() < 0.05


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("matrix", list(LUMA_WEIGHTS))
def test_codes_are_those_of_the_standard(matrix, code_range, depth):
    """Black, white and red by hand: Y' = Kr R' + ..., Cb = (B' - Y') / (2 (1 - Kb)), scaled to the range."""
    dtype, peak = DEPTHS[depth]
    kr, kb = LUMA_WEIGHTS[matrix]
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype)
    pixels[1] = peak
    pixels[2, :, 0] = peak
    frame = converter("yuv444p" if depth == 8 else "yuv444p10le", matrix=matrix, code_range=code_range).to_frame(pixels)
    unit = 2 ** (depth - 8)
    top = 2**depth - 1
    black, span, chroma = (16 * unit, 219 * unit, 224 * unit) if code_range == 1 else (0, top, top)
    centre = 128 * unit
    expected = [
        (black, centre, centre),
        (black + span, centre, centre),
        (black + kr * span, centre - kr / (2 * (1 - kb)) * chroma, centre + chroma / 2),
    ]
    for row, codes in enumerate(expected):
        for plane, code in zip(planes(frame, dtype), codes, strict=True):
            assert abs(int(plane[row, 0]) - min(code, top)) <= 0.51
            assert len(set(plane[row].tolist())) == 1
    assert frame.color_range == code_range
    assert frame.colorspace == matrix


@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_to_rgb_agrees_with_swscale(matrix, code_range):
    """An independent converter, good in this direction."""
    convert = converter("yuv444p", matrix=matrix, code_range=code_range)
    frame = convert.to_frame(smooth(8))
    theirs = VideoReformatter().reformat(frame, format="rgb24", src_color_range=code_range, dst_color_range=2).to_ndarray()
    assert np.abs(convert.to_rgb(frame).astype(int) - theirs).max() <= 1


def test_each_tag_changes_the_result():
    frame = converter("yuv444p", matrix=1, code_range=1).to_frame(smooth(8))
    results = [converter("yuv444p", matrix=m, code_range=r).to_rgb(frame).tobytes() for m in (1, 6, 9) for r in (1, 2)]
    assert len(set(results)) == 6


@pytest.mark.parametrize(("size", "like"), [((720, 576), 6), ((640, 360), 6), ((1280, 720), 1), ((1920, 540), 1)])
def test_unsaid_matrix_goes_by_size(size, like):
    width, height = size
    assert Colour().coefficients(width=width, height=height) == LUMA_WEIGHTS[like]


@pytest.mark.parametrize(
    ("said", "pixel_format", "full"), [(0, "yuv420p", False), (0, "yuvj420p", True), (2, "yuv420p", True), (1, "yuvj420p", False)]
)
def test_unsaid_range_is_limited_but_for_jpeg(said, pixel_format, full):
    assert Colour(range=said).is_full_range(pixel_format) is full


@pytest.mark.parametrize("matrix", [8, 10, 11, 14])
def test_matrix_that_is_no_weighted_sum(matrix):
    with pytest.raises(UnsupportedError, match=f"number {matrix} "):
        Colour(matrix=matrix).coefficients(width=64, height=48)


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp", "bgr0", "gbrp10le"])
def test_rgb_goes_through_unchanged(pixel_format):
    depth = bit_depth(pixel_format)
    pixels = smooth(depth)
    convert = converter(pixel_format, matrix=0, code_range=2)
    back = convert.to_rgb(convert.to_frame(pixels))
    assert np.abs(grey_levels(back, pixels)).max() <= (0 if depth == 8 else 0.26)


def test_full_range_chroma_does_not_wrap():
    """Pure blue has the chroma code 1023.5, which no 10-bit sample holds."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    pixels[..., 2] = 65535
    convert = converter("yuv420p10le", matrix=1, code_range=2)
    frame = convert.to_frame(pixels)
    assert planes(frame, np.uint16)[1].max() == 1023
    assert np.abs(grey_levels(convert.to_rgb(frame), pixels)).max() < 1


def test_side_data_travels_with_new_pixels(tmp_path):
    """Display matrices stand for captions here: both are side data of a frame."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        stream.set_display_rotation(90)
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")) + stream.encode(None))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        source = next(container.decode(video=0))
    convert = converter("yuv420p", matrix=1, code_range=1)
    small = VideoReformatter().reformat(source, width=16, height=16, format="gray")
    for pixels in (smooth(8), smooth(8)[::-1].copy()):  # the second frame is filled into what the first one left
        frame = convert.to_frame(pixels, carried=small)
        assert frame.rotation == source.rotation == 90
        assert np.abs(grey_levels(convert.to_rgb(frame), pixels)).mean() < 1
    assert convert.to_frame(pixels).rotation == 0


def test_frames_do_not_share_their_samples():
    for pixel_format in ("yuv444p", "yuv420p", "rgb24", "gbrp"):
        convert = converter(pixel_format, matrix=1, code_range=1)
        first = convert.to_frame(smooth(8))
        kept = [plane.copy() for plane in planes(first, np.uint8)]
        convert.to_frame(255 - smooth(8))
        assert all(np.array_equal(a, b) for a, b in zip(planes(first, np.uint8), kept, strict=True))
