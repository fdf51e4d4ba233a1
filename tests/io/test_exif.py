import struct

import pytest

from unblur.io.exif import (
    exif_of_directory,
    exif_orientation,
    exif_within,
    number_of_values,
    read_exif,
    upright_exif,
    upright_xmp,
    xmp_orientation,
)
from unblur.io.ifd import Entry, entry_of


def text(value):
    return Entry(2, len(value) + 1, value.encode() + b"\0")


def make(order="<", **entries):
    return exif_of_directory(order, {int(tag[1:], 16): entry for tag, entry in entries.items()})


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_orientation_is_found_and_set_in_place(order, kind):
    exif = make(order, x0112=entry_of(order, kind, [6]), x010F=Entry(2, 9, b"Somebody\0"))
    assert exif_orientation(exif) == 6
    upright = upright_exif(exif, width=3, height=2)
    assert exif_orientation(upright) == 1
    assert sum(a != b for a, b in zip(exif, upright, strict=True)) == 1


@pytest.mark.parametrize("value", [0, 9, 60000])
def test_orientation_out_of_range_is_none(value):
    assert exif_orientation(make(x0112=entry_of("<", 3, [value]))) is None


@pytest.mark.parametrize("exif", [None, b"", b"rubbish", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0"])
def test_damaged_exif_states_nothing(exif):
    assert exif_orientation(exif) is None
    assert upright_exif(exif or b"", width=1, height=1) is None


def test_sizes_follow_the_picture():
    exif = make(x0100=entry_of("<", 3, [5]), x0101=entry_of("<", 4, [5]))
    _, found = read_exif(upright_exif(exif, width=70000, height=80000))
    assert found[0x0100].value == struct.pack("<H", 5)  # 70000 does not fit into a short, and the entry cannot grow
    assert found[0x0101].value == struct.pack("<I", 80000)


def test_thumbnail_that_claims_the_bytes_of_others_is_only_unlinked():
    """A hostile thumbnail covers the maker's name: the name stays."""
    main = make(x010F=Entry(2, 9, b"Somebody\0"))
    place = main.index(b"Somebody")
    directory = struct.pack("<HHHIIHHIII", 2, 0x201, 4, 1, place, 0x202, 4, 1, 9, 0)
    exif = main[:22] + struct.pack("<I", len(main)) + main[26:] + directory
    upright = upright_exif(exif, width=1, height=1)
    assert upright[:22] == exif[:22]
    assert upright[22:26] == bytes(4)
    assert upright[26:] == exif[26:]


def test_exif_within_leaves_out_the_largest_first():
    exif = make(x010F=Entry(2, 9, b"Somebody\0"), x927C=Entry(7, 500, bytes(500)), x0131=Entry(2, 100, bytes(100)))
    assert exif_within(exif, len(exif)) is exif
    assert sorted(read_exif(exif_within(exif, len(exif) - 1))[1]) == [0x010F, 0x0131]
    assert sorted(read_exif(exif_within(exif, 60))[1]) == [0x010F]
    assert exif_within(b"rubbish", 3) is None


def test_exif_of_endless_small_values_is_given_up():
    exif = exif_of_directory("<", {tag: entry_of("<", 3, [1]) for tag in range(40)})
    assert exif_within(exif, 100) is None


@pytest.mark.parametrize(
    "form", [b'tiff:Orientation="%d"', b"tiff:Orientation='%d'", b'tiff:Orientation = "%d"', b"<tiff:Orientation>%d</tiff:Orientation>"]
)
def test_xmp_orientation(form):
    assert xmp_orientation(form % 8) == 8
    assert upright_xmp(b"a " + form % 8 + b" z") == b"a " + form % 1 + b" z"


@pytest.mark.parametrize("xmp", [None, b"", b'tiff:Orientation="9"', b'tiff:Orientation="16"', b'exif:Orientation="6"'])
def test_xmp_without_orientation(xmp):
    assert xmp_orientation(xmp) is None
    assert upright_xmp(xmp or b"") == (xmp or b"")


def with_note(place, note=b"a note of the maker"):
    details = {0x9003: text("2024"), 0x927C: Entry(7, len(note), note, place)}
    return exif_of_directory("<", {0x010F: text("Canon"), 0x8769: Entry(4, 1, bytes(4), directory=details)}), note


@pytest.mark.parametrize(("place", "stays"), [(300, True), (8, True), (1 << 18, True), (1 << 20, False), (4, False), (0, False)])
def test_a_note_of_the_maker_stays_where_it_was(place, stays):
    exif, note = with_note(place)
    found = read_exif(exif)[1][0x8769].directory[0x927C]
    assert found.value == note
    assert (found.place == place) is stays
    assert exif.find(note) == found.place
    assert number_of_values(exif) == 4


def test_a_gap_before_a_note_is_the_first_that_goes():
    exif, note = with_note(70_000)
    shorter = exif_within(exif, 65_527)
    assert len(shorter) < 200
    assert read_exif(shorter)[1][0x8769].directory[0x927C].value == note
    assert number_of_values(shorter) == number_of_values(exif)


def test_number_of_values_of_what_is_none():
    assert number_of_values(None) == number_of_values(b"rubbish") == 0
