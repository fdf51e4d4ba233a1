"""Whether sharp pictures, those that are blurred by motion and those that are out of focus are distinguished before they are restored.

    python -m benchmarks.blurred PAIRS

PAIRS holds `blurry/` and `sharp/`. The sharp ones are put out of focus here as well: averaged over discs, with noise of a standard deviation of 1.5 levels. Prints the quantiles of the measured mean length of
the motion blur, pixels, and of the share of it that is directed, over each kind; how many pictures lie below the limit for sharp ones, so that `--skip-sharp` leaves them alone; and how many of the others are taken to
be out of focus (`unblur.restore.blurred`).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import unblur
from unblur.io.image import is_image, read_rgb
from unblur.pixels import as_8_bit
from unblur.restore.blurred import DIRECTED_FROM, SHARP_BELOW
from unblur.synth.stills import disc

RADII = 1.5, 2.5, 4.0, 6.0
"""Of the discs, pixels."""
_NOISE = 1.5


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    folder = parser.parse_args().pairs
    meter = unblur.load("swift", skip_sharp=True).meter
    assert meter is not None
    print(f"sharp below {SHARP_BELOW} pixels, else out of focus below {DIRECTED_FROM} directed; quantiles of 0, 10, 50, 90 and 100 %")
    for kind, pictures in _kinds(folder):
        found = [meter.measure(picture) for picture in pictures]
        lengths, directed = (np.array([getattr(each, name) for each in found]) for name in ("length", "directed"))
        sharp = lengths < SHARP_BELOW
        unfocused = ~sharp & (directed < DIRECTED_FROM)
        quantiles = " ".join(f"{value:5.2f}" for value in np.quantile(lengths, (0, 0.1, 0.5, 0.9, 1)))
        shares = " ".join(f"{value:4.2f}" for value in np.quantile(directed, (0, 0.1, 0.5, 0.9, 1)))
        print(f"{kind:16} {quantiles}   {shares}   of {len(found)}: {sharp.sum()} sharp, {unfocused.sum()} out of focus", flush=True)


def _kinds(folder: Path) -> Iterator[tuple[str, Iterator[NDArray[np.uint8]]]]:
    for name in ("sharp", "blurry"):
        yield name, _read(folder / name)
    for radius in RADII:
        yield f"disc of {radius:g}", (_out_of_focus(picture, radius=radius) for picture in _read(folder / "sharp"))


def _read(folder: Path) -> Iterator[NDArray[np.uint8]]:
    return (as_8_bit(read_rgb(path)) for path in sorted(folder.iterdir()) if is_image(path))


def _out_of_focus(picture: NDArray[np.uint8], *, radius: float) -> NDArray[np.uint8]:
    blurred = cv2.filter2D(picture.astype(np.float32), -1, disc(radius))
    noise = np.random.default_rng(0).normal(0, _NOISE, picture.shape)
    return np.clip(blurred + noise, 0, 255).round().astype(np.uint8)


if __name__ == "__main__":
    main()
