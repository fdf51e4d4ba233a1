"""Chapters and tags of Matroska that FFmpeg's tables do not hold: chapters inside chapters, editions, names in several languages, flags.

FFmpeg reads the first level of chapters, with one name each. So the element of the source is put into the finished file in place of the one that
FFmpeg has written, which is made large enough by blanks behind a title. Source: RFC 9559, 5.1.7 (Chapters) and 5.1.8 (Tags).
"""

from collections.abc import Iterator
from pathlib import Path

from unblur.io import ebml

__all__ = ["carried_chapters", "chapter_notes", "chapters_of", "put_chapters", "tag_notes"]

CHAPTERS, EDITION, ATOM, TRACKS_OF_ATOM, ORDERED, DISPLAY = 0x1043A770, 0x45B9, 0xB6, 0x8F, 0x45DD, 0x80
TAGS, TAG, TARGETS, TARGET_TYPE, SIMPLE, NAME, BINARY = 0x1254C367, 0x7373, 0x63C0, 0x63CA, 0x67C8, 0x45A3, 0x4485
MOST_LEVELS = 32
"""Of chapters and tags inside others; what is deeper is kept as it is."""


def chapters_of(path: Path) -> bytes | None:
    """The content of the element Chapters of a Matroska file; None if there is none."""
    return _content(path, CHAPTERS)


def carried_chapters(body: bytes) -> tuple[bytes, list[str]]:
    """What of chapters is true of a file whose tracks have other numbers, and sentences on what is not kept."""
    kept = _without(body, (TRACKS_OF_ATOM, ebml.CRC_32, ebml.VOID))
    has_tracks = any(kind == TRACKS_OF_ATOM for kind in _kinds(body))
    return kept, ["which tracks a chapter belongs to is not kept"] if has_tracks else []


def put_chapters(path: Path, body: bytes) -> None:
    """Put the content of the element Chapters into a finished file, whose own has that much room and more."""
    with path.open("r+b") as file:
        found = next(each for each in ebml.segment_elements(file) if each.id == CHAPTERS)
        file.seek(found.body)
        file.write(ebml.padded(body, found.end - found.body))


def chapter_notes(body: bytes) -> list[str]:
    """Sentences on what a flat list of chapters does not hold."""
    editions = [each for each in ebml.children(body) if each.id == EDITION]
    parts = [each for edition in editions for each in ebml.children(body, edition.body, edition.end)]
    inner = [each for part in parts if part.id == ATOM for each in ebml.children(body, part.body, part.end)]
    names = [sum(each.id == DISPLAY for each in ebml.children(body, part.body, part.end)) for part in parts if part.id == ATOM]
    notes = []
    if any(each.id == ATOM for each in inner):
        notes.append("chapters inside chapters are not kept")
    if len(editions) > 1:
        notes.append(f"the {len(editions)} editions of its chapters became one")
    if any(part.id == ORDERED and any(body[part.body : part.end]) for part in parts):
        notes.append("that its chapters are played in an order of their own is not kept")
    if any(count > 1 for count in names):
        notes.append("names of chapters in further languages are not kept")
    return notes


def tag_notes(path: Path) -> list[str]:
    """Sentences on tags of Matroska that become plain ones, or are not kept."""
    body = _content(path, TAGS) or b""
    plain, binary = [], []
    for tag in ebml.children(body):
        if tag.id != TAG:
            continue
        parts = list(ebml.children(body, tag.body, tag.end))
        level = _text(
            body, [each for part in parts if part.id == TARGETS for each in ebml.children(body, part.body, part.end)], TARGET_TYPE
        )
        for name, depth, is_binary in _simple_tags(body, parts, level):
            if is_binary:
                binary.append(name)
            elif depth or level:
                plain.append(name)
    notes = []
    if plain:
        notes.append(f"tags of a level, or inside others, are kept as plain ones ({_named(plain)})")
    if binary:
        notes.append(f"tags that are no text are not kept ({_named(binary)})")
    return notes


def _content(path: Path, kind: int) -> bytes | None:
    with path.open("rb") as file:
        found = next((each for each in ebml.segment_elements(file) if each.id == kind), None)
        if found is None:
            return None
        file.seek(found.body)
        return file.read(found.end - found.body)


def _simple_tags(body: bytes, parts: list[ebml.Element], prefix: str, depth: int = 0) -> Iterator[tuple[str, int, bool]]:
    """Give the name, the depth, and whether it is no text, of each tag among elements and inside of them."""
    for part in parts:
        if part.id != SIMPLE or depth > MOST_LEVELS:
            continue
        inner = list(ebml.children(body, part.body, part.end))
        name = "/".join(each for each in (prefix, _text(body, inner, NAME)) if each)
        yield name, depth, any(each.id == BINARY for each in inner)
        yield from _simple_tags(body, inner, name, depth + 1)


def _text(body: bytes, parts: list[ebml.Element], kind: int) -> str:
    return next((body[each.body : each.end].rstrip(b"\0").decode("utf-8", "replace") for each in parts if each.id == kind), "")


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _kinds(body: bytes, depth: int = 0) -> Iterator[int]:
    """The kinds of all elements of chapters."""
    for each in ebml.children(body):
        yield each.id
        if each.id in (EDITION, ATOM) and depth <= MOST_LEVELS:
            yield from _kinds(body[each.body : each.end], depth + 1)


def _without(body: bytes, kinds: tuple[int, ...], depth: int = 0) -> bytes:
    """Chapters without elements of some kinds."""
    kept = []
    for each in ebml.children(body):
        if each.id in (EDITION, ATOM) and depth <= MOST_LEVELS:
            kept.append(ebml.element(each.id, _without(body[each.body : each.end], kinds, depth + 1)))
        elif each.id not in kinds:
            kept.append(body[each.begin : each.end])
    return b"".join(kept)
