"""What the items of AVIF and HEIF files say of further pictures."""

import pytest

from unblur.io.boxes import box_of
from unblur.io.items import coding_of, items_of, notes_on_items, references_of

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"


def entry(number, kind, *, hidden=False, content=b""):
    tail = b"\0" + content + b"\0" if content else b"\0"
    return box_of(b"infe", bytes((2, 0, 0, hidden)) + number.to_bytes(2, "big") + bytes(2) + kind + tail)


def file_of(*entries, references=(), urns=(), shown=1):
    listed = b"".join(
        box_of(kind, source.to_bytes(2, "big") + len(targets).to_bytes(2, "big") + b"".join(each.to_bytes(2, "big") for each in targets))
        for kind, source, targets in references
    )
    parts = [box_of(b"pitm", bytes(4) + shown.to_bytes(2, "big"))]
    parts += [box_of(b"iinf", bytes(4) + len(entries).to_bytes(2, "big") + b"".join(entries)), box_of(b"iref", bytes(4) + listed)]
    parts += [box_of(b"iprp", box_of(b"ipco", b"".join(box_of(b"auxC", bytes(4) + urn + b"\0") for urn in urns)))]
    return box_of(b"meta", bytes(4) + b"".join(parts))


def test_items_and_references():
    data = file_of(
        entry(1, b"grid"), entry(2, b"av01", hidden=True), entry(3, b"mime", content=b"text/plain"), references=[(b"dimg", 1, [2, 2])]
    )
    items = items_of(data)
    assert {number: item.kind for number, item in items.items()} == {1: b"grid", 2: b"av01", 3: b"mime"}
    assert [item.is_hidden for item in items.values()] == [False, True, False]
    assert items[3].content == b"text/plain"
    assert list(references_of(data)) == [(b"dimg", 1, [2, 2])]


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (file_of(entry(1, b"av01"), entry(2, b"Exif"), entry(3, b"mime", content=b"application/rdf+xml")), []),
        (file_of(entry(1, b"av01"), entry(2, b"av01"), references=[(b"auxl", 2, [1])], urns=[ALPHA]), []),
        (file_of(entry(1, b"grid"), entry(2, b"av01"), references=[(b"dimg", 1, [2])]), []),
        (file_of(entry(1, b"av01"), entry(2, b"av01"), references=[(b"thmb", 2, [1])]), []),
        (file_of(entry(1, b"av01"), entry(2, b"av01")), ["the further pictures in it were not kept"]),
        (file_of(entry(1, b"av01"), entry(2, b"tmap"), entry(3, b"av01", hidden=True)), ["its HDR gain map was not kept"]),
        (
            file_of(entry(1, b"av01"), entry(2, b"av01"), references=[(b"auxl", 2, [1])], urns=[b"urn:com:photo:aux:hdrgainmap"]),
            ["its HDR gain map was not kept"],
        ),
        (file_of(entry(1, b"av01"), urns=[b"urn:mine"]), ["its auxiliary pictures were not kept"]),
        (file_of(entry(1, b"sato")), ["its samples of more than 12 bit were read with 12"]),
        (file_of(entry(1, b"av01"), entry(2, b"mime", content=b"text/plain")), ["further metadata in it (text/plain) was not kept"]),
        (b"", []),
        (box_of(b"meta", bytes(4)), []),
    ],
)
def test_further_pictures_are_named(data, notes):
    assert notes_on_items(data) == notes


@pytest.mark.parametrize(
    ("entries", "references", "coding"),
    [
        ((entry(1, b"hvc1"), entry(2, b"jpeg")), (), "hvc1"),
        ((entry(1, b"grid"), entry(2, b"avc1"), entry(3, b"avc1")), [(b"dimg", 1, [2, 3])], "avc1"),
        ((entry(1, b"grid"),), [(b"dimg", 1, [1])], "grid"),  # of itself
        ((entry(2, b"hvc1"),), (), ""),
    ],
)
def test_coding_of_the_picture_that_is_shown(entries, references, coding):
    assert coding_of(file_of(*entries, references=references)) == coding
