"""Which format of pictures holds what of the metadata, and what to say of the rest, so that nothing is lost in silence."""

from dataclasses import fields, replace

from unblur.io.heif import MOTION_BOX
from unblur.io.jpeg_parts import without_claims
from unblur.io.picture import Metadata

__all__ = ["HOLDS", "held"]

HOLDS = {
    "JPEG": frozenset(("exif", "icc", "xmp", "photoshop", "comments", "dpi", "segments", "attached")),
    "PNG": frozenset(("exif", "icc", "xmp", "photoshop", "comments", "dpi", "png_chunks")),
    "WebP": frozenset(("exif", "icc", "xmp")),
    "TIFF": frozenset(("exif", "icc", "xmp", "photoshop", "dpi")),
    "BMP": frozenset(("icc", "dpi")),
    "GIF": frozenset(("icc", "xmp", "comments")),
    "HEIC": frozenset(("exif", "icc", "xmp", "attached", "png_chunks")),
    "AVIF": frozenset(("exif", "icc", "xmp")),
    "PNM": frozenset(("comments",)),
    "OpenEXR": frozenset(("exr",)),
    "DPX": frozenset(("dpx",)),
    "Radiance HDR": frozenset(("radiance",)),
    "TGA": frozenset(("comments",)),
}
"""Attributes of `Metadata` that each format holds; HEIC holds the colour chunk `cICP` alone, and the video of a motion photo that was HEIC."""

NAMES = {
    "exif": "its EXIF",
    "icc": "its colour profile",
    "xmp": "its XMP",
    "photoshop": "its Photoshop blocks (IPTC)",
    "comments": "its comments",
    "dpi": "its resolution",
    "dpx": "its DPX header",
    "radiance": "its Radiance header",
    "exr": "its attributes and further channels of OpenEXR, such as opacity",
}


def held(metadata: Metadata, kind: str) -> tuple[Metadata, list[str]]:
    """Leave out what a format does not hold.

    What XMP says of a gain map or a video in the file is left out with them.

    Args:
        metadata: of the picture.
        kind: one of `HOLDS`.

    Returns:
        what is left, and a sentence on each attribute that is not.
    """
    foreign = _foreign(metadata, kind)
    lost = [each.name for each in fields(metadata) if each.name not in HOLDS[kind] and getattr(metadata, each.name)]
    left = replace(metadata, **{name: getattr(Metadata(), name) for name in lost})
    gone = replace(foreign, **{name: getattr(metadata, name) for name in lost})
    notes = [f"{kind} does not hold {_name_of(each.name, gone)}, which was not kept" for each in fields(gone) if getattr(gone, each.name)]
    left = replace(
        left,
        attached=tuple(part for part in left.attached if part not in foreign.attached),
        png_chunks=tuple(chunk for chunk in left.png_chunks if chunk not in foreign.png_chunks),
    )
    if gone.attached and left.xmp:
        left = replace(left, xmp=without_claims(left.xmp))
    return left, notes


def _foreign(metadata: Metadata, kind: str) -> Metadata:
    """What of the attributes that HEIC and JPEG hold is of a shape that they do not: chunks but `cICP`, and what stands behind the other of them."""
    if kind not in ("HEIC", "JPEG"):
        return Metadata()
    attached = tuple(part for part in metadata.attached if (part.data[4:8] == MOTION_BOX) != (kind == "HEIC"))
    chunks = tuple(chunk for chunk in metadata.png_chunks if chunk[0] != b"cICP") if kind == "HEIC" else ()
    return Metadata(attached=attached, png_chunks=chunks)


def _name_of(attribute: str, metadata: Metadata) -> str:
    if attribute == "png_chunks":
        return f"chunks of PNG ({', '.join(sorted({kind.decode('latin-1') for kind, _ in metadata.png_chunks}))})"
    if attribute == "segments":
        return f"application segments of JPEG ({', '.join(sorted({f'APP{marker - 0xE0}' for marker, _ in metadata.segments}))})"
    if attribute == "attached":
        return f"what stands behind the picture ({', '.join(sorted({part.kind for part in metadata.attached}))})"
    return NAMES[attribute]
