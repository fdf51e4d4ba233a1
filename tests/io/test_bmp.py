import struct

import numpy as np
import pytest
from PIL import Image as PillowImage

from unblur.errors import UnsupportedError
from unblur.io.image import Image, Metadata, read_image, write_image


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("icc", [None, bytes(range(256)) * 2])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [7, 8])
def test_bmp_as_pillow_reads_it(tmp_path, width, channels, has_alpha, icc):
    image = Image(noise(5, width, channels), noise(5, width, seed=1) if has_alpha else None, Metadata(icc=icc))
    assert write_image(tmp_path / "out.bmp", image) == ()
    with PillowImage.open(tmp_path / "out.bmp") as shown:
        assert shown.mode == ("RGBA" if has_alpha else "L" if channels == 1 else "RGB")
        shown_pixels = np.asarray(shown).reshape(5, width, -1)
    np.testing.assert_array_equal(shown_pixels[..., :3], np.broadcast_to(image.pixels, (5, width, 3 if has_alpha else channels)))
    if has_alpha:
        np.testing.assert_array_equal(shown_pixels[..., 3], image.alpha)
    assert read_image(tmp_path / "out.bmp").metadata.icc == icc
    (size,) = struct.unpack("<I", (tmp_path / "out.bmp").read_bytes()[2:6])
    assert size == (tmp_path / "out.bmp").stat().st_size


def test_linked_profile_is_named(tmp_path):
    write_image(tmp_path / "photo.bmp", Image(noise(5, 5, 3), metadata=Metadata(icc=b"profile")))
    data = bytearray((tmp_path / "photo.bmp").read_bytes())
    data[14 + 56 : 14 + 60] = struct.pack("<I", 0x4C494E4B)
    (tmp_path / "photo.bmp").write_bytes(data)
    image = read_image(tmp_path / "photo.bmp")
    assert image.metadata.icc is None
    assert "profile" in image.notes[0]


def test_another_rendering_intent_is_named(tmp_path):
    write_image(tmp_path / "out.bmp", Image(noise(5, 6, 3), noise(5, 6, seed=1)))
    assert read_image(tmp_path / "out.bmp").notes == ()
    data = bytearray((tmp_path / "out.bmp").read_bytes())
    data[14 + 108 : 14 + 112] = struct.pack("<I", 2)  # that of graphics
    (tmp_path / "out.bmp").write_bytes(data)
    assert read_image(tmp_path / "out.bmp").notes == ("its rendering intent, which is not that of photos, was not kept",)


def test_a_bmp_of_a_rare_layout_is_not_called_damaged(tmp_path):
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 64, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 54 + 512, 0, 0, 54) + header + bytes(512))
    with pytest.raises(UnsupportedError, match="is of a kind that is not known here"):
        read_image(tmp_path / "a.bmp")
