"""HEIC by pillow-heif, of 8 and 10 bit, and AVIF by Pillow, which writes 8 bit; AVIF of more bits is read by OpenCV.

pillow-heif is optional (the extra `heif`): its wheels carry libheif with x265, which is under the GPL. libheif turns the picture upright by the
transformations that the file states; what EXIF says of the orientation is then for information only (ISO/IEC 23008-12, A.2.3).

The video of a motion photo stands behind the picture in a box `mpvd` (Google, Motion Photo format 1.0), which is kept as it is.
"""

import io
import struct
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin

from unblur.errors import OutputError, UnreadableError, UnsupportedError
from unblur.io.boxes import box_of, boxes_of, first_of
from unblur.io.codecs import at_full_range
from unblur.io.exif import exif_orientation, read_exif
from unblur.io.items import coding_of, notes_on_items
from unblur.io.jpeg_parts import without_claims
from unblur.io.optional import INSTALL, needed, optional
from unblur.io.picture import Attached, Canvas, Coding, Image, Metadata, Pixels, animation, check_size, head_with
from unblur.io.pillow import decode, decoding, encodable
from unblur.io.sequence import has_still

__all__ = [
    "MOTION_BOX",
    "avif_metadata",
    "can_write_heic",
    "is_avif_sequence",
    "is_deep_avif",
    "read_avif",
    "read_heic",
    "write_avif",
    "write_heic",
]

LIBRARY = "pillow_heif"
MOTION_BOX = b"mpvd"
_LARGE = b"\0\0\0\1"
"""The size of a box whose own size follows its kind, in 8 bytes."""

DEFAULT_QUALITY = 95
CHROMA = {444: 0, 422: 1, 420: 2}
MAX_SIDE = 65535
NOT_KNOWN = "Not implemented"
"""What libavif says of files that are sound."""

HEVC = ("hvc1", "hev1", "")

ORIENTATION, PRIVATE = 0x0112, 0xFDE8
ORDINARY_COLOUR = ((1, 1), (1, 6), (1, 13), (1, 2), (2, 2), (2, 13))
"""Primaries and transfer functions (ITU-T H.273) that viewers show as sRGB, as they do pictures that state nothing."""


def read_heic(path: Path) -> Image:
    """Read the primary picture of a HEIC file.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if pillow-heif is not installed, it is too large, or its coding is not known to the library.
    """
    library = needed(LIBRARY, path, "a HEIC", extra="heif")
    data = path.read_bytes()
    if not has_still(data) and first_of(data, b"moov") is not None:
        raise animation(path)
    try:
        return _decoded(library, data, path)
    except UnreadableError as error:
        if (coding := coding_of(data)) not in HEVC:
            raise UnsupportedError(
                f"`{path}` is HEIF of a coding that is not known here (`{coding}`); convert it to a PNG first"
            ) from error
        raise


def _decoded(library: ModuleType, data: bytes, path: Path) -> Image:
    with decoding(path):
        try:
            opened = library.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        except SyntaxError as error:
            raise UnsupportedError(f"`{path}` is HEIF of a coding that is not known here ({error}); convert it to a PNG first") from error
        picture = opened[opened.primary_index]
        check_size(path, width=picture.size[0], height=picture.size[1])
        samples = np.array(picture)
        samples = samples.reshape(*samples.shape[:2], -1)
        notes = _notes_of(picture.info, pictures=len(opened))
        metadata = _metadata(picture.info, data, notes)
        pixels, alpha = _split(samples, premultiplied=picture.premultiplied_alpha)
        subsampling = CHROMA.get(picture.info.get("chroma", 420), 2)
        coding = Coding("HEIC", lossless=False, subsampling=subsampling, bits=picture.info.get("bit_depth", 0))
    return Image(pixels, alpha, metadata, coding, tuple(notes))


