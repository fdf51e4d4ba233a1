"""No attribute of metadata is lost unsaid, whatever the format."""

from dataclasses import fields

import numpy as np
import pytest

from unblur.io.exif import exif_of_directory, read_exif
from unblur.io.holds import HOLDS, held
from unblur.io.ifd import Entry
from unblur.io.image import Image, Metadata, read_image, write_image
from unblur.io.picture import Attached, DpxFile, ExrFile

VALUES = {
    "exif": exif_of_directory("<", {0x010F: Entry(2, 5, b"Make\0")}),
    "icc": bytes(range(200)),
    "xmp": b'<rdf:Description dc:title="A cat"/>',
    "photoshop": b"8BIM\x04\x04\0\0\0\0\0\x05title\0",
    "comments": (b"first", "žluť".encode()),
    "dpi": (300.0, 300.0),
    "png_chunks": ((b"gAMA", bytes(4)),),
    "segments": ((0xE5, b"RMETA"),),
    "attached": (Attached("data behind the picture", b"more"),),
    "exr": ExrFile([], 0, ("Y",)),
    "dpx": DpxFile(b"", b""),
    "radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n",
}
SUFFIXES = {".jpg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tif": "TIFF", ".bmp": "BMP"}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("attribute", [each.name for each in fields(Metadata)])
def test_each_attribute_is_kept_or_named(tmp_path, suffix, attribute):
    out = tmp_path / f"out{suffix}"
    notes = write_image(out, Image(np.zeros((8, 8, 3), np.uint8), metadata=Metadata(**{attribute: VALUES[attribute]})))
    back = getattr(read_image(out).metadata, attribute)
    if attribute not in HOLDS[SUFFIXES[suffix]]:
        assert not back
        (note,) = notes
        assert note.startswith(f"{SUFFIXES[suffix]} does not hold")
        return
    assert notes == ()
    if attribute == "dpi":
        assert back == pytest.approx((300, 300), abs=0.1)
    elif attribute == "comments" and suffix == ".png":  # where they are text
        assert b"Comment\0first" in out.read_bytes()
        assert b"Comment" + bytes(5) + "žluť".encode() in out.read_bytes()
    elif attribute == "exif":
        assert read_exif(back)[1][0x010F].value == b"Make\0"
    else:
        assert back == VALUES[attribute]


def test_nothing_is_said_where_nothing_is_lost():
    metadata = Metadata(exif=VALUES["exif"], icc=VALUES["icc"])
    assert held(metadata, "WebP") == (metadata, [])
