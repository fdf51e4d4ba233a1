"""Chapters and tags of Matroska beyond what FFmpeg's tables hold."""

import av
import pytest
from clips import Clip, Sound, copy, number_of

from unblur.io import ebml
from unblur.io.matroska import chapter_notes, chapters_of, tag_notes
from unblur.io.video import VideoReader

CHAPTERS, EDITION, ATOM, UID, START, END, DISPLAY, TEXT, LANGUAGE = 0x1043A770, 0x45B9, 0xB6, 0x73C4, 0x91, 0x92, 0x80, 0x85, 0x437C
HIDDEN, ORDERED, TRACK, TRACK_NUMBER = 0x98, 0x45DD, 0x8F, 0x89
TAGS, TAG, TARGETS, LEVEL, SIMPLE, NAME, STRING, BINARY = 0x1254C367, 0x7373, 0x63C0, 0x63CA, 0x67C8, 0x45A3, 0x4487, 0x4485
element = ebml.element


def atom(number, begin, end, *names, inner=b""):
    """A chapter from one millisecond to another, with its names in (language, text)."""
    times = (element(START, ebml.unsigned(begin * 1_000_000)), element(END, ebml.unsigned(end * 1_000_000)))
    shown = (element(DISPLAY, element(TEXT, text.encode()), element(LANGUAGE, language.encode())) for language, text in names)
    return element(ATOM, element(UID, ebml.unsigned(number)), *times, *shown, inner)


def with_chapters(path, body, **options):
    """A clip whose element Chapters is another one, as long as what is written there leaves room for."""
    Clip(chapters=True, sounds=[Sound()], tags={"title": "Cat"}, **options).make(path)
    return replaced(path, CHAPTERS, body)


def replaced(path, kind, body):
    """Put an element in place of the first of its kind and make the file longer by what it is longer."""
    data = path.read_bytes()
    (segment,) = (each for each in ebml.children(data) if each.id == ebml.SEGMENT)
    (old,) = (each for each in ebml.children(data, segment.body) if each.id == kind)
    others = [
        data[each.begin : each.end] for each in ebml.children(data, segment.body) if each.id not in (kind, 0x114D9B74, ebml.VOID)
    ]  # without the index of places
    places = [each.id for each in ebml.children(data, segment.body) if each.id not in (kind, 0x114D9B74, ebml.VOID)]
    first = places.index(ebml.CLUSTER)
    path.write_bytes(data[: segment.begin] + element(ebml.SEGMENT, *others[:first], element(kind, body), *others[first:]))
    assert old.end > old.begin
    return path


NESTED = element(
    EDITION,
    atom(7, 0, 400, ("eng", "One"), ("deu", "Eins"), inner=atom(8, 100, 200, ("eng", "One, first part"))),
    atom(9, 400, 600, ("eng", "Two")),
)
ORDER = element(
    EDITION,
    element(ORDERED, b"\1"),
    atom(17, 400, 600, ("eng", "Two first")),
    element(ATOM, element(UID, b"\x12"), element(START, b"\0"), element(HIDDEN, b"\1")),
)


@pytest.mark.parametrize(
    "body",
    [NESTED, NESTED + ORDER, ORDER, NESTED * 20, element(ebml.CRC_32, bytes(4)) + NESTED],
    ids=["nested", "editions", "ordered", "long", "checksum"],
)
def test_chapters_are_kept_as_they_are(tmp_path, body):
    source = with_chapters(tmp_path / "a.mkv", body)
    assert chapters_of(source) == body
    assert copy(source, tmp_path / "b.mkv").notes == ()
    kept = chapters_of(tmp_path / "b.mkv")
    expected = body[body.index(ebml.unsigned(EDITION)) :]
    assert kept.startswith(expected)
    assert {each.id for each in ebml.children(kept, len(expected))} == {ebml.VOID}
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mkv")) as after:
        assert after.chapters() == before.chapters()
        assert len(after.chapters()) >= 1
        assert after.metadata["title"] == "Cat"
    assert [number_of(frame.pixels) for frame in VideoReader(tmp_path / "b.mkv")] == list(range(15))


def test_numbers_of_tracks_in_chapters_are_named(tmp_path):
    body = element(EDITION, atom(1, 0, 400, ("eng", "One"), inner=element(TRACK, element(TRACK_NUMBER, b"\5"))))
    source = with_chapters(tmp_path / "a.mkv", body)
    assert copy(source, tmp_path / "b.mkv").notes == ("which tracks a chapter belongs to is not kept",)
    assert chapters_of(tmp_path / "b.mkv").startswith(element(EDITION, atom(1, 0, 400, ("eng", "One"))))


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        (element(EDITION, atom(1, 0, 400, ("eng", "One")), atom(2, 400, 600, ("eng", "Two"))), []),
        (NESTED, ["chapters inside chapters are not kept", "names of chapters in further languages are not kept"]),
        (ORDER, ["that its chapters are played in an order of their own is not kept"]),
        (element(EDITION, atom(1, 0, 1)) * 3, ["the 3 editions of its chapters became one"]),
        (b"", []),
        (b"\xff" * 40, []),
    ],
)
def test_what_a_flat_list_does_not_hold(body, notes):
    assert chapter_notes(body) == notes


@pytest.mark.parametrize(("suffix", "options"), [(".mp4", {}), (".mkv", {"start": 0.2})])
def test_chapters_elsewhere_and_of_a_part_are_flat_which_is_said(tmp_path, suffix, options):
    notes = copy(with_chapters(tmp_path / "a.mkv", NESTED), tmp_path / f"b{suffix}", **options).notes
    assert notes[:2] == ("chapters inside chapters are not kept", "names of chapters in further languages are not kept")
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] in (["One", "Two"], ["Eins", "Two"])


def simple(name, *more, value=b"x"):
    return element(SIMPLE, element(NAME, name), element(STRING, value), *more)


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        (element(TAG, element(TARGETS), simple(b"ARTIST")), []),
        (
            element(TAG, element(TARGETS, element(LEVEL, b"COLLECTION")), simple(b"TITLE")),
            ["tags of a level, or inside others, are kept as plain ones (`COLLECTION/TITLE`)"],
        ),
        (
            element(TAG, element(TARGETS), simple(b"ARTIST", simple(b"SORT_WITH"))),
            ["tags of a level, or inside others, are kept as plain ones (`ARTIST/SORT_WITH`)"],
        ),
        (
            element(TAG, element(TARGETS), element(SIMPLE, element(NAME, b"PICTURE"), element(BINARY, b"\1"))),
            ["tags that are no text are not kept (`PICTURE`)"],
        ),
    ],
    ids=["plain", "level", "inside", "binary"],
)
def test_tags_that_become_others_are_named(tmp_path, body, notes):
    source = replaced(Clip(tags={"title": "Cat"}).make(tmp_path / "a.mkv"), TAGS, body)
    assert tag_notes(source) == notes
    assert copy(source, tmp_path / "b.mkv").notes == tuple(notes)
    with av.open(str(source)) as before, av.open(str(tmp_path / "b.mkv")) as after:
        assert {(key.upper(), value) for key, value in before.metadata.items()} - {
            (key.upper(), value) for key, value in after.metadata.items()
        } == set()
