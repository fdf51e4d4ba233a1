"""What MP4 and QuickTime files say besides what FFmpeg knows, carried from the header of the source into that of the result.

FFmpeg writes the tracks, and the tables of their samples. From the source's header (`moov`) come, as they are: `udta` and `meta` (tags of any
shape, XMP, places, what makers of cameras add), what describes tracks of which FFmpeg has no name (`stsd`, `hdlr`), references between tracks,
languages by BCP 47 (`elng`), and what a video's sample description says besides its codec (spherical, stereo, colour). All is carried but what is
known to be untrue afterwards; that is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unblur.io.boxes import Box, Place, parsed, places, read_box

__all__ = ["Header", "TrackPair", "put_besides"]

VISUAL, SAMPLE_ENTRY = 78, 8
"""Bytes of a visual sample entry, and of any, before its own boxes and fields."""

OF_CODECS = {
    *(
        b"avcC hvcC lhvC vvcC vpcC av1C esds dvcC dvvC dvwC d263 glbl btrt fiel pasp gama jp2h jp2x SMI  ACLR APRG ARES AORD dvc1 bitr"
    ).split(),
    *(b"sinf", b"SVMI", b"strf", b"alis", b"\0\0\0\0"),
}
"""Boxes of a video's sample entry that tell of its coding, which is written anew."""

LAYERS, EYES = b"lhvC", b"vexu"
"""Further layers of HEVC, which are not kept, and what is said of their eyes."""

WRITTEN_ANEW = {b"mvhd", b"trak", b"iods", b"mvex", b"cmov", b"udta"}
OF_TRACK = {b"tkhd", b"edts", b"mdia", b"tref", b"udta", b"load", b"clip", b"matt", b"kmat", b"imap"}
OWN_REFERENCES = {b"tmcd", b"chap"}
PADDING = {b"free", b"skip", b"wide"}
CHAPTERS = b"chpl"
PLACES_IN_FILE = {b"gps ", b"iloc"}
"""Boxes that say where in the old file something lies."""

