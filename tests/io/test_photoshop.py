"""Photoshop resource blocks."""

import struct

import pytest

from unblur.io.photoshop import IPTC, THUMBNAILS, block_of, blocks_of, without_blocks


def block(identity, data, name=b""):
    pascal = bytes([len(name)]) + name
    return (
        b"8BIM"
        + struct.pack(">H", identity)
        + pascal
        + b"\0" * (len(pascal) % 2)
        + struct.pack(">I", len(data))
        + data
        + b"\0" * (len(data) % 2)
    )


@pytest.mark.parametrize("thumbnail", [1033, 1036])
def test_a_thumbnail_is_left_out(thumbnail):
    caption, path = block(1028, b"caption"), block(2000, b"path", name=b"a name")
    assert without_blocks(caption + block(thumbnail, b"blur") + path, THUMBNAILS) == caption + path
    assert without_blocks(caption + path[:-1], THUMBNAILS) == caption
    assert without_blocks(b"rubbish", THUMBNAILS) == b""


@pytest.mark.parametrize("content", [b"", b"odd", b"even"])
def test_a_block_comes_back(content):
    (found,) = blocks_of(block_of(IPTC, content))
    assert (found.number, found.content, found.whole) == (IPTC, content, block_of(IPTC, content))
    assert found.whole == block(IPTC, content)
    assert len(found.whole) % 2 == 0


def test_an_odd_block_at_the_end_needs_no_byte_behind_it():
    (found,) = blocks_of(block(IPTC, b"odd")[:-1])
    assert found.whole == block(IPTC, b"odd")
