"""Signs with random text, in the font that ships with Pillow."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unblur.bench.tasks.panel import OVERSAMPLING, SIZE, Panel
from unblur.errors import InputError

__all__ = ["ALPHABET", "WORDS", "draw_sign"]

ALPHABET = "ABCDEFGHJKLMNPRTUVWXYZ2346789"
"""Characters of random strings: without those that one font draws nearly alike, such as 0 and O, 1 and I, 5 and S."""

WORDS = (
    "Airport", "Bakery", "Bridge", "Central", "Danger", "Depot", "Entrance", "Ferry", "Garden", "Gate", "Harbour", "Hotel", "Kiosk", "Library",
    "Market", "Museum", "North", "Office", "Parking", "Pharmacy", "Platform", "Police", "Private", "Quay", "River", "School", "South",
    "Station", "Street", "Terminal", "Theatre", "Ticket", "Tower", "Village", "Warning", "Zone",
)  # fmt: skip
"""Words of signs. A reader may guess a word from some of its letters; in random strings it cannot."""

_CAPITALS = (8.0, 22.0)  # pixels
_CONTRAST = (0.25, 0.9)
_LONGEST = 0.85  # share of the picture's side that the panel takes at most
_CAPITAL_SHARE = 0.72  # of the font's size


def draw_sign(generator: np.random.Generator, *, size: int = SIZE) -> Panel:
    """Draw a sign of one to three lines: words, random strings as on number plates, and numbers.

    Capitals are 8 to 22 pixels high (log-uniform; less where the longest line would not fit), the contrast of file values is 0.25 to 0.9,
    dark on light or light on dark.

    Args:
        generator: source of all randomness.
        size: side of the picture into which it must fit, pixels.

    Raises:
        InputError: if Pillow was built without FreeType, so that it has no scalable font.
    """
    lines = [_line(generator) for _ in range(int(generator.integers(1, 3, endpoint=True)))]
    capitals = float(np.exp(generator.uniform(*np.log(_CAPITALS))))
    ground, ink = _colours(generator)
    font = _font(capitals * OVERSAMPLING / _CAPITAL_SHARE)
    room = _LONGEST * size * OVERSAMPLING
    needed = max(max(font.getlength(line) for line in lines) + 1.6 * font.size, (1.5 * len(lines) + 0.9) * font.size)
    if needed > room:
        capitals *= room / needed
        font = _font(capitals * OVERSAMPLING / _CAPITAL_SHARE)
    pad, pitch = round(0.7 * font.size), round(1.5 * font.size)
    width = round(max(font.getlength(line) for line in lines)) + 2 * pad
    sign = Image.new("RGB", (width, pitch * len(lines) + pad), ground)
    pen = ImageDraw.Draw(sign)
    pen.rectangle((0, 0, sign.width - 1, sign.height - 1), outline=ink, width=max(1, round(0.08 * font.size)))
    for number, line in enumerate(lines):
        pen.text((sign.width / 2, pad / 2 + pitch * (number + 0.5)), line, font=font, fill=ink, anchor="mm")
    return Panel(np.asarray(sign, np.uint8), "\n".join(lines), capitals)


def _line(generator: np.random.Generator) -> str:
    kind = int(generator.integers(3))
    if kind == 0:
        word = WORDS[int(generator.integers(len(WORDS)))]
        return word.upper() if generator.random() < 0.5 else word
    if kind == 1:
        letters = "".join(ALPHABET[place] for place in generator.integers(len(ALPHABET), size=7))
        return f"{letters[:3]} {letters[3:]}"
    word = WORDS[int(generator.integers(len(WORDS)))]
    return f"{word} {int(generator.integers(22, 990))}"


def _colours(generator: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Colours of ground and ink."""
    contrast = generator.uniform(*_CONTRAST)
    dark = generator.uniform(0.02, 0.98 - contrast)
    hue, saturation = generator.uniform(0, 1), generator.uniform(0, 0.6)
    dark_colour, light_colour = (_colour(hue, saturation, level) for level in (dark, dark + contrast))
    return (light_colour, dark_colour) if generator.random() < 0.6 else (dark_colour, light_colour)


def _colour(hue: float, saturation: float, luma: float) -> tuple[int, int, int]:
    """The colour of a hue whose luma (BT.709, of file values) is given; its saturation is lowered where it would not fit into [0, 1]."""
    colour = np.array(colorsys.hsv_to_rgb(hue, saturation, 1.0))
    tint = colour - colour @ np.array([0.2126, 0.7152, 0.0722])
    with np.errstate(divide="ignore"):
        fits = np.where(tint > 0, (1 - luma) / tint, np.where(tint < 0, -luma / tint, np.inf))
    red, green, blue = np.round(255 * (luma + min(1.0, float(fits.min())) * tint)).astype(int).tolist()
    return red, green, blue


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise InputError("this Pillow was built without FreeType and cannot draw text; install Pillow from PyPI")
    return font
