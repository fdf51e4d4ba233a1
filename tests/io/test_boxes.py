import struct

from unblur.io.boxes import box_of, boxes_of, first_of


def test_boxes_of_all_sizes():
    data = box_of(b"free", b"ab") + struct.pack(">I4sQ", 1, b"wide", 19) + b"cde" + struct.pack(">I4s", 0, b"mdat") + b"to the end"
    assert list(boxes_of(data)) == [(b"free", b"ab", 0), (b"wide", b"cde", 10), (b"mdat", b"to the end", 29)]


def test_broken_structure_ends_the_list():
    assert list(boxes_of(box_of(b"free", b"") + b"\0\0\0\4abcd")) == [(b"free", b"", 0)]
    assert list(boxes_of(b"\0\0\1\0abcd")) == []


def test_path_of_boxes():
    data = box_of(b"ftyp", b"x") + box_of(b"meta", bytes(4) + box_of(b"iprp", box_of(b"ipco", b"y")))
    assert first_of(data, b"meta", b"iprp", b"ipco") == b"y"
    assert first_of(data, b"meta", b"iloc") is None
