"""Items of a HEIF or AVIF file: which pictures are in it besides the one that is shown.

Source: ISO/IEC 14496-12, 8.11 (`pitm`, `iinf`, `iref`); ISO/IEC 23008-12, 6 (`dimg`, `auxl`, `thmb`, `auxC`); ISO 21496-1 and HEIF amendment 1 (`tmap`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from unblur.io.boxes import boxes_of, first_of

__all__ = ["Item", "coding_of", "items_of", "notes_on_items", "references_of"]

PICTURES = (b"av01", b"hvc1", b"grid", b"iovl", b"iden", b"jpeg", b"avc1", b"j2k1", b"unci")
ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
XMP = b"application/rdf+xml"
HIDDEN = 1


@dataclass(frozen=True)
class Item:
    """An item: its kind, whether it is not to be shown by itself, and what kind of content it has if it is of the kind `mime`."""

    kind: bytes
    is_hidden: bool
    content: bytes


def items_of(data: bytes) -> dict[int, Item]:
    """Give the items of a file by their numbers."""
    found = {}
    listed = first_of(data, b"meta", b"iinf") or b""
    for kind, body, _ in boxes_of(listed[6 if listed[:1] == b"\0" else 8 :]):
        if kind == b"infe" and body[:1] in (b"\2", b"\3"):
            wide = 4 if body[0] == 3 else 2
            at = 4 + wide
            name, _, rest = body[at + 6 :].partition(b"\0")
            found[int.from_bytes(body[4:at])] = Item(body[at + 2 : at + 6], bool(body[3] & HIDDEN), rest.partition(b"\0")[0] or name)
    return found


def references_of(data: bytes) -> Iterator[tuple[bytes, int, list[int]]]:
    """Give kind, source and targets of each reference between items."""
    listed = first_of(data, b"meta", b"iref") or b""
    wide = 4 if listed[:1] == b"\1" else 2
    for kind, body, _ in boxes_of(listed[4:]):
        targets = body[wide + 2 :]
        yield kind, int.from_bytes(body[:wide]), [int.from_bytes(targets[at : at + wide]) for at in range(0, len(targets), wide)]


def coding_of(data: bytes) -> str:
    """The kind of coding of the picture that is shown, such as `hvc1`, or of the first that it is put together of; empty if it is not found."""
    items = items_of(data)
    parts = {source: targets for kind, source, targets in references_of(data) if kind == b"dimg" and targets}
    shown = int.from_bytes((first_of(data, b"meta", b"pitm") or bytes(6))[4:])
    for _ in range(len(items)):
        if shown not in parts:
            break
        shown = parts[shown][0]
    return items[shown].kind.decode("latin-1") if shown in items else ""


def notes_on_items(data: bytes) -> list[str]:
    """Sentences on the pictures and metadata of an AVIF file that are not kept: all but the picture that is shown, its opacity, EXIF and XMP."""
    items, references = items_of(data), list(references_of(data))
    notes = []
    urns = [
        content[4:].partition(b"\0")[0]
        for kind, content, _ in boxes_of(first_of(data, b"meta", b"iprp", b"ipco") or b"")
        if kind == b"auxC" and not content[4:].startswith(ALPHA)
    ]
    if any(item.kind == b"tmap" for item in items.values()) or any(b"gainmap" in urn for urn in urns):
        notes.append("its HDR gain map was not kept")
    if any(b"depth" in urn for urn in urns):
        notes.append("its depth map was not kept")
    if any(b"gainmap" not in urn and b"depth" not in urn for urn in urns):
        notes.append("its auxiliary pictures were not kept")
    if any(item.kind == b"sato" for item in items.values()):
        notes.append("its samples of more than 12 bit were read with 12")
    shown = int.from_bytes((first_of(data, b"meta", b"pitm") or bytes(6))[4:])
    parts = {source for kind, source, _ in references if kind in (b"auxl", b"thmb")}
    parts |= {target for kind, _, targets in references if kind == b"dimg" for target in targets}
    if any(item.kind in PICTURES and not item.is_hidden and number != shown and number not in parts for number, item in items.items()):
        notes.append("the further pictures in it were not kept")
    others = sorted({item.content.decode("latin-1") for item in items.values() if item.kind == b"mime" and item.content != XMP})
    if others:
        notes.append(f"further metadata in it ({', '.join(others)}) was not kept")
    return notes
