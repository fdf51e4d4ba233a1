import io

import numpy as np
from PIL import Image as PillowImage

from unblur.io.image import read_image, write_image

XMP = b'<x:xmpmeta><rdf:Description dc:title="A shaky cat"/></x:xmpmeta>'
ICC = bytes(range(256)) * 3


def blocks(data):
    return b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)) + b"\0"


def gif(*extensions):
    buffer = io.BytesIO()
    PillowImage.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, format="GIF")
    data = buffer.getvalue()
    at = 13 + 3 * (2 << (data[10] & 7))
    return data[:at] + b"".join(extensions) + data[at:]


def test_profile_xmp_and_comments_become_those_of_png(tmp_path):
    magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    (tmp_path / "photo.gif").write_bytes(
        gif(b"!\xff\x0bICCRGBG1012" + blocks(ICC), b"!\xff\x0bXMP DataXMP" + XMP + magic, b"!\xfe" + blocks(b"hello"))
    )
    image = read_image(tmp_path / "photo.gif")
    assert (image.metadata.icc, image.metadata.xmp, image.metadata.comments, image.notes) == (ICC, XMP, (b"hello",), ())
    assert write_image(tmp_path / "out.png", image) == ()
    with PillowImage.open(tmp_path / "out.png") as shown:
        assert shown.info["icc_profile"] == ICC
        assert shown.info["Comment"] == "hello"
    assert read_image(tmp_path / "out.png").metadata.xmp == XMP


def test_other_extensions_are_named(tmp_path):
    (tmp_path / "photo.gif").write_bytes(
        gif(b"!\xff\x0bNETSCAPE2.0" + blocks(b"\1\0\0"), b"!\xff\x0bOWNMAKER1.0" + blocks(b"x"), b"!\1" + blocks(bytes(12)))
    )
    notes = read_image(tmp_path / "photo.gif").notes
    assert len(notes) == 2
    assert "OWNMAKER1.0" in notes[0]
    assert "text" in notes[1]