def write_heic(file: BinaryIO, image: Image, *, quality: int | None) -> list[str]:
    """Write a HEIC file; 16 bit is rounded to 10. Gives sentences on what is not written as it was.

    Args:
        file: to write to.
        image: what to write.
        quality: 1 to 100; None for 95.

    Raises:
        OutputError: if pillow-heif is not installed, or the picture is too large.
    """
    library = optional(LIBRARY)
    if library is None:
        raise OutputError(f"HEIC is written by the library {LIBRARY}: {INSTALL['heif']}")
    height, width, colours = image.pixels.shape
    if max(height, width) > MAX_SIDE:
        raise OutputError(f"HEIC holds at most {MAX_SIDE} pixels a side, the picture has {width}x{height}; choose PNG or TIFF")
    mode = ("L" if colours == 1 else "RGB") + ("" if image.alpha is None else "A") + (";16" if image.bit_depth == 16 else "")
    subsampling = image.source.subsampling if image.source.format == "HEIC" else 2  # which all devices decode
    options: dict[str, Any] = {"exif": image.metadata.exif, "xmp": image.metadata.xmp, "icc_profile": image.metadata.icc}
    if cicp := image.metadata.cicp:
        options |= {"color_primaries": cicp[0], "transfer_characteristics": cicp[1], "matrix_coefficients": 9 if cicp[0] == 9 else 1}
    written = io.BytesIO()
    library.encode(
        mode,
        (width, height),
        np.ascontiguousarray(image.interleaved(0, height)).tobytes(),
        written,
        quality=DEFAULT_QUALITY if quality is None else quality,
        chroma={0: 444, 1: 422, 2: 420}[subsampling],
        **{name: value for name, value in options.items() if value},
    )
    file.write(written.getbuffer())
    file.write(b"".join(part.data for part in image.metadata.attached))
    try:
        (image.metadata.xmp or b"").decode()
    except UnicodeDecodeError:
        return ["its XMP, which was not valid UTF-8, was written as UTF-8"]  # by pillow-heif, which takes it for Latin-1
    return []


def can_write_heic() -> bool:
    """Whether pillow-heif is installed, with an encoder."""
    library = optional(LIBRARY)
    return library is not None and bool(library.libheif_info()["HEIF"])


def read_avif(path: Path) -> Image:
    """Read an AVIF file; more than 8 bit are spread over 16.

    Raises:
        UnreadableError: if it is damaged or broken off.
        UnsupportedError: if it is too large or animated.
    """
    data = path.read_bytes()
    with decoding(path):
        picture = _opened_avif(data, path)
        if getattr(picture, "is_animated", False):
            raise animation(path)
        notes = notes_on_items(data)
        info: dict[str, Any] = {"nclx_profile": _nclx_of(data)}
        info.update((str(name), value) for name, value in picture.info.items())
        metadata = _metadata(info, data, notes)
        orientation = exif_orientation(metadata.exif) or 1  # Pillow states there what the file states by transformations
        depth = _depth_of(data)
        canvas = _deep_avif(data, path, picture.size, depth, orientation) if depth > 8 else decode(picture, path, orientation=orientation)
    return Image(canvas.pixels, canvas.alpha, metadata, Coding("AVIF", lossless=False), tuple(notes))


def _opened_avif(data: bytes, path: Path) -> AvifImagePlugin.AvifImageFile:
    try:
        picture = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        if NOT_KNOWN in str(error):
            raise UnsupportedError(f"`{path}` is AVIF of a layout that is not known here; convert it to a PNG first") from error
        raise
    return picture


def is_avif_sequence(head: bytes) -> bool:
    """Whether the first bytes are those of a file of AVIF whose main brand is that of image sequences."""
    return head[4:12] == b"ftypavis"


def avif_metadata(data: bytes, picture: AvifImagePlugin.AvifImageFile) -> tuple[Metadata, tuple[str, ...]]:
    """What an AVIF sequence says besides its frames, which Pillow gives upright or not as EXIF then says; and what of it is not kept."""
    notes: list[str] = []
    content = b"".join(box_of(kind, inside) for kind, inside, _ in boxes_of(data) if kind != b"moov")
    info: dict[str, Any] = {"nclx_profile": _nclx_of(data)}
    info.update((str(name), value) for name, value in picture.info.items())
    metadata = _metadata(info, content, notes)
    if (depth := _depth_of(data)) > 8:
        notes.append(f"its {depth} bit were read with 8")
    return metadata, tuple(notes)


def is_deep_avif(path: Path) -> bool:
    """Whether an AVIF file has more than 8 bit, or colours that are not those of sRGB, which Pillow cannot write as AVIF."""
    data = head_with(path, lambda head: bool(_properties(head)))
    return _depth_of(data) > 8 or bool(_cicp_chunks({"nclx_profile": _nclx_of(data)}))


def write_avif(file: BinaryIO, image: Image, *, quality: int | None) -> None:
    """Write an AVIF file of 8 bit, without chroma subsampling; `quality` None is 95."""
    written = io.BytesIO()
    exif = image.metadata.exif or b""
    hidden = _without_orientation(exif)
    encodable(image, with_alpha=True).save(
        written,
        format="AVIF",
        quality=DEFAULT_QUALITY if quality is None else quality,
        subsampling="4:4:4",
        exif=hidden,
        icc_profile=image.metadata.icc or b"",
        xmp=image.metadata.xmp or b"",
    )
    file.write(written.getvalue().replace(hidden, exif) if exif else written.getbuffer())


def _without_orientation(exif: bytes) -> bytes:
    """Hide the tag of the orientation under another number: Pillow lays EXIF that has one out anew, which moves maker notes from their place."""
    found = read_exif(exif) if exif else None
    if found is None or ORIENTATION not in found[1]:
        return exif
    order, ifd = found
    changed = bytearray(exif)
    struct.pack_into(order + "H", changed, ifd[ORIENTATION].place - 8, PRIVATE)  # before its type and count
    return bytes(changed)


