"""Targa files, which are told by their suffix and a sound header."""

import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import InputError, UnreadableError
from unblur.io.image import Image, Metadata, is_image, output_suffix, read_image, write_image

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 14, 4), np.uint8)


@pytest.mark.parametrize("compression", [None, "tga_rle"])
@pytest.mark.parametrize(("mode", "channels"), [("L", [0]), ("RGB", [0, 1, 2]), ("RGBA", [0, 1, 2, 3])])
def test_round_trip(tmp_path, compression, mode, channels):
    samples = PIXELS[..., channels]
    PillowImage.fromarray(samples[..., 0] if mode == "L" else samples).save(
        tmp_path / "a.tga", compression=compression, id_section=b"a cat"
    )
    image = read_image(tmp_path / "a.tga")
    np.testing.assert_array_equal(image.interleaved(0, 9), samples)
    assert (image.metadata.comments, image.notes, output_suffix(tmp_path / "a.tga")) == ((b"a cat",), (), ".tga")
    assert write_image(tmp_path / "b.tga", image) == ()
    assert (tmp_path / "b.tga").read_bytes() == (tmp_path / "a.tga").read_bytes()


def test_areas_of_the_second_version_are_said(tmp_path):
    PillowImage.fromarray(PIXELS).save(tmp_path / "a.tga")
    data = (tmp_path / "a.tga").read_bytes()
    (tmp_path / "a.tga").write_bytes(data[:-26] + bytes(494) + b"\3" + struct.pack("<II", len(data) - 26, 0) + b"TRUEVISION-XFILE.\0")
    image = read_image(tmp_path / "a.tga")
    assert image.notes == ("its extension and developer areas were not kept",)
    np.testing.assert_array_equal(image.interleaved(0, 9), PIXELS)


def test_long_comments_are_said(tmp_path):
    image = Image(PIXELS[..., :3], metadata=Metadata(comments=(b"cat" * 100,)))
    assert write_image(tmp_path / "a.tga", image) == ("TGA holds one comment of 255 bytes; what is more of them was not kept",)
    assert read_image(tmp_path / "a.tga").metadata.comments == ((b"cat" * 100)[:255],)


def test_other_files_of_that_suffix(tmp_path):
    (tmp_path / "a.tga").write_bytes(b"this is a text and no picture")
    assert not is_image(tmp_path / "a.tga")
    PillowImage.fromarray(PIXELS).save(tmp_path / "b.tga")
    (tmp_path / "b.tga").rename(tmp_path / "b.dat")
    assert not is_image(tmp_path / "b.dat")


@pytest.mark.parametrize("compression", [None, "tga_rle"])
def test_hostile_bytes_raise_nothing_but_our_errors(tmp_path, compression):
    PillowImage.fromarray(PIXELS).save(tmp_path / "a.tga", compression=compression)
    data = (tmp_path / "a.tga").read_bytes()
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(40):
        changed = bytearray(data)
        for at in generator.integers(0, 300, 6):
            changed[at] = generator.choice([0, 255, generator.integers(256)])
        (tmp_path / "a.tga").write_bytes(bytes(changed))
        try:
            read_image(tmp_path / "a.tga")
        except InputError:
            refused += 1
    assert refused


def test_broken_off(tmp_path):
    PillowImage.fromarray(PIXELS).save(tmp_path / "a.tga", compression="tga_rle")
    (tmp_path / "a.tga").write_bytes((tmp_path / "a.tga").read_bytes()[:200])
    with pytest.raises(UnreadableError):
        read_image(tmp_path / "a.tga")
