"""Which format of pictures holds what of the metadata, and what to say of the rest, so that nothing is lost in silence."""

from dataclasses import fields, replace

from unblur.io.jpeg_parts import without_claims
from unblur.io.picture import Metadata

__all__ = ["HOLDS", "held"]

HOLDS = {
    "JPEG": frozenset(("exif", "icc", "xmp", "photoshop", "comments", "dpi", "segments", "attached")),
    "PNG": frozenset(("exif", "icc", "xmp", "photoshop", "comments", "dpi", "png_chunks")),
    "WebP": frozenset(("exif", "icc", "xmp")),
    "TIFF": frozenset(("exif", "icc", "xmp", "photoshop", "dpi")),
    "BMP": frozenset(("icc", "dpi")),
}
"""Attributes of `Metadata` that each format holds."""

NAMES = {
    "exif": "its EXIF",
    "icc": "its colour profile",
    "xmp": "its XMP",
    "photoshop": "its Photoshop blocks (IPTC)",
    "comments": "its comments",
    "dpi": "its resolution",
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
    lost = [each.name for each in fields(metadata) if each.name not in HOLDS[kind] and getattr(metadata, each.name)]
    if not lost:
        return metadata, []
    notes = [f"{kind} does not hold {_name_of(name, metadata)}, which was not kept" for name in lost]
    left = replace(metadata, **{name: getattr(Metadata(), name) for name in lost})
    if "attached" in lost and left.xmp:
        left = replace(left, xmp=without_claims(left.xmp))
    return left, notes


def _name_of(attribute: str, metadata: Metadata) -> str:
    if attribute == "png_chunks":
        return f"chunks of PNG ({', '.join(sorted({kind.decode('latin-1') for kind, _ in metadata.png_chunks}))})"
    if attribute == "segments":
        return f"application segments of JPEG ({', '.join(sorted({f'APP{marker - 0xE0}' for marker, _ in metadata.segments}))})"
    if attribute == "attached":
        return f"what stands behind the end of a JPEG ({', '.join(sorted({part.kind for part in metadata.attached}))})"
    return NAMES[attribute]