ORIGIN = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Identifier of a box with a C2PA manifest: proof of an origin that a restored film does not have."""

OF_STRUCTURE = {*(b"ftyp moov mdat moof mfra sidx ssix styp prft emsg pdin").split(), b"jP  ", *PADDING, bytes(4)}
"""Boxes beside the header that hold the film itself, or help to find it. All others say something of it: XMP, data of makers."""

PREVIEWS = {b"thum", b"pnot", b"PICT", b"pict"}
"""Boxes beside the header that show the blurry picture."""

BLOCK = 1 << 22
"""Bytes that are moved at once."""


@dataclass(frozen=True)
class TrackPair:
    """A track of the source and the one that was made of it, by their numbers; `is_foreign` if FFmpeg has no name for it."""

    source: int
    target: int
    is_foreign: bool = False
    is_video: bool = False


class Header:
    """The header of a source.

    Args:
        path: of an MP4 or QuickTime file.

    Attributes:
        notes: sentences about what is not carried.
        is_first: whether it lies before the samples, so that a player can begin before it has all of the file.
    """

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._path = path
        self._moov = read_box(path, b"moov") or Box(b"moov")
        with path.open("rb") as file:
            kinds = [(place.kind, _identifier(file, place)) for place in places(file)]
        order = [kind for kind, _ in kinds if kind in (b"moov", b"mdat")]
        self.is_first = order[:1] == [b"moov"]
        self._has_origin = any(identifier == ORIGIN for _, identifier in kinds)

    def describes(self, track: int) -> bool:
        """Whether the samples of a track have one description, which can be carried."""
        stsd = self._description(track)
        return stsd is not None and len(parsed(stsd.body[8:])) == 1

    def is_timecode(self, track: int) -> bool:
        """Whether a track is nothing but QuickTime's timecode; other tracks may tell one besides, as `rtmd` of Sony's cameras does."""
        stsd = self._description(track)
        return stsd is not None and [entry.kind for entry in parsed(stsd.body[8:])] == [b"tmcd"]

    def languages(self) -> dict[int, str]:
        """The languages of tracks by BCP 47, by their numbers; tracks without one are not in it."""
        found = {number: track.child(b"mdia", b"elng") for number, track in _tracks(self._moov).items()}
        return {number: each.body[4:].rstrip(b"\0").decode("ascii", "replace") for number, each in found.items() if each is not None}

    def extras(self) -> list[str]:
        """Kinds of boxes that only an MP4 or QuickTime file can carry, for messages."""
        udta = self._moov.child(b"udta")
        kinds = [each.kind for each in (udta.children if udta is not None else []) if not _is_tag(each.kind)]
        kinds += [each.kind for each in self._moov.children if each.kind not in WRITTEN_ANEW | PADDING | {b"meta"}]
        with self._path.open("rb") as file:
            kinds += [place.kind for place in places(file) if place.kind not in OF_STRUCTURE and _identifier(file, place) != ORIGIN]
            kinds += [b"what is behind its end"] if _trailer(file) else []
        return list(dict.fromkeys(kind.decode("latin-1").strip() for kind in kinds))

    def carry_to(self, target: Path, pairs: Iterable[TrackPair]) -> None:
        """Carry the header into a finished file whose own header is at its end, and move that to the front if it was there."""
        pairs = list(pairs)
        numbers = {pair.source: pair.target for pair in pairs}
        if self._has_origin:
            self.notes.append("the proof of origin (C2PA) is not kept, since the pixels change")
        with target.open("r+b") as file:
            (place,) = (each for each in places(file) if each.kind == b"moov")
            file.seek(place.body)
            moov = Box(b"moov", children=parsed(file.read(place.end - place.body)))
            ours, theirs = _tracks(moov), _tracks(self._moov)
            for pair in pairs:
                if pair.target in ours and pair.source in theirs:
                    _carry_track(theirs[pair.source], ours[pair.target], pair, numbers)
            self._carry_film(moov)
            _carry_length(self._moov, moov, data={pair.target for pair in pairs if pair.is_foreign})
            file.truncate(place.begin)
            _write(file, moov, place.begin, is_first=self.is_first)
            self._append_beside(file)

    def _description(self, track: int) -> Box | None:
        found = _tracks(self._moov).get(track)
        return found.child(b"mdia", b"minf", b"stbl", b"stsd") if found is not None else None

    def _carry_film(self, moov: Box) -> None:
        _carry_udta(self._moov, moov)
        for each in self._moov.children:
            if each.kind in WRITTEN_ANEW | PADDING:
                continue
            if each.kind in PLACES_IN_FILE:
                self.notes.append(f"`{each.kind.decode().strip()}` in the header is not kept, since it tells places in the old file")
                continue
            if each.kind == b"meta":
                moov.children = [own for own in moov.children if own.kind != b"meta"]
            moov.children.append(each)

    def _append_beside(self, target: BinaryIO) -> None:
        """Append what lies beside the header of the source, and behind its last box: makers of cameras find the latter by the end of the file."""
        target.seek(0, 2)
        with self._path.open("rb") as file:
            for place in places(file):
                name = place.kind.decode("latin-1")
                if place.kind in OF_STRUCTURE or _identifier(file, place) == ORIGIN:
                    continue
                if place.kind in PREVIEWS:
                    self.notes.append(f"`{name}` beside the header is not kept, since it shows the blurry picture")
                elif _says_places(file, place):
                    self.notes.append(f"`{name}` beside the header is not kept, since it tells places in the old file")
                else:
                    _copy(file, target, place.begin, place.end)
            if trailer := _trailer(file):
                _copy(file, target, *trailer)


def _says_places(file: BinaryIO, place: Place) -> bool:
    if place.kind not in (b"meta", b"uuid"):
        return False
    file.seek(place.body)
    return b"iloc" in file.read(place.end - place.body)


def _trailer(file: BinaryIO) -> tuple[int, int] | None:
    """Where the bytes behind the last box begin and end; None if there are none, they are empty, or a box that is cut off."""
    size = file.seek(0, 2)
    begin = max((place.end for place in places(file)), default=size)
    file.seek(begin)
    head = file.read(BLOCK)
    if not head.strip(b"\0") or head[4:8] in OF_STRUCTURE:
        return None
    return begin, size


def _copy(source: BinaryIO, target: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin)
    for at in range(begin, end, BLOCK):
        target.write(source.read(min(BLOCK, end - at)))


def put_besides(target: Path, *, languages: dict[int, str], dolby_vision: bytes = b"") -> None:
    """Add to a finished file whose header is at its end what FFmpeg does not write.

    Args:
        target: the file.
        languages: of tracks by BCP 47, by their numbers.
        dolby_vision: the record of the first track, which FFmpeg writes into MP4 alone; empty for none.
    """
    with target.open("r+b") as file:
        (place,) = (each for each in places(file) if each.kind == b"moov")
        file.seek(place.body)
        moov = Box(b"moov", children=parsed(file.read(place.end - place.body)))
        for number, track in _tracks(moov).items():
            media = track.child(b"mdia")
            if media is not None and number in languages:
                _add_language(media, Box(b"elng", bytes(4) + languages[number].encode() + b"\0"))
            described = track.child(b"mdia", b"minf", b"stbl", b"stsd")
            if dolby_vision and number == 1 and described is not None:
                entry = parsed(described.body[8:])[0]
                boxes = [*parsed(entry.body[VISUAL:]), Box(b"dvvC", dolby_vision)]
                described.body = described.body[:8] + bytes(Box(entry.kind, entry.body[:VISUAL] + b"".join(map(bytes, boxes))))
        file.truncate(place.begin)
        file.seek(place.begin)
        file.write(bytes(moov))


def _add_language(media: Box, language: Box) -> None:
    at = next((i for i, each in enumerate(media.children) if each.kind == b"mdhd"), -1)
    media.children.insert(at + 1, language)


def _identifier(file: BinaryIO, place: Place) -> bytes:
    file.seek(place.body)
    return file.read(16) if place.kind == b"uuid" else b""


def _is_tag(kind: bytes) -> bool:
    """Whether FFmpeg reads a box of `udta` as a tag, which any container takes."""
    known = b"meta name titl auth dscp cprt gnre albm yrrc perf rtng loci chpl hnti hinf free skip WLOC".split()
    return kind.startswith(b"\xa9") or kind in known or kind == b"\0\0\0\0"


def _tracks(moov: Box) -> dict[int, Box]:
    found = {}
    for track in moov.all(b"trak"):
        head = track.child(b"tkhd")
        if head is not None and len(head.body) >= 24:
            at = 20 if head.body[0] else 12
            found[int.from_bytes(head.body[at : at + 4], "big")] = track
    return found


def _length(head: Box, at: int) -> tuple[int, slice]:
    """The length that the head of a film or a track states, and where: at `at`, if its numbers have 32 bit."""
    place = slice(at + 8, at + 16) if head.body[:1] == b"\1" else slice(at, at + 4)
    return int.from_bytes(head.body[place], "big"), place


def _carry_length(source: Box, target: Box, *, data: set[int]) -> None:
    """End the film where that of the source ends, if only tracks of data go on: the last sample of GoPro's `gpmd` lasts longer than the film."""
    theirs, ours = source.child(b"mvhd"), target.child(b"mvhd")
    if theirs is None or ours is None:
        return
    (stated, at), (longest, own) = _length(theirs, 16), _length(ours, 16)
    rate, own_rate = (int.from_bytes(head.body[place.start - 4 : place.start], "big") for head, place in ((theirs, at), (ours, own)))
    if not stated or not rate:
        return
    heads = [track.child(b"tkhd") for number, track in _tracks(target).items() if number not in data]
    of_others = max((_length(head, 20)[0] for head in heads if head is not None), default=0)
    end = max(of_others, -(-stated * own_rate // rate))
    if end < longest:
        ours.body = ours.body[: own.start] + end.to_bytes(own.stop - own.start, "big") + ours.body[own.stop :]


def _carry_track(source: Box, target: Box, pair: TrackPair, numbers: dict[int, int]) -> None:
    media, own_media = source.child(b"mdia"), target.child(b"mdia")
    if media is None or own_media is None:
        return
    if (language := media.child(b"elng")) is not None and own_media.child(b"elng") is None:
        _add_language(own_media, language)
    if pair.is_foreign:
        _carry_description(media, own_media)
    elif pair.is_video:
        _carry_visual(media, own_media)
    _carry_references(source, target, numbers)
    _carry_udta(source, target)
    has = {each.kind for each in target.children}
    target.children += [each for each in source.children if each.kind not in OF_TRACK | PADDING | (has - {b"uuid"})]


def _carry_udta(source: Box, target: Box) -> None:
    theirs, ours = source.child(b"udta"), target.child(b"udta")
    if theirs is None:
        return
    kept = [each for each in ours.children if each.kind == CHAPTERS] if ours is not None else []
    children = [each for each in theirs.children if each.kind not in PADDING | {CHAPTERS, b"\0\0\0\0"}] + kept
    target.children = [each for each in target.children if each.kind != b"udta"]
    if children:
        target.children.append(Box(b"udta", children=children))


def _carry_description(source: Box, target: Box) -> None:
    """Say of a track what its samples are: its handler, the head of its media, and its sample description."""
    theirs, ours = source.child(b"minf"), target.child(b"minf")
    handler = source.child(b"hdlr")
    if theirs is None or ours is None or handler is None:
        return
    target.children = [handler if each.kind == b"hdlr" else each for each in target.children]
    shared = {b"dinf", b"stbl", b"hdlr"}
    ours.children = [each for each in theirs.children if each.kind not in shared] + [each for each in ours.children if each.kind in shared]
    stbl, described = ours.child(b"stbl"), theirs.child(b"stbl", b"stsd")
    if stbl is not None and described is not None:
        entry = described.body[8:]
        first = entry[:14] + (1).to_bytes(2, "big") + entry[16:]  # the samples are in this file
        stbl.children = [Box(b"stsd", described.body[:8] + first) if each.kind == b"stsd" else each for each in stbl.children]


def _carry_visual(source: Box, target: Box) -> None:
    """Add to a video's sample entry what the source's says besides its coding."""
    theirs, ours = source.child(b"minf", b"stbl", b"stsd"), target.child(b"minf", b"stbl", b"stsd")
    if theirs is None or ours is None:
        return
    entries, own = parsed(theirs.body[8:]), parsed(ours.body[8:])
    if not entries or not own:
        return
    written = parsed(own[0].body[VISUAL:])
    has_tags = any(each.kind == b"colr" for each in written)
    said = parsed(entries[0].body[VISUAL:])
    untrue = {EYES} if any(each.kind == LAYERS for each in said) else set()
    extra = [each for each in said if each.kind not in OF_CODECS | untrue]
    added = [each for each in extra if each.kind != b"colr" or not has_tags or each.body[:4] in (b"prof", b"rICC")]
    anew = {each.kind for each in added} - {b"colr"}
    boxes = [*(each for each in written if each.kind not in anew), *added]
    entry = Box(own[0].kind, own[0].body[:VISUAL] + b"".join(bytes(each) for each in boxes))
    ours.body = ours.body[:8] + bytes(entry) + b"".join(bytes(each) for each in own[1:])


def _carry_references(source: Box, target: Box, numbers: dict[int, int]) -> None:
    """Carry references between tracks, as far as both ends are there."""
    theirs = source.child(b"tref")
    kept = []
    for each in theirs.children if theirs is not None else []:
        referred = [int.from_bytes(each.body[i : i + 4], "big") for i in range(0, len(each.body) - 3, 4)]
        there = [numbers[number] for number in referred if number in numbers]
        if there and each.kind not in OWN_REFERENCES:
            kept.append(Box(each.kind, b"".join(number.to_bytes(4, "big") for number in there)))
    if kept:
        own = target.child(b"tref")
        if own is None:
            own = Box(b"tref")
            target.children.insert(1, own)
        own.children += kept


def _write(file: BinaryIO, moov: Box, end: int, *, is_first: bool) -> None:
    """Write a header behind the samples, which end at `end`, or before them."""
    first = next((place.end for place in places(file) if place.kind == b"ftyp"), 0)
    length = len(bytes(moov))
    if not is_first or not _move_offsets(moov, length):
        file.seek(end)
        file.write(bytes(moov))
        return
    at = end
    while at > first:
        begin = max(first, at - BLOCK)
        file.seek(begin)
        data = file.read(at - begin)
        file.seek(begin + length)
        file.write(data)
        at = begin
    file.seek(first)
    file.write(bytes(moov))


def _move_offsets(moov: Box, distance: int) -> bool:
    """Add to the places of all samples; false, and nothing is changed, if one does not fit its four bytes any more."""
    tables = [box for track in moov.all(b"trak") if (stbl := track.child(b"mdia", b"minf", b"stbl")) for box in stbl.children]
    moved = []
    for box in tables:
        kind = {b"stco": ">u4", b"co64": ">u8"}.get(box.kind)
        if kind is not None:
            offsets = np.frombuffer(box.body, kind, offset=8).astype(np.uint64) + np.uint64(distance)
            if kind == ">u4" and offsets.size and int(offsets.max()) > 0xFFFFFFFF:
                return False
            moved.append((box, box.body[:8] + offsets.astype(kind).tobytes()))
    for box, body in moved:
        box.body = body
    return True
