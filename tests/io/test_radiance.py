"""Radiance HDR: linear light, with the header as it came."""

import cv2
import numpy as np
import pytest

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.image import is_image, output_suffix, read_image, size_of, write_image

HEADER = b"#?RADIANCE\nrpict -vf a.vf\nEXPOSURE=2.5\nSOFTWARE=A program\nFORMAT=32-bit_rle_rgbe\n"


def light(most=4.0):
    values = np.random.default_rng(0).random((20, 30, 3), np.float32) * most
    return values + np.float32(0.01)


def hdr(values, header=HEADER, size=b""):
    _, data = cv2.imencode(".hdr", values[..., ::-1])
    _, _, rest = data.tobytes().partition(b"\n\n")
    own, _, pixels = rest.partition(b"\n")
    return header + b"\n" + (size or own) + b"\n" + pixels


def read(tmp_path, data):
    (tmp_path / "photo.hdr").write_bytes(data)
    return read_image(tmp_path / "photo.hdr")


@pytest.mark.parametrize("most", [0.9, 4.0, 500.0])
def test_round_trip_keeps_light_and_header(tmp_path, most):
    values = light(most)
    image = read(tmp_path, hdr(values))
    assert image.is_floating
    assert 0 <= image.pixels.min() <= image.pixels.max() <= 1
    assert is_image(tmp_path / "photo.hdr")
    assert output_suffix(tmp_path / "photo.hdr") == ".hdr"
    assert size_of(tmp_path / "photo.hdr") == (30, 20)
    assert write_image(tmp_path / "out.hdr", image) == ()
    assert (tmp_path / "out.hdr").read_bytes().startswith(HEADER + b"\n-Y 20 +X 30\n")
    back = cv2.imread(str(tmp_path / "out.hdr"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert np.abs(back - values).max() <= 0.02 * values.max()


def test_in_other_formats(tmp_path):
    image = read(tmp_path, hdr(light()))
    assert write_image(tmp_path / "out.tif", image) == ("TIFF does not hold its Radiance header, which was not kept",)
    np.testing.assert_allclose(read_image(tmp_path / "out.tif").pixels, image.pixels, atol=0.3)
    with pytest.raises(OutputError, match=r"Radiance HDR is written of pictures that were Radiance HDR; choose \.tif"):
        write_image(tmp_path / "b.hdr", read_image(tmp_path / "out.tif"))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (hdr(light(), header=HEADER.replace(b"rgbe", b"xyze")), "XYZ"),
        (hdr(light(), size=b"+X 30 -Y 20"), "turned rows"),
        (hdr(light(), size=b"+Y 20 +X 30"), "turned rows"),
    ],
)
def test_others_are_refused(tmp_path, data, match):
    with pytest.raises(UnsupportedError, match=f"{match}.*convert it"):
        read(tmp_path, data)


@pytest.mark.parametrize("keep", [12, 100, 160])
def test_broken_off(tmp_path, keep):
    with pytest.raises(UnreadableError, match="copy it again"):
        read(tmp_path, hdr(light())[:keep])
