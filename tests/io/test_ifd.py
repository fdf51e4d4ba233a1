import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.io.ifd import POINTERS, SIZES, DamagedError, Entry, entry_of, numbers, read_directory, read_header, reader_of, write_directory

plain = st.sampled_from(sorted(SIZES)).flatmap(
    lambda kind: st.integers(1, 9).flatmap(
        lambda count: st.binary(min_size=SIZES[kind] * count, max_size=SIZES[kind] * count).map(lambda value: Entry(kind, count, value))
    )
)
tag_numbers = st.integers(0, 0xFFFF).filter(lambda tag: tag not in POINTERS)
directories = st.dictionaries(tag_numbers, plain, max_size=8)


def bare(entries):
    """Leave out where values were, which writing changes."""
    return {
        tag: (entry.kind, entry.count, entry.value if entry.directory is None else bare(entry.directory)) for tag, entry in entries.items()
    }


@given(main=directories, nested=directories, order=st.sampled_from("<>"), offset=st.integers(8, 50))
def test_what_is_written_is_read(main, nested, order, offset):
    main = main | {0x8769: Entry(4, 1, bytes(4), directory=nested)}
    data = bytes(offset) + write_directory(main, order, offset)
    found = read_directory(reader_of(data), order, offset)
    assert bare(found.entries) == bare(main)
    assert found.following == 0
    assert found.broken == frozenset()
    assert all(
        entry.value == data[entry.place : entry.place + len(entry.value)] for entry in found.entries.values() if entry.directory is None
    )


@given(main=directories, cut=st.integers(0, 400), order=st.sampled_from("<>"))
def test_what_is_cut_off_is_named(main, cut, order):
    data = bytes(8) + write_directory(main, order, 8)
    try:
        found = read_directory(reader_of(data[:cut]), order, 8)
    except DamagedError:
        assert cut < 10
        return
    whole = bare(main)
    assert bare(found.entries).items() <= whole.items()
    assert found.broken <= whole.keys() - found.entries.keys()
    if cut >= 10 + 12 * len(main):
        assert found.broken == whole.keys() - found.entries.keys()


@given(data=st.binary(max_size=200), order=st.sampled_from("<>"), offset=st.integers(0, 210))
def test_any_bytes_are_survived(data, order, offset):
    try:
        found = read_directory(reader_of(data), order, offset)
    except DamagedError:
        return
    for entry in found.entries.values():
        numbers(entry, order)


def test_directory_that_contains_itself():
    data = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x8769, 4, 1, 8, 0)
    outer = read_directory(reader_of(data), "<", 8).entries
    assert outer[0x8769].directory is not None


@pytest.mark.parametrize(("data", "expected"), [(b"II*\0\x08\0\0\0", ("<", 8)), (b"MM\0*\0\0\0\x09", (">", 9))])
def test_header(data, expected):
    assert read_header(reader_of(data)) == expected


@pytest.mark.parametrize("data", [b"", b"II*\0", b"II+\0\x08\0\0\0", b"MM*\0\x08\0\0\0"])
def test_no_header(data):
    with pytest.raises(DamagedError):
        read_header(reader_of(data))


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers(order):
    assert numbers(entry_of(order, 3, [1, 65535]), order) == (1, 65535)
    assert numbers(entry_of(order, 4, [1 << 31]), order) == (1 << 31,)
    assert numbers(entry_of(order, 5, [1, 4, 3, 0]), order) == (0.25, 0.0)
    assert numbers(Entry(10, 1, struct.pack(order + "2i", -1, 2)), order) == (-0.5,)
    assert numbers(Entry(2, 3, b"ab\0"), order) == ()
    assert numbers(None, order) == ()
