"""Crops of a data set for training: large pictures are decoded once, and not again for each crop that a training takes."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unblur.data.layouts import Sample
from unblur.errors import InputError
from unblur.io.image import Image, read_image, write_image
from unblur.io.whole import make_folder, written_whole

__all__ = ["Prepared", "keep_manifest", "places", "prepare"]

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Prepared:
    """What came out: crops that were written, those that were there already, and pictures that are smaller than a crop."""

    written: int
    there: int
    too_small: int


def places(length: int, *, size: int, step: int) -> list[int]:
    """Where crops begin along a side: every `step` pixels, and one that ends with it.

    Example:
        >>> places(700, size=256, step=200)
        [0, 200, 400, 444]
    """
    regular = list(range(0, length - size + 1, step))
    return regular if not regular or regular[-1] == length - size else [*regular, length - size]


def prepare(
    samples: Sequence[Sample],
    out: Path,
    *,
    size: int,
    step: int,
    source: str,
    version: str,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Cut pairs into crops, in the layout of GoPro: `OUT/train/SEQUENCE-TOP-LEFT/{blur,sharp}/NAME.png`.

    Each place of each sequence is a sequence of its own, so that clips stay clips. What is there is left as it is: a run that was stopped goes on
    where it was.

    Args:
        samples: pairs, see `unblur.data.layouts`; of several truths the one in the middle is taken.
        out: folder, made if it is not there.
        size: side of a crop, pixels.
        step: from one crop to the next, pixels.
        source: what the samples are, for the manifest.
        version: of the program, for the manifest.
        progress: called after each pair with how many are done, and how many there are.

    Raises:
        InputError: if `size` or `step` is not positive, `out` holds crops of something else, a pair differs in size or cannot be read, or no
            picture is as large as a crop.
        OutputError: if `out` cannot be written to.
    """
    if size < 1 or step < 1:
        raise InputError(f"crops need a size and a step of at least one pixel, got {size} and {step}")
    make_folder(out)
    facts: dict[str, object] = {"made_by": f"unblur {version} data prepare", "source": source, "size": size, "step": step}
    keep_manifest(out, facts, what="crops")
    written = there = too_small = 0
    for number, sample in enumerate(samples, start=1):
        wanted = {"blur": sample.reference, "sharp": sample.sharp[len(sample.sharp) // 2]}
        pictures = {kind: read_image(path) for kind, path in wanted.items()}
        height, width = pictures["blur"].pixels.shape[:2]
        if pictures["sharp"].pixels.shape[:2] != (height, width):
            raise InputError(f"`{sample.reference}` and its truth differ in size; see `unblur data check`")
        too_small += min(height, width) < size
        for top in places(height, size=size, step=step):
            for left in places(width, size=size, step=step):
                folder = out / "train" / f"{sample.sequence}-{top:05d}-{left:05d}"
                done = [_write(pictures[kind], folder / kind / f"{sample.reference.stem}.png", top, left, size) for kind in pictures]
                written, there = written + any(done), there + (not any(done))
        if progress is not None:
            progress(number, len(samples))
    if not written + there:
        raise InputError(f"all {too_small} pictures are smaller than {size}x{size}; choose smaller crops")
    return Prepared(written, there, too_small)


def _write(picture: Image, target: Path, top: int, left: int, size: int) -> bool:
    if target.exists():
        return False
    write_image(target, Image(picture.pixels[top : top + size, left : left + size].copy()))
    return True


def keep_manifest(out: Path, facts: dict[str, object], *, what: str) -> None:
    """Write what the pictures in a folder are made of, or see that those in it are of the same.

    Args:
        out: the folder.
        facts: what is written, all of which but `made_by` must be the same.
        what: what the pictures are called, for the message.

    Raises:
        InputError: if the folder holds something else.
    """
    path = out / _MANIFEST
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if not isinstance(before, dict) or any(before.get(key) != fact for key, fact in facts.items() if key != "made_by"):
            raise InputError(f"`{out}` holds {what} of something else, or made otherwise; name another folder")
        return
    if _holds_others(out.iterdir()):
        raise InputError(f"`{out}` holds other things than {what}; name another folder")
    with written_whole(path) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _holds_others(found: Iterable[Path]) -> bool:
    return any(not path.name.startswith(".") for path in found)
