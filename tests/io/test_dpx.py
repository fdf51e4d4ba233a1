"""DPX of every packing, whose headers come back byte for byte."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from unblur.errors import UnreadableError, UnsupportedError
from unblur.io.image import read_image, size_of, write_image

HEIGHT, WIDTH = 5, 7
GREY, RGB, RGBA = 6, 50, 51


def samples(channels, bits):
    return np.random.default_rng(bits).integers(0, 1 << bits, (HEIGHT, WIDTH, channels)).astype(np.uint32)


def dpx(values, *, bits, order=">", packing=1, descriptor=None, padding=0, changes=(), rest=b""):
    """Write a DPX by the book, word by word."""
    head = bytearray(np.random.default_rng(1).integers(0, 256, 2048, np.uint8).tobytes())
    descriptor = descriptor or {1: GREY, 3: RGB, 4: RGBA}[values.shape[2]]
    struct.pack_into(order + "4sI", head, 0, b"SDPX" if order == ">" else b"XPDS", 2048)
    head[:4] = b"SDPX" if order == ">" else b"XPDS"
    struct.pack_into(order + "HHII", head, 768, 0, 1, WIDTH, HEIGHT)
    struct.pack_into(order + "B2xBHHII", head, 800, descriptor, bits, packing, 0, 2048, padding)
    for place, form, value in changes:
        struct.pack_into(order + form, head, place, value)
    lines = []
    for row in values.reshape(HEIGHT, -1):
        if bits == 8:
            line = bytes(row.astype(np.uint8))
        elif bits == 10:
            line = b""
            for three in threes(row):
                ordered = three if values.shape[2] > 1 else three[::-1]
                word = ordered[0] << 20 | ordered[1] << 10 | ordered[2]
                line += struct.pack(order + "I", word << 2 if packing == 1 else word)
        else:
            shifted = row << 4 if bits == 12 and packing == 1 else row
            line = struct.pack(f"{order}{len(row)}H", *shifted.tolist())
        line += bytes(-len(line) % 4)
        lines.append(line)
    return bytes(head) + bytes(padding).join(lines) + rest


def threes(row):
    padded = [*row.tolist(), *[0] * (-len(row) % 3)]
    return [tuple(padded[at : at + 3]) for at in range(0, len(padded), 3)]


def spread(values, bits):
    return values if bits in (8, 16) else values * 65535 // ((1 << bits) - 1)


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("bits", "packing"), [(8, 0), (10, 1), (10, 2), (12, 1), (12, 2), (16, 0)])
def test_round_trip(tmp_path, order, channels, bits, packing):
    values = samples(channels, bits)
    source, target = tmp_path / "a.dpx", tmp_path / "b.dpx"
    source.write_bytes(dpx(values, bits=bits, order=order, packing=packing, padding=12, rest=b"more"))
    image = read_image(source)
    np.testing.assert_array_equal(image.interleaved(0, HEIGHT), spread(values, bits))
    assert image.notes == ()
    assert size_of(source) == (WIDTH, HEIGHT)
    assert write_image(target, image) == ()
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(("pixel_format", "bits"), [("gbrp10le", 10), ("gbrp10be", 10), ("rgb48be", 16), ("rgb24", 8), ("gbrp12be", 12)])
def test_of_ffmpeg(tmp_path, pixel_format, bits):
    """Another program writes the file."""
    values = samples(3, bits)
    with av.open(str(tmp_path / "a.dpx"), "w", format="image2") as out:
        stream = out.add_stream("dpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        frame = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
        kind = "u1" if bits == 8 else "<u2" if pixel_format.endswith("le") else ">u2"
        planes = [values[..., [1, 2, 0][place]] for place in range(3)] if pixel_format.startswith("gbrp") else [values.reshape(HEIGHT, -1)]
        for plane, rows in zip(frame.planes, planes, strict=True):
            whole = np.zeros((HEIGHT, plane.line_size), np.uint8)
            packed = np.ascontiguousarray(rows.astype(kind)).view(np.uint8).reshape(HEIGHT, -1)
            whole[:, : packed.shape[1]] = packed
            plane.update(whole.tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    image = read_image(tmp_path / "a.dpx")
    np.testing.assert_array_equal(image.pixels, spread(values, bits))


def test_other_formats_say_that_the_header_is_lost(tmp_path):
    (tmp_path / "a.dpx").write_bytes(dpx(samples(3, 10), bits=10))
    assert write_image(tmp_path / "a.png", read_image(tmp_path / "a.dpx")) == ("PNG does not hold its DPX header, which was not kept",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([(808, "I", 7)], "no pixels"),
        ([(770, "H", 2)], "multi-element"),
        ([(806, "H", 1)], "compressed"),
        ([(768, "H", 3)], "turned"),
        ([(803, "B", 32)], "32-bit"),
        ([(804, "H", 0)], "packing 0"),
    ],
)
def test_what_is_not_taken(tmp_path, changes, words):
    data = dpx(samples(3, 10), bits=10, changes=changes)
    (tmp_path / "a.dpx").write_bytes(data)
    with pytest.raises((UnsupportedError, UnreadableError), match=words):
        read_image(tmp_path / "a.dpx")


def test_broken_off(tmp_path):
    data = dpx(samples(3, 10), bits=10)
    for length in (len(data) - 1, 1600, 20):
        (tmp_path / "a.dpx").write_bytes(data[:length])
        with pytest.raises(UnreadableError):
            read_image(tmp_path / "a.dpx")