def _metadata(info: dict[str, Any], data: bytes, notes: list[str]) -> Metadata:
    exif, xmp = info.get("exif") or None, info.get("xmp") or None
    if exif and exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    attached = []
    for kind, content, place in boxes_of(data):
        if kind == MOTION_BOX:
            head = 16 if data[place : place + 4] == _LARGE else 8  # as it is, since XMP says how long that is
            attached.append(Attached("motion-photo video", data[place : place + head + len(content)]))
        elif kind in (b"jumb", b"uuid") and b"c2pa" in content[:64]:
            notes.append("its proof of origin (JUMBF, C2PA) was not kept, since the pixels change")
        elif kind == b"moov":
            notes.append("the sequence of pictures in it (a burst, or an animation) was not kept")
        elif kind not in (b"ftyp", b"meta", b"mdat", b"free", b"skip", b"idat"):
            notes.append(f"a box `{kind.decode('latin-1')}` behind the picture was not kept")
    if any("auxiliary" in note or "gain map" in note for note in notes) and xmp and not attached:
        xmp = without_claims(xmp)
    icc = info.get("icc_profile") or None
    return Metadata(exif=exif, icc=icc, xmp=xmp, png_chunks=() if icc else _cicp_chunks(info), attached=tuple(attached))


def _notes_of(info: dict[str, Any], *, pictures: int) -> list[str]:
    notes = []
    if pictures > 1:
        notes.append("the further pictures in it were not kept")
    if info.get("depth_images"):
        notes.append("its depth map was not kept")
    if info.get("aux"):
        notes.append("its auxiliary pictures (such as an HDR gain map) were not kept")
    if info.get("metadata"):
        notes.append(f"further metadata in it ({', '.join(str(each.get('type', '')) for each in info['metadata'])}) was not kept")
    return notes


def _cicp_chunks(info: dict[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    """State colours that are not those of sRGB as PNG does, for RGB of full range."""
    nclx = info.get("nclx_profile") or {}
    primaries, transfer = nclx.get("color_primaries", 2), nclx.get("transfer_characteristics", 2)
    if (primaries, transfer) in ORDINARY_COLOUR:
        return ()
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def _split(samples: NDArray[Any], *, premultiplied: bool) -> tuple[Pixels, Pixels | None]:
    if samples.shape[2] in (1, 3):
        return np.ascontiguousarray(samples), None
    pixels, alpha = np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])
    if premultiplied:
        top = np.iinfo(pixels.dtype).max
        scale = top / np.maximum(alpha.astype(np.float32), 1)
        pixels = np.minimum(np.rint(pixels * scale[..., None]), top).astype(pixels.dtype)
    return pixels, alpha


def _properties(data: bytes) -> bytes:
    return first_of(data, b"meta", b"iprp", b"ipco") or b""


def _depth_of(data: bytes) -> int:
    """Bits of a sample by the first AV1 configuration (AV1 in ISOBMFF, 2.3.3); 8 if none is there."""
    content = first_of(_properties(data), b"av1C") or b""
    if len(content) < 4 or not content[2] & 0x40:
        return 8
    return 12 if content[2] & 0x20 else 10


def _nclx_of(data: bytes) -> dict[str, int]:
    for kind, content, _ in boxes_of(_properties(data)):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 10:
            return {"color_primaries": int.from_bytes(content[4:6]), "transfer_characteristics": int.from_bytes(content[6:8])}
    return {}


def _deep_avif(data: bytes, path: Path, size: tuple[int, int], depth: int, orientation: int) -> Canvas:
    check_size(path, width=size[0], height=size[1])
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    colours_first = [2, 1, 0, 3]
    if decoded is None:  # OpenCV knows some matrices only
        library = needed("imagecodecs", path, f"AVIF of {depth} bit that OpenCV does not decode", extra="codecs")
        decoded, colours_first = library.avif_decode(data), [0, 1, 2, 3]
    if decoded is None or decoded.dtype != np.uint16 or decoded.shape[:2] != size[::-1]:
        raise UnreadableError(f"`{path}` is damaged or broken off; copy it again from where it came")
    samples: NDArray[np.uint16] = np.asarray(decoded, np.uint16).reshape(*decoded.shape[:2], -1)
    scaled = at_full_range(samples, depth)
    order = [0] if scaled.shape[2] == 1 else colours_first[: scaled.shape[2]]
    colours = 1 if len(order) == 1 else 3
    canvas = Canvas(*size, channels=colours, has_alpha=len(order) > colours, dtype=np.uint16, orientation=orientation)
    for plane, channel in enumerate(order):
        canvas.put_plane(0, 0, scaled[..., channel], plane=plane)
    return canvas
