"""`python -m unblur.training RECIPE --photos DIR --out RUN`: train from a recipe, or go on where a run was stopped."""

import argparse
from pathlib import Path

import yaml

from unblur.training.loop import train
from unblur.training.recipe import read_recipe


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m unblur.training", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of sharp pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an existing run goes on")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe")
    arguments = parser.parse_args()
    changes = {key: yaml.safe_load(value) for key, _, value in (change.partition("=") for change in arguments.set)}
    recipe = read_recipe(arguments.recipe, changes=changes)
    photos = sorted(
        path for folder in arguments.photos for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}
    )
    for record in train(recipe, photos=photos, out=arguments.out):
        line = f"step {record['step']:.0f} loss {record['loss']:.4f} gain {record['gain']:+.2f} dB {record['crops_s']:.0f} crops/s"
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
