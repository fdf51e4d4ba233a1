"""The slider between two pictures of one size, as HTML, and pictures as browsers show them."""

import base64
import io
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import unblur
from unblur.errors import InputError
from unblur.io.image import Image, read_image
from unblur.io.kind import kind_of
from unblur.pixels import as_8_bit, to_rgb

__all__ = ["comparison", "data_url", "jpeg_bytes", "page_of", "part_of_page", "read_pair"]

SUBSAMPLING_NONE = 0
"""Pillow's code of JPEG 4:4:4, in which colours have the resolution of light."""


def part_of_page(name: str) -> str:
    """The text of a file that lies beside this module."""
    return (files("unblur.app.web") / name).read_text(encoding="utf-8")


def read_pair(before: Path, after: Path) -> tuple[Image, Image]:
    """Read two photos of one size, upright.

    Raises:
        InputError: if one is no photo or cannot be read, or the sizes differ.
    """
    for path in (before, after):
        if kind_of(path) != "photo":
            raise InputError(f"`{path}` is no photo; a page compares two photos of one size")
    first, second = read_image(before), read_image(after)
    sizes = [f"{image.pixels.shape[1]}x{image.pixels.shape[0]}" for image in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"`{before}` has {sizes[0]} pixels and `{after}` {sizes[1]}, upright; a page compares two photos of one size: "
            "give the photo and its restoration, neither cropped nor scaled"
        )
    return first, second


def jpeg_bytes(pixels: NDArray[Any], *, icc: bytes | None = None, quality: int = 92, longest_side: int | None = None) -> bytes:
    """A picture as a JPEG for a browser, with its colour profile and nothing else.

    Args:
        pixels: (H, W, 1 or 3), 8 or 16 bit; 16 bit are rounded.
        icc: colour profile; one of grey pictures is left out, since what is written is RGB.
        quality: 1 to 100.
        longest_side: pixels, to which a larger picture is averaged down; None for its own size.
    """
    shown = np.ascontiguousarray(to_rgb(as_8_bit(pixels)))
    if longest_side is not None and max(shown.shape[:2]) > longest_side:
        factor = longest_side / max(shown.shape[:2])
        size = [max(1, round(side * factor)) for side in shown.shape[1::-1]]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        icc = None
    file = io.BytesIO()
    PillowImage.fromarray(shown).save(file, "JPEG", quality=quality, subsampling=SUBSAMPLING_NONE, icc_profile=icc)
    return file.getvalue()


def data_url(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def comparison(*, before: str, after: str, width: int, height: int, labels: tuple[str, str]) -> str:
    """The slider as a piece of HTML, which `compare.js` brings to life.

    Args:
        before: address of the picture on the left.
        after: address of the picture on the right.
        width: of both, pixels.
        height: of both, pixels.
        labels: what the left and the right one are, plain text.
    """
    left, right = map(escape, labels)
    return f"""\
<figure class="unblur-compare" data-width="{width}" data-height="{height}">
<div class="names"><span>{left}</span><span>{right}</span></div>
<div class="stage" style="aspect-ratio: {width} / {height}; max-height: min(70vh, 46rem, {max(height, 240) + 2}px)" tabindex="0" role="group" aria-label="{left} on the left, {right} on the right; arrow keys scroll, plus and minus zoom, 1 shows full size, 0 all">
<div class="area"><img class="before" src="{escape(before)}" alt="{left}"><img class="after" src="{escape(after)}" alt="{right}"><div class="handle" aria-hidden="true"></div></div>
</div>
<div class="controls">
<label>Divider <input class="divider" type="range" min="0" max="100" step="any" value="50" aria-label="Divider between {left} and {right}"></label>
<span class="zoom"><button type="button" class="farther" aria-label="Zoom out">−</button>
<output aria-label="Zoom">100 %</output>
<button type="button" class="closer" aria-label="Zoom in">+</button>
<button type="button" class="full" title="One pixel of the picture is one of the screen">1:1</button>
<button type="button" class="fit" title="All of the picture">Fit</button></span>
</div>
</figure>"""


def page_of(before: Image, after: Image, *, labels: tuple[str, str], title: str, quality: int = 92) -> str:
    """A self-contained HTML page with the slider; nothing in it loads anything, and a Content-Security-Policy sees to that.

    Args:
        before: the picture on the left; its metadata does not go along, but for the colour profile.
        after: the picture on the right, of the same size.
        labels: what they are, plain text.
        title: of the page, plain text.
        quality: of the JPEGs in it, 1 to 100.
    """
    height, width = before.pixels.shape[:2]
    urls = [data_url(jpeg_bytes(image.pixels, icc=image.metadata.icc, quality=quality)) for image in (before, after)]
    figure = comparison(before=urls[0], after=urls[1], width=width, height=height, labels=labels)
    return Template(part_of_page("page.html")).substitute(
        version=escape(unblur.__version__),
        title=escape(title),
        css=part_of_page("compare.css"),
        js=part_of_page("compare.js"),
        figure=figure,
        noscript="The slider needs JavaScript; without it the right picture covers the left one.",
    )
