"""Whether `--skip-sharp` can tell sharp pictures from blurred ones.

    python -m benchmarks.blurred PAIRS

PAIRS holds `blurry/` and `sharp/`. Prints how the measured mean length of smears is spread over both, and how many pictures of each
lie below the limit, so that they would be left alone.
"""

import argparse
from pathlib import Path

import numpy as np

import unblur
from unblur.io.image import is_image, read_rgb
from unblur.restore.blurred import SHARP_BELOW


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    folder = parser.parse_args().pairs
    meter = unblur.load("swift", skip_sharp=True).meter
    assert meter is not None
    print(f"mean length of smears, pixels; the limit is {SHARP_BELOW}")
    for name in ("sharp", "blurry"):
        paths = [path for path in sorted((folder / name).iterdir()) if is_image(path)]
        lengths = np.array([meter.length(read_rgb(path)) for path in paths])
        shares = ", ".join(f"{share:.0%} {np.quantile(lengths, share):.2f}" for share in (0, 0.1, 0.5, 0.9, 1))
        print(f"{name:8} {shares}; below the limit {(lengths < SHARP_BELOW).sum()} of {len(lengths)}")


if __name__ == "__main__":
    main()
